"""The profile of one workload, read from its row of a day table."""

from __future__ import annotations

import math

import numpy as np

from rightsizing.model.base import NoData
from rightsizing.model.cpudays import CpuDays
from rightsizing.model.memorydays import MemoryDays
from rightsizing.model.profile import CpuProfile, MemoryProfile, Profile, RatePeaks
from rightsizing.profile.bincounts import BinCounts
from rightsizing.profile.daytable import CountArray, DayTable, FloatArray, IntArray, trimmed
from rightsizing.profile.evidence import Coverage, grade_evidence
from rightsizing.profile.histograms import Histogram, log_upper_edge, samples_in
from rightsizing.profile.quantiles import quantile_of

RATE_QUANTILE = 0.995  # of network and disk, as for CPU


def profile_of(table: DayTable, row: int) -> Profile:
    """Profile of the workload at this row, which has at least one sample."""
    days = np.flatnonzero(table.samples[row])
    coverage = Coverage(
        daily_samples=table.samples[row, days].tolist(),
        interval_s=int(table.interval_s[row]),
        start_ms=int(table.start_ms[row, days].min()),
        end_ms=int(table.end_ms[row, days].max()),
        cpu_samples=int(table.cpu_samples[row].sum()),
        cpu_peak_samples=int(table.cpu_peak_samples[row].sum()),
        capacities=_capacities(table.capacity_cores[row, days]),
    )
    instances = int(table.instances_samples[row, days].sum())
    unknown = NoData("the number of instances was not measured")
    return Profile(
        workload=table.workloads[row],
        evidence=grade_evidence(coverage),
        cpu=_cpu(table, row),
        memory=_memory(table, row),
        rates=RatePeaks(
            network_bytes_per_s=_rate_peak(table.network_bins, row, "network"),
            disk_bytes_per_s=_rate_peak(table.disk_bytes_bins, row, "disk throughput"),
            disk_ops_per_s=_rate_peak(table.disk_ops_bins, row, "disk operations"),
        ),
        instances_mean=(
            float(table.instances_sum[row, days].sum()) / instances if instances else unknown
        ),
        instances_max=float(np.nanmax(table.instances_max[row, days])) if instances else unknown,
    )


def _cpu(table: DayTable, row: int) -> CpuProfile | NoData:
    samples = int(table.cpu_samples[row].sum())
    if samples == 0:
        return NoData("CPU was not measured")
    if table.cpu_without_capacity[row].sum() == samples:
        return NoData("CPU was measured without the capacity it is a share of")
    measured = np.flatnonzero(table.cpu_samples[row])
    counts = table.cpu_counts[row, measured]
    histogram = _sparse(counts.sum(axis=0, dtype=np.int64))
    binned = samples_in(histogram)
    throttled = int(table.throttled_samples[row].sum())
    credited = int(table.credit_samples[row].sum())
    return CpuProfile(
        capacity_cores=float(table.cpu_capacity_cores[row]),
        histogram=histogram,
        samples=binned,
        mean_cores=math.fsum(table.cpu_sum_cores[row]) / samples,
        peak_cores=float(np.nanmax(table.cpu_max_cores[row])),
        daily_max_cores=tuple(table.cpu_max_cores[row, measured].tolist()),
        at_limit_ratio=int(table.cpu_at_limit[row].sum()) / binned,
        throttled_ratio=(
            math.fsum(table.throttled_sum[row]) / throttled
            if throttled
            else NoData("throttling was not measured")
        ),
        credit_exhausted_ratio=(
            int(table.credits_exhausted[row].sum()) / credited
            if credited
            else NoData("CPU credits were not measured")
        ),
        days=_cpu_days(table, row, measured),
        averages_only=not table.cpu_peak_samples[row].any(),
    )


def _cpu_days(table: DayTable, row: int, measured: IntArray) -> CpuDays:
    """The workload's own days and bins, copied: neither depends on what else is in the table."""
    own = slice(int(measured[0]), int(measured[-1]) + 1)
    return CpuDays(
        capacity_cores=table.cpu_capacity_cores[[row]],
        counts=trimmed(table.cpu_counts[[row], own]),
        samples=table.cpu_samples[[row], own],
        sum_cores=table.cpu_sum_cores[[row], own],
        max_cores=table.cpu_max_cores[[row], own],
        hour_mean_cores=table.cpu_hour_mean_cores[[row], own],
    )


def _memory_days(table: DayTable, row: int, measured: IntArray) -> MemoryDays:
    """Likewise. A kill under an unknown limit is held against the capacity in force."""
    own = slice(int(measured[0]), int(measured[-1]) + 1)
    capacity = table.memory_capacity_bytes[[row]]
    stated = table.capacity_memory_bytes[row]
    stated = stated[np.isfinite(stated)]
    kills = table.kills_by_limit.only(np.array([row]))
    limits = np.where(np.isnan(kills.value), capacity, kills.value)[kills.count > 0]
    return MemoryDays(
        daily_max_bytes=table.memory_max_bytes[[row], own],
        capacity_bytes=capacity,
        is_capacity_stable=np.array([len(stated) > 0 and bool((stated == capacity).all())]),
        broken_limit_bytes=np.array([limits.max() if len(limits) else np.nan]),
    )


def _memory(table: DayTable, row: int) -> MemoryProfile | NoData:
    samples = int(table.memory_samples[row].sum())
    if samples == 0:
        return NoData("memory was not measured")
    capacity = float(table.memory_capacity_bytes[row])
    if math.isnan(capacity):
        return NoData("memory was measured without the capacity it is a share of")
    kills = table.kills_by_limit.only(np.array([row]))
    # A kill under a smaller limit was answered by the larger one; counting it again would raise the
    # limit with every run.
    present = np.isnan(kills.value) | (kills.value >= capacity)
    limits = kills.value[~np.isnan(kills.value)]
    measured = table.memory_samples[row] > 0
    return MemoryProfile(
        capacity_bytes=capacity,
        histogram=table.memory_bins.histogram(row),
        samples=samples,
        mean_bytes=math.fsum(table.memory_sum_bytes[row]) / samples,
        peak_bytes=float(np.nanmax(table.memory_max_bytes[row])),
        daily_max_bytes=tuple(table.memory_max_bytes[row, measured].tolist()),
        near_limit_ratio=int(table.memory_near_limit[row].sum()) / samples,
        oom_kills=round(float(kills.count[present].sum())),
        oom_limit_bytes=float(limits.max()) if len(limits) else None,
        days=_memory_days(table, row, np.flatnonzero(measured)),
    )


def _capacities(stated: FloatArray) -> tuple[float, ...]:
    """Capacities in cores, each once when it comes into force."""
    known = stated[~np.isnan(stated)]
    changes = np.concatenate((np.ones(min(len(known), 1), dtype=bool), np.diff(known) != 0))
    return tuple(known[changes].tolist())


def _rate_peak(bins: BinCounts, row: int, what: str) -> float | NoData:
    histogram = bins.histogram(row)
    if not histogram:
        return NoData(f"{what} was not measured")
    return quantile_of(histogram, RATE_QUANTILE, log_upper_edge)


def _sparse(counts: CountArray, first_bin: int = 0) -> Histogram:
    used = np.flatnonzero(counts)
    return tuple(zip((used + first_bin).tolist(), counts[used].tolist(), strict=True))
