"""Observed exceedance: for how long a workload was at its limit, since its size was applied.

Counted in watched time only. CPU at the limit is what exceedance predicts; a reading of 99 % and
more counts, since a limited container never measures above its limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from rightsizing.model.base import FrozenModel
from rightsizing.monitor.reading import WorkloadReading

AT_LIMIT_RATIO = 0.99


class ObservedExceedance(FrozenModel):
    """One workload at one size. ``size`` empty: the size is not known, only the limit."""

    workload: str
    size: str = ""
    watched_s: float = Field(default=0.0, ge=0)
    exceeded_s: float = Field(default=0.0, ge=0)

    @property
    def minutes(self) -> float:
        """Minutes at the limit."""
        return self.exceeded_s / 60


class ExceedanceBook:
    """Counts, round by round. A new size begins anew."""

    def __init__(self, kept: Iterable[ObservedExceedance] = ()) -> None:
        self._counted = {item.workload: item for item in kept}

    def add(
        self,
        readings: Mapping[str, WorkloadReading],
        sizes: Mapping[str, str],
        *,
        elapsed_s: float,
    ) -> None:
        """Count ``elapsed_s`` seconds for every workload whose CPU was read.

        Args:
            sizes: the applied size of each workload, as text; those that are not known left out.
        """
        for workload, reading in readings.items():
            if reading.cpu_ratio is None:
                continue
            size = sizes.get(workload, "")
            known = self._counted.get(workload)
            if known is None or known.size != size:
                known = ObservedExceedance(workload=workload, size=size)
            exceeded_s = elapsed_s if reading.cpu_ratio >= AT_LIMIT_RATIO else 0.0
            self._counted[workload] = known.model_copy(
                update={
                    "watched_s": known.watched_s + elapsed_s,
                    "exceeded_s": known.exceeded_s + exceeded_s,
                }
            )

    def drop(self, workloads: Iterable[str]) -> None:
        """Forget the counts of these workloads; one that was never counted is no fault."""
        for workload in workloads:
            self._counted.pop(workload, None)

    def of(self, workload: str) -> ObservedExceedance | None:
        """What was counted; None: never watched."""
        return self._counted.get(workload)

    def kept(self) -> tuple[ObservedExceedance, ...]:
        """What has to survive a restart."""
        return tuple(self._counted.values())
