"""Which way of running a component is cheapest, and what rules the others out.

    lambda          memory as configured, or tuned where two sizes were measured; x86 and, where an
                    image exists, arm (the same duration is assumed)
    fargate-run     a task an invocation: at least a minute each, plus its start
    fargate-service tasks that always run, for the most invocations at once
    instance        a share of an instance that runs anyway: the larger of the CPU and the memory
                    share that the most invocations at once take

A component that was never invoked is not decided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum, unique

from rightsizing.catalog.lambdarates import (
    MOST_EPHEMERAL_MIB,
    MOST_MEMORY_MIB,
    MOST_SECONDS,
    LambdaRates,
)
from rightsizing.decide.serverless.breakeven import break_even_invocations
from rightsizing.decide.serverless.component import Component, Trigger
from rightsizing.decide.serverless.fargatebill import LEAST_SECONDS, fargate_size, fargate_usd
from rightsizing.decide.serverless.lambdabill import lambda_bill
from rightsizing.decide.serverless.memorytuning import fit_durations, tune_memory
from rightsizing.model.base import NoData
from rightsizing.model.price import Price, Rates
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture
from rightsizing.units import HOURS_PER_MONTH

FARGATE_START_SECONDS = 30  # billed from the pull of the image; an assumption
_SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@unique
class RunWay(StrEnum):
    """How a component may run."""

    LAMBDA_X86 = "lambda-x86_64"
    LAMBDA_ARM = "lambda-arm64"
    FARGATE_RUN = "fargate-run"
    FARGATE_SERVICE = "fargate-service"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Offer:
    """What is on offer: prices, and the instance that is shared."""

    lambda_x86: LambdaRates | NoData
    lambda_arm: LambdaRates | NoData
    fargate: Rates | NoData
    shared: InstanceShape
    shared_price: Price | NoData
    free_tier: bool = False
    architectures: tuple[Architecture, ...] = (Architecture.X86_64,)


@dataclass(frozen=True, slots=True)
class RunOption:
    """One way with its cost a month, or why it is out."""

    way: RunWay
    usd_per_month: Decimal | NoData
    says: str
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class ComponentChoice:
    """The verdict on one component.

    ``break_even`` is the invocations a month up to which Lambda is no dearer than the shared
    instance.
    """

    component: Component
    options: tuple[RunOption, ...]  # cheapest first, those that are out last
    chosen: RunOption | NoData
    break_even: int | NoData
    tuned: str


def choose_way(component: Component, offer: Offer) -> ComponentChoice:
    """Price every way and take the cheapest."""
    memory, mean_ms, tuned = _memory(component, offer)
    options = [
        _lambda(RunWay.LAMBDA_X86, component, offer, memory, mean_ms),
        _lambda(RunWay.LAMBDA_ARM, component, offer, memory, mean_ms),
        _fargate_run(component, offer),
        _fargate_service(component, offer),
        _instance(component, offer),
    ]
    options.sort(key=_order)
    if component.invocations == 0:
        nothing = NoData("it was never invoked in what was measured, so nothing is decided")
        return ComponentChoice(component, tuple(options), nothing, nothing, tuned)
    best = options[0]
    chosen: RunOption | NoData = best
    if isinstance(best.usd_per_month, NoData):
        chosen = NoData("no way of running it has a known price")
    return ComponentChoice(
        component,
        tuple(options),
        chosen,
        _break_even(component, offer, memory, mean_ms, options),
        tuned,
    )


def _order(option: RunOption) -> tuple[bool, Decimal]:
    usd = option.usd_per_month
    return (True, Decimal(0)) if isinstance(usd, NoData) else (False, usd)


def _memory(component: Component, offer: Offer) -> tuple[int, float, str]:
    """Memory size and mean duration to price, and a sentence on tuning."""
    curve = fit_durations(component.points)
    rates = offer.lambda_x86 if not isinstance(offer.lambda_x86, NoData) else offer.lambda_arm
    if isinstance(curve, NoData):
        return component.memory_mib, component.mean_ms, curve.reason
    if isinstance(rates, NoData):
        return component.memory_mib, component.mean_ms, rates.reason
    best = tune_memory(
        curve, rates, used_mib=component.used_mib, latency_limit_ms=component.latency_limit_ms
    )
    if isinstance(best, NoData):
        return component.memory_mib, component.mean_ms, best.reason
    says = (
        f"{best.memory_mib} MiB is cheapest: {best.mean_ms:,.0f} ms by {curve.waiting_ms:,.0f} ms "
        f"waiting and {curve.computing_ms:,.0f} ms on one vCPU (fit within "
        f"{curve.worst_error_ratio * 100:.1f} %)"
    )
    return best.memory_mib, best.mean_ms, says


def _billed_ms(component: Component, mean_ms: float) -> Decimal:
    """Mean billed milliseconds: rounding up adds half a millisecond on average, at most one."""
    run = Decimal(repr(mean_ms)).to_integral_value(ROUND_CEILING)
    return run + Decimal(repr(component.cold_ratio * component.init_ms))


def _lambda(
    way: RunWay, component: Component, offer: Offer, memory_mib: int, mean_ms: float
) -> RunOption:
    arm = way is RunWay.LAMBDA_ARM
    rates = offer.lambda_arm if arm else offer.lambda_x86
    architecture = Architecture.ARM64 if arm else Architecture.X86_64
    reason = None
    if isinstance(rates, NoData):
        return RunOption(way, rates, rates.reason)
    if architecture not in offer.architectures:
        reason = f"there is no {architecture.value} image"
    elif component.longest_ms > MOST_SECONDS * 1000:
        reason = f"its longest run of {component.longest_ms / 1000:,.0f} s is above 900 s"
    elif memory_mib > MOST_MEMORY_MIB:
        reason = f"{memory_mib:,} MiB are above {MOST_MEMORY_MIB:,}"
    elif component.ephemeral_mib > MOST_EPHEMERAL_MIB:
        reason = f"{component.ephemeral_mib:,} MiB of /tmp are above {MOST_EPHEMERAL_MIB:,}"
    elif _too_slow(component, mean_ms):
        reason = f"cold starts bring its mean above {component.latency_limit_ms:g} ms"
    if reason is not None:
        return RunOption(way, NoData(reason), reason)
    bill = lambda_bill(
        rates,
        invocations=Decimal(repr(component.invocations)),
        billed_ms_each=_billed_ms(component, mean_ms),
        memory_mib=memory_mib,
        ephemeral_mib=component.ephemeral_mib,
        free_tier=offer.free_tier,
    )
    says = (
        f"{memory_mib:,} MiB, {bill.gb_seconds:,.0f} GB-s, {component.cold_ratio * 100:.1f} % cold"
    )
    return RunOption(way, bill.usd_per_month, says, memory_mib)


def _too_slow(component: Component, mean_ms: float) -> bool:
    limit = component.latency_limit_ms
    return limit is not None and mean_ms + component.cold_ratio * component.init_ms > limit


def _fargate_run(component: Component, offer: Offer) -> RunOption:
    way = RunWay.FARGATE_RUN
    if component.trigger is Trigger.REQUEST or component.latency_limit_ms is not None:
        reason = "somebody waits for it, and a task takes half a minute to start"
        return RunOption(way, NoData(reason), reason)
    size = fargate_size(component.cores, component.used_mib)
    if isinstance(offer.fargate, NoData) or isinstance(size, NoData):
        missing = offer.fargate if isinstance(offer.fargate, NoData) else size
        assert isinstance(missing, NoData)
        return RunOption(way, missing, missing.reason)
    each = max(component.mean_ms / 1000 + FARGATE_START_SECONDS, LEAST_SECONDS)
    seconds = Decimal(repr(each)) * Decimal(repr(component.invocations))
    usd = fargate_usd(offer.fargate, cpu_units=size[0], memory_mib=size[1], task_seconds=seconds)
    return RunOption(
        way, usd, f"{size[0] / 1024:g} vCPU, {size[1]:,} MiB, {each:.0f} s a task", size[1]
    )


def _fargate_service(component: Component, offer: Offer) -> RunOption:
    way = RunWay.FARGATE_SERVICE
    many = max(component.peak_concurrency, 1)
    size = fargate_size(component.cores * many, component.used_mib * many)
    tasks = 1
    if isinstance(size, NoData):  # spread over tasks of one invocation each
        size, tasks = fargate_size(component.cores, component.used_mib), many
    if isinstance(offer.fargate, NoData) or isinstance(size, NoData):
        missing = offer.fargate if isinstance(offer.fargate, NoData) else size
        assert isinstance(missing, NoData)
        return RunOption(way, missing, missing.reason)
    usd = fargate_usd(
        offer.fargate,
        cpu_units=size[0],
        memory_mib=size[1],
        task_seconds=tasks * _SECONDS_PER_MONTH,
    )
    return RunOption(
        way, usd, f"{tasks} x {size[0] / 1024:g} vCPU, {size[1]:,} MiB always on", size[1]
    )


def _instance(component: Component, offer: Offer) -> RunOption:
    way, shape = RunWay.INSTANCE, offer.shared
    if isinstance(offer.shared_price, NoData):
        return RunOption(way, offer.shared_price, offer.shared_price.reason)
    many = max(component.peak_concurrency, 1)
    share = max(component.cores * many / shape.vcpus, component.used_mib * many / shape.memory_mib)
    usd = offer.shared_price.usd_per_hour * HOURS_PER_MONTH * Decimal(repr(share))
    whole = math.ceil(share) if share > 1 else 1
    machine = f"{whole} x {shape.instance_type}" if whole > 1 else shape.instance_type
    return RunOption(way, usd, f"{share * 100:.1f} % of {machine}; nothing more where it has room")


def _break_even(
    component: Component, offer: Offer, memory_mib: int, mean_ms: float, options: list[RunOption]
) -> int | NoData:
    fixed = next(item for item in options if item.way is RunWay.INSTANCE).usd_per_month
    rates = offer.lambda_x86
    if Architecture.X86_64 not in offer.architectures:
        rates = offer.lambda_arm
    if isinstance(fixed, NoData):
        return fixed
    if isinstance(rates, NoData):
        return rates
    known = rates

    def usd(invocations: int) -> Decimal:
        return lambda_bill(
            known,
            invocations=invocations,
            billed_ms_each=_billed_ms(component, mean_ms),
            memory_mib=memory_mib,
            ephemeral_mib=component.ephemeral_mib,
            free_tier=offer.free_tier,
        ).usd_per_month

    return break_even_invocations(usd, fixed)
