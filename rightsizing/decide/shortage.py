"""How many minutes of a month one workload will be short of CPU at a size, with bounds.

``decide.prediction`` on the workload's own days since its last accepted change point; both bounds
hold with 90 % probability each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rightsizing.decide.prediction import MINIMUM_DAYS, predict_shortage
from rightsizing.decide.regime import cpu_regime
from rightsizing.model.base import NoData
from rightsizing.model.cpudays import IntArray
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Exceedance


@dataclass(frozen=True, slots=True)
class ShortageForecast:
    """Predictions for one profile, each size asked for once."""

    profile: Profile
    regime_start: IntArray  # (1,) first column of the profile's CPU days that counts
    _known: dict[float, Exceedance | NoData] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: Profile) -> ShortageForecast:
        """The forecast of a profile, from its last accepted change point on."""
        cpu = profile.cpu
        start = np.zeros(1, np.int64) if isinstance(cpu, NoData) else cpu_regime(cpu.days).start
        return cls(profile, start)

    def at(self, cores: float) -> Exceedance | NoData:
        """Minutes of 730 hours in which demand will exceed ``cores`` (of what was measured).

        NoData when CPU was not measured or fewer than MINIMUM_DAYS whole days count.
        """
        if cores not in self._known:
            self._known[cores] = self._predict(cores)
        return self._known[cores]

    def _predict(self, cores: float) -> Exceedance | NoData:
        cpu = self.profile.cpu
        if isinstance(cpu, NoData):
            return cpu
        found = predict_shortage(cpu.days, np.array([cores]), regime_start=self.regime_start)
        if np.isnan(found.mean_minutes[0]):
            counted = cpu.days.samples[0, int(self.regime_start[0]) :]
            return NoData(
                f"{np.count_nonzero(counted)} days are too few to predict from; {MINIMUM_DAYS} "
                f"whole ones are needed"
            )
        return Exceedance(
            minutes_per_month=float(found.mean_minutes[0]),
            lower=float(found.lower_minutes[0]),
            upper=float(found.upper_minutes[0]),
            confidence=found.confidence,
        )
