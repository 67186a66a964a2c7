"""A stack's plan as a waterfall: its phases add up to the bill's change."""

from __future__ import annotations

from decimal import Decimal

from rightsizing.model.size import FleetSize
from rightsizing.plan.build import build_plan
from rightsizing.plan.phases import PlanAssumptions
from rightsizing.plan.plansteps import plan_money

FEWER = FleetSize(instance_type="m5.large", min_instances=1, max_instances=4)
OTHER = FleetSize(instance_type="r6g.large", min_instances=1, max_instances=4)
ASSUMED = PlanAssumptions(implementation_cost_usd={1: Decimal(840)})


def test_phases_add_up(workload, recommendation) -> None:
    """140 -> 70 -> 50 beside 60 that stays: 200 - 110 = 70 + 20; ROI (12 x 70 - 840) / 840 = 0."""
    plan = build_plan(
        [workload(), workload("db")],
        [recommendation(target=FEWER, after="70"), recommendation("db", before="60", after="60")],
        [recommendation(target=OTHER, after="50")],
        ASSUMED,
    )
    found = plan_money(plan)
    assert (found.savings.before_usd, found.savings.after_usd) == (200, 110)
    assert [item.saving_usd for item in found.savings.steps] == [70, 20]
    assert found.returns.phases[0].appraisal.roi_net_first_year == 0


def test_a_workload_without_a_price_is_named(workload, recommendation) -> None:
    """It is not on the bill, and not forgotten."""
    plan = build_plan([workload()], [recommendation(target=FEWER, before=None)], [], ASSUMED)
    found = plan_money(plan)
    assert found.unpriced == ("web",)
    assert found.savings.before_usd == 0
