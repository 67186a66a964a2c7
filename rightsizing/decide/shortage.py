"""How many minutes of a month workloads will be short of CPU at a size, with bounds.

``decide.prediction`` on the workload's own days since its last accepted change point; both bounds
hold with 90 % probability each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rightsizing.decide.prediction import MINIMUM_DAYS, ShortagePrediction, predict_shortage
from rightsizing.decide.reading import Reading, stacked_cpu
from rightsizing.model.base import NoData
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Exceedance


@dataclass(frozen=True, slots=True)
class ShortageForecast:
    """Predictions for one profile, each size asked for once."""

    profile: Profile
    start: int  # first column of the profile's CPU days that counts
    _known: dict[float, Exceedance | NoData] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: Profile, reading: Reading) -> ShortageForecast:
        """The forecast of a profile, from its last accepted change point on."""
        return cls(profile, 0 if reading.cpu is None else reading.cpu.start)

    def at(self, cores: float) -> Exceedance | NoData:
        """Minutes of 730 hours in which demand will exceed ``cores`` (of what was measured).

        NoData when CPU was not measured or fewer than MINIMUM_DAYS whole days count.
        """
        if cores not in self._known:
            predict([self], [cores])
        return self._known[cores]

    def keep(self, cores: float, found: ShortagePrediction | NoData, row: int) -> None:
        """Remember one row of a prediction."""
        self._known[cores] = found if isinstance(found, NoData) else self._exceedance(found, row)

    def _exceedance(self, found: ShortagePrediction, row: int) -> Exceedance | NoData:
        if np.isnan(found.mean_minutes[row]) and not isinstance(self.profile.cpu, NoData):
            counted = self.profile.cpu.days.samples[0, self.start :]
            return NoData(
                f"{np.count_nonzero(counted)} days are too few to predict from; {MINIMUM_DAYS} "
                f"whole ones are needed"
            )
        return Exceedance(
            minutes_per_month=float(found.mean_minutes[row]),
            lower=float(found.lower_minutes[row]),
            upper=float(found.upper_minutes[row]),
            confidence=found.confidence,
        )


def predict(forecasts: Sequence[ShortageForecast], cores: Sequence[float]) -> None:
    """Predict for each forecast at its size, in arrays, so that ``at`` need not."""
    for forecast, size in zip(forecasts, cores, strict=True):
        if isinstance(forecast.profile.cpu, NoData):
            forecast.keep(size, forecast.profile.cpu, 0)
    for places, days in stacked_cpu([forecast.profile for forecast in forecasts]):
        found = predict_shortage(
            days,
            np.array([cores[place] for place in places], dtype=np.float64),
            regime_start=np.array([forecasts[place].start for place in places], dtype=np.int64),
        )
        for row, place in enumerate(places):
            forecasts[place].keep(cores[place], found, row)
