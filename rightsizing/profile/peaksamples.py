"""The measurements behind a peak: when it was, on which resource, and how often it is passed.

Ibis expressions over one workload's rows, so that an explanation shows the samples themselves and
not only what was computed from them. As in profiles, an interval counts with its peak where that
was measured and else with its mean, and with the busiest of the workload's resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any

import ibis
from ibis import _
from ibis.expr import types as ir

from rightsizing.model.base import NoData
from rightsizing.units import MILLISECONDS_PER_DAY


@unique
class Dimension(StrEnum):
    """What a size is made of."""

    CPU = "CPU"  # in cores
    MEMORY = "memory"  # in bytes


# Peak, mean and capacity columns of the store.
_COLUMNS = {
    Dimension.CPU: ("cpu_cores_max", "cpu_cores_mean", "capacity_cores"),
    Dimension.MEMORY: ("memory_bytes_max", "memory_bytes_mean", "capacity_memory_bytes"),
}


@dataclass(frozen=True, slots=True)
class PeakSample:
    """One stored interval; ``amount`` and ``capacity`` are in cores or bytes."""

    timestamp_ms: int
    interval_s: int
    resource_id: str
    amount: float
    capacity: float | NoData
    is_mean: bool  # the peak within the interval was not measured


@dataclass(frozen=True, slots=True)
class DayPeak:
    """The highest sample of one UTC day (days since 1970-01-01), and how many intervals it has."""

    day: int
    sample: PeakSample
    p95: float  # 95th percentile of the day's intervals, cores or bytes
    intervals: int


def highest_samples(
    measurements: ir.Table, dimension: Dimension, count: int
) -> tuple[PeakSample, ...]:
    """The ``count`` highest samples, highest first; of equals the earlier."""
    rows = _samples(measurements, dimension)
    found = rows.order_by(ibis.desc("amount"), "timestamp_ms", "resource_id").limit(count)
    return tuple(_sample(row) for row in found.to_pyarrow().to_pylist())


def day_peaks(measurements: ir.Table, dimension: Dimension) -> tuple[DayPeak, ...]:
    """The highest sample of each measured day, oldest day first."""
    rows = _samples(measurements, dimension).mutate(day=_.timestamp_ms // MILLISECONDS_PER_DAY)
    order = [ibis.desc(rows.amount), rows.timestamp_ms, rows.resource_id]
    ranked = rows.mutate(place=ibis.row_number().over(group_by=rows.day, order_by=order))
    peaks = ranked.filter(_.place == 0).drop("place")
    busiest = rows.group_by("day", "timestamp_ms").aggregate(amount=_.amount.max())
    levels = busiest.group_by("day").aggregate(p95=_.amount.quantile(0.95), intervals=_.count())
    joined = peaks.join(levels, "day").order_by("day")
    return tuple(
        DayPeak(row["day"], _sample(row), row["p95"], row["intervals"])
        for row in joined.to_pyarrow().to_pylist()
    )


def intervals_above(
    measurements: ir.Table, dimension: Dimension, limits: Sequence[float]
) -> tuple[int, ...]:
    """For each limit (cores or bytes) the number of intervals whose busiest resource is above."""
    if not limits:
        return ()
    rows = _samples(measurements, dimension)
    busiest = rows.group_by("timestamp_ms").aggregate(amount=_.amount.max())
    counts = busiest.aggregate(
        **{f"above_{place}": (_.amount > limit).sum() for place, limit in enumerate(limits)}
    )
    (row,) = counts.to_pyarrow().to_pylist()
    return tuple(int(row[f"above_{place}"] or 0) for place in range(len(limits)))


def _samples(measurements: ir.Table, dimension: Dimension) -> ir.Table:
    peak, mean, capacity = (measurements[name] for name in _COLUMNS[dimension])
    rows = measurements.select(
        "timestamp_ms",
        "interval_s",
        "resource_id",
        amount=ibis.coalesce(peak, mean),
        capacity=capacity,
        is_mean=peak.isnull(),
    )
    return rows.filter(_.amount.notnull())


def _sample(row: dict[str, Any]) -> PeakSample:
    capacity = row["capacity"]
    return PeakSample(
        timestamp_ms=row["timestamp_ms"],
        interval_s=row["interval_s"],
        resource_id=row["resource_id"],
        amount=row["amount"],
        # A powered-off machine reports a capacity of 0; that is no capacity.
        capacity=capacity if capacity else NoData("the interval states no capacity"),
        is_mean=row["is_mean"],
    )
