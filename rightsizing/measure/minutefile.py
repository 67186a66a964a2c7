"""A service's past from a file: requests, errors, latency and CPU of each minute.

CSV (header line, also .gz) or Parquet. ``timestamp`` and ``requests`` are required, everything else
may be missing; see the guide. A cell that cannot be used is left out, counted, and named by its
line; a file without one usable row is refused.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rightsizing.errors import BadTrace, TelemetryError
from rightsizing.measure.files import PARQUET_MAGIC, leading_bytes
from rightsizing.measure.tally import Tally
from rightsizing.model.servicepast import PastRow, ServicePast, past_of

SOURCE = "file"
ALONE = "all"  # the resource of a file that names none
MINUTE_MS = 60_000
_EMPTY = frozenset({"", "na", "n/a", "null", "none"})
_EARLIEST_S = 1e8  # March 1973: smaller numbers are counters, not times
_MILLISECONDS_FROM = 1e11  # as seconds that is the year 5138
# Other words people use for the same column.
_NAMES: Mapping[str, Sequence[str]] = {
    "timestamp": ("time", "minute", "timestamp_ms", "timestamp_s"),
    "resource": ("resource_id", "instance", "replica", "target", "zone", "arm"),
    "requests": ("request_count",),
    "errors": ("error_count", "failed", "errors_5xx"),
    "slow": ("slow_requests",),
    "latency_p99_ms": ("p99_ms",),
    "latency_mean_ms": ("mean_ms",),
    "cpu_pct": (),
    "capacity_cores": ("cores",),
}
_NUMBERS = ("requests", "errors", "slow", "latency_p99_ms", "latency_mean_ms", "capacity_cores")
_ABOVE_ZERO = frozenset({"latency_p99_ms", "latency_mean_ms", "capacity_cores"})


def read_minutes(path: Path) -> ServicePast:
    """Read a file of per-minute figures.

    Raises BadTrace when it cannot be read, lacks a required column, or holds no usable row.
    """
    left_out = Tally()
    try:
        rows = list(_rows(path, left_out))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        reason = str(error).strip().split("\n", 1)[0].rstrip(".")
        raise BadTrace(f"{path.name} cannot be read ({reason})") from error
    notes = tuple(f"{skip.count} times: {skip.reason}" for skip in left_out.skips())
    repeats = len(rows) - len({(row.resource, row.start_ms) for row in rows})
    if repeats:
        notes += (f"{repeats} rows repeat a minute of the same resource; the later ones count",)
    try:
        return past_of(rows, f"{SOURCE} {path.name}", notes)
    except TelemetryError as error:
        raise BadTrace(f"{error} ({left_out.first()})") from None


def _rows(path: Path, left_out: Tally) -> Iterator[PastRow]:
    start = leading_bytes(path)
    if not start:
        raise BadTrace(f"{path.name} is empty; a header line is the least it needs")
    cells = _parquet(path, left_out) if start == PARQUET_MAGIC else _csv(path, left_out)
    for place, row in cells:
        found = _row(row, place, left_out)
        if found is not None:
            yield found


def _csv(path: Path, left_out: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        names = _columns(path.name, next(reader, []), left_out)
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            place = f"line {reader.line_num}"
            if len(values) != len(names):
                left_out.add("line has another number of values than the header", 1, place)
                continue
            yield place, {name: value for name, value in zip(names, values, strict=True) if name}


def _parquet(path: Path, left_out: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    file = pq.ParquetFile(path, memory_map=False)
    names = _columns(path.name, file.schema_arrow.names, left_out)
    number = 0
    for batch in file.iter_batches():
        for row in batch.rename_columns(
            [name or f"_{at}" for at, name in enumerate(names)]
        ).to_pylist():
            number += 1
            yield f"row {number}", row


def _columns(file: str, header: Sequence[str], left_out: Tally) -> list[str]:
    """Our name of each column; empty: not one of ours."""
    ours = {other: name for name, others in _NAMES.items() for other in (name, *others)}
    names = [ours.get(title.strip().lower(), "") for title in header]
    for name in ("timestamp", "requests"):
        if name not in names:
            raise BadTrace(
                f"{file} has no column {name}; its columns are {', '.join(header) or 'none'}"
            )
    for name in names:
        if name and names.count(name) > 1:
            raise BadTrace(f"{file} has column {name} {names.count(name)} times")
    for title, name in zip(header, names, strict=True):
        if not name:
            left_out.add(f"column {title!r} is none that a back-test reads", 1)
    return names


def _row(row: Mapping[str, Any], place: str, left_out: Tally) -> PastRow | None:
    start_ms = _time(row.get("timestamp"))
    if start_ms is None:
        shown = f"{str(row.get('timestamp'))[:40]!r} in {place}"
        left_out.add(
            "timestamp is neither ISO 8601 nor seconds or milliseconds since 1970", 1, shown
        )
        return None
    figures = {name: _number(row, name, place, left_out) for name in _NUMBERS}
    cpu_pct = _number(row, "cpu_pct", place, left_out)
    requests = figures["requests"]
    for name in ("errors", "slow"):
        events = figures[name]
        if events is not None and requests is not None and events > requests:
            left_out.add(f"{name} above requests", 1, f"{events:g} of {requests:g} in {place}")
            figures[name] = None
    resource = str(row.get("resource") or ALONE).strip()
    return PastRow(
        resource=resource,
        start_ms=start_ms,
        cpu_share=None if cpu_pct is None else cpu_pct / 100,
        **figures,
    )


def _number(row: Mapping[str, Any], name: str, place: str, left_out: Tally) -> float | None:
    value = row.get(name)
    if value is None or (isinstance(value, str) and value.strip().lower() in _EMPTY):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        left_out.add(f"{name} is no number", 1, f"{str(value)[:40]!r} in {place}")
        return None
    if not math.isfinite(number) or number < 0 or (number == 0 and name in _ABOVE_ZERO):
        left_out.add(f"{name} cannot be", 1, f"{number:g} in {place}")
        return None
    return number


def _time(value: Any) -> int | None:
    """Start of the minute, ms UTC."""
    if isinstance(value, datetime):
        seconds = value.replace(tzinfo=value.tzinfo or UTC).timestamp()
        return int(seconds * 1000) // MINUTE_MS * MINUTE_MS
    try:
        number = float(value)
    except (TypeError, ValueError):
        try:
            return _time(datetime.fromisoformat(str(value).strip()))
        except ValueError:
            return None
    if not math.isfinite(number) or number < _EARLIEST_S:
        return None
    ms = number if number >= _MILLISECONDS_FROM else number * 1000
    return int(ms) // MINUTE_MS * MINUTE_MS
