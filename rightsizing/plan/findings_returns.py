"""Audit of returns: do the savings of all phases fit the bill, and do they pay for the work?

ROI is net, first year, as ``finance`` defines it, computed with every claimed saving taken as true.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.case import Case
from rightsizing.plan.demand import HUNDRED
from rightsizing.plan.figures import agrees, number, percent, usd
from rightsizing.plan.finance import (
    NPV_MONTHS,
    Amount,
    roi_gross_first_year,
    roi_net_first_year,
)
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity
from rightsizing.units import MONTHS_PER_YEAR


def return_findings(case: Case) -> Iterator[AuditFinding]:
    """Every finding about all phases together against the bill and the cost."""
    yield from _above_bill(case)
    yield from _roi(case)
    yield from _payback(case)


def _above_bill(case: Case) -> Iterator[AuditFinding]:
    bill, summed = case.bill.total_usd_per_month, Decimal(0)
    terms: list[str] = []
    for phase in case.phases:
        summed += phase.saving_usd_per_month
        terms.append(number(phase.saving_usd_per_month))
        if summed > bill:
            yield AuditFinding(
                code=FindingCode.SAVINGS_ABOVE_BILL,
                severity=Severity.WRONG,
                subject=f"phases 1 to {phase.number}",
                claim=f"save {usd(summed)} a month",
                computed=f"more than the whole bill of {usd(bill)}",
                arithmetic=(f"{' + '.join(terms)} = {usd(summed)} > {usd(bill)}",),
                instead="a saving of a later phase is a share of what the earlier ones left",
                figures=(("summed_usd_per_month", summed),),
            )
            return


def _roi(case: Case) -> Iterator[AuditFinding]:
    rows = [
        (
            f"phase {phase.number}",
            phase.roi_pct,
            phase.saving_usd_per_month,
            phase.implementation_cost_usd,
        )
        for phase in case.phases
    ]
    saving = sum((phase.saving_usd_per_month for phase in case.phases), Decimal(0))
    cost = sum((phase.implementation_cost_usd for phase in case.phases), Decimal(0))
    rows.append(("total", case.summary.roi_pct, saving, cost))
    lines, computed, wrong, figures = [], [], [], []
    for name, claim, month, spent in rows:
        net = _pct(roi_net_first_year(month, spent))
        gross = _pct(roi_gross_first_year(month, spent))
        if isinstance(net, NoData) or isinstance(gross, NoData):
            continue
        computed.append(f"{name} {percent(net)}")
        figures += [(f"{name} net pct", net), (f"{name} gross pct", gross)]
        shown = "" if claim is None else f"; claimed {number(claim)} %"
        if claim is not None and not agrees(claim, net):
            wrong.append(f"{name} {number(claim)} %")
            shown += _explained(claim, gross)
        lines.append(
            f"{name}: (12 x {number(month)} - {number(spent)}) / {number(spent)} = {percent(net)} "
            f"net, {percent(gross, 1)} gross{shown}"
        )
    if not wrong:
        return
    yield AuditFinding(
        code=FindingCode.ROI,
        severity=Severity.WRONG,
        subject="all phases",
        claim="ROI " + ", ".join(wrong),
        computed="net, first year, even with every claimed saving: " + ", ".join(computed),
        arithmetic=tuple(lines),
        instead="one definition throughout: net, first year, (12 x monthly saving - cost) / cost",
        figures=tuple(figures),
    )


def _explained(claim: Decimal, gross: Decimal) -> str:
    if agrees(claim, gross):
        return ", which is the gross figure"
    if agrees(claim, gross * 10):
        return ", which is the gross figure with its decimal point lost"
    return ""


def _pct(ratio: Amount) -> Amount:
    return ratio if isinstance(ratio, NoData) else ratio * HUNDRED


def _payback(case: Case) -> Iterator[AuditFinding]:
    bill = case.bill.total_usd_per_month
    cost = sum((phase.implementation_cost_usd for phase in case.phases), Decimal(0))
    whole = bill * NPV_MONTHS
    if cost <= whole:
        return
    yield AuditFinding(
        code=FindingCode.NO_PAYBACK,
        severity=Severity.WRONG,
        subject="all phases",
        claim=f"an investment of {usd(cost)}",
        computed=(
            f"the whole bill of {NPV_MONTHS} months is {usd(whole)}, below the {usd(cost)} "
            "the plan "
            "costs: it cannot pay back on this bill"
        ),
        arithmetic=(
            f"{NPV_MONTHS} x {usd(bill)} = {usd(whole)} < {usd(cost)}",
            (
                f"saving all of it would take {number(cost / bill, 1)} months "
                f"({number(cost / bill / MONTHS_PER_YEAR, 1)} years)"
            ),
        ),
        instead="do the phases that pay back on this bill, and price the others for more workloads",
        figures=(("bill_36_months_usd", whole), ("cost_usd", cost)),
    )
