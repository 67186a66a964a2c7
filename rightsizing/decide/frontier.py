"""The price of less risk: candidates that no other beats in both price and predicted shortage.

Only risk of too little CPU is traded. A type that lacks memory, network or disk, that the owner's
image, wishes or zones rule out, or that the evidence forbids is never on the frontier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from rightsizing.decide.candidates import shortfalls
from rightsizing.decide.cpufit import ROUNDING
from rightsizing.decide.market import Market
from rightsizing.decide.requirement import Requirement
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Exceedance, ExcuseCode, FrontierPoint
from rightsizing.model.shape import InstanceShape
from rightsizing.units import mib_to_bytes, usd_per_month

# From cores of the measured type to the minutes of a month in which demand exceeds them.
Predictor = Callable[[float], Exceedance | NoData]

_RISKS = frozenset({ExcuseCode.CPU_TOO_SMALL, ExcuseCode.LATENCY})
CHOSEN = "chosen"


def frontier(
    market: Market, requirement: Requirement, predict: Predictor, chosen: InstanceShape
) -> tuple[FrontierPoint, ...]:
    """Non-dominated candidates by monthly price and predicted minutes, and the chosen one.

    Cheapest first. The chosen one may be dominated: margins cost money that predicted minutes do
    not show. A candidate whose minutes cannot be predicted (it is exceeded most of the time) is
    left out, and so is everything when the region has no prices.
    """
    if market.by_memory:
        return ()
    priced = [
        (cost, shape)
        for name, shape in market.shapes.items()
        if (cost := market.cost(name)) is not None and _may_trade(market, shape, requirement)
    ]
    priced.sort(key=lambda item: _rank(item[0], item[1], requirement, chosen))
    points: list[FrontierPoint] = []
    most_cores, fewest = 0.0, float("inf")
    for cost, shape in priced:
        cores = requirement.cores(shape)
        # More cores never mean more minutes, and none cannot be bettered.
        if (cores <= most_cores or fewest <= 0) and shape is not chosen:
            continue
        predicted = predict(cores)
        most_cores = max(cores, most_cores)
        if isinstance(predicted, NoData):
            continue
        if predicted.minutes_per_month < fewest or shape is chosen:
            points.append(_point(market, requirement, shape, cost, predicted, chosen))
        fewest = min(predicted.minutes_per_month, fewest)
    return tuple(points)


def _rank(
    cost: Decimal, shape: InstanceShape, requirement: Requirement, chosen: InstanceShape
) -> tuple[Decimal, float, bool, str]:
    return cost, -requirement.cores(shape), shape is not chosen, shape.instance_type


def _may_trade(market: Market, shape: InstanceShape, requirement: Requirement) -> bool:
    if shape.instance_type in market.unusable:
        return False
    if requirement.floor_vcpus(shape) < requirement.least_vcpus * (1 - ROUNDING):
        return False
    free = replace(requirement, least_vcpus=0)
    codes = {item.excuse.code for item in shortfalls(shape, free, with_full_margins=True)}
    return codes <= _RISKS


def _point(  # noqa: PLR0917
    market: Market,
    requirement: Requirement,
    shape: InstanceShape,
    cost: Decimal,
    predicted: Exceedance,
    chosen: InstanceShape,
) -> FrontierPoint:
    cpu, memory = requirement.demand.cpu, requirement.demand.memory
    return FrontierPoint(
        candidate=shape.instance_type,
        usd_per_month=usd_per_month(cost),
        exceedance=predicted,
        cpu_ratio=cpu if isinstance(cpu, NoData) else cpu.observed / requirement.cores(shape),
        memory_ratio=(
            memory
            if isinstance(memory, NoData)
            else memory.observed / mib_to_bytes(shape.memory_mib)
        ),
        chosen=shape is chosen,
        sentence=_sentence(market, requirement, shape, chosen, cost),
    )


def _sentence(
    market: Market,
    requirement: Requirement,
    shape: InstanceShape,
    chosen: InstanceShape,
    cost: Decimal,
) -> str:
    if shape is chosen:
        return CHOSEN
    excuse = market.excuse(shape, requirement)
    if excuse is not None:
        return excuse.sentence
    own = market.cost(chosen.instance_type)
    if own is not None and cost < own and market.left(shape.instance_type):
        return market.outweighed(shape.instance_type, chosen.instance_type, requirement).sentence
    if own is not None and cost > own:
        return f"${usd_per_month(cost - own):.2f} a month more for less risk than was asked for"
    return "it fits; the change is not worth it or the evidence forbids it"
