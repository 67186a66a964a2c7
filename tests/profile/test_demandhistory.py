"""Class, trend and change of level of one workload, from tables made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rightsizing.model.base import NoData
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.demandclass import DemandClass
from rightsizing.profile.demandhistory import BusiestHour, LevelShift, history_of

FIRST_DAY = 20_000
GIB = float(2**30)


def with_memory(daily_gib: list[float]) -> DayTable:
    """A table of one workload whose memory has these daily maxima."""
    blank = DayTable.blank(("web",), FIRST_DAY, len(daily_gib))
    return replace(blank, memory_max_bytes=np.array([daily_gib]) * GIB)


def test_a_step_in_memory_is_dated() -> None:
    """Ten days at 4 GiB, then ten at 8: twice the level from day 10 on."""
    jitter = [0.01 * (day % 3) for day in range(20)]
    daily = [(4.0 if day < 10 else 8.0) + jitter[day] for day in range(20)]
    found = history_of(with_memory(daily)).memory
    assert isinstance(found.shift, LevelShift)
    assert found.shift.day == FIRST_DAY + 10
    assert found.shift.ratio == pytest.approx(2.0, rel=0.01)


def test_a_trend_is_given_in_bytes_a_day() -> None:
    """Half a GiB a day on a straight line."""
    found = history_of(with_memory([4.0 + 0.5 * day for day in range(20)])).memory
    assert found.trend_per_day == pytest.approx(0.5 * GIB)


def test_a_flat_level_has_neither() -> None:
    """NoData says that there is nothing to see, not that nobody looked."""
    found = history_of(with_memory([4.0] * 20)).memory
    assert found.trend_per_day == NoData("no trend that is more than noise")
    assert found.shift == NoData("no lasting change of level")
    assert not found.is_moving


def test_few_days_say_nothing() -> None:
    """Six days are under a week."""
    found = history_of(with_memory([4.0] * 6))
    assert found.memory.shift == NoData("6 measured days; 7 are needed")
    assert found.demand_class is DemandClass.UNKNOWN
    assert isinstance(found.cpu.trend_per_day, NoData)


def test_one_workload_at_a_time() -> None:
    """A table of two is refused."""
    with pytest.raises(ValueError, match="one workload is needed, found 2"):
        history_of(DayTable.blank(("a", "b"), FIRST_DAY, 1))


def test_the_busiest_hour_of_the_week_is_named() -> None:
    """Fourteen days from a Monday, 1 core but for Wednesdays at 9: 3 cores, once 4."""
    monday = 20_724  # 2026-09-28
    hours = np.ones((1, 14, 24), dtype=np.float32)
    hours[0, [2, 9], 9] = 3.0
    highest = hours.copy()
    highest[0, 9, 9] = 4.0
    table = replace(
        DayTable.blank(["api"], monday, 14),
        cpu_hour_mean_cores=hours,
        cpu_hour_max_cores=highest,
    )
    assert history_of(table).busiest_hour == BusiestHour(2, 9, 3.0, 4.0)


def test_a_week_with_holes_has_no_busiest_hour() -> None:
    """Six days leave 24 hours of the week unseen."""
    hours = np.ones((1, 6, 24), dtype=np.float32)
    table = replace(
        DayTable.blank(["api"], 20_724, 6), cpu_hour_mean_cores=hours, cpu_hour_max_cores=hours
    )
    found = history_of(table).busiest_hour
    assert isinstance(found, NoData)
    assert "24 of the week's 168 hours" in found.reason
