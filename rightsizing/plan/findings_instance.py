"""Audit of instance types: is the family the right one, and does a named type hold the demand?

Families are judged by list price: the cheapest type of the claimed class that holds the demand,
against the cheapest of the others. A price the catalog does not know leaves its check out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.plan.case import Case, FamilyClass, InstanceClaim, PhaseClaim
from rightsizing.plan.demand import HUNDRED, demand_of
from rightsizing.plan.families import (
    Offer,
    PricedShapes,
    cheapest_offer,
    family_class,
    offer,
)
from rightsizing.plan.figures import number, percent, usd
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity
from rightsizing.plan.safeplan import minimum_memory_gib, minimum_vcpus

_OTHER_CLASSES = (FamilyClass.COMPUTE, FamilyClass.GENERAL, FamilyClass.MEMORY)


def instance_findings(case: Case, catalog: PricedShapes) -> Iterator[AuditFinding]:
    """Every finding about an instance type or family that a phase asks for."""
    for phase in case.phases:
        if phase.instance is not None:
            yield from _family(case, phase, phase.instance, catalog)
            yield from _named_type(case, phase, phase.instance, catalog)
            yield from _burst_credits(case, phase, phase.instance, catalog)
    if any(phase.instance is not None for phase in case.phases):
        yield from _host_shape(case, catalog)


def _family(
    case: Case, phase: PhaseClaim, claim: InstanceClaim, catalog: PricedShapes
) -> Iterator[AuditFinding]:
    fits = {
        item: cheapest_offer(
            catalog,
            case.region,
            case.month_hours,
            classes=(item,),
            min_vcpus=minimum_vcpus(case),
            min_memory_gib=minimum_memory_gib(case),
        )
        for item in (claim.family, *_OTHER_CLASSES)
    }
    claimed = fits[claim.family]
    known = [item for item in fits.values() if isinstance(item, Offer)]
    if isinstance(claimed, NoData) or not known:
        return
    best = min(known, key=lambda item: (item.usd_per_month, item.shape.instance_type))
    if best.usd_per_month < claimed.usd_per_month:
        considered = {
            name: offer(catalog, name, case.region, case.month_hours) for name in claim.considered
        }
        yield _wrong_family(
            case, phase, claim.family, claimed=claimed, best=best, considered=considered
        )


def _wrong_family(
    case: Case,
    phase: PhaseClaim,
    family: FamilyClass,
    *,
    claimed: Offer,
    best: Offer,
    considered: Mapping[str, Offer | NoData],
) -> AuditFinding:
    demand = demand_of(case)
    named = sorted(
        (item for item in considered.values() if isinstance(item, Offer)),
        key=lambda item: item.usd_per_month,
    )
    priced = tuple(dict.fromkeys((claimed, *named, best)))
    unpriced = [
        f"{name}: {item.reason}" for name, item in considered.items() if isinstance(item, NoData)
    ]
    spread = " to ".join(_priced(item, case) for item in (named or [claimed]))
    if named and claimed not in named:
        spread += f"; the cheapest, {claimed.shape.instance_type}, {usd(claimed.usd_per_month)}"
    bound = " is bound by memory" if _gib_per_vcpu(best) > _gib_per_vcpu(claimed) else ""
    memory_pct = demand.memory_gib / best.memory_gib * HUNDRED
    stated = [p.cost_after_usd_per_month for p in case.phases if p.cost_after_usd_per_month]
    under = (
        f", under the {usd(stated[-1])} target by itself"
        if stated and best.usd_per_month < stated[-1]
        else ""
    )
    return AuditFinding(
        code=FindingCode.WRONG_FAMILY,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"the {family.value} family",
        computed=f"{number(demand.memory_gib)} GiB on {number(demand.mean_cores)} cores{bound}: "
        f"{number(claimed.memory_gib)} GiB there costs {spread}",
        arithmetic=(
            (
                f"{number(demand.memory_gib)} / {number(demand.mean_cores)} = "
                f"{number(demand.gib_per_core, 1)} GiB a core; {claimed.shape.instance_type} has "
                f"{number(_gib_per_vcpu(claimed), 1)} a vCPU, "
                f"{best.shape.instance_type} {number(_gib_per_vcpu(best), 1)}"
            ),
            *(_price_line(item, case) for item in priced),
            *unpriced,
        ),
        instead=f"a {family_class(best.shape.instance_type).value} {best.shape.instance_type} "
        f"({best.shape.vcpus} vCPU, {number(best.memory_gib)} GiB) at {usd(best.usd_per_month)} a "
        f"month, {percent(memory_pct)} memory{under}",
        figures=(
            ("gib_per_core", demand.gib_per_core),
            *((f"{item.shape.instance_type}_usd_per_month", item.usd_per_month) for item in priced),
            ("memory_at_best_pct", memory_pct),
        ),
    )


def _gib_per_vcpu(item: Offer) -> Decimal:
    return item.memory_gib / item.shape.vcpus


def _priced(item: Offer, case: Case) -> str:
    above = item.usd_per_month > case.bill.total_usd_per_month
    note = f"{item.shape.instance_type}{', above the bill of today' if above else ''}"
    return f"{usd(item.usd_per_month)} a month ({note})"


def _price_line(item: Offer, case: Case) -> str:
    return (
        f"{item.shape.instance_type}, {item.shape.vcpus} vCPU, {number(item.memory_gib)} GiB: "
        f"${number(item.price.usd_per_hour, 5)} x {number(case.month_hours)} h = "
        f"{usd(item.usd_per_month)} ({item.price.region} list, {item.price.as_of})"
    )


def _named_type(
    case: Case, phase: PhaseClaim, claim: InstanceClaim, catalog: PricedShapes
) -> Iterator[AuditFinding]:
    if claim.instance_type is None:
        return
    found = offer(catalog, claim.instance_type, case.region, case.month_hours)
    if isinstance(found, NoData):
        return
    demand = demand_of(case)
    memory_pct = demand.memory_gib / found.memory_gib * HUNDRED
    if found.memory_gib >= demand.memory_gib and found.shape.vcpus >= demand.mean_cores:
        return
    yield AuditFinding(
        code=FindingCode.INSTANCE_TOO_SMALL,
        severity=Severity.REFUSED,
        subject=f"phase {phase.number}",
        claim=f"{claim.instance_type}: {found.shape.vcpus} vCPU, {number(found.memory_gib)} GiB",
        computed=(
            f"{number(demand.memory_gib)} GiB and {number(demand.mean_cores)} cores are in use"
        ),
        arithmetic=(
            f"{number(demand.memory_gib)} / {number(found.memory_gib)} = {percent(memory_pct)}",
        ),
        instead="a type that holds what is in use",
        figures=(("memory_at_limit_pct", memory_pct),),
    )


def _burst_credits(
    case: Case, phase: PhaseClaim, claim: InstanceClaim, catalog: PricedShapes
) -> Iterator[AuditFinding]:
    if not claim.burst_credits:
        return
    members = [
        shape
        for shape in catalog.shapes(case.region)
        if family_class(shape.instance_type) is claim.family
    ]
    burstable = sum(shape.burstable for shape in members)
    if burstable or not members:
        return
    yield AuditFinding(
        code=FindingCode.NO_BURST_CREDITS,
        severity=Severity.WRONG,
        subject=f"phase {phase.number}",
        claim=f"the {claim.family.value} family with burst credits",
        computed=f"no {claim.family.value} type has burst credits",
        arithmetic=(
            (
                f"{burstable} of {len(members)} {claim.family.value} types in the catalog are "
                "burstable"
            ),
        ),
        instead=(
            "burst credits exist in the T families only, which earn a baseline share of each vCPU"
        ),
        figures=(("burstable_types", Decimal(burstable)),),
    )


def _host_shape(case: Case, catalog: PricedShapes) -> Iterator[AuditFinding]:
    capacity = case.capacity
    if capacity.physical_cores is None:
        return
    same_threads = [
        shape for shape in catalog.shapes(case.region) if shape.vcpus == capacity.logical_cores
    ]
    matching = [s for s in same_threads if s.physical_cores == capacity.physical_cores]
    if matching or not same_threads:
        return
    seen = sorted({shape.physical_cores for shape in same_threads})
    yield AuditFinding(
        code=FindingCode.NOT_AN_EC2_SHAPE,
        severity=Severity.NOTE,
        subject="measurements",
        claim=(
            f"{number(capacity.logical_cores)} logical on {number(capacity.physical_cores)} "
            "physical "
            "cores"
        ),
        computed="matches no EC2 shape, so the host is not an EC2 instance of that size",
        arithmetic=(
            (
                f"{len(same_threads)} EC2 types have {number(capacity.logical_cores)} vCPU, on "
                f"{' or '.join(str(cores) for cores in seen)} physical cores"
            ),
        ),
        instead=(
            "changing the instance type means moving to EC2; measure performance a vCPU there first"
        ),
        figures=(("matching_types", Decimal(len(matching))),),
    )
