"""Measuring from a Prometheus server into the store: what is missing, a day at a time.

A row is one interval of one container (or node); it is read at the instant the interval ends, so
every ``rate`` and ``*_over_time`` looks back over exactly it. An instant without a value gives no
cell: Prometheus says nothing for a gap, and neither do we. NaN and infinities are no measurements.
Days that gave rows and can get no more are not asked for again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from rightsizing.errors import ConfigError, TelemetryError, Throttled
from rightsizing.measure.coverage import Coverage
from rightsizing.measure.progress import Progress, ProgressListener, Window, ignore_progress
from rightsizing.measure.prometheusapi import PrometheusApi, RangeSeries
from rightsizing.measure.promql import RangeQuery
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.measure.store import Store
from rightsizing.measure.tally import Tally
from rightsizing.model.measurement import MeasureReport
from rightsizing.model.workload import WORKLOAD_KEY_PATTERN

SOURCE = "prometheus"
SETTLING_MS = 3_600_000  # rules and remote write may still add points to the last hour
_COLUMNS = tuple(item for item in STORE_SCHEMA if item.name != "source")
_Key = tuple[str, str, int]  # workload, resource, start of the interval in ms


@dataclass(slots=True)
class _Outcome:
    workloads: set[str] = field(default_factory=set)
    observed: int = 0
    new: int = 0
    skipped: Tally = field(default_factory=Tally)
    notes: Tally = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)


def measure_prometheus(
    api: PrometheusApi,
    wanted: Sequence[RangeQuery],
    store: Store,
    window: Window,
    *,
    interval_s: int,
    progress: ProgressListener = ignore_progress,
) -> MeasureReport:
    """Read a window into the store.

    Args:
        wanted: from ``promql.queries``, for the same ``interval_s``.

    Returns:
        Rows observed and new, what was left out and why, and a sentence for each query that failed
        on a day; that day is asked for again next time.

    Raises:
        ConfigError: the interval does not divide a day.
        Throttled: the server refuses for load; rows read before are stored.
        TelemetryError: the server does not answer at all.
        StoreError: the store cannot be written.
    """
    if not 60 <= interval_s <= 86_400 or 86_400 % interval_s:
        raise ConfigError(f"an interval of {interval_s} s must divide a day and be 60 s or more")
    outcome = _Outcome()
    coverage = Coverage(store.root / "asked" / f"{SOURCE}-{_digest(api.host, wanted)}.json")
    days = [day for gap in coverage.missing(SOURCE, window) for day in gap.days()]
    settled_ms = window.end_ms - SETTLING_MS
    for done, day in enumerate(days):
        progress(Progress(f"reading {day}", done, len(days)))
        failed_before = len(outcome.failures)
        rows = _read(api, wanted, day, interval_s, outcome)
        if rows:
            appended = store.append(_table(rows, interval_s), SOURCE)
            outcome.observed += appended.observed
            outcome.new += appended.new
        end_ms = min(day.end_ms, settled_ms)
        if rows and end_ms > day.start_ms and len(outcome.failures) == failed_before:
            coverage.add(SOURCE, Window(day.start_ms, end_ms))
            coverage.save()
    progress(Progress("reading Prometheus", len(days), len(days)))
    return MeasureReport(
        source=SOURCE,
        workloads=len(outcome.workloads),
        observed=outcome.observed,
        new=outcome.new,
        skipped=outcome.skipped.skips(),
        failures=tuple(outcome.failures),
        notes=outcome.notes.skips(),
    )


def _read(
    api: PrometheusApi,
    wanted: Sequence[RangeQuery],
    day: Window,
    interval_s: int,
    outcome: _Outcome,
) -> dict[_Key, dict[str, float]]:
    """Cells by row; a row holds at least one measured column."""
    step_ms = interval_s * 1000
    first_ms = -(-day.start_ms // step_ms) * step_ms
    last_ms = (day.end_ms - step_ms) // step_ms * step_ms  # start of the last whole interval
    rows: dict[_Key, dict[str, float]] = {}
    if last_ms < first_ms:
        return rows
    failed = 0
    for query in wanted:
        try:
            answer = api.query_range(
                query.expression,
                first_ms // 1000 + interval_s,
                last_ms // 1000 + interval_s,
                interval_s,
            )
        except Throttled:
            raise
        except TelemetryError as error:
            failed += 1
            if failed == len(wanted):  # nothing can be read at all
                raise
            outcome.failures.append(f"{query.column} on {day}: {error}")
            continue
        for warning in answer.warnings:
            outcome.notes.add(f"Prometheus says: {warning}", 1)
        for series in answer.series:
            for key, value in _cells(series, query, interval_s, outcome):
                rows.setdefault(key, {})[query.column] = value
    bare = [key for key, cells in rows.items() if all(_is_capacity(name) for name in cells)]
    for key in bare:
        del rows[key]
    outcome.workloads |= {key[0] for key in rows}
    return rows


def _cells(
    series: RangeSeries, query: RangeQuery, interval_s: int, outcome: _Outcome
) -> Iterator[tuple[_Key, float]]:
    workload = series.labels.get(query.workload_label, "")
    if not WORKLOAD_KEY_PATTERN.match(workload):
        outcome.skipped.add(
            f"label {query.workload_label} is no workload key", len(series.points), workload[:60]
        )
        return
    resource = series.labels.get(query.resource_label) or workload
    for at_s, value in series.points:
        if not math.isfinite(value) or value < 0:
            outcome.skipped.add(f"{query.column} is no measurement", 1, f"{workload}: {value:g}")
            continue
        yield (workload, resource, round((at_s - interval_s) * 1000)), value


def _table(rows: dict[_Key, dict[str, float]], interval_s: int) -> pa.Table:
    keys = sorted(rows)
    columns: dict[str, list[object]] = {
        "workload": [key[0] for key in keys],
        "resource_id": [key[1] for key in keys],
        "timestamp_ms": [key[2] for key in keys],
        "interval_s": [interval_s] * len(keys),
    }
    arrays = [
        pa.array(columns.get(item.name) or [rows[key].get(item.name) for key in keys], item.type)
        for item in _COLUMNS
    ]
    return pa.table(arrays, names=[item.name for item in _COLUMNS])


def _is_capacity(column: str) -> bool:
    return column.startswith("capacity_")


def _digest(host: str, wanted: Sequence[RangeQuery]) -> str:
    """Names what was asked: other queries have not been asked for these spans."""
    text = "\n".join([host, *(query.expression for query in wanted)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
