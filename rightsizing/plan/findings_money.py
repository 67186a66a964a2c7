"""Audit of money, one phase at a time: do savings follow from the case's own rates and its bill?

Every comparison is made at the precision the claim was printed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.case import Case, PhaseClaim
from rightsizing.plan.demand import demand_of, own_rates
from rightsizing.plan.families import PricedShapes, offer
from rightsizing.plan.figures import agrees, number, usd
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity
from rightsizing.plan.safeplan import safe_limits


def money_findings(case: Case, catalog: PricedShapes) -> Iterator[AuditFinding]:
    """Every finding about the bill and about one phase's money."""
    yield from _bill_lines(case)
    for phase in case.phases:
        yield from _saving_at_own_rates(case, phase)
        yield from _not_realised(phase)
        yield from _saving_parts(phase)
        yield from _not_in_bill(case, phase)
    yield from _cost_after(case)
    yield from _saving_at_list_price(case, catalog)


def _bill_lines(case: Case) -> Iterator[AuditFinding]:
    parts = case.bill.lines
    summed = sum(parts.values(), Decimal(0))
    if agrees(case.bill.total_usd_per_month, summed):
        return
    terms = " + ".join(f"{name} {usd(value)}" for name, value in parts.items())
    yield AuditFinding(
        code=FindingCode.BILL_LINES,
        severity=Severity.WRONG,
        subject="bill",
        claim=f"{usd(case.bill.total_usd_per_month)} a month",
        computed=f"its lines sum to {usd(summed)}",
        arithmetic=(f"{terms} = {usd(summed)}",),
        instead="name every line of the bill",
        figures=(("lines_usd_per_month", summed),),
    )


def _saving_at_own_rates(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    if phase.limits is None:
        return
    rates, capacity, today = own_rates(case), case.capacity, case.bill.total_usd_per_month
    cores = phase.limits.cpus or capacity.logical_cores
    memory = phase.limits.memory_gib or capacity.memory_gib
    after = rates.cost(cores, memory)
    saving = today - after
    if agrees(phase.saving_usd_per_month, saving):
        return
    cpu_only = (capacity.logical_cores - cores) * rates.usd_per_core
    fits = memory >= demand_of(case).memory_gib
    safe_cores, safe_memory = safe_limits(case)
    safe = today - rates.cost(safe_cores, safe_memory)
    yield AuditFinding(
        code=FindingCode.SAVING_AT_OWN_RATES,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"saves {usd(phase.saving_usd_per_month)} a month",
        computed=(
            f"{number(cores)} cores and {number(memory, 4)} GiB cost {usd(after)} at the "
            "case's own "
            f"rates, which saves {usd(saving)}"
            + ("" if fits else f"; without the memory cut, CPU alone saves {usd(cpu_only)}")
        ),
        arithmetic=(
            (
                f"{usd(case.bill.cpu_usd_per_month)} / {number(capacity.logical_cores)} = "
                f"{usd(rates.usd_per_core, 3)} a core, {usd(case.bill.memory_usd_per_month)} / "
                f"{number(capacity.memory_gib, 4)} = {usd(rates.usd_per_gib)} a GiB"
            ),
            (
                f"{number(cores)} x {usd(rates.usd_per_core, 3)} + {number(memory, 4)} x "
                f"{usd(rates.usd_per_gib)} = {usd(after)}; {usd(today)} - {usd(after)} = "
                f"{usd(saving)}"
            ),
            (
                f"CPU {number(capacity.logical_cores)} -> {number(cores)}: "
                f"{number(capacity.logical_cores - cores)} x {usd(rates.usd_per_core, 3)} = "
                f"{usd(cpu_only)}"
            ),
        ),
        instead=f"{number(safe_cores)} cores and {number(safe_memory, 4)} GiB save {usd(safe)}",
        figures=(
            ("usd_per_core_month", rates.usd_per_core),
            ("usd_per_gib_month", rates.usd_per_gib),
            ("cost_after_usd", after),
            ("saving_usd", saving),
            ("cpu_only_saving_usd", cpu_only),
        ),
    )


def _not_realised(phase: PhaseClaim) -> Iterator[AuditFinding]:
    if phase.limits is None or phase.host_shrinks or phase.saving_usd_per_month == 0:
        return
    yield AuditFinding(
        code=FindingCode.SAVING_NOT_REALISED,
        severity=Severity.UNPROVEN,
        subject=f"phase {phase.number}",
        claim=f"saves {usd(phase.saving_usd_per_month)} a month",
        computed="a container limit alone saves nothing until the host shrinks",
        arithmetic=("bill after a limit on an unchanged host - bill before = $0.00",),
        instead=(
            "plan the smaller host together with the limit, or give the freed cores to other work"
        ),
    )


def _saving_parts(phase: PhaseClaim) -> Iterator[AuditFinding]:
    parts = phase.saving_parts_usd_per_month
    summed = sum(parts.values(), Decimal(0))
    if not parts or agrees(phase.saving_usd_per_month, summed):
        return
    yield AuditFinding(
        code=FindingCode.SAVING_PARTS,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"saves {usd(phase.saving_usd_per_month)} a month",
        computed=f"its parts sum to {usd(summed)}",
        arithmetic=(f"{' + '.join(usd(value) for value in parts.values())} = {usd(summed)}",),
        instead=f"claim at most {usd(min(summed, phase.saving_usd_per_month))}",
        figures=(("parts_usd_per_month", summed),),
    )


def _not_in_bill(case: Case, phase: PhaseClaim) -> Iterator[AuditFinding]:
    missing = [name for name in phase.saves_on if name not in case.bill.lines]
    if not missing or phase.saving_usd_per_month == 0:
        return
    terms = " + ".join(f"{name} {usd(value)}" for name, value in case.bill.lines.items())
    yield AuditFinding(
        code=FindingCode.NOT_IN_BILL,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"saves {usd(phase.saving_usd_per_month)} a month on {' and '.join(missing)}",
        computed=(
            f"{' and '.join(missing)} are in no line of the {usd(case.bill.total_usd_per_month)}"
        ),
        arithmetic=(f"{terms} = {usd(sum(case.bill.lines.values(), Decimal(0)))}",),
        instead=(
            "put what these calls cost into the bill first; then a saving on them can be computed"
        ),
    )


def _cost_after(case: Case) -> Iterator[AuditFinding]:
    left = case.bill.total_usd_per_month
    for phase in case.phases:
        left -= phase.saving_usd_per_month
        claim = phase.cost_after_usd_per_month
        if claim is None or agrees(claim, left):
            continue
        yield AuditFinding(
            code=FindingCode.COST_AFTER,
            severity=Severity.WRONG,
            subject=f"phase {phase.number}",
            claim=f"{usd(claim)} a month afterwards",
            computed=f"the bill less the savings claimed up to here is {usd(left)}",
            arithmetic=(
                (
                    f"{usd(left + phase.saving_usd_per_month)} - "
                    f"{usd(phase.saving_usd_per_month)} = "
                    f"{usd(left)}"
                ),
            ),
            instead=f"claim {usd(left)}",
            figures=(("cost_after_usd", left),),
        )


def _saving_at_list_price(case: Case, catalog: PricedShapes) -> Iterator[AuditFinding]:
    left = case.bill.total_usd_per_month
    for phase in case.phases:
        name = phase.instance.instance_type if phase.instance is not None else None
        found = (
            offer(catalog, name, case.region, case.month_hours)
            if name is not None
            else NoData("no type named")
        )
        if not isinstance(found, NoData):
            saving = left - found.usd_per_month
            if not agrees(phase.saving_usd_per_month, saving):
                yield AuditFinding(
                    code=FindingCode.SAVING_AT_LIST_PRICE,
                    severity=Severity.WRONG,
                    subject=f"phase {phase.number}",
                    claim=f"{name} saves {usd(phase.saving_usd_per_month)} a month",
                    computed=f"at list price it saves {usd(saving)}",
                    arithmetic=(
                        (
                            f"${number(found.price.usd_per_hour, 5)} x "
                            f"{number(case.month_hours)} h = "
                            f"{usd(found.usd_per_month)}; {usd(left)} - "
                            f"{usd(found.usd_per_month)} = "
                            f"{usd(saving)}"
                        ),
                    ),
                    instead=f"claim {usd(saving)}, or state the discount",
                    figures=(("saving_usd", saving),),
                )
        left -= phase.saving_usd_per_month
