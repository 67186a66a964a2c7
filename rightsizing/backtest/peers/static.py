"""Rules of five lines that people write themselves: the floor every recommender should beat.

A percentile of CPU plus a margin; the maximum of the last days; the highest ever seen; a percentile
of daily maxima in which old days fade. They say nothing of memory, so all use KRR's rule for it,
the largest value of the same lookback + 15 %, except that what never forgets CPU never forgets
memory. Each abstains where a resource was not measured on at least one whole day's worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rightsizing.backtest.peers.evidence import measured_hours
from rightsizing.backtest.peers.orderstatistics import (
    block_maxima,
    quantile_of,
    weighted_quantile_of,
)
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData

_MEMORY_FACTOR = 1.15
_MINIMUM_HOURS = 24


@dataclass(frozen=True, slots=True)
class StaticPercentile:
    """A percentile of CPU plus a margin over the last days."""

    name: str
    cpu_quantile: float
    cpu_margin_ratio: float
    lookback_days: int = 14

    source: ClassVar[str] = "common practice"
    review_days: ClassVar[int] = 7

    @property
    def description(self) -> str:
        """Percentile, margin and lookback."""
        return (
            f"P{self.cpu_quantile * 100:g} of CPU + {self.cpu_margin_ratio:.0%}, "
            f"{self.lookback_days} days"
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """The percentile with its margin, per workload."""
        found = []
        for series in past:
            window = series.last(self.lookback_days)
            cpu = _measured(window, window.cpu_cores, "CPU")
            limit = (
                cpu
                if isinstance(cpu, NoData)
                else quantile_of(cpu, self.cpu_quantile) * (1 + self.cpu_margin_ratio)
            )
            found.append(Limits(limit, _memory_bytes(window)))
        return tuple(found)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Every proposal is applied."""
        return proposed_or_kept(current, proposed)


@dataclass(frozen=True, slots=True)
class RecentMaximum:
    """The maximum of the last days times a factor; ``lookback_days`` None is the peak so far."""

    name: str
    lookback_days: int | None
    cpu_factor: float = 1.0

    source: ClassVar[str] = "common practice"
    review_days: ClassVar[int] = 7

    @property
    def description(self) -> str:
        """Lookback and factor."""
        span = "so far" if self.lookback_days is None else f"of {self.lookback_days} days"
        return f"maximum of CPU {span} x {self.cpu_factor:g}"

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """The maximum times the factor, per workload."""
        found = []
        for series in past:
            window = series.last(series.days if self.lookback_days is None else self.lookback_days)
            cpu = _measured(window, window.cpu_cores, "CPU")
            limit = cpu if isinstance(cpu, NoData) else float(cpu.max()) * self.cpu_factor
            found.append(Limits(limit, _memory_bytes(window)))
        return tuple(found)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Every proposal is applied."""
        return proposed_or_kept(current, proposed)


@dataclass(frozen=True, slots=True)
class FadingDailyMaxima:
    """A percentile of daily CPU maxima in which a day counts half as much each half-life later.

    Memory is the maximum of the last ``memory_days`` + 15 %.
    """

    name: str
    cpu_quantile: float = 0.95
    half_life_days: float = 28.0
    cpu_factor: float = 1.0
    memory_days: int = 28

    source: ClassVar[str] = "common practice"
    review_days: ClassVar[int] = 7

    @property
    def description(self) -> str:
        """Percentile, half-life and factor."""
        return (
            f"P{self.cpu_quantile * 100:g} of daily CPU maxima, half-life "
            f"{self.half_life_days:g} days, x {self.cpu_factor:g}"
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """The fading percentile times the factor, per workload."""
        return tuple(
            Limits(self._cpu_cores(series), _memory_bytes(series.last(self.memory_days)))
            for series in past
        )

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Every proposal is applied."""
        return proposed_or_kept(current, proposed)

    def _cpu_cores(self, series: DemandSeries) -> float | NoData:
        measured = _measured(series, series.cpu_cores, "CPU")
        if isinstance(measured, NoData):
            return measured
        maxima = block_maxima(series.cpu_cores, series.intervals_per_day)
        known = np.flatnonzero(~np.isnan(maxima))
        weights = np.exp2((known - series.days) / self.half_life_days)
        return weighted_quantile_of(maxima[known], weights, self.cpu_quantile) * self.cpu_factor


P95_PLUS_20 = StaticPercentile("static-p95-plus-20", 0.95, 0.20)
MAXIMUM_14_DAYS = RecentMaximum("maximum-14d", 14)
MAXIMUM_14_DAYS_PLUS_5 = RecentMaximum("maximum-14d-x1.05", 14, 1.05)
PEAK_SO_FAR = RecentMaximum("peak-so-far", None)
FADING_MAXIMA = FadingDailyMaxima("fading-daily-maxima")
FADING_MAXIMA_PLUS_10 = FadingDailyMaxima("fading-daily-maxima-x1.1", cpu_factor=1.1)


def _measured(window: DemandSeries, values: FloatArray, what: str) -> FloatArray | NoData:
    return measured_hours(values, window.interval_s, at_least=_MINIMUM_HOURS, what=what)


def _memory_bytes(window: DemandSeries) -> float | NoData:
    measured = _measured(window, window.memory_bytes, "memory")
    return measured if isinstance(measured, NoData) else float(measured.max()) * _MEMORY_FACTOR
