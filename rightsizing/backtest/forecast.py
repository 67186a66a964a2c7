"""What a rule predicts of the limits it holds: how much of the coming week demand will exceed them.

A forecast is a predictive distribution, given as draws of equal weight, so that its bound, its mean
and its calibration come from one thing. A rule may forecast for itself;
for ours the toolkit's prediction of the limits in force stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import FloatArray
from rightsizing.decide.prediction import predict_shortage
from rightsizing.model.cpudays import CpuDays, IntArray
from rightsizing.profile.daytable import DayTable

DRAWS = 199  # of each prediction: quantiles at every half percent
BOUND = 0.90  # the share of weeks an upper bound is to hold for


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """Share of the next seven days' steps that will be short, for W workloads.

    NaN in ``expected_ratio``: no forecast for that workload.
    """

    expected_ratio: FloatArray  # (W,)
    upper_ratio: FloatArray  # (W,) 90 % upper bound
    draws: FloatArray  # (W, S) draws of the predictive distribution, at least one


@runtime_checkable
class ForecastingRule(Protocol):
    """A rule that says what its limits will come to."""

    def forecast(self, past: DayTable, limits: Sequence[Limits]) -> Forecasts:
        """Forecasts of the coming week under these limits, by row, from the past alone.

        A rule that reviews in between forecasts what its own reviews will make of the week.
        """


def predicted(
    past: CpuDays,
    limits_cores: FloatArray,
    *,
    regime_start: IntArray | None = None,
    raised_daily: bool = False,
) -> Forecasts:
    """What the toolkit predicts of any limits (W,) in the week after the last day.

    Args:
        past: daily demand.
        limits_cores: in force when the week begins.
        regime_start: (W,) first day whose demand counts; all of history by default.
        raised_daily: an exceeded limit is raised the day after, not held all week.
    """
    found = predict_shortage(
        past,
        limits_cores,
        regime_start=regime_start,
        horizon_minutes=1.0,  # minutes of one minute: a share
        confidence=BOUND,
        raised_daily=raised_daily,
        draws=DRAWS,
    )
    return Forecasts(found.mean_minutes, found.upper_minutes, found.draw_minutes)


@dataclass(frozen=True, slots=True, eq=False)
class WeekForecast:
    """The forecasts made at the start of one scored week, for the workloads in ``rows``."""

    week: int
    rows: NDArray[np.int64]
    forecasts: Forecasts

    def shown(self, mask: NDArray[np.bool_], first: int) -> WeekForecast:
        """Only the workloads in ``mask``, their rows counted from ``first``."""
        kept = mask[self.rows]
        return WeekForecast(
            week=self.week,
            rows=self.rows[kept] + first,
            forecasts=Forecasts(
                expected_ratio=self.forecasts.expected_ratio[kept],
                upper_ratio=self.forecasts.upper_ratio[kept],
                draws=self.forecasts.draws[kept],
            ),
        )
