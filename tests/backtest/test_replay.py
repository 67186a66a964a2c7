"""Walking forward: what a rule is shown, when it looks, and what stays in force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from rightsizing.backtest.contestants import contestants
from rightsizing.backtest.peers.oracle import ORACLE
from rightsizing.backtest.replay import replay
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData
from rightsizing.profile.daytable import DayTable

MakeSeries = Callable[..., DemandSeries]


@dataclass
class LastDayMaximum:
    """The largest CPU and memory of the last day, times a factor; abstains on unmeasured days."""

    factor: float = 1.0
    review_days: int = 7
    least_change: float = 0.0

    @property
    def name(self) -> str:
        """Distinct by its settings."""
        return f"last-day-x{self.factor:g}-every-{self.review_days}"

    @property
    def description(self) -> str:
        """For reports."""
        return "test rule"

    @property
    def source(self) -> str:
        """For reports."""
        return "tests"

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Abstains where the last day has nothing."""
        return tuple(
            Limits(
                self._largest(series.last(1).cpu_cores), self._largest(series.last(1).memory_bytes)
            )
            for series in past
        )

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """A CPU limit moves when it differs by more than ``least_change`` of what is in force."""
        wanted = proposed_or_kept(current, proposed)
        if isinstance(current.cpu_cores, float) and isinstance(wanted.cpu_cores, float):
            moved = (
                abs(wanted.cpu_cores - current.cpu_cores) > self.least_change * current.cpu_cores
            )
            return Limits(wanted.cpu_cores if moved else current.cpu_cores, wanted.memory_bytes)
        return wanted

    def _largest(self, values: FloatArray) -> float | NoData:
        known = values[~np.isnan(values)]
        return float(known.max()) * self.factor if known.size else NoData("nothing measured")


@dataclass
class Recorder(LastDayMaximum):
    """Remembers how many days it was shown of each workload."""

    seen: list[dict[str, int]] = field(default_factory=list)

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """As the rule it extends."""
        self.seen.append({series.workload: series.first_day + series.days for series in past})
        return super().propose(past)


def ramp(days: int, steps: int = 24) -> np.ndarray:
    """Day d uses d cores all day."""
    return np.repeat(np.arange(days, dtype=float)[:, None], steps, axis=1)


def test_a_weekly_rule_sees_the_past_and_is_held(make_series: MakeSeries) -> None:
    """Scoring days 14 to 27: on day 14 the last day used 13 cores, on day 21 it used 20."""
    series = [make_series(ramp(28))]
    rule = Recorder()
    (held,) = replay(series, [rule], Schedule.of(series))
    assert rule.seen == [{"a": 14}, {"a": 21}]
    assert held.cpu_cores[0].tolist() == [13.0] * 7 + [20.0] * 7


def test_a_daily_rule_looks_every_day(make_series: MakeSeries) -> None:
    """Each day it holds what the day before used."""
    series = [make_series(ramp(21))]
    (held,) = replay(series, [LastDayMaximum(review_days=1)], Schedule.of(series))
    assert held.cpu_cores[0].tolist() == [13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]


def test_the_rules_own_hysteresis_decides(make_series: MakeSeries) -> None:
    """From 16 cores the rule moves only by more than half: 13 is kept out, 5 is taken."""
    cpu = np.concatenate([ramp(21), np.full((7, 24), 5.0)])
    cpu[20] = 5.0
    series = [make_series(cpu, capacity=16.0)]
    (held,) = replay(series, [LastDayMaximum(least_change=0.5)], Schedule.of(series))
    assert held.cpu_cores[0].tolist() == [16.0] * 7 + [5.0] * 7


def test_abstention_keeps_the_capacity(make_series: MakeSeries) -> None:
    """Day 13 was not measured, so the first week runs at the 8 cores it has."""
    cpu = ramp(28)
    cpu[13] = np.nan
    series = [make_series(cpu, capacity=8.0)]
    (held,) = replay(series, [LastDayMaximum()], Schedule.of(series))
    assert held.cpu_cores[0, :7].tolist() == [8.0] * 7
    assert held.cpu_abstained[0].tolist() == [True] * 7 + [False] * 7
    assert held.memory_abstained.all()


def test_abstention_without_a_capacity_keeps_the_maximum_so_far(make_series: MakeSeries) -> None:
    """Days 0 to 12 reached 12 cores; what comes later does not count."""
    cpu = ramp(28)
    cpu[13] = np.nan
    series = [make_series(cpu)]
    (held,) = replay(series, [LastDayMaximum()], Schedule.of(series))
    assert held.cpu_cores[0, :7].tolist() == [12.0] * 7
    assert np.isnan(held.memory_bytes).all()


def test_a_later_abstention_keeps_the_rules_own_limit(make_series: MakeSeries) -> None:
    """Day 20 was not measured: the second week keeps the 13 cores of the first."""
    cpu = ramp(28)
    cpu[20] = np.nan
    series = [make_series(cpu, capacity=64.0)]
    (held,) = replay(series, [LastDayMaximum()], Schedule.of(series))
    assert held.cpu_cores[0].tolist() == [13.0] * 14


def test_a_workload_joins_with_its_own_first_review(make_series: MakeSeries) -> None:
    """The younger one is first shown in the week after it has 14 days."""
    series = [make_series(ramp(35)), make_series(ramp(28), key="b", first_day=7)]
    rule = Recorder()
    (held,) = replay(series, [rule], Schedule.of(series))
    assert rule.seen == [{"a": 14}, {"a": 21, "b": 21}, {"a": 28, "b": 28}]
    assert np.isnan(held.cpu_cores[1, :7]).all()
    assert held.cpu_cores[1, 7:14].tolist() == [13.0] * 7  # day 20 of the calendar is its day 13


def test_hindsight_is_shown_the_week_itself(make_series: MakeSeries) -> None:
    """The oracle's limit of a week of 14..20 cores is close to its largest day."""
    series = [make_series(ramp(28))]
    (held,) = replay(series, [ORACLE], Schedule.of(series))
    assert (held.cpu_cores[0, :7] == 20.0).all()
    assert (held.cpu_cores[0, 7:] == 27.0).all()


def test_a_fleet_rule_is_given_the_table_of_the_same_days(make_series: MakeSeries) -> None:
    """The table ends where the review begins and holds the active workloads only."""

    @dataclass
    class TableRule(LastDayMaximum):
        shown: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

        def propose_from(self, past: DayTable) -> tuple[Limits, ...]:
            self.shown.append((past.workloads, past.first_day + past.days))
            return tuple(
                Limits(float(cores), NoData("CPU only")) for cores in past.cpu_max_cores[:, -1]
            )

    series = [
        make_series(ramp(35), capacity=64.0),
        make_series(ramp(28), key="b", first_day=7, capacity=64.0),
    ]
    rule = TableRule()
    (held,) = replay(series, [rule], Schedule.of(series))
    assert rule.shown == [(("a",), 14), (("a", "b"), 21), (("a", "b"), 28)]
    assert held.cpu_cores[0].tolist() == [13.0] * 7 + [20.0] * 7 + [27.0] * 7


@pytest.mark.parametrize(
    "rule", contestants(risks=["default"]).all[:-2], ids=lambda rule: rule.name
)
def test_changing_the_future_changes_no_proposal(rule: object, make_series: MakeSeries) -> None:
    """Demand after day 20 is multiplied by 50: every limit up to that day stays what it was."""
    generator = np.random.default_rng(7)
    cpu = generator.gamma(2.0, 0.2, size=(2, 28, 288))
    memory = generator.uniform(2**30, 2**31, size=(28, 288))
    original = [
        make_series(cpu[0], capacity=8.0, memory=memory, capacity_memory=2**33),
        make_series(cpu[1], key="b", capacity=4.0),
    ]
    after = 21 * 288

    def changed(series: DemandSeries) -> DemandSeries:
        return replace(
            series,
            cpu_cores=np.concatenate([series.cpu_cores[:after], series.cpu_cores[after:] * 50]),
            cpu_mean_cores=np.concatenate(
                [series.cpu_mean_cores[:after], series.cpu_mean_cores[after:] * 50]
            ),
            memory_bytes=np.concatenate(
                [series.memory_bytes[:after], series.memory_bytes[after:] * 50]
            ),
            capacity_cores=np.concatenate(
                [series.capacity_cores[:after], series.capacity_cores[after:] * 2]
            ),
        )

    schedule = Schedule.of(original)
    (before,) = replay(original, [rule], schedule)  # type: ignore[list-item]
    (then,) = replay([changed(item) for item in original], [rule], schedule)  # type: ignore[list-item]
    known = slice(0, 21 - schedule.start + 1)  # day 21 itself is decided before it begins
    np.testing.assert_array_equal(before.cpu_cores[:, known], then.cpu_cores[:, known])
    np.testing.assert_array_equal(before.memory_bytes[:, known], then.memory_bytes[:, known])
