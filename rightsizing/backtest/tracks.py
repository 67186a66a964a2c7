"""From the measurement store to what a back-test replays: one regular grid a workload.

Intervals are put on a grid of whole UTC days: the busiest resource of a workload, the largest use
in a grid step. A step is five minutes, or the workload's own usual interval where that is longer,
since rules compare maxima of steps and those must mean the same for every rule. Reading goes by
groups of workloads, so that the engine never sorts more than ``ROWS_AT_ONCE`` rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import ibis
import numpy as np
import pyarrow as pa
from ibis import _
from ibis.expr import types as ir
from numpy.typing import NDArray

from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.profile.intervals import RANGES
from rightsizing.units import MILLISECONDS_PER_DAY, SECONDS_PER_DAY

GRID_S = 300  # five minutes, as Compute Optimizer and CloudWatch count
ROWS_AT_ONCE = 10_000_000  # about 1 GB in DuckDB while grouping (measured)
_COLUMNS = ("cpu", "cpu_mean", "memory", "capacity_cores", "capacity_memory")

# (workloads read, workloads in all)
TrackListener = Callable[[int, int], None]


def read_tracks(
    measurements: ir.Table,
    workloads: Sequence[str] | None = None,
    *,
    progress: TrackListener | None = None,
) -> tuple[DemandSeries, ...]:
    """Every workload with CPU or memory measurements as a series, sorted by key.

    Args:
        measurements: rows of the store.
        workloads: only these keys; all by default.
        progress: told after every group.
    """
    usable = _usable(measurements)
    if workloads is not None:
        usable = usable.filter(usable.workload.isin(list(workloads)))
    counts = usable.group_by("workload", "interval_s").aggregate(count=_.count())
    groups = list(_groups(counts.to_pyarrow()))
    total = sum(len(keys) for _step, keys in groups)
    found: list[DemandSeries] = []
    for step_s, keys in groups:
        chosen = usable if len(keys) == total else usable.filter(usable.workload.isin(keys))
        found += _group_series(chosen, step_s)
        if progress is not None:
            progress(len(found), total)
    return tuple(sorted(found, key=lambda series: series.workload))


def grid_step_s(interval_s: int) -> int:
    """The grid of a workload measured every ``interval_s``: a divisor of a day, at least 300 s."""
    step = max(GRID_S, interval_s)
    while SECONDS_PER_DAY % step:
        step += 1
    return step


def _groups(counts: pa.Table) -> Iterator[tuple[int, list[str]]]:
    """Workloads of one grid step that together have at most ``ROWS_AT_ONCE`` rows."""
    usual: dict[str, tuple[int, int]] = {}  # key -> (rows of its most frequent interval, interval)
    rows: dict[str, int] = {}
    for key, interval_s, count in zip(
        counts["workload"].to_pylist(),
        counts["interval_s"].to_pylist(),
        counts["count"].to_pylist(),
        strict=True,
    ):
        usual[key] = max(usual.get(key, (0, 0)), (count, interval_s))
        rows[key] = rows.get(key, 0) + count
    by_step: dict[int, list[str]] = {}
    for key in sorted(usual):
        by_step.setdefault(grid_step_s(usual[key][1]), []).append(key)
    for step_s, keys in sorted(by_step.items()):
        group: list[str] = []
        held = 0
        for key in keys:
            if group and held + rows[key] > ROWS_AT_ONCE:
                yield step_s, group
                group, held = [], 0
            group.append(key)
            held += rows[key]
        yield step_s, group


def _usable(measurements: ir.Table) -> ir.Table:
    """Rows with CPU or memory; a value outside its range counts as not measured."""

    def reading(name: str) -> ir.NumericValue:
        lowest, highest = RANGES[name]
        column = measurements[name]
        return ((column >= lowest) & (column <= highest)).ifelse(column, ibis.null("float64"))

    cpu_max, cpu_mean = reading("cpu_cores_max"), reading("cpu_cores_mean")
    rows = measurements.select(
        "workload",
        "timestamp_ms",
        "interval_s",
        cpu=ibis.coalesce(cpu_max, cpu_mean),
        cpu_mean=ibis.coalesce(cpu_mean, cpu_max),
        memory=ibis.coalesce(reading("memory_bytes_max"), reading("memory_bytes_mean")),
        capacity_cores=reading("capacity_cores"),
        capacity_memory=reading("capacity_memory_bytes"),
    )
    return rows.filter(_.timestamp_ms >= 0, _.interval_s > 0, _.cpu.notnull() | _.memory.notnull())


def _group_series(usable: ir.Table, step_s: int) -> Iterator[DemandSeries]:
    largest = {name: usable[name].max() for name in _COLUMNS}
    times = usable.group_by("workload", "timestamp_ms").aggregate(**largest)
    slots = (
        times.group_by("workload", slot=_.timestamp_ms // (step_s * 1000))
        .aggregate(
            cpu=_.cpu.max(),
            cpu_mean=_.cpu_mean.mean(),
            memory=_.memory.max(),
            capacity_cores=_.capacity_cores.max(),
            capacity_memory=_.capacity_memory.max(),
        )
        .to_pyarrow()
    )
    encoded = slots["workload"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    times = slots["slot"].to_numpy()
    values = {name: slots[name].to_numpy() for name in _COLUMNS}
    for position, key in enumerate(encoded.dictionary.to_pylist()):
        rows = order[bounds[position] : bounds[position + 1]]
        columns = {name: column[rows] for name, column in values.items()}
        yield _series(key, step_s, times[rows], columns)


def _series(
    key: str, step_s: int, slots: NDArray[np.int64], columns: dict[str, FloatArray]
) -> DemandSeries:
    per_day = SECONDS_PER_DAY // step_s
    first_day = int(slots.min()) * step_s * 1000 // MILLISECONDS_PER_DAY
    days = int(slots.max()) // per_day - first_day + 1
    places = slots - first_day * per_day

    def grid(name: str) -> FloatArray:
        filled = np.full(days * per_day, np.nan)
        filled[places] = columns[name]
        return filled

    cpu, mean = grid("cpu"), grid("cpu_mean")
    return DemandSeries(
        workload=key,
        first_day=first_day,
        interval_s=step_s,
        cpu_cores=cpu,
        # Where no peaks were measured the two are one array: half the space of most traces.
        cpu_mean_cores=cpu if np.array_equal(cpu, mean, equal_nan=True) else mean,
        memory_bytes=grid("memory"),
        capacity_cores=grid("capacity_cores"),
        capacity_memory_bytes=grid("capacity_memory"),
    )
