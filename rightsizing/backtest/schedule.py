"""When a back-test looks and what it scores: whole weeks of UTC days after a stretch of history.

All workloads of a trace share one calendar, since a fleet's rule decides for all of them on the
same day. Day indices count from the first day of the earliest series. A workload joins at the first
scored week before which it has the history itself; what follows the last whole week is not scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.series import DemandSeries
from rightsizing.errors import ConfigError, TelemetryError

DAYS_PER_WEEK = 7
HISTORY_DAYS = 14  # what Compute Optimizer and KRR look back by default
LEAST_HISTORY_DAYS = 7  # under a week no rule has seen every day of the week


@dataclass(frozen=True, slots=True)
class Schedule:
    """A calendar of scored weeks; week ``k`` is days ``[start + 7k, start + 7k + 7)``."""

    first_day: int  # days since 1970-01-01 of day index 0
    start: int  # day index of the first scored day
    weeks: int
    history_days: int

    @classmethod
    def of(
        cls,
        series: Sequence[DemandSeries],
        *,
        history_days: int | None = None,
        weeks: int | None = None,
    ) -> Self:
        """The calendar of these series.

        Args:
            series: at least one.
            history_days: days before the first scored week; 14 where that leaves a whole week to
                score, else 7.
            weeks: score only the last so many weeks; all by default.

        Raises:
            ConfigError: an argument is out of its bounds.
            TelemetryError: the history is too short to score a single week.
        """
        if history_days is not None and history_days < LEAST_HISTORY_DAYS:
            raise ConfigError(
                f"{history_days} days of history asked for; give at least {LEAST_HISTORY_DAYS}"
            )
        if weeks is not None and weeks < 1:
            raise ConfigError(f"{weeks} weeks to score asked for; give at least 1")
        if not series:
            raise TelemetryError("nothing to replay: no workload has CPU or memory measurements")
        first = min(item.first_day for item in series)
        days = max(item.first_day + item.days for item in series) - first
        longest = max(measured_days(item) for item in series)
        if history_days is None:
            enough = longest >= HISTORY_DAYS + DAYS_PER_WEEK
            history_days = HISTORY_DAYS if enough else LEAST_HISTORY_DAYS
        needed = history_days + DAYS_PER_WEEK
        if longest < needed:
            raise TelemetryError(
                f"the longest history is {longest} days; a back-test needs at least {needed}: "
                f"{history_days} to learn from and {DAYS_PER_WEEK} to score"
            )
        possible = (days - history_days) // DAYS_PER_WEEK
        taken = possible if weeks is None else min(weeks, possible)
        start = history_days + (possible - taken) * DAYS_PER_WEEK
        return cls(first_day=first, start=start, weeks=taken, history_days=history_days)

    @property
    def days(self) -> int:
        """Scored days."""
        return self.weeks * DAYS_PER_WEEK

    @property
    def end(self) -> int:
        """Day index after the last scored day."""
        return self.start + self.days

    def joins(self, series: Sequence[DemandSeries]) -> NDArray[np.int64]:
        """(W,) first scored week before which each workload has the history; ``weeks``: none."""
        first_days = np.array([item.first_day + _first_measured(item) for item in series])
        waits = first_days - self.first_day + self.history_days - self.start
        joins: NDArray[np.int64] = np.clip(-(-waits // DAYS_PER_WEEK), 0, self.weeks)
        return joins


def measured_days(series: DemandSeries) -> int:
    """Days from the first with a measurement to the last, both included; 0 without any."""
    measured = np.flatnonzero(_measured(series))
    return int(measured[-1] - measured[0]) + 1 if measured.size else 0


def _first_measured(series: DemandSeries) -> int:
    measured = np.flatnonzero(_measured(series))
    return int(measured[0]) if measured.size else series.days


def _measured(series: DemandSeries) -> NDArray[np.bool_]:
    usable = ~(np.isnan(series.cpu_cores) & np.isnan(series.memory_bytes))
    found: NDArray[np.bool_] = np.any(usable.reshape(series.days, series.intervals_per_day), axis=1)
    return found
