"""EC2 fleets: the cheapest instance type that holds one instance's demand.

Counts stay as they are; only the type changes. A change that is merely cheaper needs good evidence;
a change that is needed (the current type is too small) is made on any, but reduces nothing then.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.burst import BurstDemand, BurstVerdict, judge_bursts
from rightsizing.decide.candidates import shortfalls
from rightsizing.decide.cost import fleet_cost
from rightsizing.decide.demand import Demand
from rightsizing.decide.excuses import tell_excuses
from rightsizing.decide.frontier import Predictor, frontier
from rightsizing.decide.guards import Guards
from rightsizing.decide.market import Market, Pick
from rightsizing.decide.outcome import Bounds, Capacity, Outcome
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.requirement import (
    Conditions,
    Requirement,
    Shortfall,
    measured_family,
)
from rightsizing.decide.typesteps import PricedShortage
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Price
from rightsizing.model.recommendation import Decision, ReasonCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.workload import Architecture, Workload, WorkloadClass
from rightsizing.units import mib_to_bytes

_UNKNOWN = Conditions()
_NOT_PRICED = NoData("shortage is not priced")


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
    conditions: Conditions = _UNKNOWN,
    shortage: PricedShortage | NoData = _NOT_PRICED,
    predict: Predictor | None = None,
) -> Outcome:
    """Choose the type of a fleet.

    Args:
        conditions: what the measurements were taken on, and CPU use over time.
        shortage: what being short costs; unknown: the CPU need is a limit that types hold.
        predict: minutes of shortage a month at a number of measured cores; without it the outcome
            has no frontier.

    Raises CatalogError for a type or region the catalog does not know.
    """
    shape = catalog.shape(current.instance_type)
    market = Market.open(shape, workload, catalog, policy=policy, scope=scope)
    guarded_latency = workload.workload_class is WorkloadClass.USER_FACING
    unmeasured = Requirement(  # floors where nobody measured
        demand=demand,
        least_vcpus=shape.vcpus if isinstance(demand.cpu, NoData) else 0,
        least_memory_mib=shape.memory_mib if isinstance(demand.memory, NoData) else 0,
        current=shape,
        credits_ran_out=credits_ran_out,
        measured_on=measured_family(conditions, shape),
        performance=catalog.performance.overridden(policy.performance_per_vcpu),
        busy_cores=conditions.busy_cores,
        latency_ratio_limit=policy.latency_ratio_limit if guarded_latency else None,
        shortage=shortage,
    )
    bursts = _bursts(market, unmeasured, conditions.burst, policy)
    market, unmeasured = market.charging(bursts), replace(unmeasured, bursts=bursts)
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
    if pick.shape is shape and market.excuse(shape, guarded) is None:
        lacking = ()  # what it lacks is worth less than the next type costs
    target, uncapped = pick.shape or shape, wished.shape or shape
    lower, upper = _bounds(unmeasured, target, market)

    def sized(of: InstanceShape) -> FleetSize:
        return current.model_copy(update={"instance_type": of.instance_type})

    decision, reasons = _verdict(market, pick, uncapped, lacking, guards)
    return Outcome(
        decision=decision,
        target=sized(target),
        bounds=Bounds(sized(uncapped), sized(lower), sized(upper)),
        capacity=Capacity(unmeasured.cores(target), mib_to_bytes(target.memory_mib)),
        reasons=reasons,
        binding=_binding(demand, lacking)
        + _translation(unmeasured, target)
        + _left(unmeasured, target),
        cost_before=_cost(market, shape, current),
        cost_after=_cost(market, target, current),
        missing_evidence=(
            *guards.missing_evidence,
            *_uncompared(demand),
            *_doubts(unmeasured, target, workload, catalog),
        ),
        excuses=tell_excuses(
            pick.rejected, market.cost(target.instance_type), every=policy.every_excuse
        ),
        frontier=()
        if predict is None
        else frontier(market.pricing(guarded), guarded, predict, target),
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
    before, after = market.cost(current.instance_type), market.cost(pick.shape.instance_type)
    cheaper = before is not None and after is not None and after < before
    if not cheaper and not reasons and pick.shape.vcpus > current.vcpus:
        reasons.append(ReasonCode.CPU_UNDERPROVISIONED)  # by the price of its shortage
    if pick.shape.vcpus < current.vcpus:
        reasons.append(ReasonCode.CPU_OVERPROVISIONED)
    if pick.shape.memory_mib < current.memory_mib:
        reasons.append(ReasonCode.MEMORY_OVERPROVISIONED)
    if uncapped is not pick.shape:
        reasons.extend(blocked)
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
        shortage = requirement.shortage
        if not isinstance(shortage, NoData):
            shortage = shortage.at(
                getattr(shortage.risk, "looser" if edge == "lower" else "tighter")
            )
        pick = market.pick(
            replace(requirement, demand=at_edge, shortage=shortage), current_is_enough=False
        )
        found.append(pick.shape or target)
    own = market.cost(target.instance_type)
    costs = [market.cost(shape.instance_type) for shape in found]
    lower, upper = found
    if own is None or costs[0] is None or costs[0] > own:
        lower = target
    if own is None or costs[1] is None or costs[1] < own:
        upper = target
    return lower, upper


def _cost(market: Market, shape: InstanceShape, size: FleetSize) -> MonthlyCost | NoData:
    cost = fleet_cost(market.price(shape.instance_type), size)
    if isinstance(cost, NoData) or shape.instance_type not in market.surplus_usd_per_hour:
        return cost
    return replace(cost, basis=f"{cost.basis}, with surplus CPU credits")


def _bursts(
    market: Market, requirement: Requirement, burst: BurstDemand | NoData, policy: SizingPolicy
) -> dict[str, BurstVerdict]:
    """Verdicts on the types that share CPU over time; empty when use over time is not known."""
    if isinstance(burst, NoData):
        return {}
    shapes = {name: shape for name, shape in market.shapes.items() if name not in market.unusable}
    return judge_bursts(shapes, burst, requirement.speed, policy.credit_mode_of)


def _translation(requirement: Requirement, target: InstanceShape) -> str:
    """How a vCPU of another family was counted; empty when it was not translated."""
    speed = requirement.speed(target)
    if speed == 1:
        return ""
    return f"; a vCPU of {target.family} counts as {speed:.2f} of {requirement.measured_on}"


def _left(requirement: Requirement, target: InstanceShape) -> str:
    """How short the type would have been; empty where it never was."""
    short = requirement.short_ratio(target)
    if short <= 0:
        return ""
    return f"; {target.instance_type} is short {short * 100:.2f} % of past time"


def _doubts(
    requirement: Requirement, target: InstanceShape, workload: Workload, catalog: Catalog
) -> tuple[str, ...]:
    """What could not be checked about a new type: its speed, its zones."""
    current = requirement.current
    if target is current:
        return ()
    found: list[str] = []
    if target.family != current.family:
        if requirement.measured_on is None:
            found.append(
                f"what the measurements were taken on (the capacity is not that of "
                f"{current.instance_type}), so vCPUs were compared one to one"
            )
        else:
            unknown = requirement.performance.unknown(requirement.measured_on, target.family)
            if unknown is not None:
                found.append(f"{unknown.reason}, so its vCPUs were compared one to one")
    name, region = target.instance_type, workload.region
    lacking = catalog.zones.lacking(name, region, workload.zones)
    offered = catalog.zones.zones_of(name, region)
    if isinstance(lacking, NoData):
        found.append(lacking.reason)
    elif not workload.zones and not isinstance(offered, NoData):
        absent = catalog.zones.zones_in(region) - offered
        if absent:
            found.append(f"the zones in use; {name} is not offered in {', '.join(sorted(absent))}")
    return tuple(found)


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
