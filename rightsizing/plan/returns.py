"""What the steps of a waterfall earn on their cost, by phase and together, on this bill.

ROI, payback and net present value are ``finance``'s; the saving they start from is the waterfall's,
so no dollar is in two phases. A cost pays back on this bill when its payback lies within 36 months;
where even the whole bill of those months is below the cost, no saving whatever could do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.figures import number, usd
from rightsizing.plan.finance import (
    DEFAULT_DISCOUNT_RATE,
    NPV_MONTHS,
    UNKNOWN_UNITS,
    Amount,
    Appraisal,
    Never,
    appraise,
    total,
)
from rightsizing.plan.savings import Waterfall

NO_COST = NoData("the implementation cost was not given")


@dataclass(frozen=True, slots=True)
class PhaseReturn:
    """One phase. ``phase`` None is all of them; ``bill_usd`` is what it could save from, a month.

    ``says`` is whether it pays back on this bill, in a sentence.
    """

    phase: int | None
    bill_usd: Decimal
    saving_usd: Decimal
    after_usd: Decimal
    appraisal: Appraisal
    pays_back: bool | NoData
    says: str


@dataclass(frozen=True, slots=True)
class _Terms:
    discount_rate: Decimal
    units_per_month: Amount


@dataclass(frozen=True, slots=True)
class Returns:
    """Every phase in order, and the total."""

    phases: tuple[PhaseReturn, ...]
    total: PhaseReturn

    def paying(self) -> tuple[PhaseReturn, ...]:
        """Phases that pay back on this bill."""
        return tuple(item for item in self.phases if item.pays_back is True)


def returns_of(
    found: Waterfall,
    cost_usd: Mapping[int, Amount],
    *,
    discount_rate: Decimal = DEFAULT_DISCOUNT_RATE,
    units_per_month: Amount = UNKNOWN_UNITS,
) -> Returns:
    """Appraise each phase of a waterfall and all together.

    ``cost_usd`` is what carrying out each phase costs; a missing one is unknown, not 0.
    """
    terms = _Terms(discount_rate, units_per_month)
    left = found.before_usd
    phases = []
    for phase in sorted({*found.phases, *cost_usd}):
        saving = found.saving_of(phase=phase)
        cost = cost_usd.get(phase, NO_COST)
        phases.append(_one(phase, left, saving, cost, terms))
        left -= saving
    costs = total(tuple(cost_usd.get(item.phase or 0, NO_COST) for item in phases))
    everything = _one(None, found.before_usd, found.saving_usd, costs, terms)
    return Returns(tuple(phases), everything)


def _one(
    phase: int | None,
    bill: Decimal,
    saving: Decimal,
    cost: Amount,
    terms: _Terms,
) -> PhaseReturn:
    after = bill - saving
    appraisal = appraise(
        saving,
        cost,
        discount_rate=terms.discount_rate,
        cost_after_usd_per_month=after,
        units_per_month=terms.units_per_month,
    )
    pays, says = _verdict(bill, cost, appraisal)
    return PhaseReturn(phase, bill, saving, after, appraisal, pays, says)


def _verdict(bill: Decimal, cost: Amount, appraisal: Appraisal) -> tuple[bool | NoData, str]:
    if isinstance(cost, NoData):
        return cost, f"whether it pays back is unknown: {cost.reason}"
    whole = bill * NPV_MONTHS
    if cost > whole:
        return False, (
            f"does not pay back on this bill: {NPV_MONTHS} x {usd(bill)} = {usd(whole)} is all "
            f"there is to save, below the {usd(cost)} it costs"
        )
    months = appraisal.payback_months
    if isinstance(months, Never):
        return False, f"does not pay back on this bill: {months.reason}"
    if isinstance(months, NoData):
        return months, f"whether it pays back is unknown: {months.reason}"
    if months > NPV_MONTHS:
        return False, (
            f"does not pay back on this bill within {NPV_MONTHS} months: it takes "
            f"{number(months, 1)}"
        )
    return True, f"pays back in {number(months, 1)} months"
