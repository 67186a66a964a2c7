"""Hindsight: rules that are shown the period they are scored on. Nobody can use them.

They bound what sizing can reach, and their cost is the unit in which the others' is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rightsizing.backtest.peers.orderstatistics import quantile_of
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData


@dataclass(frozen=True, slots=True)
class Hindsight:
    """A quantile of the scored period's own CPU, and the maximum of its memory."""

    name: str
    cpu_quantile: float  # 1.0: the maximum

    source: ClassVar[str] = "EuroSys'21, Take it to the limit: peak prediction against an oracle"

    @property
    def description(self) -> str:
        """The quantile."""
        return f"the scored period's own P{self.cpu_quantile * 100:g} of CPU and peak of memory"

    def propose_for(self, period: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Limits for exactly the period given; abstains where nothing was measured in it."""
        return tuple(
            Limits(
                cpu_cores=_quantile(series.measured_cpu_cores, self.cpu_quantile, "CPU"),
                memory_bytes=_quantile(series.measured_memory_bytes, 1.0, "memory"),
            )
            for series in period
        )


ORACLE = Hindsight("oracle-p99.9", 0.999)
CLAIRVOYANT_MAXIMUM = Hindsight("oracle-maximum", 1.0)


def _quantile(measured: FloatArray, quantile: float, what: str) -> float | NoData:
    return quantile_of(measured, quantile) if measured.size else NoData(f"no {what} in the period")
