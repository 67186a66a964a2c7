"""Measurements in, profiles out: a few grouped queries, then plain arithmetic.

Every query groups by workload and day or bin, so that a store may keep the answers of past days and
add a new day's. The engine behind the table (DuckDB, Spark) does the grouping; what arrives here is
thousands of rows, not millions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis
from ibis import _
from ibis.expr import types as ir

from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, MemoryProfile, Profile, RatePeaks
from rightsizing.profile.evidence import Coverage, grade_evidence
from rightsizing.profile.histograms import Histogram, log_upper_edge, merge, rebinned, samples_in
from rightsizing.profile.intervals import (
    busiest,
    cpu_bin_counts,
    daily_table,
    interval_counts,
    interval_table,
    log_bin_counts,
    oom_kill_counts,
)
from rightsizing.profile.quantiles import quantile_of, quantile_rank

RATE_QUANTILE = 0.995  # of network and disk, as for CPU
TAIL_QUANTILE = 0.95  # daily_tail keeps bins from here up; no target is ever below it

Row = Mapping[str, Any]


@dataclass(slots=True)
class _Counts:
    """What the queries gave for one workload."""

    days: list[Row] = field(default_factory=list)
    cpu: list[Row] = field(default_factory=list)
    memory: list[Row] = field(default_factory=list)
    network: list[Row] = field(default_factory=list)
    disk_bytes: list[Row] = field(default_factory=list)
    disk_ops: list[Row] = field(default_factory=list)
    oom_kills: list[Row] = field(default_factory=list)
    intervals: list[Row] = field(default_factory=list)


def build_profiles(measurements: ir.Table) -> dict[str, Profile]:
    """Profile every workload in the table.

    Args:
        measurements: the columns of ``model.measurement``, one row a (workload, resource,
            timestamp), in any order.

    Returns:
        Profiles by workload key. A workload whose rows measured neither CPU nor memory is absent.
    """
    counts: dict[str, _Counts] = defaultdict(_Counts)
    for intervals in _interval_parts(measurements):
        _collect(intervals, counts)
    return {
        workload: _profile(workload, counts[workload])
        for workload in sorted(counts)
        if counts[workload].intervals
    }


def busiest_intervals(measurements: ir.Table) -> ir.Table:
    """One row an interval of every workload, as the profiles see them."""
    parts = _interval_parts(measurements)
    return parts[0] if len(parts) == 1 else ibis.union(*parts)


def _interval_parts(measurements: ir.Table) -> list[ir.Table]:
    """Workloads of one resource as they are, those of several with the busiest of each interval.

    Grouping by interval costs as much as all the rest, and most workloads do not need it.
    """
    resources = (
        measurements.group_by("workload")
        .aggregate(resources=_.resource_id.nunique())
        .to_pyarrow()
        .to_pylist()
    )
    several = sorted(row["workload"] for row in resources if row["resources"] > 1)
    intervals = interval_table(measurements)
    if not several:
        return [intervals]
    parts = [busiest(intervals.filter(_.workload.isin(several)))]
    if len(several) < len(resources):
        parts.append(intervals.filter(_.workload.notin(several)).select(*parts[0].columns))
    return parts


def _collect(intervals: ir.Table, counts: dict[str, _Counts]) -> None:
    for row in _rows(daily_table(intervals)):
        counts[row["workload"]].days.append(row)
    for row in _rows(cpu_bin_counts(intervals)):
        counts[row["workload"]].cpu.append(row)
    for row in _rows(log_bin_counts(intervals, "memory")):
        counts[row["workload"]].memory.append(row)
    for row in _rows(log_bin_counts(intervals, "network")):
        counts[row["workload"]].network.append(row)
    for row in _rows(log_bin_counts(intervals, "disk_bytes")):
        counts[row["workload"]].disk_bytes.append(row)
    for row in _rows(log_bin_counts(intervals, "disk_ops")):
        counts[row["workload"]].disk_ops.append(row)
    for row in _rows(oom_kill_counts(intervals)):
        counts[row["workload"]].oom_kills.append(row)
    for row in _rows(interval_counts(intervals)):
        counts[row["workload"]].intervals.append(row)


def _rows(table: ir.Table) -> Iterable[Row]:
    rows: list[Row] = table.to_pyarrow().to_pylist()
    return rows


def _profile(workload: str, counts: _Counts) -> Profile:
    days = sorted((row for row in counts.days if row["samples"]), key=lambda row: row["day"])
    # The most frequent interval; of equals the longer, which counts fewer samples as complete.
    interval_s = max(counts.intervals, key=lambda row: (row["count"], row["interval_s"]))
    coverage = Coverage(
        daily_samples=[row["samples"] for row in days],
        interval_s=interval_s["interval_s"],
        start_ms=min(row["start_ms"] for row in days),
        end_ms=max(row["end_ms"] for row in days),
        cpu_samples=_total(days, "cpu_samples"),
        cpu_peak_samples=_total(days, "cpu_peak_samples"),
        capacities=_capacities(days),
    )
    instances = _total(days, "instances_samples")
    return Profile(
        workload=workload,
        evidence=grade_evidence(coverage),
        cpu=_cpu(days, counts.cpu),
        memory=_memory(days, counts.memory, counts.oom_kills),
        rates=RatePeaks(
            network_bytes_per_s=_rate_peak(counts.network, "network"),
            disk_bytes_per_s=_rate_peak(counts.disk_bytes, "disk throughput"),
            disk_ops_per_s=_rate_peak(counts.disk_ops, "disk operations"),
        ),
        instances_mean=(
            _sum(days, "instances_sum") / instances
            if instances
            else NoData("the number of instances was not measured")
        ),
        instances_max=(
            _largest(days, "instances_max")
            if instances
            else NoData("the number of instances was not measured")
        ),
    )


def _cpu(days: Sequence[Row], bins: Sequence[Row]) -> CpuProfile | NoData:
    samples = _total(days, "cpu_samples")
    if samples == 0:
        return NoData("CPU was not measured")
    without_capacity = _total(days, "cpu_without_capacity")
    if without_capacity == samples:
        return NoData("CPU was measured without the capacity it is a share of")
    capacity = _in_force(days, "capacity_cores")
    binned = [
        (row["day"], rebinned(row["bin"], row["capacity_cores"], capacity), row["count"])
        for row in bins
    ]
    histogram = merge((bin_index, count) for _day, bin_index, count in binned)
    measured = [row for row in days if row["cpu_samples"]]
    throttled = _total(days, "throttled_samples")
    credited = _total(days, "credit_samples")
    return CpuProfile(
        capacity_cores=capacity,
        histogram=histogram,
        samples=samples_in(histogram),
        mean_cores=_sum(days, "cpu_mean_sum") / samples,
        peak_cores=_largest(days, "cpu_max"),
        daily_max_cores=tuple(row["cpu_max"] for row in measured),
        at_limit_ratio=_total(days, "at_limit") / samples_in(histogram),
        throttled_ratio=(
            _sum(days, "throttled_sum") / throttled
            if throttled
            else NoData("throttling was not measured")
        ),
        credit_exhausted_ratio=(
            _total(days, "exhausted") / credited
            if credited
            else NoData("CPU credits were not measured")
        ),
        daily_tail=_daily_tail([row["day"] for row in measured], binned, histogram),
        averages_only=_total(days, "cpu_peak_samples") == 0,
    )


def _daily_tail(
    days: Sequence[int], binned: Iterable[tuple[int, int, int]], histogram: Histogram
) -> tuple[Histogram, ...]:
    rank = quantile_rank(samples_in(histogram), TAIL_QUANTILE)
    lowest, seen = histogram[0][0], 0
    for bin_index, count in histogram:
        lowest, seen = bin_index, seen + count
        if seen >= rank:
            break
    tails: dict[int, list[tuple[int, int]]] = {day: [] for day in days}
    for day, bin_index, count in binned:
        if bin_index >= lowest:
            tails[day].append((bin_index, count))
    return tuple(merge(tails[day]) for day in days)


def _memory(
    days: Sequence[Row], bins: Sequence[Row], kills: Sequence[Row]
) -> MemoryProfile | NoData:
    samples = _total(days, "memory_samples")
    if samples == 0:
        return NoData("memory was not measured")
    if all(row["capacity_memory"] is None for row in days):
        return NoData("memory was measured without the capacity it is a share of")
    capacity = _in_force(days, "capacity_memory")
    return MemoryProfile(
        capacity_bytes=capacity,
        histogram=merge((row["bin"], row["count"]) for row in bins),
        samples=samples,
        mean_bytes=_sum(days, "memory_mean_sum") / samples,
        peak_bytes=_largest(days, "memory_max"),
        daily_max_bytes=tuple(row["memory_max"] for row in days if row["memory_samples"]),
        near_limit_ratio=_total(days, "near_limit") / samples,
        # A kill under a smaller limit was answered by the larger one; counting it again would raise
        # the limit with every run.
        oom_kills=round(
            sum(
                row["kills"]
                for row in kills
                if row["capacity_memory"] is None or row["capacity_memory"] >= capacity
            )
        ),
        oom_limit_bytes=max(
            (row["capacity_memory"] for row in kills if row["capacity_memory"] is not None),
            default=None,
        ),
    )


def _capacities(days: Sequence[Row]) -> tuple[float, ...]:
    """Capacities in cores, each once when it comes into force."""
    stated = [row["capacity_cores"] for row in days if row["capacity_cores"] is not None]
    return tuple(
        cores for index, cores in enumerate(stated) if index == 0 or cores != stated[index - 1]
    )


def _in_force(days: Sequence[Row], column: str) -> float:
    """Capacity of the last day that states one: what the workload has now."""
    return float(next(row[column] for row in reversed(days) if row[column] is not None))


def _rate_peak(bins: Sequence[Row], what: str) -> float | NoData:
    histogram = merge((row["bin"], row["count"]) for row in bins)
    if not histogram:
        return NoData(f"{what} was not measured")
    return quantile_of(histogram, RATE_QUANTILE, log_upper_edge)


def _total(days: Sequence[Row], column: str) -> int:
    return sum(int(row[column] or 0) for row in days)


def _sum(days: Sequence[Row], column: str) -> float:
    return float(sum(row[column] or 0.0 for row in days))


def _largest(days: Sequence[Row], column: str) -> float:
    return float(max(row[column] for row in days if row[column] is not None))
