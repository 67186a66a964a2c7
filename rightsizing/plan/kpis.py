"""KPIs of one workload, aggregated from its interval measurements.

Each KPI is a range: its lowest and highest value over the window, both of which have to stay in a
criterion's band. Plain numbers come in, already read from the store; an interval in which a figure
was not measured holds None there and is left out, never counted as 0.

    CPU       mean of each 24 hours ending with the last sample; a day needs half its intervals
    memory    lowest: the mean over the window; highest: the peak
    latency   mean: weighted by requests where they are known; p99: the worst interval's
    errors    failed requests / requests over the window
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rightsizing.model.base import NoData
from rightsizing.plan.case import Kpi
from rightsizing.units import MILLISECONDS_PER_DAY, SECONDS_PER_DAY

MIN_DAY_SHARE = 0.5  # of a day's intervals, as for evidence days
NO_UNIT_COST = NoData("the cost a unit of work is not known")


@dataclass(frozen=True, slots=True)
class KpiRange:
    """Lowest and highest value of a KPI over a window, in the KPI's unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class IntervalSample:
    """One interval of one resource; units as in the store. None: not measured."""

    timestamp_ms: int
    interval_s: int
    cpu_cores_mean: float | None = None
    capacity_cores: float | None = None
    memory_bytes_mean: float | None = None
    memory_bytes_max: float | None = None
    capacity_memory_bytes: float | None = None
    requests: float | None = None
    errors: float | None = None
    latency_mean_ms: float | None = None
    latency_p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ObservedKpis:
    """What was observed of one workload after (or before) a change."""

    cpu_mean_24h_pct: KpiRange | NoData
    memory_pct: KpiRange | NoData
    latency_mean_ms: KpiRange | NoData
    latency_p99_ms: KpiRange | NoData
    error_ratio: KpiRange | NoData
    cost_per_unit_usd: KpiRange | NoData
    uptime_pct: KpiRange | NoData

    def of(self, kpi: Kpi) -> KpiRange | NoData:
        """The range of one KPI."""
        known: dict[Kpi, KpiRange | NoData] = {
            Kpi.CPU_MEAN_24H_PCT: self.cpu_mean_24h_pct,
            Kpi.MEMORY_PCT: self.memory_pct,
            Kpi.LATENCY_MEAN_MS: self.latency_mean_ms,
            Kpi.LATENCY_P99_MS: self.latency_p99_ms,
            Kpi.ERROR_RATIO: self.error_ratio,
            Kpi.COST_PER_UNIT_USD: self.cost_per_unit_usd,
            Kpi.UPTIME_PCT: self.uptime_pct,
        }
        return known.get(kpi, NoData("no source measures it"))


def unobserved(reason: str) -> ObservedKpis:
    """No KPI is known, for one reason."""
    nothing = NoData(reason)
    return ObservedKpis(nothing, nothing, nothing, nothing, nothing, nothing, nothing)


def observe_kpis(
    samples: Sequence[IntervalSample],
    *,
    cost_per_unit_usd: float | NoData = NO_UNIT_COST,
) -> ObservedKpis:
    """Aggregate samples of any order and any number of resources; empty gives NoData throughout."""
    if not samples:
        return unobserved("no measurements in the window")
    return ObservedKpis(
        cpu_mean_24h_pct=_cpu(samples),
        memory_pct=_memory(samples),
        latency_mean_ms=_latency_mean(samples),
        latency_p99_ms=_latency_p99(samples),
        error_ratio=_errors(samples),
        cost_per_unit_usd=cost_per_unit_usd
        if isinstance(cost_per_unit_usd, NoData)
        else KpiRange(cost_per_unit_usd, cost_per_unit_usd),
        uptime_pct=NoData("no source measures uptime yet"),
    )


def _cpu(samples: Sequence[IntervalSample]) -> KpiRange | NoData:
    end_ms = max(item.timestamp_ms + item.interval_s * 1000 for item in samples)
    used: dict[int, float] = {}
    capacity: dict[int, float] = {}
    stamps: dict[int, set[int]] = {}
    for item in samples:
        if item.cpu_cores_mean is None or not item.capacity_cores:
            continue
        day = (end_ms - item.timestamp_ms - 1) // MILLISECONDS_PER_DAY
        used[day] = used.get(day, 0.0) + item.cpu_cores_mean * item.interval_s
        capacity[day] = capacity.get(day, 0.0) + item.capacity_cores * item.interval_s
        stamps.setdefault(day, set()).add(item.timestamp_ms)
    interval_s = max(item.interval_s for item in samples)
    needed = MIN_DAY_SHARE * SECONDS_PER_DAY / interval_s
    days = [used[day] / capacity[day] * 100 for day in used if len(stamps[day]) >= needed]
    if not days:
        return NoData("CPU was not measured for half of any 24 hours")
    return KpiRange(min(days), max(days))


def _memory(samples: Sequence[IntervalSample]) -> KpiRange | NoData:
    means, peaks = [], []
    for item in samples:
        if not item.capacity_memory_bytes:
            continue
        if item.memory_bytes_mean is not None:
            means.append(item.memory_bytes_mean / item.capacity_memory_bytes * 100)
        peak = item.memory_bytes_max
        if peak is None:
            peak = item.memory_bytes_mean
        if peak is not None:
            peaks.append(peak / item.capacity_memory_bytes * 100)
    if not peaks:
        return NoData("memory was not measured")
    mean = _mean(means) if means else min(peaks)
    return KpiRange(min(mean, max(peaks)), max(peaks))


def _latency_mean(samples: Sequence[IntervalSample]) -> KpiRange | NoData:
    known = [(i.latency_mean_ms, i.requests) for i in samples if i.latency_mean_ms is not None]
    if not known:
        return NoData("latency was not measured")
    weights = [1.0 if requests is None else requests for _, requests in known]
    if sum(weights) == 0:
        return NoData("there were no requests in the window")
    pairs = zip(known, weights, strict=True)
    mean = sum(latency * weight for (latency, _), weight in pairs) / sum(weights)
    return KpiRange(mean, mean)


def _latency_p99(samples: Sequence[IntervalSample]) -> KpiRange | NoData:
    known = [item.latency_p99_ms for item in samples if item.latency_p99_ms is not None]
    if not known:
        return NoData("the 99th percentile of latency was not measured")
    return KpiRange(min(known), max(known))


def _errors(samples: Sequence[IntervalSample]) -> KpiRange | NoData:
    known = [
        (item.errors, item.requests)
        for item in samples
        if item.errors is not None and item.requests is not None
    ]
    requests = sum(count for _, count in known)
    if not known or requests == 0:
        return NoData("no requests were measured")
    ratio = sum(errors for errors, _ in known) / requests
    return KpiRange(ratio, ratio)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
