"""Sharing a bill between tenants, to the cent.

    proportional   by mean CPU and peak memory, a core and a MiB at what the bound prices them
    shapley        by the capacity game (see ``costgame``)
    even           the same for everybody

Ratios are exact to a float; money is Decimal. A charge is split by largest remainder: every tenant
gets its share rounded down to the unit of the charge, and what is left goes, a unit each, to the
largest remainders, in order of rows where they tie. So the parts add up to the charge exactly,
equal tenants differ by at most one unit, and who uses nothing pays nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum, unique

import numpy as np

from rightsizing.decide.tenancy.costgame import Shares, shapley
from rightsizing.decide.tenancy.nodetype import NodeType
from rightsizing.decide.tenancy.tenants import FloatArray, Tenants
from rightsizing.errors import ConfigError

CENT = Decimal("0.01")


@unique
class AllocationMethod(StrEnum):
    """How a shared cost is divided."""

    PROPORTIONAL = "proportional"
    SHAPLEY = "shapley"
    EVEN = "even"


@dataclass(frozen=True, slots=True)
class TenantShare:
    """One tenant's part of a cost."""

    tenant: str
    ratio: float  # 0-1
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Allocation:
    """A cost divided among all tenants, and how."""

    method: AllocationMethod
    description: str
    shares: tuple[TenantShare, ...]

    @property
    def total(self) -> Decimal:
        """Sum of the parts: the cost that was divided."""
        return sum((item.usd for item in self.shares), Decimal(0))


def share_ratios(
    method: AllocationMethod,
    tenants: Tenants,
    types: Sequence[NodeType],
    values: FloatArray,
    seed: int = 1,
) -> Shares:
    """Each tenant's share, adding up to 1.

    ``values`` are the duals of the fractional bound: what a core and a MiB are worth.
    """
    count = len(tenants.names)
    if method is AllocationMethod.EVEN:
        return Shares(np.full(count, 1 / count), 0.0, 0)
    if method is AllocationMethod.SHAPLEY:
        return shapley(tenants, types, seed)
    cpu = tenants.cpu_cores.mean(axis=1) * values[: tenants.slots].sum()
    used = cpu + tenants.memory_mib * values[tenants.slots]
    whole = float(used.sum())
    return Shares(used / whole if whole > 0 else np.full(count, 1 / count), 0.0, 0)


def split(amount: Decimal, ratios: Sequence[float], unit: Decimal = CENT) -> tuple[Decimal, ...]:
    """Parts of an amount that add up to it exactly.

    Args:
        amount: may be negative (a credit); what is finer than ``unit`` goes with the first part
            that is not nothing.
        ratios: of all parts, none negative, adding up to 1 but for rounding.
        unit: smallest difference between parts.

    Raises:
        ConfigError: no ratios, or negative ones.
    """
    if not ratios or min(ratios) < 0:
        raise ConfigError("a cost needs at least one tenant, and no share below 0")
    if amount < 0:
        return tuple(-part for part in split(-amount, ratios, unit))
    units = int((amount / unit).to_integral_value(ROUND_FLOOR))
    whole = sum(Decimal(repr(float(ratio))) for ratio in ratios)
    if whole <= 0:
        raise ConfigError("the shares add up to 0; somebody has to pay")
    exact = [Decimal(repr(float(ratio))) * units / whole for ratio in ratios]
    floors = [int(item.to_integral_value(ROUND_FLOOR)) for item in exact]
    by_remainder = sorted(
        (index for index, ratio in enumerate(ratios) if ratio > 0),
        key=lambda index: (floors[index] - exact[index], index),
    )
    for index in by_remainder[: units - sum(floors)]:
        floors[index] += 1
    parts = [unit * count for count in floors]
    rest = amount - unit * units
    if rest:
        parts[by_remainder[0]] += rest
    return tuple(parts)


def allocate(
    amount: Decimal, tenants: Tenants, method: AllocationMethod, shares: Shares
) -> Allocation:
    """A cost in dollars divided to the cent."""
    parts = split(amount, shares.ratios.tolist())
    return Allocation(
        method,
        shares.method,
        tuple(
            TenantShare(name, float(ratio), part)
            for name, ratio, part in zip(tenants.names, shares.ratios, parts, strict=True)
        ),
    )
