"""Recommendations: which rules apply to a workload, and what holds without measurements.

Pure and deterministic: the same workload, profile, catalog and policy give the same answer, and the
answer applied gives "keep".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.container import decide_container
from rightsizing.decide.cost import container_cost, fleet_cost, service_cost
from rightsizing.decide.demand import demand_of
from rightsizing.decide.guards import credits_ran_out, guards_of
from rightsizing.decide.instance import decide_fleet
from rightsizing.decide.outcome import Outcome, recommendation_of
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.reading import Reading, read_profile, read_profiles
from rightsizing.decide.requirement import Conditions, conditions_of, shortage_of
from rightsizing.decide.service import decide_service
from rightsizing.decide.shortage import ShortageForecast, predict
from rightsizing.errors import CatalogError, ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Rates
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Decision, Finding, ReasonCode, Recommendation
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize, Size
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.profile.evidence import no_evidence
from rightsizing.units import BYTES_PER_MIB, MILLICORES_PER_CORE

_SIZE_KIND = {
    WorkloadKind.FLEET: "fleet",
    WorkloadKind.SERVICE: "service",
    WorkloadKind.CONTAINER: "container",
    WorkloadKind.HOST: "container",
}


@dataclass(frozen=True, slots=True)
class _Sized:
    """A workload with its new size, before the prediction for it."""

    workload: Workload
    profile: Profile
    current: Size
    outcome: Outcome
    forecast: ShortageForecast

    @property
    def cores(self) -> float:
        """What is predicted for."""
        return self.outcome.capacity.cores

    def recommendation(self) -> Recommendation:
        """The recommendation, with its prediction."""
        predicted = self.forecast.at(self.cores)
        return recommendation_of(self.workload, self.current, self.profile, self.outcome, predicted)


def recommend(
    workload: Workload,
    profile: Profile | NoData,
    catalog: Catalog,
    policy: SizingPolicy,
    *,
    scope: Scope,
    rates: Rates | NoData,
    conditions: Conditions | None = None,
    memory_reference_bytes: float | None = None,
) -> Recommendation:
    """Recommend a size for one workload.

    Args:
        workload: with its declared size; without one the measured capacity is the current size
            (containers and hosts only).
        profile: what was measured, or why there is nothing.
        scope: which instance types a fleet may move to.
        rates: the owner's rates for containers and hosts; fleets and services have list prices.
        conditions: of a fleet, what is known beside the profile (use over time, the type it was
            measured on); None: what the profile shows.
        memory_reference_bytes: mean over the fleet of each workload's largest memory use, at which
            the price of a failure is meant; None: the workload's own.

    Raises:
        CatalogError: the current instance type or region is unknown.
        ConfigError: the size is not one of the workload's kind, or nobody knows the current size.
    """
    if isinstance(profile, NoData):
        current = current_size(workload, profile)
        return _keep_unmeasured(workload, current, catalog, profile, rates)
    reading = read_profile(profile, policy, memory_reference_bytes=memory_reference_bytes)
    return _sized(
        workload, profile, reading, catalog, policy, scope=scope, rates=rates, conditions=conditions
    ).recommendation()


def recommend_all(
    cases: Sequence[tuple[Workload, Profile | NoData]],
    catalog: Catalog,
    policy: SizingPolicy,
    *,
    scope: Scope,
    rates: Rates | NoData,
    memory_reference_bytes: float | None = None,
) -> list[Recommendation | CatalogError | ConfigError]:
    """What ``recommend`` says of each workload or raises, the costly part of it in arrays."""
    measured = [profile for _workload, profile in cases if isinstance(profile, Profile)]
    readings = iter(read_profiles(measured, policy, memory_reference_bytes=memory_reference_bytes))
    found: list[_Sized | Recommendation | CatalogError | ConfigError] = []
    for workload, profile in cases:
        reading = next(readings) if isinstance(profile, Profile) else None
        try:
            if isinstance(profile, NoData) or reading is None:
                found.append(
                    recommend(workload, profile, catalog, policy, scope=scope, rates=rates)
                )
            else:
                found.append(
                    _sized(workload, profile, reading, catalog, policy, scope=scope, rates=rates)
                )
        except (CatalogError, ConfigError) as error:
            found.append(error)
    sized = [item for item in found if isinstance(item, _Sized)]
    predict([item.forecast for item in sized], [item.cores for item in sized])
    return [item.recommendation() if isinstance(item, _Sized) else item for item in found]


def _sized(
    workload: Workload,
    profile: Profile,
    reading: Reading,
    catalog: Catalog,
    policy: SizingPolicy,
    *,
    scope: Scope,
    rates: Rates | NoData,
    conditions: Conditions | None = None,
) -> _Sized:
    """The new size of a measured workload; raises what ``recommend`` does."""
    current = current_size(workload, profile)
    demand = demand_of(profile, policy, reading)
    guards, forecast = guards_of(profile, policy, reading), ShortageForecast.of(profile, reading)
    outcome: Outcome
    match current:
        case FleetSize():
            outcome = decide_fleet(
                workload,
                current,
                demand,
                guards,
                catalog,
                policy=policy,
                scope=scope,
                credits_ran_out=credits_ran_out(profile),
                conditions=conditions or conditions_of(profile),
                shortage=shortage_of(profile, policy.risk, forecast.start),
                predict=forecast.at,
            )
        case ServiceSize():
            outcome = decide_service(workload, current, demand, guards, catalog, policy=policy)
        case ContainerSize():
            outcome = decide_container(
                workload.kind, current, demand, guards, policy=policy, rates=rates
            )
    if outcome.decision is Decision.KEEP:
        # "It fits" on weak or censored evidence is not "it is right".
        reasons = tuple(dict.fromkeys((*outcome.reasons, *guards.anything)))
        outcome = replace(outcome, reasons=reasons)
    return _Sized(workload, profile, current, outcome, forecast)


def current_size(workload: Workload, profile: Profile | NoData) -> Size:
    """The declared size, or the capacity in force when the measurements ended.

    Raises ConfigError when neither is known or the declared size is of another kind.
    """
    if workload.size is not None:
        expected = _SIZE_KIND[workload.kind]
        if workload.size.kind != expected:
            raise ConfigError(
                f"workload {workload.key} is a {workload.kind} but its size is that of a "
                f"{workload.size.kind}; declare the size of a {expected}"
            )
        return workload.size
    if workload.kind in {WorkloadKind.CONTAINER, WorkloadKind.HOST} and isinstance(
        profile, Profile
    ):
        cpu, memory = profile.cpu, profile.memory
        if not isinstance(cpu, NoData) and not isinstance(memory, NoData):
            return ContainerSize(
                cpu_millicores=max(round(cpu.capacity_cores * MILLICORES_PER_CORE), 10),
                memory_mib=max(round(memory.capacity_bytes / BYTES_PER_MIB), 6),
            )
    remedy = (
        "measure it with its capacity in cores and bytes"
        if workload.kind is WorkloadKind.HOST
        else f"declare its size under rightsizing:{workload.kind}s"
    )
    raise ConfigError(
        f"workload {workload.key} declares no size and its capacity was not measured; {remedy}"
    )


def _keep_unmeasured(
    workload: Workload, current: Size, catalog: Catalog, reason: NoData, rates: Rates | NoData
) -> Recommendation:
    cost = _current_cost(workload, current, catalog, rates)
    return Recommendation(
        workload=workload.key,
        kind=workload.kind,
        decision=Decision.KEEP,
        finding=Finding.UNKNOWN,
        reasons=(ReasonCode.NO_MEASUREMENTS,),
        current=current,
        target=current,
        uncapped_target=current,
        lower_bound=current,
        upper_bound=current,
        binding="nothing was measured",
        exceedance=reason,
        projected_cpu_mean_ratio=reason,
        projected_cpu_peak_ratio=reason,
        projected_memory_peak_ratio=reason,
        cost_before=cost,
        cost_after=cost,
        evidence=no_evidence(reason.reason),
        sentence=f"{workload.key}: keep {current}, as nothing was measured ({reason.reason})",
        missing_evidence=("14 days of CPU and memory at 5 minutes (`rightsize measure`)",),
        excuses=(),
    )


def _current_cost(
    workload: Workload, current: Size, catalog: Catalog, rates: Rates | NoData
) -> MonthlyCost | NoData:
    match current:
        case FleetSize():
            return fleet_cost(catalog.price(current.instance_type, workload.region), current)
        case ServiceSize():
            fargate = catalog.fargate_rates(workload.region, workload.architectures[0])
            return service_cost(current, fargate)
        case ContainerSize():
            return container_cost(workload.kind, current, rates)
