"""Containers and hosts: CPU and memory are chosen each on its own, in steps.

A container's limits move in 50 millicores up to one core and 250 above, and in 64 MiB; a host,
known only by its capacity, in whole vCPUs and GiB. The steps are chosen by us: fine enough that
rounding costs less than the margins, coarse enough that people recognise the figures.
"""

from __future__ import annotations

from dataclasses import replace

from rightsizing.decide.cost import container_cost
from rightsizing.decide.demand import Demand, Need
from rightsizing.decide.guards import Guards
from rightsizing.decide.limits import Move, Settled, Steps, settle
from rightsizing.decide.memory import ALARM_RATIO
from rightsizing.decide.outcome import Bounds, Capacity, Outcome
from rightsizing.decide.policy import SizingPolicy
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Rates
from rightsizing.model.recommendation import Decision, ReasonCode
from rightsizing.model.size import ContainerSize
from rightsizing.model.workload import WorkloadKind
from rightsizing.units import BYTES_PER_MIB, MIB_PER_GIB, MILLICORES_PER_CORE, gib

_MAX_MILLICORES = 1_024_000  # ContainerSize's own limits
_MAX_MIB = 64_000_000


def decide_container(
    kind: WorkloadKind,
    current: ContainerSize,
    demand: Demand,
    guards: Guards,
    *,
    policy: SizingPolicy,
    rates: Rates | NoData,
) -> Outcome:
    """Choose limits of a container, or vCPUs and memory of a host."""
    demand = replace(demand, memory=_clear_of_alarm(demand.memory))
    cpu = settle(
        current.cpu_millicores,
        demand.cpu,
        1 / MILLICORES_PER_CORE,
        _cpu_steps(kind, policy),
        may_shrink=not guards.cpu,
        minimum_change_ratio=policy.minimum_change_ratio,
    )
    memory = settle(
        current.memory_mib,
        demand.memory,
        BYTES_PER_MIB,
        _memory_steps(kind, policy),
        may_shrink=not guards.memory,
        minimum_change_ratio=policy.minimum_change_ratio,
    )
    target = ContainerSize(cpu_millicores=cpu.value, memory_mib=memory.value)
    before, after = container_cost(kind, current, rates), container_cost(kind, target, rates)
    decision = _decision(cpu, memory, before, after)
    return Outcome(
        decision=decision,
        target=target,
        bounds=Bounds(
            uncapped=ContainerSize(cpu_millicores=cpu.uncapped, memory_mib=memory.uncapped),
            lower=ContainerSize(cpu_millicores=cpu.lower, memory_mib=memory.lower),
            upper=ContainerSize(cpu_millicores=cpu.upper, memory_mib=memory.upper),
        ),
        capacity=Capacity(target.cpu_cores, target.memory_bytes),
        reasons=_reasons(cpu, memory, guards),
        binding=_binding(demand),
        cost_before=before,
        cost_after=after,
        missing_evidence=guards.missing_evidence,
    )


def _clear_of_alarm(need: Need | NoData) -> Need | NoData:
    """``decide.memory.MemoryTargets.clear_of_alarm`` of one workload."""
    if isinstance(need, NoData):
        return need
    least = need.observed / ALARM_RATIO
    if need.target >= least and need.lower >= least:
        return need
    says = f"memory {gib(least):.2f} GiB (peak {gib(need.observed):.2f} GiB is 95 % of it)"
    return replace(
        need,
        target=max(need.target, least),
        tolerated=max(need.tolerated, least),
        lower=max(need.lower, least),
        upper=max(need.upper, least),
        says=need.says if need.target >= least else says,
    )


def _cpu_steps(kind: WorkloadKind, policy: SizingPolicy) -> Steps:
    core = MILLICORES_PER_CORE
    if kind is WorkloadKind.HOST:
        return Steps(core, core, _MAX_MILLICORES, coarse_step=core, coarse_above=core)
    return Steps(
        50, policy.minimum_cpu_millicores, _MAX_MILLICORES, coarse_step=250, coarse_above=core
    )


def _memory_steps(kind: WorkloadKind, policy: SizingPolicy) -> Steps:
    if kind is WorkloadKind.HOST:
        return Steps(MIB_PER_GIB, MIB_PER_GIB, _MAX_MIB, MIB_PER_GIB, MIB_PER_GIB)
    return Steps(64, policy.minimum_memory_mib, _MAX_MIB, 64, 64)


def _decision(
    cpu: Settled, memory: Settled, before: MonthlyCost | NoData, after: MonthlyCost | NoData
) -> Decision:
    moves = {cpu.move, memory.move}
    if {Move.UP, Move.DOWN} <= moves:
        cheaper = (
            not isinstance(before, NoData)
            and not isinstance(after, NoData)
            and after.usd_per_month < before.usd_per_month
        )
        return Decision.DOWNSIZE if cheaper else Decision.UPSIZE
    if Move.UP in moves:
        return Decision.UPSIZE
    if Move.DOWN in moves:
        return Decision.DOWNSIZE
    return Decision.REFUSE if Move.REFUSED in moves else Decision.KEEP


def _reasons(cpu: Settled, memory: Settled, guards: Guards) -> tuple[ReasonCode, ...]:
    found: list[ReasonCode] = []
    for settled, over, under, against in (
        (cpu, ReasonCode.CPU_OVERPROVISIONED, ReasonCode.CPU_UNDERPROVISIONED, guards.cpu),
        (
            memory,
            ReasonCode.MEMORY_OVERPROVISIONED,
            ReasonCode.MEMORY_UNDERPROVISIONED,
            guards.memory,
        ),
    ):
        match settled.move:
            case Move.DOWN:
                found.append(over)
            case Move.UP:
                found.append(under)
            case Move.TOO_SMALL:
                found.append(ReasonCode.CHANGE_TOO_SMALL)
            case Move.REFUSED | Move.UNMEASURED:
                found.extend(against)
            case Move.FITS:
                pass
    return tuple(dict.fromkeys(found))


def _binding(demand: Demand) -> str:
    says = [need.says for need in (demand.cpu, demand.memory) if not isinstance(need, NoData)]
    return ", ".join(says) or "nothing was measured"
