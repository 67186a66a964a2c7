"""Tenants from a file: one row a tenant, one a tenant and hour, or a measured trace.

    tenant, cpu_cores, memory_mib              a constant load
    tenant, hour, cpu_cores, memory_mib        a profile: hours 0-23 of a day or 0-167 of a week
    resource_id, timestamp, cpu_cores, mem_bytes   a trace: the largest use of each hour of a week

Optional: ``group`` (anti-affinity) and ``isolated`` (yes or no).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rightsizing.decide.tenancy.tenants import NO_GROUP, FloatArray, Tenants
from rightsizing.errors import BadTrace
from rightsizing.measure.tablefile import TableFile, read_table
from rightsizing.units import BYTES_PER_MIB

HOURS_OF_DAY, HOURS_OF_WEEK = 24, 168
_MS_PER_HOUR = 3_600_000
_LONGEST_NAME = 256
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0", ""})


def read_tenants(path: Path) -> Tenants:
    """Tenants of a file. Raises BadTrace or ConfigError with row, column and value."""
    table = read_table(path)
    if "resource_id" in table.columns and "tenant" not in table.columns:
        return _of_trace(table)
    rows = table.texts("tenant")
    if not rows:
        raise BadTrace(f"{table.name} holds no tenants; give at least one row")
    for row, name in enumerate(rows, start=1):
        if not name.strip():
            raise BadTrace(f"{table.name} row {row}: the tenant has no name")
        if len(name) > _LONGEST_NAME:
            raise BadTrace(
                f"{table.name} row {row}: the tenant's name has {len(name):,} characters, at most "
                f"{_LONGEST_NAME} are allowed"
            )
    cores, memory = table.numbers("cpu_cores"), table.numbers("memory_mib")
    _refuse_negative(table, rows, cores, "cpu_cores")
    _refuse_negative(table, rows, memory, "memory_mib")
    if "hour" not in table.columns:
        return Tenants(
            tuple(rows),
            np.array(cores)[:, np.newaxis],
            np.array(memory),
            tuple(_optional(table, "group")),
            tuple(_isolated(table)),
        )
    return _of_hours(table, rows, cores, memory)


def _of_hours(
    table: TableFile, rows: Sequence[str], cores: Sequence[float], memory: Sequence[float]
) -> Tenants:
    hours = table.numbers("hour")
    slots = HOURS_OF_DAY if max(hours) < HOURS_OF_DAY else HOURS_OF_WEEK
    names = list(dict.fromkeys(rows))
    number = {name: index for index, name in enumerate(names)}
    profile = np.full((len(names), slots), np.nan)
    peaks = np.zeros(len(names))
    groups, isolated = [NO_GROUP] * len(names), [False] * len(names)
    given = zip(
        rows, hours, cores, memory, _optional(table, "group"), _isolated(table), strict=True
    )
    for row, (name, hour, used, held, group, alone) in enumerate(given, start=1):
        if hour != int(hour) or not 0 <= hour < HOURS_OF_WEEK:
            raise BadTrace(f"{table.name} row {row}: hour {hour:g} must be a whole number in 0-167")
        index = number[name]
        if not np.isnan(profile[index, int(hour)]):
            raise BadTrace(f"{table.name} row {row}: tenant {name!r} has hour {hour:g} twice")
        profile[index, int(hour)] = used
        peaks[index] = max(peaks[index], held)
        groups[index] = group or groups[index]
        isolated[index] |= alone
    _refuse_gaps(table, names, profile)
    return Tenants(tuple(names), profile, peaks, tuple(groups), tuple(isolated))


def _of_trace(table: TableFile) -> Tenants:
    """The largest use of each hour of the week; an hour never measured takes the tenant's peak."""
    rows = table.texts("resource_id")
    if not rows:
        raise BadTrace(f"{table.name} holds no rows; give a trace with measurements")
    cores = np.array(table.numbers("cpu_cores", empty=0.0))
    memory = np.array(table.numbers("mem_bytes", empty=0.0)) / BYTES_PER_MIB
    times = np.array(table.numbers("timestamp"))
    names, numbers = np.unique(np.array(rows), return_inverse=True)
    hours = (times // _MS_PER_HOUR).astype(np.int64) % HOURS_OF_WEEK
    profile = np.full((len(names), HOURS_OF_WEEK), -np.inf)
    np.maximum.at(profile, (numbers, hours), cores)
    peaks = np.zeros(len(names))
    np.maximum.at(peaks, numbers, memory)
    most = profile.max(axis=1, keepdims=True)
    profile = np.where(np.isfinite(profile), profile, most)
    return Tenants(
        tuple(str(name) for name in names),
        profile,
        peaks,
        (NO_GROUP,) * len(names),
        (False,) * len(names),
    )


def _refuse_gaps(table: TableFile, names: Sequence[str], profile: FloatArray) -> None:
    gaps = np.isnan(profile)
    if gaps.any():
        index, hour = (int(item) for item in np.argwhere(gaps)[0])
        raise BadTrace(
            f"{table.name}: tenant {names[index]!r} has no hour {hour}; give each of the "
            f"{profile.shape[1]} hours"
        )


def _refuse_negative(
    table: TableFile, rows: Sequence[str], values: Sequence[float], column: str
) -> None:
    for row, (name, value) in enumerate(zip(rows, values, strict=True), start=1):
        if value < 0:
            raise BadTrace(
                f"{table.name} row {row}: {column} {value:g} of tenant {name!r} is below 0"
            )


def _optional(table: TableFile, column: str) -> list[str]:
    if column not in table.columns:
        return [NO_GROUP] * table.rows
    return [text.strip() for text in table.texts(column)]


def _isolated(table: TableFile) -> list[bool]:
    found = []
    for row, text in enumerate(_optional(table, "isolated"), start=1):
        if text.lower() not in _YES | _NO:
            raise BadTrace(f"{table.name} row {row}: isolated {text[:40]!r} must be yes or no")
        found.append(text.lower() in _YES)
    return found
