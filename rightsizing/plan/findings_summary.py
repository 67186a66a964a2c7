"""Audit of a review's summary: does it say what its phases, its bill and its units of work say?"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightsizing.plan.case import Case, Kpi, SummaryClaims
from rightsizing.plan.demand import HUNDRED
from rightsizing.plan.figures import agrees, number, percent, usd
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity
from rightsizing.units import MONTHS_PER_YEAR

YEARS = 3


def summary_findings(case: Case) -> Iterator[AuditFinding]:
    """Every finding about the summary."""
    yield from _sum(case)
    yield from _implementation_cost(case)
    yield from _share(case)
    yield from _annual_cost(case)
    yield from _period(case.summary)
    yield from _units(case)
    yield from _cost_per_unit(case)
    yield from _growth(case)


def _sum(case: Case) -> Iterator[AuditFinding]:
    claim = case.summary.saving_usd_per_month
    parts = [phase.saving_usd_per_month for phase in case.phases]
    summed = sum(parts, Decimal(0))
    if claim is None or agrees(claim, summed):
        return
    bill = case.bill.total_usd_per_month
    yield AuditFinding(
        code=FindingCode.SAVINGS_SUM,
        severity=Severity.WRONG,
        subject="summary",
        claim=f"saves {usd(claim)} a month",
        computed=f"the phases sum to {usd(summed)}, of a bill of {usd(bill)}",
        arithmetic=(
            f"{' + '.join(number(part) for part in parts)} = {usd(summed)}, not {usd(claim)}",
        ),
        instead=f"no plan saves more than the bill of {usd(bill)}",
        figures=(("summed_usd_per_month", summed),),
    )


def _implementation_cost(case: Case) -> Iterator[AuditFinding]:
    claim = case.summary.implementation_cost_usd
    parts = [phase.implementation_cost_usd for phase in case.phases]
    summed = sum(parts, Decimal(0))
    if claim is None or agrees(claim, summed):
        return
    yield AuditFinding(
        code=FindingCode.IMPLEMENTATION_COST,
        severity=Severity.WRONG,
        subject="summary",
        claim=f"costs {usd(claim)}",
        computed=f"the phases cost {usd(summed)}",
        arithmetic=(f"{' + '.join(number(part) for part in parts)} = {usd(summed)}",),
        instead=f"state {usd(summed)}",
        figures=(("summed_usd", summed),),
    )


def _share(case: Case) -> Iterator[AuditFinding]:
    claims = case.summary.saving_pct
    if not claims:
        return
    computed = _computed_shares(case)
    different = len(set(claims)) > 1
    unmatched = [c for c in claims if not any(agrees(c, share) for _, _, share in computed)]
    if not different and not unmatched:
        return
    lines = []
    for claim in claims:
        sources = [line for _, line, share in computed if agrees(claim, share)]
        lines.append(
            f"{number(claim)} %: "
            + ("; ".join(sources) if sources else "follows from no figure of the case")
        )
    yield AuditFinding(
        code=FindingCode.SAVING_SHARE,
        severity=Severity.WRONG,
        subject="summary",
        claim="saves " + ", ".join(f"{number(claim)} %" for claim in claims),
        computed=f"{len(set(claims))} shares are given for the same saving"
        if different
        else "the share follows from no figure of the case",
        arithmetic=tuple(lines),
        instead="one share, of the bill, computed from the saving of the phases that hold",
        figures=tuple((name, share) for name, _, share in computed),
    )


def _computed_shares(case: Case) -> list[tuple[str, str, Decimal]]:
    """Every saving of the case as percent of its base: name, arithmetic, value."""
    bill, summary = case.bill.total_usd_per_month, case.summary
    found = []
    for phase in case.phases:
        saving = phase.saving_usd_per_month
        line = f"phase {phase.number}, {number(saving)} / {number(bill)}"
        found.append((f"phase {phase.number} pct", line, saving / bill * HUNDRED))
    summed = sum((phase.saving_usd_per_month for phase in case.phases), Decimal(0))
    line = f"all phases, {number(summed)} / {number(bill)}"
    found.append(("all phases pct", line, summed / bill * HUNDRED))
    before, after = summary.annual_cost_before_usd, summary.annual_cost_after_usd
    if before and after is not None:
        line = f"annual cost, ({number(before)} - {number(after)}) / {number(before)}"
        found.append(("annual pct", line, (before - after) / before * HUNDRED))
    return found


def _annual_cost(case: Case) -> Iterator[AuditFinding]:
    bill, summary = case.bill.total_usd_per_month, case.summary
    before, after = summary.annual_cost_before_usd, summary.annual_cost_after_usd
    if before is not None and not agrees(before, bill * MONTHS_PER_YEAR):
        year = bill * MONTHS_PER_YEAR
        yield _annual(before, f"{usd(bill)} a month is {usd(year)} a year", bill, year)
    stated = [p.cost_after_usd_per_month for p in case.phases if p.cost_after_usd_per_month]
    if after is None or not stated:
        return
    month = stated[-1]
    year = month * MONTHS_PER_YEAR
    if not agrees(after, year):
        yield _annual(after, f"{usd(month)} a month is {usd(year)} a year", month, year)


def _annual(claim: Decimal, computed: str, month: Decimal, year: Decimal) -> AuditFinding:
    return AuditFinding(
        code=FindingCode.ANNUAL_COST,
        severity=Severity.WRONG,
        subject="summary",
        claim=f"{usd(claim)} a year",
        computed=f"{computed}, not {usd(claim)}",
        arithmetic=(
            f"{MONTHS_PER_YEAR} x {usd(month)} = {usd(year)}",
            f"{usd(claim)} / {MONTHS_PER_YEAR} = {usd(claim / MONTHS_PER_YEAR)} a month",
        ),
        instead=f"state {usd(year)}",
        figures=(("annual_usd", year),),
    )


def _period(summary: SummaryClaims) -> Iterator[AuditFinding]:
    before, after = summary.annual_cost_before_usd, summary.annual_cost_after_usd
    annual, three = summary.annual_saving_usd, summary.three_year_saving_usd
    if before is None or after is None:
        if annual is None or three is None or agrees(three, annual * YEARS):
            return
        year = annual
    else:
        year = before - after
    wrong_annual = annual is not None and not agrees(annual, year)
    wrong_three = three is not None and not agrees(three, year * YEARS)
    if not wrong_annual and not wrong_three:
        return
    same = annual is not None and annual == three
    claims = [
        *([f"{usd(annual)} a year"] if annual is not None else []),
        *([f"{usd(three)} in {YEARS} years"] if three is not None else []),
    ]
    lines = [f"{YEARS} x {usd(year)} = {usd(year * YEARS)}"]
    if before is not None and after is not None:
        lines.insert(0, f"{usd(before)} - {usd(after)} = {usd(year)} a year")
    cost = summary.implementation_cost_usd
    if three is not None and cost is not None and year * YEARS < cost:
        lines.append(f"{usd(year * YEARS)} < {usd(cost)}, what the plan costs")
    yield AuditFinding(
        code=FindingCode.SAVING_PERIOD,
        severity=Severity.WRONG,
        subject="summary",
        claim="saves " + " and ".join(claims),
        computed=f"{usd(annual)} is called annual and {YEARS}-year; a year is {usd(year)}"
        if same and annual is not None
        else f"a year is {usd(year)}, {YEARS} years are {usd(year * YEARS)}",
        arithmetic=tuple(lines),
        instead=f"{usd(year)} a year on the summary's own figures",
        figures=(("annual_saving_usd", year), ("three_year_saving_usd", year * YEARS)),
    )


def _units(case: Case) -> Iterator[AuditFinding]:
    units = case.units
    if units.per_cycle is None or units.cycles_per_month is None:
        return
    computed = units.per_cycle * units.cycles_per_month
    if agrees(units.per_month, computed):
        return
    yield AuditFinding(
        code=FindingCode.UNITS_OF_WORK,
        severity=Severity.WRONG,
        subject="measurements",
        claim=f"{number(units.per_month)} {units.name}s a month",
        computed=f"{number(computed)}",
        arithmetic=(
            (
                f"{number(units.per_cycle)} a cycle x {number(units.cycles_per_month)} cycles = "
                f"{number(computed)}"
            ),
        ),
        instead=f"state {number(computed)}",
        figures=(("units_per_month", computed),),
    )


def _cost_per_unit(case: Case) -> Iterator[AuditFinding]:
    claim = case.summary.cost_per_unit_before_usd
    bill, units = case.bill.total_usd_per_month, case.units
    computed = bill / units.per_month
    if claim is None or agrees(claim, computed):
        return
    yield AuditFinding(
        code=FindingCode.COST_PER_UNIT,
        severity=Severity.WRONG,
        subject="summary",
        claim=f"${claim} a {units.name} today",
        computed=f"{usd(computed, 4)}",
        arithmetic=(f"{usd(bill)} / {number(units.per_month)} = {usd(computed, 4)}",),
        instead=f"state {usd(computed, 4)}",
        figures=(("cost_per_unit_usd", computed),),
    )


def _growth(case: Case) -> Iterator[AuditFinding]:
    summary, units = case.summary, case.units
    claim, after = summary.cost_per_unit_after_usd, summary.units_per_month_after
    stated = [p.cost_after_usd_per_month for p in case.phases if p.cost_after_usd_per_month]
    if claim is None or not stated:
        return
    cost = stated[-1]
    today = cost / units.per_month
    if agrees(claim, today) or (after is not None and summary.units_growth_evidence is not None):
        return
    lines = [f"{usd(cost)} / {number(units.per_month)} = {usd(today, 4)}"]
    if after is not None:
        lines.append(f"{usd(cost)} / {number(after)} = {usd(cost / after, 4)}")
    ratio = after / units.per_month if after is not None else None
    target = case.kpi(Kpi.COST_PER_UNIT_USD)
    if target is not None and target.maximum and today > target.maximum:
        need = cost / target.maximum
        lines.append(
            f"the criterion of ${target.maximum} would need {number(need, 0)} {units.name}s a "
            f"month ({percent(need / units.per_month * HUNDRED)} of today's)"
        )
    grows = (
        f"assumes {number(ratio, 2)} times the {units.name}s at the same cost, without evidence; "
        if ratio is not None and after is not None and agrees(claim, cost / after)
        else "does not follow from the stated cost; "
    )
    yield AuditFinding(
        code=FindingCode.GROWTH_UNPROVEN,
        severity=Severity.UNPROVEN,
        subject="summary",
        claim=f"${claim} a {units.name}",
        computed=(
            f"{grows}{usd(cost)} at {number(units.per_month)} {units.name}s is {usd(today, 4)}"
        ),
        arithmetic=tuple(lines),
        instead=f"count today's {units.name}s until more are measured",
        figures=(("cost_per_unit_today_usd", today),),
    )
