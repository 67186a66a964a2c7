"""Our rule for EC2 types in the replay: what it proposes, and how it moves."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.backtest.contestants import contestants, ours
from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.ourtypes import TypeRule
from rightsizing.backtest.replay import replay
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.schedule import Schedule
from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.risk import Risk
from rightsizing.model.base import NoData

GIB = 1024.0**3


@pytest.fixture(scope="module")
def types() -> TypeTable:
    """The types of one region."""
    return TypeTable.of(Catalog.load(), "us-east-1")


@pytest.fixture
def rule(types: TypeTable) -> TypeRule:
    """The rule at the default risk."""
    return TypeRule(Risk(0.005), types)


def size(limits: Limits) -> tuple[float, float]:
    """Cores and GiB, which must be there."""
    assert not isinstance(limits.cpu_cores, NoData)
    assert not isinstance(limits.memory_bytes, NoData)
    return limits.cpu_cores, limits.memory_bytes / GIB


def test_less_than_a_week_says_nothing(make_series, rule) -> None:
    """Six days of CPU: the size in force stays."""
    (found,) = rule.propose([make_series(np.ones((6, 24)), capacity=4.0)])
    assert isinstance(found.cpu_cores, NoData)
    assert rule.accept(Limits(4.0, GIB), found) == Limits(4.0, GIB)


def test_a_size_that_is_no_type_becomes_one(make_series, types, rule) -> None:
    """A quarter of a core and 3 GiB at most: one vCPU and 4 GiB, which costs least."""
    cpu, memory = np.full((14, 24), 0.25), np.full((14, 24), 3 * GIB)
    (found,) = rule.propose([make_series(cpu, memory=memory, capacity=4.0)])
    taken = rule.accept(Limits(3.7, 11 * GIB), found)
    assert size(taken) == (1.0, 4.0)
    held = types.cheapest(np.array([[1.0]]), np.array([[4 * GIB]]))
    assert (held.cpu_cores[0, 0], held.memory_bytes[0, 0]) == (1.0, 4 * GIB)


def test_left_the_day_after_it_was_exceeded(make_series, rule) -> None:
    """One core all the time, then a day at three: four vCPUs from the next day on."""
    cpu = np.ones((16, 24))
    small = Limits(1.0, 2 * GIB)
    (before,) = rule.propose([make_series(cpu[:15], capacity=8.0)])
    assert size(rule.accept(small, before)) == (1.0, 2.0)
    cpu[15] = 3.0
    (after,) = rule.propose([make_series(cpu, capacity=8.0)])
    assert size(rule.accept(small, after)) == (4.0, 8.0)


def test_a_move_that_does_not_pay_is_not_made(make_series, rule) -> None:
    """What is taken stays on the same demand, from wherever it came."""
    generator = np.random.default_rng(4)
    fleet = [
        make_series(generator.gamma(2, 0.4, (21, 24)), key=key, capacity=16.0) for key in "abcd"
    ]
    for proposed in rule.propose_from(day_table_of(fleet)):
        taken = rule.accept(Limits(16.0, 32 * GIB), proposed)
        assert rule.accept(taken, proposed) == taken


def test_memory_near_the_limit_is_left(make_series, rule) -> None:
    """1.95 of 2 GiB on the newest day is over 95 %: 4 GiB from the next day on."""
    cpu, memory = np.full((14, 24), 0.2), np.full((14, 24), 1.2 * GIB)
    memory[13] = 1.95 * GIB
    (found,) = rule.propose([make_series(cpu, memory=memory, capacity=4.0)])
    assert size(rule.accept(Limits(1.0, 2 * GIB), found)) == (1.0, 4.0)


def test_what_it_holds_is_a_type(make_series, types) -> None:
    """In a replay at several risks every size in force is one of the table's."""
    generator = np.random.default_rng(8)
    fleet = [
        make_series(
            generator.gamma(1, 0.6, (28, 24)),
            memory=generator.gamma(30, 0.1, (28, 24)) * GIB,
            key=key,
            capacity=8.0,
        )
        for key in "abc"
    ]
    for held in replay(fleet, ours(["0.1", "5"], types=types), Schedule.of(fleet)):
        sizes = zip(held.cpu_cores.ravel(), held.memory_bytes.ravel(), strict=True)
        assert all(types.place_of(*one) is not None for one in sizes)


def test_names_are_those_of_the_limits(types) -> None:
    """A risk has one name in both modes, so that reports stand side by side."""
    limits, typed = (
        contestants(["vpa"], ["default"]),
        contestants(["vpa"], ["default"], types=types),
    )
    assert [rule.name for rule in limits.all] == [rule.name for rule in typed.all]
    assert typed.ours[0].source == "rightsizing.decide.typesteps"
