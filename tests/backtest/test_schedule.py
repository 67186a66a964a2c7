"""The calendar of scored weeks."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.backtest.schedule import Schedule, measured_days
from rightsizing.backtest.series import DemandSeries
from rightsizing.errors import ConfigError, TelemetryError


def hourly(key: str, first_day: int, days: int, empty_days: int = 0) -> DemandSeries:
    """One core every hour, nothing in the first ``empty_days``."""
    cpu = np.ones(days * 24)
    cpu[: empty_days * 24] = np.nan
    none = np.full(days * 24, np.nan)
    return DemandSeries(key, first_day, 3600, cpu, cpu, none, none, none)


def test_two_weeks_of_history_by_default() -> None:
    """36 days: 14 to learn from, 3 whole weeks to score, 1 day left over."""
    schedule = Schedule.of([hourly("a", 100, 36)])
    assert (schedule.first_day, schedule.start, schedule.weeks) == (100, 14, 3)
    assert (schedule.days, schedule.end) == (21, 35)


def test_one_week_of_history_where_there_is_no_more() -> None:
    """A trace of 14 days is scored for its second week."""
    schedule = Schedule.of([hourly("a", 0, 14)])
    assert (schedule.history_days, schedule.start, schedule.weeks) == (7, 7, 1)


def test_last_weeks_only() -> None:
    """Of 3 possible weeks the last one starts at day 14 + 14."""
    schedule = Schedule.of([hourly("a", 0, 35)], weeks=1)
    assert (schedule.start, schedule.weeks, schedule.end) == (28, 1, 35)


def test_too_short_a_history_says_how_many_days_are_needed() -> None:
    """13 days are fewer than 7 + 7."""
    with pytest.raises(TelemetryError, match=r"13 days; a back-test needs at least 14"):
        Schedule.of([hourly("a", 0, 13)])


@pytest.mark.parametrize(("option", "value"), [("history_days", 6), ("weeks", 0)])
def test_arguments_have_bounds(option: str, value: int) -> None:
    """Under a week of history or no week at all is refused."""
    with pytest.raises(ConfigError, match=f"{value} "):
        Schedule.of([hourly("a", 0, 35)], **{option: value})


def test_unmeasured_edges_do_not_count_as_history() -> None:
    """20 days of which the first 10 hold nothing are 10 measured days."""
    series = hourly("a", 0, 20, empty_days=10)
    assert measured_days(series) == 10
    with pytest.raises(TelemetryError, match="10 days"):
        Schedule.of([series])


def test_a_workload_joins_after_its_own_history() -> None:
    """Scoring starts on day 14; first measured on day 3, it has 14 days on day 17: week 1."""
    early, late = hourly("a", 0, 35), hourly("b", 3, 32)
    never = hourly("c", 30, 5)
    schedule = Schedule.of([early, late, never])
    assert schedule.joins([early, late, never]).tolist() == [0, 1, 3]
