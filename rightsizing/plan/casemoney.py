"""A case's money: what it claims, what its bill allows, what each phase really saves.

Two waterfalls over the same bill. The first takes every claim as true and only stops at the bill;
the second prices the steps the case's phases amount to. Each adds up to its bill's change, to the
cent.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.plan.audit import AuditReport, audit_case
from rightsizing.plan.case import Case
from rightsizing.plan.casecommit import CommittedPrices
from rightsizing.plan.casesteps import case_bill, case_steps
from rightsizing.plan.finance import DEFAULT_DISCOUNT_RATE, Amount
from rightsizing.plan.returns import Returns, returns_of
from rightsizing.plan.savings import Claim, Step, StepKind, Waterfall, waterfall


@dataclass(frozen=True, slots=True)
class CaseMoney:
    """The account of a case. ``claimed`` are its own savings, capped by the bill."""

    case: Case
    audit: AuditReport
    claimed: Waterfall
    real: Waterfall
    returns: Returns


def case_money(
    case: Case, catalog: CommittedPrices, discount_rate: Decimal = DEFAULT_DISCOUNT_RATE
) -> CaseMoney:
    """Price a case's phases on its bill. Raises as ``audit_case`` does."""
    audit = audit_case(case, catalog)
    bill = {case.workload: case.bill.total_usd_per_month}
    claims = [
        Step(
            StepKind.RESIZE,  # one kind for all: claims are taken in the order of the phases
            case.workload,
            phase.title,
            Claim(phase.saving_usd_per_month),
            phase.number,
        )
        for phase in case.phases
    ]
    real = waterfall(case_bill(case), case_steps(case, audit, catalog))
    costs: dict[int, Amount] = {
        phase.number: phase.implementation_cost_usd for phase in case.phases
    }
    returns = returns_of(
        real, costs, discount_rate=discount_rate, units_per_month=case.units.per_month
    )
    return CaseMoney(case, audit, waterfall(bill, claims), real, returns)
