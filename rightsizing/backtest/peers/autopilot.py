"""Google Autopilot's moving-window recommender (Rzadca et al., EuroSys 2020).

From the paper: weights that halve every 12 hours for CPU and 48 for memory; load-adjusted
percentiles, where a bucket counts as often as it was used times its value; P95 of CPU for serving
jobs and P98 of memory for most; a margin of 10 to 15 %; the highest answer of the last hour.

Assumed: 400 equal buckets up to the largest value of the lookback; samples are the grid's intervals
(Autopilot has histograms of 1-second samples per 5 minutes); 14 half-lives are looked at, after
which a sample weighs 2^-14 of a new one; the margin is 15 %; a whole day is decided at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.peers.evidence import measured_hours
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData

_BUCKETS = 400
_CPU_HALF_LIFE_H = 12.0
_MEMORY_HALF_LIFE_H = 48.0
_HALF_LIVES = 14
_MINIMUM_HOURS = 24
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class AutopilotWindow:
    """Load-adjusted percentiles of CPU and memory under exponential decay."""

    name: str = "autopilot-window"
    cpu_quantile: float = 0.95
    memory_quantile: float = 0.98
    margin_ratio: float = 0.15

    source: ClassVar[str] = "doi 10.1145/3342195.3387524, section 3.2"
    review_days: ClassVar[int] = 1

    @property
    def description(self) -> str:
        """Percentiles, half-lives and margin."""
        return (
            f"load-adjusted P{self.cpu_quantile * 100:g} of CPU (12 h) and "
            f"P{self.memory_quantile * 100:g} of memory (48 h) + {self.margin_ratio:.0%}, daily"
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """The highest of the last hour's recommendations; abstains under 24 h of measurements."""
        found = []
        for series in past:
            cpu = series.last(int(_HALF_LIVES * _CPU_HALF_LIFE_H / 24))
            memory = series.last(int(_HALF_LIVES * _MEMORY_HALF_LIFE_H / 24))
            found.append(
                Limits(
                    self._limit(cpu, cpu.cpu_cores, self.cpu_quantile, _CPU_HALF_LIFE_H),
                    self._limit(
                        memory, memory.memory_bytes, self.memory_quantile, _MEMORY_HALF_LIFE_H
                    ),
                )
            )
        return tuple(found)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Every recommendation is applied."""
        return proposed_or_kept(current, proposed)

    def _limit(
        self, window: DemandSeries, values: FloatArray, quantile: float, half_life_h: float
    ) -> float | NoData:
        measured = measured_hours(
            values, window.interval_s, at_least=_MINIMUM_HOURS, what="measurements"
        )
        if isinstance(measured, NoData):
            return measured
        highest = _highest_of_last(
            values,
            quantile,
            half_life_h * _HOUR_S / window.interval_s,
            reviews=max(_HOUR_S // window.interval_s, 1),
        )
        return highest * (1 + self.margin_ratio)


WINDOW = AutopilotWindow()


def _highest_of_last(
    values: FloatArray, quantile: float, half_life_intervals: float, reviews: int
) -> float:
    """The largest of the percentiles as they stood after each of the last ``reviews`` intervals."""
    known = np.flatnonzero(~np.isnan(values))
    width = float(values[known].max()) / _BUCKETS
    if width <= 0:
        return 0.0
    buckets = _bucket_of(values[known], width)
    weights = np.exp2((known - len(values)) / half_life_intervals)
    # Only relative weights matter, so adding the newest samples one by one replays the hour.
    first = len(values) - reviews
    before = int(np.searchsorted(known, first))
    seen: FloatArray = np.bincount(
        buckets[:before], weights=weights[:before], minlength=_BUCKETS
    ).astype(np.float64)
    highest = 0
    for index in range(before, len(known)):
        seen[buckets[index]] += weights[index]
        highest = max(highest, _reached(seen, quantile))
    return (highest or _reached(seen, quantile)) * width


def _bucket_of(values: FloatArray, width: float) -> NDArray[np.int64]:
    return np.clip(np.ceil(values / width).astype(np.int64) - 1, 0, _BUCKETS - 1)


def _reached(seen: FloatArray, quantile: float) -> int:
    """How many buckets it takes to reach the share of the load: the upper edge, in widths."""
    load = np.cumsum(seen * np.arange(1, _BUCKETS + 1))
    return int(np.searchsorted(load, quantile * load[-1] * (1 - 1e-12))) + 1
