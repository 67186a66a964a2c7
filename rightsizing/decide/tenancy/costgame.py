"""What each tenant owes for shared capacity: Shapley values of the capacity game.

The cost of a coalition is the fractional bound of what it needs alone: the cheapest mix for its
joint CPU peak and its memory. Tenants whose peaks coincide share little; one that peaks when the
others rest adds next to nothing and pays next to nothing. A covering programme over two resources
has few dual corners, so the cost is the largest of a handful of sums

    cost(S) = max over corners (a, b) of  a * peak CPU of S + b * memory of S.

With up to ``MOST_EXACT`` tenants every coalition is looked at; above, the mean over random orders
and their reverses is taken and its standard error stated (Castro et al., Computers & Operations
Research 36, 2009). Both add up to the cost of all exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from rightsizing.decide.tenancy.nodetype import NodeType, undominated
from rightsizing.decide.tenancy.tenants import FloatArray, Tenants

MOST_EXACT = 12
ORDERS = 1_000
_CELLS = 40_000_000  # (order, tenant, slot) looked at in one go, at most


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a cost, shape (tenants,), adding up to 1; ``standard_error`` is 0 where exact."""

    ratios: FloatArray
    standard_error: float
    orders: int  # sampled; 0: every coalition was looked at

    @property
    def method(self) -> str:
        """In words, for reports and FOCUS."""
        if self.orders == 0:
            return "exact"
        return f"{self.orders:,} sampled orders, standard error {self.standard_error * 100:.3f} %"


def dual_corners(types: Sequence[NodeType]) -> FloatArray:
    """Prices (a core, a MiB) at the corners of the dual, shape (corners, 2).

    A corner prices two types at exactly their price, or one type by a single resource, and no type
    above its price.
    """
    rows = np.array([[item.cpu_cores, item.memory_mib] for item in types])
    prices = np.array([float(item.usd_per_hour) for item in types])
    with np.errstate(divide="ignore"):
        found = [
            (float((prices / rows[:, 0]).min()), 0.0),
            (0.0, float((prices / rows[:, 1]).min())),
        ]
    for one, two in combinations(range(len(types)), 2):
        matrix = rows[[one, two]]
        if abs(np.linalg.det(matrix / matrix.max(axis=0))) < 1e-9:
            continue
        corner = np.linalg.solve(matrix, prices[[one, two]])
        if (corner >= 0).all() and (rows @ corner <= prices * (1 + 1e-9)).all():
            found.append((float(corner[0]), float(corner[1])))
    return np.unique(np.round(np.array(found), 15), axis=0)


def coalition_costs(tenants: Tenants, corners: FloatArray) -> Callable[[Sequence[int]], float]:
    """The cost, dollars an hour, of any coalition given by its rows."""

    def cost(rows: Sequence[int]) -> float:
        members = list(rows)
        if not members:
            return 0.0
        cores = float(tenants.cpu_cores[members].sum(axis=0).max())
        memory = float(tenants.memory_mib[members].sum())
        return float((corners @ np.array([cores, memory])).max())

    return cost


def shapley(tenants: Tenants, types: Sequence[NodeType], seed: int = 1) -> Shares:
    """Shapley shares: exact for few tenants, else sampled."""
    corners = dual_corners(undominated(types))
    count = len(tenants.names)
    if count <= MOST_EXACT:
        return Shares(_normal(exact_values(count, coalition_costs(tenants, corners))), 0.0, 0)
    return _sampled(tenants, corners, np.random.default_rng(seed))


def exact_values(players: int, cost: Callable[[Sequence[int]], float]) -> FloatArray:
    """Shapley values of any game by its definition, over all 2^players coalitions."""
    costs = np.array(
        [
            cost([row for row in range(players) if coalition >> row & 1])
            for coalition in range(1 << players)
        ]
    )
    coalitions = np.arange(1 << players)
    sizes = np.array([coalition.bit_count() for coalition in range(1 << players)])
    odds = np.array(
        [factorial(size) * factorial(players - size - 1) for size in range(players)]
    ) / factorial(players)
    values = np.empty(players)
    for row in range(players):
        without = coalitions[(coalitions >> row & 1) == 0]
        added = costs[without | (1 << row)] - costs[without]
        values[row] = float((odds[sizes[without]] * added).sum())
    return values


def airport_values(peaks: FloatArray, usd_per_unit: float = 1.0) -> FloatArray:
    """Shapley values where a coalition costs its largest member's peak (Littlechild, Owen 1973).

    For tenants of which only one is busy at a time. Peaks have shape (tenants,).
    """
    order = np.argsort(peaks, kind="stable")
    ordered = peaks[order]
    steps = np.diff(ordered, prepend=0.0) * usd_per_unit / np.arange(len(peaks), 0, -1)
    values = np.empty(len(peaks))
    values[order] = np.cumsum(steps)
    return values


def _sampled(tenants: Tenants, corners: FloatArray, generator: np.random.Generator) -> Shares:
    count, slots = tenants.cpu_cores.shape
    pairs = max(min(ORDERS, _CELLS // (count * slots)) // 2, 10)
    totals, squares = np.zeros(count), np.zeros(count)
    for _ in range(pairs):
        order = generator.permutation(count)
        mean = (_added(tenants, corners, order) + _added(tenants, corners, order[::-1])) / 2
        totals += mean
        squares += mean * mean
    values = totals / pairs
    spread = np.maximum(squares / pairs - values * values, 0) / max(pairs - 1, 1)
    whole = max(float(values.sum()), 1e-300)
    return Shares(_normal(values), float(np.sqrt(spread).max()) / whole, 2 * pairs)


def _added(tenants: Tenants, corners: FloatArray, order: np.ndarray) -> FloatArray:
    """What each tenant adds to the cost when tenants join in this order."""
    cores = np.cumsum(tenants.cpu_cores[order], axis=0).max(axis=1)
    memory = np.cumsum(tenants.memory_mib[order])
    costs = (np.column_stack([cores, memory]) @ corners.T).max(axis=1)
    added = np.empty(len(order))
    added[order] = np.diff(costs, prepend=0.0)
    return added


def _normal(values: FloatArray) -> FloatArray:
    """Shares of 1; equal ones where nobody needs anything."""
    whole = float(values.sum())
    return values / whole if whole > 0 else np.full(len(values), 1 / len(values))
