"""Reading a frontier between two risks, and at its ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.backtest.frontier import cost_at, shifted_ratio

EXCEEDANCE = np.array([0.001, 0.01, 0.1])
COST = np.array([2.0, 1.0, 0.5])


def test_between_two_risks_the_logarithms_are_straight() -> None:
    """Half way from 0.001 to 0.01 in logarithms is 0.00316; half way from 2 to 1 is 1.4142."""
    found = cost_at(EXCEEDANCE, COST, np.array(np.sqrt(0.001 * 0.01)))
    assert float(found.cost) == pytest.approx(np.sqrt(2.0))
    assert bool(found.within)


def test_at_a_risk_its_own_cost() -> None:
    """The points themselves lie on the frontier, whatever order they come in."""
    order = np.array([2, 0, 1])
    found = cost_at(EXCEEDANCE[order], COST[order], EXCEEDANCE)
    np.testing.assert_allclose(found.cost, COST)


def test_riskier_than_the_riskiest_costs_what_that_does() -> None:
    """At 0.5 the point at 0.1 still qualifies: it is short less often than asked."""
    found = cost_at(EXCEEDANCE, COST, np.array([0.5]))
    assert found.cost.tolist() == [pytest.approx(0.5)]
    assert found.within.all()


def test_safer_than_the_safest_is_carried_on_and_marked() -> None:
    """From 0.01 to 0.001 the cost doubles, so at 0.0001 it is 4."""
    found = cost_at(EXCEEDANCE, COST, np.array([0.0001]))
    assert found.cost.tolist() == [pytest.approx(4.0)]
    assert not found.within.any()


def test_a_dominated_risk_is_not_on_the_frontier() -> None:
    """The point at 0.01 costs 3 though that at 0.001 is safer and costs 2: 2 holds there."""
    found = cost_at(EXCEEDANCE, np.array([2.0, 3.0, 0.5]), np.array([0.01]))
    assert found.cost.tolist() == [pytest.approx(2.0)]


def test_one_risk_is_a_frontier_of_one_point() -> None:
    """Its cost holds for all that are riskier; for safer ones it is marked."""
    found = cost_at(np.array([0.01]), np.array([1.5]), np.array([0.02, 0.005]))
    assert found.cost.tolist() == [pytest.approx(1.5)] * 2
    assert found.within.tolist() == [True, False]


def test_many_frontiers_at_once() -> None:
    """A stack of frontiers, each read at its own share, equals reading them one by one."""
    generator = np.random.default_rng(5)
    exceedance = generator.uniform(1e-4, 0.2, size=(50, 7))
    cost = generator.uniform(0.5, 3.0, size=(50, 7))
    wanted = generator.uniform(1e-4, 0.3, size=50)
    together = cost_at(exceedance, cost, wanted)
    for row in range(50):
        alone = cost_at(exceedance[row], cost[row], np.array(wanted[row]))
        assert together.cost[row] == pytest.approx(float(alone.cost))
        assert together.within[row] == bool(alone.within)


@given(
    st.lists(
        st.tuples(st.floats(1e-6, 0.5), st.floats(0.1, 10.0)), min_size=1, max_size=8, unique=True
    ),
    st.lists(st.floats(1e-6, 0.5), min_size=2, max_size=2),
)
def test_more_shortage_never_costs_more(
    points: list[tuple[float, float]], asked: list[float]
) -> None:
    """Read within the frontier, cost falls or stays as the share rises."""
    exceedance, cost = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    found = cost_at(exceedance, cost, np.array(sorted(asked)))
    if found.within.all():
        assert found.cost[1] <= found.cost[0] * (1 + 1e-9)


def test_no_shortage_at_all_still_has_a_logarithm() -> None:
    """Half a step of 1,000 and one."""
    assert shifted_ratio(np.array(0.0), np.array(1000.0)) == 0.5 / 1001
