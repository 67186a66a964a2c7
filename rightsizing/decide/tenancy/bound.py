"""A lower bound on the price of any packing: types bought by fractions, tenants cut at will.

    minimise    sum_j price_j x_j
    subject to  sum_j capacity_jd x_j >= demand_d   for the CPU of every slot, memory and places
                sum_j x_j >= the largest anti-affinity group

A type has as much CPU in every slot, so of the slots only the one with the largest total can bind.
The duals price a core (in that slot) and a MiB; what a packing costs above the bound is exactly the
sum over its instances of price minus the value of the load they carry.

With one instance to spare, what is left after losing any one must still hold everybody, so capacity
exceeds demand by that of the instance with most CPU. The least over what that CPU can be, with the
least memory that comes with it, is a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from rightsizing.decide.tenancy.nodetype import NodeType
from rightsizing.decide.tenancy.tenants import FloatArray


@dataclass(frozen=True, slots=True)
class Bound:
    """Dollars an hour that no packing can be below, and the duals it came from.

    ``values`` prices one unit of each column of ``Tenants.demand``, shape (slots + 2,).
    """

    usd_per_hour: float
    values: FloatArray


@dataclass(frozen=True, slots=True)
class _Cover:
    usd_per_hour: float
    duals: FloatArray  # a core, a MiB, a place, an instance


def fractional_bound(
    demand: FloatArray, types: Sequence[NodeType], least_instances: int = 0
) -> Bound:
    """The bound for tenants whose demand has the columns of ``Tenants.demand``."""
    total = demand.sum(axis=0)
    slots = len(total) - 2
    values = np.zeros(len(total))
    if not len(demand):
        return Bound(0.0, values)
    busiest = int(np.argmax(total[:slots]))
    needed = np.array([total[busiest], total[slots], total[slots + 1], least_instances])
    cover = _cover(needed, types)
    values[[busiest, slots, slots + 1]] = cover.duals[:3]
    return Bound(cover.usd_per_hour, values)


def bound_with_spare(
    demand: FloatArray, types: Sequence[NodeType], least_instances: int = 0
) -> float:
    """Dollars an hour below which no packing survives the loss of any one instance."""
    total = demand.sum(axis=0)
    slots = len(total) - 2
    base = np.array([total[:slots].max(), total[slots], total[slots + 1], least_instances])
    bounds = []
    for cores in sorted({item.cpu_cores for item in types}):
        lost = [cores, min(t.memory_mib for t in types if t.cpu_cores == cores), 0.0, 1.0]
        allowed = [item for item in types if item.cpu_cores <= cores]
        bounds.append(_cover(base + np.array(lost), allowed).usd_per_hour)
    return min(bounds)


def _cover(needed: FloatArray, types: Sequence[NodeType]) -> _Cover:
    prices = np.array([float(item.usd_per_hour) for item in types])
    rows = np.array([[t.cpu_cores, t.memory_mib, float(t.most_tenants), 1.0] for t in types]).T
    # Rows of a size near one: cores and MiB differ by four orders of magnitude.
    scale = rows.max(axis=1)
    solved = linprog(
        prices, A_ub=-(rows / scale[:, np.newaxis]), b_ub=-(needed / scale), method="highs"
    )
    if not solved.success:  # cannot happen: every type has some of everything
        raise ArithmeticError(f"the covering programme was not solved: {solved.message}")
    return _Cover(float(solved.fun), -np.asarray(solved.ineqlin.marginals) / scale)
