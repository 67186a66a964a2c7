"""AWS Compute Optimizer's public rule for EC2: a percentile of CPU, the peak of memory, headroom.

Public and kept exactly: the maximum of every 5-minute interval; thresholds P90, P95 and P99.5 of
CPU (memory has none); headroom of 0, 20 or 30 % for CPU and 10, 20 or 30 % for memory, so that the
projected use is at most 1 - headroom; 14, 32 or 93 days; 30 hours of metrics or no recommendation.

Assumed, because AWS does not say: the percentile is the smallest interval maximum that the stated
share of intervals does not exceed; memory is sized by its largest interval; intervals longer than
5 minutes are taken as they are. AWS adds that it "might adjust" the parameters to the workload:
that part cannot be replayed. The continuous limit is ``demand / (1 - headroom)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rightsizing.backtest.peers.evidence import measured_hours
from rightsizing.backtest.peers.orderstatistics import block_maxima, quantile_of
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData

_INTERVAL_S = 300
_MINIMUM_HOURS = 30  # "Resource requirements": 30 hours of metrics within the lookback


@dataclass(frozen=True, slots=True)
class ComputeOptimizer:
    """One choice of threshold, headroom and lookback. ``name`` is the preset's."""

    name: str
    cpu_quantile: float
    cpu_headroom_ratio: float
    memory_headroom_ratio: float
    lookback_days: int = 14

    source: ClassVar[str] = (
        "docs.aws.amazon.com/compute-optimizer/latest/ug/rightsizing-preferences.html"
    )
    review_days: ClassVar[int] = 7

    @property
    def description(self) -> str:
        """The parameters of this preset."""
        return (
            f"P{self.cpu_quantile * 100:g} of CPU with {self.cpu_headroom_ratio:.0%} headroom, "
            f"peak of memory with {self.memory_headroom_ratio:.0%}, {self.lookback_days} days"
        )

    def demand(self, past: DemandSeries) -> Limits:
        """What must fit below ``1 - headroom``: cores and bytes, before headroom is added."""
        window = past.last(self.lookback_days)
        cpu = _interval_maxima(window, window.cpu_cores, "CPU")
        memory = _interval_maxima(window, window.memory_bytes, "memory")
        return Limits(
            cpu if isinstance(cpu, NoData) else quantile_of(cpu, self.cpu_quantile),
            memory if isinstance(memory, NoData) else float(memory.max()),
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Demand over ``1 - headroom`` per workload; abstains under 30 hours of measurements."""
        return tuple(self._limits(self.demand(series)) for series in past)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """No hysteresis is public: every recommendation is applied."""
        return proposed_or_kept(current, proposed)

    def _limits(self, demand: Limits) -> Limits:
        return Limits(
            cpu_cores=_with_headroom(demand.cpu_cores, self.cpu_headroom_ratio),
            memory_bytes=_with_headroom(demand.memory_bytes, self.memory_headroom_ratio),
        )


MAX_SAVINGS = ComputeOptimizer("compute-optimizer-max-savings", 0.90, 0.0, 0.1)
BALANCED = ComputeOptimizer("compute-optimizer-balanced", 0.95, 0.3, 0.3)
DEFAULT = ComputeOptimizer("compute-optimizer-default", 0.995, 0.2, 0.2)
MAX_PERFORMANCE = ComputeOptimizer("compute-optimizer-max-performance", 0.995, 0.3, 0.3)
DEFAULT_32_DAYS = ComputeOptimizer("compute-optimizer-default-32d", 0.995, 0.2, 0.2, 32)
DEFAULT_93_DAYS = ComputeOptimizer("compute-optimizer-default-93d", 0.995, 0.2, 0.2, 93)

PRESETS = (MAX_SAVINGS, BALANCED, DEFAULT, MAX_PERFORMANCE)


def _interval_maxima(window: DemandSeries, values: FloatArray, what: str) -> FloatArray | NoData:
    interval_s = window.interval_s
    if interval_s < _INTERVAL_S and _INTERVAL_S % interval_s == 0:
        values = block_maxima(values, _INTERVAL_S // interval_s)
        interval_s = _INTERVAL_S
    return measured_hours(values, interval_s, at_least=_MINIMUM_HOURS, what=what)


def _with_headroom(demand: float | NoData, headroom_ratio: float) -> float | NoData:
    return demand if isinstance(demand, NoData) else demand / (1 - headroom_ratio)
