"""A stack's plan as a waterfall: every change of size a resize step on what its workload costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.build import Plan
from rightsizing.plan.returns import Returns, returns_of
from rightsizing.plan.savings import Become, Effect, Step, StepKind, Waterfall, waterfall

UNCHANGED = "(unchanged workloads)"


@dataclass(frozen=True, slots=True)
class PlanMoney:
    """A plan's account. ``unpriced`` workloads have no known cost, so they are not on its bill."""

    savings: Waterfall
    returns: Returns
    unpriced: tuple[str, ...]


def plan_money(plan: Plan) -> PlanMoney:
    """The plan's changes on the bill of its workloads, and what each phase earns."""
    bill: dict[str, Decimal] = {}
    steps = []
    unpriced = set()
    for phase in plan.phases:
        for change in phase.changes:
            key, cost = change.workload.key, change.recommendation.cost_before
            if isinstance(cost, NoData):
                unpriced.add(key)
                continue
            bill.setdefault(key, cost.usd_per_month)
            after = change.recommendation.cost_after
            effect: Effect = after if isinstance(after, NoData) else Become(after.usd_per_month)
            title = f"{change.before} -> {change.after}"
            why = (change.recommendation.sentence,)
            steps.append(Step(StepKind.RESIZE, key, title, effect, phase.number, why))
    if isinstance(plan.cost_before_usd_per_month, Decimal):
        rest = plan.cost_before_usd_per_month - sum(bill.values(), Decimal(0))
        if rest > 0:
            bill[UNCHANGED] = rest
    found = waterfall(bill, steps)
    costs = {phase.number: phase.implementation_cost_usd for phase in plan.phases if phase.changes}
    assumed = plan.assumptions
    returns = returns_of(
        found, costs, discount_rate=assumed.discount_rate, units_per_month=assumed.units
    )
    return PlanMoney(found, returns, tuple(sorted(unpriced)))
