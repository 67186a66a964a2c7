"""KPIs from interval samples; None is never 0."""

from __future__ import annotations

import pytest

from rightsizing.model.base import NoData
from rightsizing.plan.case import Kpi
from rightsizing.plan.kpis import IntervalSample, KpiRange, observe_kpis

HOUR_MS = 3_600_000


def _hours(count: int, start: int = 0, **fields: float) -> list[IntervalSample]:
    return [IntervalSample((start + hour) * HOUR_MS, 3600, **fields) for hour in range(count)]


def test_cpu_is_averaged_over_24_hours_each() -> None:
    """A day at 1 of 2 cores and a day at 1.5: 50 % and 75 %."""
    samples = [
        *_hours(24, cpu_cores_mean=1.0, capacity_cores=2.0),
        *_hours(24, start=24, cpu_cores_mean=1.5, capacity_cores=2.0),
    ]
    assert observe_kpis(samples).cpu_mean_24h_pct == KpiRange(50.0, 75.0)


def test_a_day_that_is_mostly_missing_does_not_count() -> None:
    """11 of 24 hours are less than half."""
    samples = [
        *_hours(11, cpu_cores_mean=2.0, capacity_cores=2.0),
        *_hours(24, start=24, cpu_cores_mean=1.0, capacity_cores=2.0),
    ]
    assert observe_kpis(samples).cpu_mean_24h_pct == KpiRange(50.0, 50.0)


def test_an_instance_with_more_capacity_weighs_more() -> None:
    """(1 + 1) of (1 + 3) cores is 50 %, not the mean of 100 % and 33 %."""
    samples = [
        *_hours(24, cpu_cores_mean=1.0, capacity_cores=1.0),
        *_hours(24, cpu_cores_mean=1.0, capacity_cores=3.0),
    ]
    assert observe_kpis(samples).cpu_mean_24h_pct == KpiRange(50.0, 50.0)


def test_memory_ranges_from_its_mean_to_its_peak() -> None:
    """Mean of 50 and 70 is 60 %, the peak 80 %."""
    samples = [
        IntervalSample(0, 300, memory_bytes_mean=5, memory_bytes_max=6, capacity_memory_bytes=10),
        IntervalSample(1, 300, memory_bytes_mean=7, memory_bytes_max=8, capacity_memory_bytes=10),
    ]
    assert observe_kpis(samples).memory_pct == KpiRange(60.0, 80.0)


def test_latency_is_weighted_by_requests() -> None:
    """(10 x 90 + 110 x 10) / 100 = 20 ms."""
    samples = [
        IntervalSample(0, 300, latency_mean_ms=10, requests=90),
        IntervalSample(1, 300, latency_mean_ms=110, requests=10),
    ]
    assert observe_kpis(samples).latency_mean_ms == KpiRange(20.0, 20.0)


def test_errors_over_the_window() -> None:
    """1 of 100 requests; the interval without a count is left out."""
    samples = [
        IntervalSample(0, 300, requests=100, errors=1),
        IntervalSample(1, 300, requests=100),
    ]
    assert observe_kpis(samples).error_ratio == KpiRange(0.01, 0.01)


@pytest.mark.parametrize("kpi", list(Kpi))
def test_nothing_measured_is_unknown(kpi: Kpi) -> None:
    """Neither an empty window nor a window of empty cells gives a number."""
    assert isinstance(observe_kpis([]).of(kpi), NoData)
    assert isinstance(observe_kpis(_hours(24)).of(kpi), NoData)


def test_no_requests_is_no_latency() -> None:
    """Zero requests weigh nothing."""
    assert isinstance(
        observe_kpis([IntervalSample(0, 300, latency_mean_ms=5, requests=0)]).latency_mean_ms,
        NoData,
    )


def test_order_does_not_matter() -> None:
    """Samples may come in any order."""
    samples = _hours(48, cpu_cores_mean=1.0, capacity_cores=2.0)
    assert observe_kpis(samples) == observe_kpis(samples[::-1])
