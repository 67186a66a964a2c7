"""Azure Advisor's resize rule for virtual machines: P95 of 30-minute maxima under a target.

Public and kept exactly: 7 days; the maximum of averages in every 30 minutes; user-facing workloads
at most 40 % of CPU at P95 and 60 % of memory at P100, others at most 80 % and 80 %.

Assumed: Azure takes the maximum of 1-minute averages, here it is the maximum of the grid's values
(5 minutes in most traces); P95 is the smallest maximum that 95 % of them do not exceed; which class
a workload has is the user's to say, because the inference is not public; network is not sized.
Advisor waits for 7 days of use; here a workload is abstained from under one day of measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rightsizing.backtest.peers.evidence import measured_hours
from rightsizing.backtest.peers.orderstatistics import block_maxima, quantile_of, without_nan
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData

_LOOKBACK_DAYS = 7
_BLOCK_S = 1800
_CPU_QUANTILE = 0.95
_MINIMUM_HOURS = 24


@dataclass(frozen=True, slots=True)
class AzureAdvisor:
    """The targets of one workload class, as shares of the new size."""

    name: str
    cpu_target_ratio: float
    memory_target_ratio: float

    source: ClassVar[str] = "learn.microsoft.com/azure/advisor/advisor-cost-recommendations"
    review_days: ClassVar[int] = 7

    @property
    def description(self) -> str:
        """The targets of this class."""
        return (
            f"P95 of 30-minute maxima of CPU at {self.cpu_target_ratio:.0%}, "
            f"peak of memory at {self.memory_target_ratio:.0%}, {_LOOKBACK_DAYS} days"
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Demand over target per workload; abstains under 24 hours of measurements."""
        return tuple(self._limits(series.last(_LOOKBACK_DAYS)) for series in past)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """No hysteresis is public: every recommendation is applied."""
        return proposed_or_kept(current, proposed)

    def _limits(self, window: DemandSeries) -> Limits:
        return Limits(cpu_cores=self._cpu_cores(window), memory_bytes=self._memory_bytes(window))

    def _cpu_cores(self, window: DemandSeries) -> float | NoData:
        measured = _measured(window, window.cpu_cores, "CPU")
        if isinstance(measured, NoData):
            return measured
        maxima = block_maxima(window.cpu_cores, max(_BLOCK_S // window.interval_s, 1))
        return quantile_of(without_nan(maxima), _CPU_QUANTILE) / self.cpu_target_ratio

    def _memory_bytes(self, window: DemandSeries) -> float | NoData:
        measured = _measured(window, window.memory_bytes, "memory")
        if isinstance(measured, NoData):
            return measured
        return float(measured.max()) / self.memory_target_ratio


USER_FACING = AzureAdvisor("azure-advisor-user-facing", 0.40, 0.60)
NOT_USER_FACING = AzureAdvisor("azure-advisor-other", 0.80, 0.80)


def _measured(window: DemandSeries, values: FloatArray, what: str) -> FloatArray | NoData:
    return measured_hours(values, window.interval_s, at_least=_MINIMUM_HOURS, what=what)
