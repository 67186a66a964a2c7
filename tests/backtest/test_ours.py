"""Our rule in the replay: weekly reviews, the fast way up, memory as the memory rule holds it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.ours import RiskRule
from rightsizing.backtest.rule import Limits
from rightsizing.decide.memory import (
    fleet_reference_bytes,
    held_bytes,
    memory_days_of,
    memory_targets,
)
from rightsizing.decide.risk import Risk
from rightsizing.model.base import NoData

GIB = 1024.0**3
RULE = RiskRule(Risk(0.005))


def cores(limits: Limits) -> float:
    """The CPU limit, which must be there."""
    assert not isinstance(limits.cpu_cores, NoData)
    return limits.cpu_cores


def test_less_than_a_week_says_nothing(make_series) -> None:
    """Six days of CPU; memory was never measured."""
    (found,) = RULE.propose([make_series(np.ones((6, 24)), capacity=4.0)])
    assert isinstance(found.cpu_cores, NoData)
    assert isinstance(found.memory_bytes, NoData)
    assert RULE.accept(Limits(4.0, GIB), found) == Limits(4.0, GIB)


def test_lowered_on_review_days_only(make_series) -> None:
    """One core of four, used all the time: lowered on day 14 and not on day 15."""
    for days, expected in ((14, 1.0), (15, 4.0)):
        (found,) = RULE.propose([make_series(np.ones((days, 24)), capacity=4.0)])
        assert cores(RULE.accept(Limits(4.0, GIB), found)) == pytest.approx(expected)


def test_raised_the_day_after_it_was_exceeded(make_series) -> None:
    """Three cores on the 16th day: held at one core before, at three from then on."""
    cpu = np.ones((16, 24))
    (before,) = RULE.propose([make_series(cpu[:15], capacity=4.0)])
    assert cores(RULE.accept(Limits(1.0, GIB), before)) == 1.0
    cpu[15] = 3.0
    (after,) = RULE.propose([make_series(cpu, capacity=4.0)])
    assert cores(RULE.accept(Limits(1.0, GIB), after)) == pytest.approx(3.0)


def test_a_fleet_and_its_table_give_the_same_limits(make_series) -> None:
    """The order of the series does not matter; the table's is that of the keys."""
    generator = np.random.default_rng(3)
    fleet = [make_series(generator.gamma(4, 0.1, (14, 24)), key=key, capacity=4.0) for key in "bca"]
    by_key = dict(zip("bca", RULE.propose(fleet), strict=True))
    found = RULE.propose_from(day_table_of(fleet))
    assert [cores(item) for item in found] == [cores(by_key[key]) for key in "abc"]


def test_history_before_a_lasting_fall_does_not_matter(make_series) -> None:
    """28 days at one core after 28 at four: the limit is that of the last 28 alone."""
    generator = np.random.default_rng(5)
    noise = generator.uniform(0.9, 1.0, (56, 24))
    cpu = np.where(np.arange(56)[:, None] < 28, 4.0, 1.0) * noise
    (whole,) = RULE.propose([make_series(cpu, capacity=8.0)])
    (last,) = RULE.propose([make_series(cpu[28:], capacity=8.0)])
    assert cores(whole) == pytest.approx(cores(last))


# The fixture holds no state.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 10_000),
    st.integers(1, 21),
    st.floats(0.05, 8.0),
    st.floats(0.0, 0.6),
)
def test_memory_is_held_as_the_memory_rule_holds_it(make_series, seed, days, held, gaps) -> None:
    """One workload's limit equals ``held_bytes`` of its fleet, on any day, from any limit."""
    generator = np.random.default_rng(seed)
    fleet = []
    for key in "ab":
        memory = generator.gamma(20, 0.05, (days, 24)) * GIB
        memory[generator.random((days, 24)) < gaps] = np.nan
        fleet.append(make_series(np.ones((days, 24)), key=key, memory=memory, capacity=4.0))
    table = day_table_of(fleet)
    read = memory_days_of(table)
    targets = memory_targets(
        read, price=RULE.risk.memory_price, reference_bytes=fleet_reference_bytes(read)
    ).clear_of_alarm()
    current = np.full(2, held * GIB)
    expected = held_bytes(current, targets, is_review_day=days % 7 == 0)
    found = [RULE.accept(Limits(1.0, held * GIB), item) for item in RULE.propose_from(table)]
    assert [item.memory_bytes for item in found] == expected.tolist()


def test_a_forecast_covers_every_limit(make_series) -> None:
    """A limit never reached is short less than one always passed, which is short all the time."""
    fleet = [make_series(np.ones((21, 24)), key=key, capacity=4.0) for key in "ab"]
    found = RULE.forecast(day_table_of(fleet), [Limits(3.0, GIB), Limits(0.5, GIB)])
    assert found.expected_ratio[0] < 0.05
    assert found.expected_ratio[1] > 0.9
    assert found.upper_ratio.tolist() == [0.0, 1.0]
