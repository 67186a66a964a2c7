"""The phases of a cost review as steps of a waterfall: what each changes on the bill.

A phase's limits and instance become resize steps by the safe plan's sizes. What it claims beside
them (by its parts and other changes, in words) becomes a step of the kind the words name; such a
step has an effect only where the case and list prices give one, else it counts as nothing and says
from where on it would pay. What the audit found about a phase is repeated with its step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.case import Case, PhaseClaim
from rightsizing.plan.casebreakeven import (
    cache_break_even,
    serverless_break_even,
    tenancy_break_even,
)
from rightsizing.plan.casecommit import CommittedPrices, commitment_effect
from rightsizing.plan.demand import demand_of
from rightsizing.plan.families import Offer
from rightsizing.plan.figures import number, percent, usd
from rightsizing.plan.finding import FindingCode
from rightsizing.plan.safeplan import chosen_type, safe_limits_option
from rightsizing.plan.savings import (
    Become,
    Effect,
    Keep,
    Step,
    StepKind,
    waterfall,
)

# Words a review uses for a kind of saving; the first kind that matches a claim has it.
_WORDS: tuple[tuple[StepKind, str], ...] = (
    (StepKind.TERMINATE, r"terminat|decommission|switch(ed|ing)? off|unused"),
    (StepKind.SCHEDULE, r"schedul|nights?|weekends?|office hours"),
    (StepKind.AUTOSCALE, r"auto-?scal"),
    (StepKind.COMMIT, r"reserv|savings plan|commitment|\bRIs?\b"),
    (StepKind.SERVERLESS, r"serverless|lambda|fargate|functions?\b"),
    (StepKind.TENANCY, r"tenan|an instance|per instance|shared"),
    (StepKind.CACHE, r"cach|redis|batch|API calls"),
)
_FOUND = {
    StepKind.RESIZE: (
        FindingCode.MEMORY_LIMIT_BELOW_USE,
        FindingCode.WRONG_FAMILY,
        FindingCode.NO_BURST_CREDITS,
    ),
    StepKind.CACHE: (FindingCode.NOT_IN_BILL, FindingCode.CACHE_REUSE),
}


def case_steps(case: Case, report: AuditReport, catalog: CommittedPrices) -> tuple[Step, ...]:
    """Every step the case's phases amount to, in the case's order."""
    host = _host_of(case, catalog)
    steps: list[Step] = []
    for phase in case.phases:
        before = len(steps)
        if phase.limits is not None:
            steps.append(_limits_step(case, phase, report))
        if phase.instance is not None:
            steps.append(_instance_step(case, phase, report, host))
        for kind, words in _claims(phase):
            left = waterfall(case_bill(case), steps).after[case.workload]
            effect, why = _claimed_effect(
                case, phase, kind, left_usd=left, host=host, catalog=catalog
            )
            why = (*why, *_found(report, phase, kind))
            steps.append(Step(kind, case.workload, words, effect, phase.number, why))
        if len(steps) == before:
            nothing = NoData("nothing of it was measured or priced")
            steps.append(Step(StepKind.OTHER, case.workload, phase.title, nothing, phase.number))
    return tuple(steps)


def case_bill(case: Case) -> dict[str, Decimal]:
    """The bill in parts that change apart: the workload's capacity, and each other line.

    What no line explains is counted to the capacity. Lines that exceed the total are no parts of
    it; then the bill is one.
    """
    others = {
        name: amount
        for name, amount in case.bill.other_usd_per_month.items()
        if name != case.workload
    }
    capacity = case.bill.total_usd_per_month - sum(others.values(), Decimal(0))
    if capacity < 0:
        return {case.workload: case.bill.total_usd_per_month}
    return {case.workload: capacity, **others}


def kind_of(words: str) -> StepKind | None:
    """The kind of saving that words name; None when they name none."""
    return next(
        (kind for kind, pattern in _WORDS if re.search(pattern, words, re.IGNORECASE)), None
    )


def _claims(phase: PhaseClaim) -> Iterator[tuple[StepKind, str]]:
    """Each kind of saving a phase claims beside sizes, with its words, once a kind."""
    claims = [*phase.saving_parts_usd_per_month, *phase.other_changes]
    if phase.cache is not None or phase.saves_on:
        claims.append(f"cache and fewer calls ({', '.join(phase.saves_on) or 'nothing named'})")
    by_kind: dict[StepKind, list[str]] = {}
    for words in claims:
        kind = kind_of(words)
        if kind is not None:
            by_kind.setdefault(kind, []).append(words)
    for kind, found in by_kind.items():
        yield kind, "; ".join(found)


def _host_of(case: Case, catalog: CommittedPrices) -> Offer | NoData:
    """The instance the case ends on: of its last phase that asks for one."""
    for phase in reversed(case.phases):
        if phase.instance is None:
            continue
        found, today = chosen_type(case, catalog, phase), case_bill(case)[case.workload]
        if isinstance(found, Offer) and found.usd_per_month >= today:
            return NoData(
                f"the cheapest that fits, {found.shape.instance_type}, costs "
                f"{usd(found.usd_per_month)}, no less than the {usd(today)} of today"
            )
        return found
    return NoData("no phase moves to an instance type, so nothing of it can be committed to")


def _limits_step(case: Case, phase: PhaseClaim, report: AuditReport) -> Step:
    option = safe_limits_option(case)
    found = _found(report, phase, StepKind.RESIZE)
    if option is None or isinstance(option.usd_per_month, NoData):
        reason = NoData("no smaller limit is safe on the case's figures")
        return Step(StepKind.RESIZE, case.workload, "limits", reason, phase.number, found)
    why = [f"at the case's own rates {option.arithmetic}"]
    others = case.bill.total_usd_per_month - case_bill(case)[case.workload]
    effect: Effect = Become(max(option.usd_per_month - others, Decimal(0)))
    if not phase.host_shrinks:
        effect = Keep(Decimal(1))
        why.append(
            "a limit changes no bill until the host shrinks, so the bill stays; a later step that "
            "changes the host takes this saving in"
        )
    return Step(StepKind.RESIZE, case.workload, option.title, effect, phase.number, (*why, *found))


def _instance_step(
    case: Case, phase: PhaseClaim, report: AuditReport, host: Offer | NoData
) -> Step:
    found = _found(report, phase, StepKind.RESIZE)
    if isinstance(host, NoData):
        return Step(StepKind.RESIZE, case.workload, "instance", host, phase.number, found)
    name = host.shape.instance_type
    memory_pct = demand_of(case).memory_gib / host.memory_gib * 100
    priced = (
        f"${number(host.price.usd_per_hour, 5)} x {number(case.month_hours)} h = "
        f"{usd(host.usd_per_month)} (list, {host.price.as_of}), memory at {percent(memory_pct)}"
    )
    conditions = [
        f"only when: {condition}"
        for option in report.safe.options
        if option.title.startswith(f"{name} ")
        for condition in option.conditions
    ]
    return Step(
        StepKind.RESIZE,
        case.workload,
        f"to {name}",
        Become(host.usd_per_month),
        phase.number,
        (priced, *conditions, *found),
    )


def _claimed_effect(
    case: Case,
    phase: PhaseClaim,
    kind: StepKind,
    *,
    left_usd: Decimal,
    host: Offer | NoData,
    catalog: CommittedPrices,
) -> tuple[Effect, tuple[str, ...]]:
    if kind is StepKind.AUTOSCALE:
        return _autoscale(case)
    if kind is StepKind.COMMIT:
        return commitment_effect(case, host, catalog, _years(phase), _movers(case, phase))
    if kind is StepKind.CACHE:
        return _cache(case, phase)
    if kind is StepKind.SERVERLESS:
        unmeasured = NoData("no invocations and durations were measured")
        return unmeasured, tuple(serverless_break_even(case, left_usd))
    if kind is StepKind.TENANCY:
        alone = NoData("the bill is one tenant's, so nothing on it can be shared")
        return alone, tuple(tenancy_break_even(case, catalog))
    return NoData("the case gives no hours and no resource for it"), ()


def _autoscale(case: Case) -> tuple[Effect, tuple[str, ...]]:
    demand = demand_of(case)
    most = 1 - demand.mean_cores / demand.peak_cores
    bound = (
        f"following the load perfectly saves at most 1 - {number(demand.mean_cores)} / "
        f"{number(demand.peak_cores)} = {percent(most * 100)} of CPU: the peak is that near"
    )
    if case.singleton:
        return Keep(Decimal(1)), (
            f"{case.workload} must never run twice: a range of 1 to 1 scales nothing",
            bound,
        )
    return NoData("no load by the minute was measured; `rightsize autoscale` replays it"), (bound,)


def _movers(case: Case, phase: PhaseClaim) -> tuple[int, ...]:
    """Later phases that would take work off what this one commits to."""
    return tuple(
        later.number
        for later in case.phases
        if later.number > phase.number
        and any(kind in (StepKind.SERVERLESS, StepKind.TENANCY) for kind, _ in _claims(later))
    )


def _years(phase: PhaseClaim) -> int:
    for words in (*phase.saving_parts_usd_per_month, *phase.other_changes):
        if kind_of(words) is StepKind.COMMIT:
            found = re.search(r"\b([13])[- ]?y", words)
            return int(found[1]) if found else 1
    return 1


def _cache(case: Case, phase: PhaseClaim) -> tuple[Effect, tuple[str, ...]]:
    lines = [name for name in phase.saves_on if name in case.bill.lines]
    why = list(cache_break_even(case, phase))
    if phase.effects:
        why.append("a faster cycle saves nothing on capacity that is paid by the hour")
    if phase.saves_on and not lines:
        return Keep(Decimal(1)), tuple(why)
    most = sum((case.bill.lines[name] for name in lines), Decimal(0))
    if most:
        why.insert(0, f"at most {usd(most)}, what {' and '.join(lines)} cost")
    return NoData("no calls were measured; `rightsize cache` judges an access log"), tuple(why)


def _found(report: AuditReport, phase: PhaseClaim, kind: StepKind) -> tuple[str, ...]:
    return tuple(
        f"audit: {item.claim}: {item.computed}"
        for code in _FOUND.get(kind, ())
        for item in report.findings
        if item.code is code and item.subject == f"phase {phase.number}"
    )
