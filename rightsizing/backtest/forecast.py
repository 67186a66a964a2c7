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
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.decide.cpu import cpu_days_of
from rightsizing.decide.prediction import predict_shortage
from rightsizing.profile.daytable import DayTable

DRAWS = 100  # of each prediction; a share of weeks is then known to one percent
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

    def forecast(self, past: Sequence[DemandSeries], limits: Sequence[Limits]) -> Forecasts:
        """Forecasts of the coming week under these limits, from the past alone.

        A rule that reviews in between forecasts what its own reviews will make of the week.
        """


def predicted(past: DayTable, limits_cores: FloatArray) -> Forecasts:
    """What the toolkit predicts of any limits (W,) held for the week after the table's last day."""
    found = predict_shortage(cpu_days_of(past), limits_cores, draws=DRAWS)
    return Forecasts(
        expected_ratio=found.mean_minutes / found.horizon_minutes,
        upper_ratio=found.upper_minutes / found.horizon_minutes,
        draws=found.draw_minutes / found.horizon_minutes,
    )


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
