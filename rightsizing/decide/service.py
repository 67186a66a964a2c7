"""ECS services on Fargate: the cheapest task size of Fargate's grid that holds one task's demand.

The task count stays as it is. Sizes are compared by Fargate's list rates; where the region's rates
are unknown, by those of us-east-1, which serve to compare only, and the money stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.fargate import FARGATE_SIZES
from rightsizing.decide.choice import Option, cheapest, choose
from rightsizing.decide.cost import service_cost
from rightsizing.decide.demand import Demand, Need
from rightsizing.decide.excuses import Rejected, tell_excuses
from rightsizing.decide.guards import Guards
from rightsizing.decide.outcome import Bounds, Capacity, Outcome
from rightsizing.decide.policy import SizingPolicy
from rightsizing.model.base import NoData
from rightsizing.model.price import Rates
from rightsizing.model.recommendation import Decision, Excuse, ExcuseCode, ReasonCode
from rightsizing.model.size import ServiceSize
from rightsizing.model.workload import Workload
from rightsizing.units import (
    BYTES_PER_MIB,
    CPU_UNITS_PER_VCPU,
    MIB_PER_GIB,
)

# Relative weight of a vCPU and a GiB where rates are unknown: us-east-1's, 2025-07.
_COMPARE_VCPU, _COMPARE_GIB = Decimal("0.04048"), Decimal("0.004445")

_UNMEASURED = frozenset({ReasonCode.NO_MEASUREMENTS, ReasonCode.MEMORY_UNMEASURED})


@dataclass(frozen=True, slots=True)
class _Task:
    """Least CPU units and MiB that a task must have."""

    cpu_units: float
    memory_mib: float

    def fits_in(self, cpu_units: int, memory_mib: int) -> bool:
        return cpu_units >= self.cpu_units and memory_mib >= self.memory_mib


def decide_service(
    workload: Workload,
    current: ServiceSize,
    demand: Demand,
    guards: Guards,
    catalog: Catalog,
    *,
    policy: SizingPolicy,
) -> Outcome:
    """Choose the task size of a service."""
    rates = catalog.fargate_rates(workload.region, workload.architectures[0])
    tolerated = _task(current, demand, "tolerated")
    enough = tolerated.fits_in(current.cpu_units, current.memory_mib)
    free = _task(current, demand, "target")
    guarded = _Task(
        max(free.cpu_units, current.cpu_units if guards.cpu else 0),
        max(free.memory_mib, current.memory_mib if guards.memory else 0),
    )
    wished = _choose(current, free, rates, policy, current_is_enough=enough)
    found = _choose(current, guarded, rates, policy, current_is_enough=enough)
    if guards.anything and enough:
        found = current
    target, uncapped = found or current, wished or current
    lower = _edge(current, _task(current, demand, "lower"), rates) or target
    upper = _edge(current, _task(current, demand, "upper"), rates) or target
    if _weight(lower, rates) > _weight(target, rates):
        lower = target
    if _weight(upper, rates) < _weight(target, rates):
        upper = target
    decision, reasons = _verdict(
        current, found, uncapped, tolerated=tolerated, guards=guards, rates=rates
    )
    return Outcome(
        decision=decision,
        target=target,
        bounds=Bounds(uncapped, lower, upper),
        capacity=Capacity(target.cpu_cores, target.memory_bytes),
        reasons=reasons,
        binding=_binding(demand),
        cost_before=service_cost(current, rates),
        cost_after=service_cost(target, rates),
        missing_evidence=guards.missing_evidence,
        excuses=_excuses(target, guarded, rates, every=policy.every_excuse),
    )


def _task(current: ServiceSize, demand: Demand, edge: str) -> _Task:
    def amount(need: Need | NoData, now: float, unit: float) -> float:
        # Unmeasured stays at least what it is.
        return now if isinstance(need, NoData) else float(getattr(need, edge)) / unit

    return _Task(
        amount(demand.cpu, current.cpu_units, 1 / CPU_UNITS_PER_VCPU),
        amount(demand.memory, current.memory_mib, BYTES_PER_MIB),
    )


def _weight(size: ServiceSize, rates: Rates | NoData) -> Decimal:
    vcpus = Decimal(size.cpu_units) / CPU_UNITS_PER_VCPU
    memory_gib = Decimal(size.memory_mib) / MIB_PER_GIB
    if isinstance(rates, NoData):
        return vcpus * _COMPARE_VCPU + memory_gib * _COMPARE_GIB
    return vcpus * rates.usd_per_core_month + memory_gib * rates.usd_per_gib_month


def _grid(current: ServiceSize) -> dict[str, ServiceSize]:
    sizes = [
        current.model_copy(update={"cpu_units": cpu_units, "memory_mib": memory_mib})
        for cpu_units, memory_mib in FARGATE_SIZES
    ]
    return {_name(size): size for size in sizes}


def _name(size: ServiceSize) -> str:
    return f"{size.cpu_cores:g} vCPU, {size.memory_mib} MiB"


def _options(current: ServiceSize, task: _Task, rates: Rates | NoData) -> list[Option]:
    return [
        _option(size, rates)
        for size in _grid(current).values()
        if task.fits_in(size.cpu_units, size.memory_mib)
    ]


def _option(size: ServiceSize, rates: Rates | NoData) -> Option:
    return Option(_name(size), _weight(size, rates), size.cpu_units, size.memory_mib)


def _choose(
    current: ServiceSize,
    task: _Task,
    rates: Rates | NoData,
    policy: SizingPolicy,
    *,
    current_is_enough: bool,
) -> ServiceSize | None:
    found = choose(
        _option(current, rates),
        _options(current, task, rates),
        current_is_enough=current_is_enough,
        minimum_saving_ratio=policy.minimum_saving_ratio,
    )
    if found is None:
        return None
    return current if found.name == _name(current) else _grid(current)[found.name]


def _edge(current: ServiceSize, task: _Task, rates: Rates | NoData) -> ServiceSize | None:
    found = cheapest(_options(current, task, rates), prefer=_name(current))
    return None if found is None else _grid(current)[found.name]


def _verdict(
    current: ServiceSize,
    found: ServiceSize | None,
    uncapped: ServiceSize,
    *,
    tolerated: _Task,
    guards: Guards,
    rates: Rates | NoData,
) -> tuple[Decision, tuple[ReasonCode, ...]]:
    blocked = tuple(dict.fromkeys((*guards.anything, *guards.cpu, *guards.memory)))
    reasons: list[ReasonCode] = []
    if tolerated.cpu_units > current.cpu_units:
        reasons.append(ReasonCode.CPU_UNDERPROVISIONED)
    if tolerated.memory_mib > current.memory_mib:
        reasons.append(ReasonCode.MEMORY_UNDERPROVISIONED)
    if found is None:
        return Decision.KEEP, (*reasons, ReasonCode.NO_CANDIDATE_FITS)
    unmeasured = [reason for reason in blocked if reason in _UNMEASURED]
    if found == current:
        if uncapped != current:
            return Decision.REFUSE, blocked
        return Decision.KEEP, (*reasons, *unmeasured, ReasonCode.ALREADY_CHEAPEST)
    if found.cpu_units < current.cpu_units:
        reasons.append(ReasonCode.CPU_OVERPROVISIONED)
    if found.memory_mib < current.memory_mib:
        reasons.append(ReasonCode.MEMORY_OVERPROVISIONED)
    reasons.extend(blocked if uncapped != found else unmeasured)
    cheaper = _weight(found, rates) < _weight(current, rates)
    return (Decision.DOWNSIZE if cheaper else Decision.UPSIZE), tuple(dict.fromkeys(reasons))


def _excuses(
    target: ServiceSize, task: _Task, rates: Rates | NoData, *, every: bool
) -> tuple[Excuse, ...]:
    rejected = []
    for name, size in _grid(target).items():
        if size == target:
            continue
        if size.cpu_units < task.cpu_units:
            code, needed = (
                ExcuseCode.CPU_TOO_SMALL,
                f"{task.cpu_units / CPU_UNITS_PER_VCPU:.2f} vCPU",
            )
        elif size.memory_mib < task.memory_mib:
            code, needed = ExcuseCode.MEMORY_TOO_SMALL, f"{task.memory_mib:.0f} MiB"
        else:
            code, needed = ExcuseCode.COSTS_MORE, "no more"
        excuse = Excuse(name, code, f"{needed} needed")
        rejected.append(Rejected(excuse, _weight(size, rates)))
    return tell_excuses(rejected, _weight(target, rates), every=every)


def _binding(demand: Demand) -> str:
    says = [need.says for need in (demand.cpu, demand.memory) if not isinstance(need, NoData)]
    return ", ".join(says) or "nothing was measured"
