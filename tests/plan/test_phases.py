"""Order of phases, and what was assumed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.base import NoData
from rightsizing.plan.evidence import day_coverage, days_for_coverage
from rightsizing.plan.phases import PlanAssumptions, require_phase_order


def test_a_skipped_phase_is_named() -> None:
    """What was asked for, what is applied, what to do."""
    with pytest.raises(
        PlanRejected, match="phase 3 asked for, phase 1 is applied; apply phase 2 first"
    ):
        require_phase_order(1, 3)


def test_before_anything_is_applied_only_phase_one_is_next() -> None:
    """Phase 0 is the baseline."""
    with pytest.raises(PlanRejected, match="no phase is applied; apply phase 1 first"):
        require_phase_order(0, 2)


@given(current=st.integers(0, 9), wanted=st.integers(0, 9))
def test_staying_going_back_and_the_next_are_allowed(current: int, wanted: int) -> None:
    """And nothing else is."""
    if wanted <= current + 1:
        require_phase_order(current, wanted)
    else:
        with pytest.raises(PlanRejected):
            require_phase_order(current, wanted)


@pytest.mark.parametrize("wanted", [-1, 10])
def test_a_phase_that_does_not_exist(wanted: int) -> None:
    """Phases are 0 to 9."""
    with pytest.raises(ConfigError, match="must be 0 to 9"):
        require_phase_order(0, wanted)


def test_a_cost_that_was_not_given_is_unknown() -> None:
    """Not 0."""
    assert isinstance(PlanAssumptions().cost_of(1), NoData)


def test_a_negative_cost_is_refused() -> None:
    """With its phase and value."""
    with pytest.raises(ConfigError, match="phase 2 is -5"):
        PlanAssumptions(implementation_cost_usd={2: Decimal(-5)}).cost_of(2)


@pytest.mark.parametrize(("days", "covered"), [(7, 0.652), (14, 0.807), (32, 0.911), (59, 0.950)])
def test_day_coverage(days: int, covered: float) -> None:
    """p ** n = 0.05; the table of the evidence grades."""
    assert day_coverage(days) == pytest.approx(covered, abs=5e-4)


@given(days=st.integers(1, 3000))
def test_days_for_coverage_is_the_inverse(days: int) -> None:
    """The fewest days that reach what these days reach are these days."""
    assert days_for_coverage(day_coverage(days)) == days


def test_no_whole_day_covers_nothing() -> None:
    """23 hours say nothing about days."""
    assert day_coverage(0.96) == 0
