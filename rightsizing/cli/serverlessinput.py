"""Components from a file: a log of invocations, or one row a component and memory size.

    component, timestamp, duration_ms, memory_mib          a log; timestamps in ms
    component, invocations, duration_ms, memory_mib        a summary of ``--days`` days

Optional: used_mib, cores, init_ms, cold_ratio, concurrency, longest_ms, ephemeral_mib, trigger
(schedule, queue, request), latency_limit_ms. Several memory sizes of one component tune its memory.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rightsizing.catalog.lambdarates import MIB_PER_VCPU
from rightsizing.decide.serverless.coldstart import IDLE_SECONDS, replay_invocations
from rightsizing.decide.serverless.component import Component, Trigger
from rightsizing.decide.serverless.memorytuning import MemoryPoint
from rightsizing.errors import BadTrace, ConfigError
from rightsizing.measure.tablefile import TableFile, read_table
from rightsizing.units import HOURS_PER_MONTH

_MS_PER_HOUR = 3_600_000
_MOST_DAYS = 3_660
_LEAST_HOURS = 1.0  # a shorter log gives no rate of a month
_UNKNOWN = -1.0
_LONGEST_NAME = 256
_LEAST_DAYS = 1 / 1440  # a minute


def read_components(
    path: Path, days: float | None, idle_s: float = IDLE_SECONDS
) -> list[Component]:
    """Components by name. ``days``: what the rows cover; None: the log's span, or a month.

    Raises BadTrace or ConfigError with row, column and value.
    """
    if days is not None and not _LEAST_DAYS <= days <= _MOST_DAYS:
        raise ConfigError(f"--days {days:g} must be a minute (0.0007) to {_MOST_DAYS:,}")
    table = read_table(path)
    names = table.texts("component")
    for row, name in enumerate(names, start=1):
        if not 1 <= len(name.strip()) <= _LONGEST_NAME:
            raise BadTrace(
                f"{table.name} row {row}: the component's name must have 1 to {_LONGEST_NAME} "
                f"characters, not {len(name):,}"
            )
    durations, memory = table.numbers("duration_ms"), table.numbers("memory_mib")
    for column, values, least in (("duration_ms", durations, 0.0), ("memory_mib", memory, 1.0)):
        for row, value in enumerate(values, start=1):
            if value < least:
                raise BadTrace(
                    f"{table.name} row {row}: {column} {value:g} of {names[row - 1]!r} must be at "
                    f"least {least:g}"
                )
    by_name: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        by_name[name].append(row)
    if not by_name:
        raise BadTrace(f"{table.name} holds no components; give at least one row")
    if "timestamp" in table.columns:
        hours = _log_hours(table, days)
        return [
            _of_log(name, rows, table, durations, memory, hours, idle_s)
            for name, rows in sorted(by_name.items())
        ]
    hours = HOURS_PER_MONTH if days is None else days * 24
    return [
        _of_summary(name, rows, table, durations, memory, hours)
        for name, rows in sorted(by_name.items())
    ]


def _log_hours(table: TableFile, days: float | None) -> float:
    if days is not None:
        return days * 24
    times = table.numbers("timestamp")
    hours = (max(times) - min(times)) / _MS_PER_HOUR
    if hours < _LEAST_HOURS:
        raise BadTrace(
            f"{table.name} covers {hours * 60:.0f} minutes, which gives no rate of a month; say "
            f"with --days what it covers"
        )
    return hours


def _of_log(
    name: str,
    rows: Sequence[int],
    table: TableFile,
    durations: Sequence[float],
    memory: Sequence[float],
    hours: float,
    idle_s: float,
) -> Component:
    times = table.numbers("timestamp")
    replayed = replay_invocations(
        np.array([times[row] / 1000 for row in rows]),
        np.array([durations[row] / 1000 for row in rows]),
        idle_s,
    )
    by_size: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_size[int(memory[row])].append(durations[row])
    points = [
        MemoryPoint(size, float(np.mean(found)), len(found)) for size, found in by_size.items()
    ]
    return _component(
        name, rows, table, points,
        invocations=len(rows) * HOURS_PER_MONTH / hours,
        cold_ratio=replayed.cold_ratio,
        concurrency=replayed.peak_concurrency,
        longest_ms=max(durations[row] for row in rows),
    )  # fmt: skip


def _of_summary(
    name: str,
    rows: Sequence[int],
    table: TableFile,
    durations: Sequence[float],
    memory: Sequence[float],
    hours: float,
) -> Component:
    counts = table.numbers("invocations")
    for row in rows:
        if counts[row] < 0:
            raise BadTrace(
                f"{table.name} row {row + 1}: invocations {counts[row]:g} of {name!r} must be at "
                f"least 0"
            )
    points = [MemoryPoint(int(memory[row]), durations[row], int(counts[row])) for row in rows]
    total = sum(counts[row] for row in rows) * HOURS_PER_MONTH / hours
    longest = max(durations[row] for row in rows)
    mean_busy = total * points[0].mean_ms / (HOURS_PER_MONTH * _MS_PER_HOUR)
    return _component(
        name, rows, table, points,
        invocations=total,
        cold_ratio=_most(table, "cold_ratio", rows, 0.01),
        concurrency=int(_most(table, "concurrency", rows, max(1.0, math.ceil(mean_busy)))),
        longest_ms=_most(table, "longest_ms", rows, longest),
    )  # fmt: skip


def _component(
    name: str,
    rows: Sequence[int],
    table: TableFile,
    points: list[MemoryPoint],
    *,
    invocations: float,
    cold_ratio: float,
    concurrency: int,
    longest_ms: float,
) -> Component:
    points.sort(key=lambda item: (-item.invocations, item.memory_mib))
    size = points[0].memory_mib
    limit = _most(table, "latency_limit_ms", rows, _UNKNOWN)
    word = table.texts("trigger")[rows[0]].strip() if "trigger" in table.columns else ""
    if word and word not in set(Trigger):
        known = ", ".join(item.value for item in Trigger)
        raise BadTrace(f"{table.name} row {rows[0] + 1}: trigger {word[:40]!r} must be of {known}")
    return Component(
        name=name,
        invocations=invocations,
        points=tuple(points),
        used_mib=_most(table, "used_mib", rows, float(size)),
        cores=_most(table, "cores", rows, min(size / MIB_PER_VCPU, 1.0)),
        cold_ratio=cold_ratio,
        init_ms=_most(table, "init_ms", rows, 0.0),
        peak_concurrency=max(concurrency, 1),
        longest_ms=longest_ms,
        ephemeral_mib=int(_most(table, "ephemeral_mib", rows, 512.0)),
        trigger=Trigger(word) if word else Trigger.QUEUE,
        latency_limit_ms=None if limit == _UNKNOWN else limit,
    )


def _most(table: TableFile, column: str, rows: Sequence[int], default: float) -> float:
    """The largest of an optional column's cells that are given."""
    if column not in table.columns:
        return default
    values = table.numbers(column, empty=math.inf)
    given = [values[row] for row in rows if values[row] != math.inf]
    for value in given:
        if value < 0:
            raise BadTrace(f"{table.name}: {column} {value:g} must be at least 0")
    return max(given, default=default)
