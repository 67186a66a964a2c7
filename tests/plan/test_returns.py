"""Returns of a waterfall: one definition each, on this bill only."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightsizing.model.base import NoData
from rightsizing.plan.returns import returns_of
from rightsizing.plan.savings import Become, Step, StepKind, waterfall


def found(before: str, *after: str):
    """One workload resized phase by phase."""
    plan = [
        Step(StepKind.RESIZE, "api", "size", Become(Decimal(cost)), number)
        for number, cost in enumerate(after, start=1)
    ]
    return waterfall({"api": Decimal(before)}, plan)


def test_figures_of_one_phase() -> None:
    """100 -> 60 for $120: ROI (12 x 40 - 120) / 120 = 3, payback 3 months, 60 / 600 = $0.10."""
    one = returns_of(
        found("100", "60"),
        {1: Decimal(120)},
        discount_rate=Decimal("0.1"),
        units_per_month=Decimal(600),
    ).total
    assert one.appraisal.roi_net_first_year == 3
    assert one.appraisal.payback_months == 3
    assert one.appraisal.cost_per_unit_usd == Decimal("0.1")
    # NPV by adding up 36 discounted months, independently of the closed form
    monthly = 1.1 ** (1 / 12)
    assert float(one.appraisal.npv_usd) == pytest.approx(
        sum(40 / monthly**month for month in range(1, 37)) - 120
    )
    assert (one.pays_back, one.says) == (True, "pays back in 3 months")


def test_a_phase_is_judged_on_what_the_ones_before_left() -> None:
    """Phase 2 can save from $10 at most: 36 x 10 = 360 < 500."""
    second = returns_of(found("100", "10", "5"), {1: Decimal(1), 2: Decimal(500)}).phases[1]
    assert second.bill_usd == 10
    assert second.pays_back is False
    assert "36 x $10.00 = $360.00 is all there is to save, below the $500.00" in second.says


def test_slow_payback_is_said() -> None:
    """$1 a month for $100 takes 100 months, though the bill could pay it."""
    one = returns_of(found("100", "99"), {1: Decimal(100)}).total
    assert one.pays_back is False
    assert one.says == "does not pay back on this bill within 36 months: it takes 100"


def test_a_cost_nobody_gave_is_unknown() -> None:
    """Not 0, and neither is the total."""
    returns = returns_of(found("100", "60", "50"), {1: Decimal(5)})
    assert isinstance(returns.phases[1].appraisal.roi_net_first_year, NoData)
    assert isinstance(returns.total.pays_back, NoData)
    assert [item.phase for item in returns.paying()] == [1]
