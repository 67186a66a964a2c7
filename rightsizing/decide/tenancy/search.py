"""Searching for a cheap packing: dual-weighted construction, then ruin and recreate.

Construction fills one instance after another. Each time the types worth trying are filled from the
tenants that are left, and the one is kept that wastes the smallest share of its price, load being
valued by the duals of the fractional bound: price minus value, summed over the instances, is what
the packing costs above the bound.

Ruin and recreate (Schrimpf et al., J. Computational Physics 159, 2000) then empties a few
instances, wasteful ones more often, and fills their tenants into new ones. The result is kept when
it is no dearer, or dearer by a little that shrinks to nothing over the rounds; the cheapest packing
seen is the answer. Everything is drawn from a seeded generator and counted in rounds, never in
seconds, so that the same input gives the same packing everywhere.

The constants were chosen on generated tenants (seeds 0 and 1 of benchmarks/packing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rightsizing.decide.tenancy.filling import ROUNDING, IntArray, Pool, fill
from rightsizing.decide.tenancy.nodetype import NodeType
from rightsizing.decide.tenancy.tenants import FloatArray

# The bound prices CPU in the busiest slot alone; slots nearly as busy count nearly as much:
# exp(-50 x) for a total that is lower by the share x.
SHARPNESS = 50.0
WASTE_NOISE = 0.02  # of a type's price, added at random so that rounds differ
LEAST_RUINED, MOST_RUINED = 2, 4  # instances emptied in a round
TOLERANCE = 0.003  # of the price: mean of what a first round may cost more and still be kept
IDLE_COLUMN_SHARE = 0.02  # weight of a column without value: it may still fill up


@dataclass(frozen=True, slots=True)
class Node:
    """One instance: number of its type, and rows of its tenants in the pool."""

    type_number: int
    tenants: tuple[int, ...]


@dataclass(slots=True)
class Search:
    """A packing problem: tenants, types, and the value of a unit of each column of demand."""

    pool: Pool
    types: Sequence[NodeType]
    values: FloatArray
    generator: np.random.Generator
    capacities: FloatArray = field(init=False)  # (types, columns)
    prices: FloatArray = field(init=False)  # dollars an hour
    worth: FloatArray = field(init=False)  # of each tenant, dollars an hour
    _weights: FloatArray = field(init=False)  # of a full instance's columns, (types, columns)

    def __post_init__(self) -> None:
        """Arrays of the types, and each tenant's value."""
        slots = self.pool.demand.shape[1] - 2
        self.capacities = np.array([item.capacity(slots) for item in self.types])
        self.prices = np.array([float(item.usd_per_hour) for item in self.types])
        total = self.pool.demand[:, :slots].sum(axis=0)
        nearness = np.exp(SHARPNESS * (total / max(float(total.max(initial=0)), 1e-12) - 1))
        cpu_value = float(self.values[:slots].sum())
        spread = self.values.copy()
        spread[:slots] = cpu_value * nearness / nearness.sum()
        self.worth = self.pool.demand @ spread
        spread[:slots] = (spread[:slots] + cpu_value / slots) / 2
        self._weights = self.capacities * spread
        share = IDLE_COLUMN_SHARE / self._weights.shape[1]
        self._weights += share * self._weights.sum(axis=1, keepdims=True) + 1e-12

    def cost(self, nodes: Sequence[Node]) -> float:
        """Dollars an hour."""
        return float(sum(self.prices[node.type_number] for node in nodes))

    def construct(self, members: IntArray, noise: float = 0.0) -> list[Node]:
        """Fill instances until every member has a place; ``noise`` (0-1) perturbs the weights."""
        nodes: list[Node] = []
        while len(members):
            node = self._least_wasteful(members, noise)
            nodes.append(node)
            members = members[~np.isin(members, node.tenants)]
        return nodes

    def improve(
        self, nodes: list[Node], rounds: int, tick: Callable[[], None] = lambda: None
    ) -> list[Node]:
        """Ruin and recreate, so many times. ``tick`` is called before each."""
        best, least = nodes, self.cost(nodes)
        for number in range(rounds):
            tick()
            if len(nodes) < LEAST_RUINED:
                break
            count = int(self.generator.integers(LEAST_RUINED, MOST_RUINED + 1))
            chosen = self._wasteful(nodes, count)
            old = [nodes[index] for index in chosen]
            members = np.array(sorted(row for node in old for row in node.tenants))
            new = self.construct(members, noise=float(self.generator.uniform(0.1, 1.0)))
            slack = TOLERANCE * least * (1 - number / rounds) * float(self.generator.exponential())
            if self.cost(new) <= self.cost(old) * (1 + ROUNDING) + slack:
                nodes = [node for index, node in enumerate(nodes) if index not in chosen] + new
                if self.cost(nodes) <= least:
                    best, least = nodes, self.cost(nodes)
        return best

    def _least_wasteful(self, members: IntArray, noise: float) -> Node:
        best, least = None, np.inf
        for number in self._promising(members):
            weights = self._weights[number]
            if noise:
                weights = weights * self.generator.uniform(1 - noise, 1 + noise, len(weights))
            taken = fill(self.pool, members, self.capacities[number], weights)
            if not taken:
                continue
            smaller = self._smallest(taken, int(number))
            price = self.prices[smaller]
            waste = (price - self.worth[taken].sum()) / price
            if noise:
                waste += WASTE_NOISE * self.generator.random()
            if waste < least:
                best, least = Node(smaller, tuple(taken)), waste
        assert best is not None  # every tenant fits some type, and such a type is promising
        return best

    def _promising(self, members: IntArray) -> IntArray:
        """Types worth trying on these tenants: that hold the largest, and not far too large."""
        loads = self.pool.demand[members]
        room = self.capacities * (1 + ROUNDING)
        holds_all = (room >= loads.sum(axis=0)).all(axis=1)
        numbers = np.flatnonzero(~holds_all & (room >= loads.max(axis=0)).all(axis=1))
        if holds_all.any():  # of those that hold everything only the cheapest can be best
            whole = np.flatnonzero(holds_all)
            numbers = np.append(numbers, whole[np.argmin(self.prices[whole])])
        if len(numbers):
            return numbers
        # The largest figures belong to different tenants: take what holds the first of them.
        first = loads[int(np.argmax(self.worth[members]))]
        return np.flatnonzero((room >= first).all(axis=1))

    def _smallest(self, taken: Sequence[int], number: int) -> int:
        """The cheapest type that holds the load."""
        load = self.pool.demand[list(taken)].sum(axis=0)
        fitting = np.flatnonzero((self.capacities * (1 + ROUNDING) >= load).all(axis=1))
        if not len(fitting):  # rounding at the last bit
            return number
        return int(fitting[np.argmin(self.prices[fitting])])

    def _wasteful(self, nodes: Sequence[Node], count: int) -> set[int]:
        waste = np.array(
            [self.prices[node.type_number] - self.worth[list(node.tenants)].sum() for node in nodes]
        )
        odds = np.maximum(waste, 0) + 0.05 * max(float(waste.max()), 0.0) + 1e-12
        drawn = self.generator.choice(
            len(nodes), size=min(count, len(nodes)), replace=False, p=odds / odds.sum()
        )
        return {int(index) for index in drawn}
