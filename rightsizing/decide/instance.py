"""EC2 fleets: the cheapest instance type that holds one instance's demand.

Counts stay as they are; only the type changes. A change that is merely cheaper needs good evidence;
a change that is needed (the current type is too small) is made on any, but reduces nothing then.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.candidates import Requirement, Shortfall, shortfalls
from rightsizing.decide.cost import fleet_cost
from rightsizing.decide.demand import Demand
from rightsizing.decide.excuses import tell_excuses
from rightsizing.decide.guards import Guards
from rightsizing.decide.market import Market, Pick
from rightsizing.decide.outcome import Bounds, Capacity, Outcome
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.recommendation import Decision, ReasonCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.workload import Architecture, Workload
from rightsizing.units import mib_to_bytes


def decide_fleet(
    workload: Workload,
    current: FleetSize,
    demand: Demand,
    guards: Guards,
    catalog: Catalog,
    *,
    policy: SizingPolicy,
    scope: Scope,
    credits_ran_out: bool,
) -> Outcome:
    """Choose the type of a fleet. Raises CatalogError for a type or region it does not know."""
    shape = catalog.shape(current.instance_type)
    market = Market.open(shape, workload, catalog, policy=policy, scope=scope)
    unmeasured = Requirement(  # floors where nobody measured
        demand=demand,
        least_vcpus=shape.vcpus if isinstance(demand.cpu, NoData) else 0,
        least_memory_mib=shape.memory_mib if isinstance(demand.memory, NoData) else 0,
        current=shape,
        credits_ran_out=credits_ran_out,
    )
    guarded = replace(  # and where the evidence forbids a reduction
        unmeasured,
        least_vcpus=shape.vcpus if guards.cpu else 0,
        least_memory_mib=shape.memory_mib if guards.memory else 0,
    )
    # What CPU alone would allow, to tell "nothing to save" from "memory is not measured".
    free = unmeasured if isinstance(demand.cpu, NoData) else replace(unmeasured, least_memory_mib=0)
    lacking = shortfalls(shape, unmeasured, with_full_margins=False)
    wished, pick = (
        market.pick(
            requirement,
            current_is_enough=not lacking,
            minimum_saving_ratio=policy.minimum_saving_ratio,
        )
        for requirement in (free, guarded)
    )
    if guards.anything and not lacking:
        pick = replace(pick, shape=shape)
    target, uncapped = pick.shape or shape, wished.shape or shape
    lower, upper = _bounds(unmeasured, target, market)

    def sized(of: InstanceShape) -> FleetSize:
        return current.model_copy(update={"instance_type": of.instance_type})

    decision, reasons = _verdict(market, pick, uncapped, lacking, guards)
    return Outcome(
        decision=decision,
        target=sized(target),
        bounds=Bounds(sized(uncapped), sized(lower), sized(upper)),
        capacity=Capacity(target.vcpus, mib_to_bytes(target.memory_mib)),
        reasons=reasons,
        binding=_binding(demand, lacking),
        cost_before=fleet_cost(market.prices[shape.instance_type], current),
        cost_after=fleet_cost(market.prices[target.instance_type], current),
        missing_evidence=(*guards.missing_evidence, *_uncompared(demand)),
        excuses=tell_excuses(pick.rejected, market.cost(target.instance_type)),
    )


def cheapest_holding(
    size: ContainerSize, catalog: Catalog, region: str, architectures: tuple[Architecture, ...]
) -> InstanceShape | NoData:
    """The cheapest general type with at least these cores and this memory, for information.

    Burstable and flex types are left out, as the size says nothing about how long it is used.
    Raises CatalogError for an unknown region.
    """
    found: list[tuple[Decimal, str, InstanceShape]] = []
    for shape in catalog.shapes(region):
        price = catalog.price(shape.instance_type, region)
        if (
            shape.vcpus >= size.cpu_cores
            and shape.memory_mib >= size.memory_mib
            and shape.architecture in architectures
            and shape.current_generation
            and not (shape.burstable or shape.bare_metal or shape.gpu_count)
            and not shape.local_storage_gb
            and isinstance(shape.baseline_cpu_ratio, NoData)
            and isinstance(price, Price)
        ):
            found.append((price.usd_per_hour, shape.instance_type, shape))
    if not found:
        return NoData(f"no priced type in {region} holds {size}")
    return min(found, key=lambda item: item[:2])[2]


def _verdict(
    market: Market,
    pick: Pick,
    uncapped: InstanceShape,
    lacking: tuple[Shortfall, ...],
    guards: Guards,
) -> tuple[Decision, tuple[ReasonCode, ...]]:
    current = market.current
    blocked = tuple(dict.fromkeys((*guards.anything, *guards.cpu, *guards.memory)))
    reasons = [shortfall.reason for shortfall in lacking]
    if pick.shape is None:
        return Decision.KEEP, _distinct(*reasons, ReasonCode.NO_CANDIDATE_FITS)
    if pick.shape is current:
        if uncapped is not current:
            return Decision.REFUSE, blocked
        return Decision.KEEP, _distinct(*reasons, _why_kept(market, pick))
    if pick.shape.vcpus < current.vcpus:
        reasons.append(ReasonCode.CPU_OVERPROVISIONED)
    if pick.shape.memory_mib < current.memory_mib:
        reasons.append(ReasonCode.MEMORY_OVERPROVISIONED)
    if uncapped is not pick.shape:
        reasons.extend(blocked)
    before, after = market.cost(current.instance_type), market.cost(pick.shape.instance_type)
    cheaper = before is not None and after is not None and after < before
    return (Decision.DOWNSIZE if cheaper else Decision.UPSIZE), _distinct(*reasons)


def _why_kept(market: Market, pick: Pick) -> ReasonCode:
    if market.cost(market.current.instance_type) is None:
        return ReasonCode.PRICE_UNKNOWN
    return ReasonCode.CHANGE_TOO_SMALL if pick.cheaper_exists else ReasonCode.ALREADY_CHEAPEST


def _distinct(*reasons: ReasonCode) -> tuple[ReasonCode, ...]:
    return tuple(dict.fromkeys(reasons))


def _bounds(
    requirement: Requirement, target: InstanceShape, market: Market
) -> tuple[InstanceShape, InstanceShape]:
    """Cheapest types without margin and with a wide one, never beyond the target in cost."""
    demand = requirement.demand
    found = []
    for edge in ("lower", "upper"):
        needs = [
            need if isinstance(need, NoData) else replace(need, target=getattr(need, edge))
            for need in (demand.cpu, demand.memory)
        ]
        at_edge = replace(demand, cpu=needs[0], memory=needs[1])
        pick = market.pick(replace(requirement, demand=at_edge), current_is_enough=False)
        found.append(pick.shape or target)
    own = market.cost(target.instance_type)
    costs = [market.cost(shape.instance_type) for shape in found]
    lower, upper = found
    if own is None or costs[0] is None or costs[0] > own:
        lower = target
    if own is None or costs[1] is None or costs[1] < own:
        upper = target
    return lower, upper


def _uncompared(demand: Demand) -> tuple[str, ...]:
    rates = demand.rates
    measured = (rates.network_bytes_per_s, rates.disk_bytes_per_s, rates.disk_ops_per_s)
    return tuple(
        f"{rate.reason}, so it was not compared with any baseline"
        for rate in measured
        if isinstance(rate, NoData)
    )


def _binding(demand: Demand, lacking: tuple[Shortfall, ...]) -> str:
    if lacking:
        return "; ".join(shortfall.excuse.sentence for shortfall in lacking)
    says = [need.says for need in (demand.cpu, demand.memory) if not isinstance(need, NoData)]
    return ", ".join(says) or "nothing was measured"
