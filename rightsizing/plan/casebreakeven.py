"""Where a saving that nobody measured would begin: break-evens of phases 3 and 4 of a case.

A cache pays from the calls it saves, functions from how little of the time they run, sharing an
instance from how prices rise with its size. Each is a sentence of arithmetic at list prices.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rightsizing.catalog.cachenodes import CacheEngine, cheapest_node
from rightsizing.catalog.lambdarates import LambdaRates, lambda_rates
from rightsizing.model.base import NoData
from rightsizing.model.workload import Architecture
from rightsizing.plan.case import Case, FamilyClass, PhaseClaim
from rightsizing.plan.demand import HUNDRED, demand_of
from rightsizing.plan.families import Offer, PricedShapes, cheapest_offer
from rightsizing.plan.figures import number, percent, usd
from rightsizing.plan.safeplan import minimum_memory_gib, minimum_vcpus
from rightsizing.units import BYTES_PER_MIB

SECONDS_PER_HOUR = 3600
MOST_TENANTS = 10
_SMALLEST_CACHE_MIB = 16
_CLASSES = (FamilyClass.COMPUTE, FamilyClass.GENERAL, FamilyClass.MEMORY)


def cache_break_even(case: Case, phase: PhaseClaim) -> Iterator[str]:
    """From which cost of calls a cache node would be paid for, at the claimed hit ratio."""
    if phase.cache is None or phase.cache.hit_pct == 0:
        return
    node = cheapest_node(float(_SMALLEST_CACHE_MIB * BYTES_PER_MIB))
    if isinstance(node, NoData):
        return
    price = node.price(case.region, CacheEngine.VALKEY)
    if isinstance(price, NoData):
        yield f"a cache node has no list price here: {price.reason}"
        return
    month = price.usd_per_hour * case.month_hours
    hit = phase.cache.hit_pct / HUNDRED
    yield (
        f"a cache node, {node.node_type}, is ${number(price.usd_per_hour, 5)} x "
        f"{number(case.month_hours)} h = {usd(month)}: even at {number(phase.cache.hit_pct)} % "
        f"hits it pays from {usd(month)} / {number(hit, 2)} = {usd(month / hit)} of calls a month"
    )


def serverless_break_even(case: Case, left_usd: Decimal) -> Iterator[str]:
    """The share of time below which functions of this memory cost less than what is left."""
    rates = lambda_rates(case.region, Architecture.ARM64)
    if isinstance(rates, NoData):
        yield f"functions have no list price here: {rates.reason}"
        return
    rate = _first_tier(rates)
    memory = demand_of(case).memory_gib
    hour = rate * SECONDS_PER_HOUR
    whole = memory * case.month_hours * hour
    yield (
        f"as functions, {number(memory)} GiB at all times would be {number(memory)} x "
        f"{number(case.month_hours)} h x {usd(hour, 4)} a GiB-hour = {usd(whole)}, against "
        f"{usd(left_usd)} left: cheaper only for work that runs under "
        f"{percent(left_usd / whole * HUNDRED, 1)} of the time"
    )
    yield (
        "moving some jobs off saves nothing by itself while the instance stays: it adds their "
        "price until the rest fits a smaller one; `rightsize serverless` prices measured jobs"
    )


def tenancy_break_even(case: Case, catalog: PricedShapes) -> Iterator[str]:
    """What an instance costs a tenant for one and for several tenants of this demand."""
    alone = _per_tenant(case, catalog, 1)
    if alone is None:
        return
    shared = [
        (each, tenants, found)
        for tenants in range(2, MOST_TENANTS + 1)
        if (priced := _per_tenant(case, catalog, tenants)) is not None
        for each, found in [priced]
    ]
    if not shared:
        return
    each, tenants, found = min(shared, key=lambda item: (item[0], item[1]))
    single, own = alone
    yield (
        f"{tenants} tenants of this demand on one {found.shape.instance_type} cost "
        f"{usd(found.usd_per_month)} / {tenants} = {usd(each)} each, against {usd(single)} alone "
        f"on {own.shape.instance_type}: {usd(single - each)} saved a tenant, on demand"
        if each < single
        else f"no instance for 2 to {MOST_TENANTS} tenants of this demand is cheaper a tenant than "
        f"one alone ({own.shape.instance_type}, {usd(single)}): list prices rise with size"
    )
    yield "the bill names one tenant: with whom the cost would be shared is not on it"


def _per_tenant(case: Case, catalog: PricedShapes, tenants: int) -> tuple[Decimal, Offer] | None:
    found = cheapest_offer(
        catalog,
        case.region,
        case.month_hours,
        classes=_CLASSES,
        min_vcpus=minimum_vcpus(case) * tenants,
        min_memory_gib=minimum_memory_gib(case) * tenants,
    )
    return None if isinstance(found, NoData) else (found.usd_per_month / tenants, found)


def _first_tier(rates: LambdaRates) -> Decimal:
    return rates.tiers[0][1]
