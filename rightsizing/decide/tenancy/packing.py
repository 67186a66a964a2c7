"""Packing tenants onto the cheapest mix of instance types, with a bound on what is lost.

Isolated tenants get the cheapest instance that holds them. The others are packed jointly in time by
``search``, in parts of ``CHUNK`` where there are many, and the parts are improved together. With
N+1 the largest instance allowed is varied, since the spare one must replace the largest. First-fit
decreasing is among what is tried, so the packing is never dearer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from rightsizing.decide.tenancy.baseline import first_fit_decreasing
from rightsizing.decide.tenancy.bound import bound_with_spare, fractional_bound
from rightsizing.decide.tenancy.failover import FailoverRule, survivors, with_spares
from rightsizing.decide.tenancy.filling import NO_NUMBER, ROUNDING, IntArray, Pool
from rightsizing.decide.tenancy.nodetype import NodeType, undominated
from rightsizing.decide.tenancy.search import Node, Search
from rightsizing.decide.tenancy.tenants import FloatArray, Tenants
from rightsizing.errors import PlanRejected
from rightsizing.model.base import NoData

CHUNK = 400  # tenants constructed together: time grows with the square of their number
ROUNDS = 600  # of ruin and recreate on one part
ROUNDS_OF_MANY = 60  # the same on each of several parts
MOST_FOR_ALL_TYPES = 1_000  # tenants up to which the comparison tries every type
SIZES_IMPROVED = 3  # largest sizes, of those tried at first sight with N+1
LEAST_DENSITY = 0.85  # a full instance's value over its price, below which a type is left out


@dataclass(frozen=True, slots=True)
class PackedInstance:
    """One instance: its type, price, tenants, and how full it is in its busiest slot.

    ``cpu_ratio`` and ``memory_ratio`` (0-1) are of what tenants may use; a spare has no tenants.
    """

    instance_type: str
    usd_per_hour: Decimal
    tenants: tuple[str, ...]
    cpu_ratio: float
    memory_ratio: float
    isolated: bool = False

    @property
    def spare(self) -> bool:
        """Held empty for the loss of another."""
        return not self.tenants


@dataclass(frozen=True, slots=True)
class Packing:
    """Instances for all tenants.

    Attributes:
        instances: by price, dearest first; spares last.
        bound_usd_per_hour: what no packing under the same rules can be below.
        first_fit_usd_per_hour: the best single type filled first-fit decreasing, under the same
            rules; NoData when no one type holds every tenant.
        moves: with N+1, for each instance that is lost, where its tenants go (instance numbers).
    """

    instances: tuple[PackedInstance, ...]
    failover: FailoverRule
    bound_usd_per_hour: float
    first_fit_usd_per_hour: float | NoData
    moves: tuple[tuple[tuple[str, int], ...], ...] = ()

    @property
    def usd_per_hour(self) -> Decimal:
        """Price of all instances."""
        return sum((item.usd_per_hour for item in self.instances), Decimal(0))

    @property
    def gap_ratio(self) -> float:
        """Share (0-1) by which the price is above the bound; the optimum lies between."""
        if self.bound_usd_per_hour <= 0:
            return 0.0
        return float(self.usd_per_hour) / self.bound_usd_per_hour - 1


def _no_progress(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


def pack(
    tenants: Tenants,
    types: Sequence[NodeType],
    *,
    failover: FailoverRule = FailoverRule.NONE,
    seed: int = 1,
    rounds: int = ROUNDS,
    tick: Callable[[int, int], None] = _no_progress,
) -> Packing:
    """Pack everybody.

    Args:
        tenants: loads and rules.
        types: what may be bought, already without headroom.
        failover: what the packing must survive.
        seed: of the search.
        rounds: of ruin and recreate where all tenants are packed in one part.
        tick: told rounds done and rounds in total.

    Raises:
        PlanRejected: a tenant is larger than every type.
    """
    demand = tenants.demand()
    _refuse_giants(tenants, demand, types)
    alone = np.flatnonzero(np.array(tenants.isolated))
    shared = np.flatnonzero(~np.array(tenants.isolated))
    pool = Pool(demand, tenants.group_numbers())
    single = [Node(_cheapest_for(demand[row], types), (int(row),)) for row in alone]
    isolated = frozenset(int(row) for row in alone)
    groups = _largest_group(pool.groups[shared])

    own_price = sum(float(types[node.type_number].usd_per_hour) for node in single)
    spare = failover is FailoverRule.N_PLUS_ONE
    if not len(shared):
        bound = own_price
    elif spare:
        bound = own_price + bound_with_spare(demand[shared], types, groups)
    else:
        bound = own_price + fractional_bound(demand[shared], types, groups).usd_per_hour

    in_total = _rounds_in_total(len(shared), rounds)
    if spare and len(shared) <= MOST_FOR_ALL_TYPES:
        in_total += SIZES_IMPROVED * (rounds // 2)
    progress = _Progress(tick, in_total)
    generator = np.random.default_rng(seed)
    nodes = single
    first_fit: float | NoData = own_price
    if len(shared):
        found = _packed(pool, shared, types, types, generator, rounds, progress)
        first_fit_nodes = _first_fit_nodes(pool, shared, types)
        tried = [found, first_fit_nodes or found]
        if spare and len(shared) <= MOST_FOR_ALL_TYPES:
            tried += _of_smaller_sizes(pool, shared, types, generator, rounds, progress)
        if spare:
            tried = [with_spares(pool, single + item, types, isolated) for item in tried]
        else:
            tried = [single + item for item in tried]
        nodes = min(tried, key=lambda item: _price(item, types))
        if first_fit_nodes is None:
            first_fit = NoData("no one type holds every tenant")
        else:
            first_fit = float(_price(tried[1], types))
    elif spare:
        nodes = with_spares(pool, nodes, types, isolated)
        first_fit = float(_price(nodes, types))  # alone on an instance each, there is no choice
    nodes.sort(key=lambda node: (not node.tenants, -types[node.type_number].usd_per_hour))

    return Packing(
        instances=tuple(_instance(node, tenants, demand, types, isolated) for node in nodes),
        failover=failover,
        bound_usd_per_hour=bound,
        first_fit_usd_per_hour=first_fit,
        moves=_moves(pool, nodes, types, isolated, tenants) if spare else (),
    )


@dataclass(slots=True)
class _Progress:
    tick: Callable[[int, int], None]
    total: int
    done: int = 0

    def __call__(self) -> None:
        self.done += 1
        self.tick(self.done, self.total)


def _rounds_in_total(tenants: int, rounds: int) -> int:
    parts = -(-tenants // CHUNK)
    if parts <= 1:
        return rounds
    return parts * min(rounds, ROUNDS_OF_MANY) + min(rounds, ROUNDS_OF_MANY * 2)


def _packed(  # noqa: PLR0917
    pool: Pool,
    shared: IntArray,
    types: Sequence[NodeType],
    allowed: Sequence[NodeType],
    generator: np.random.Generator,
    rounds: int,
    progress: _Progress,
) -> list[Node]:
    """Nodes for the shared tenants; type numbers are those of ``types``."""
    numbers = {item.name: index for index, item in enumerate(types)}
    values = fractional_bound(pool.demand[shared], allowed).values
    useful = _dense(undominated(allowed), pool.demand[shared], values)
    search = Search(pool, useful, values, generator)
    parts = -(-len(shared) // CHUNK)
    if parts <= 1:
        nodes = search.improve(search.construct(shared), rounds, progress)
    else:
        nodes = []
        for part in np.array_split(generator.permutation(shared), parts):
            built = search.construct(np.sort(part))
            nodes += search.improve(built, min(rounds, ROUNDS_OF_MANY), progress)
        nodes = search.improve(nodes, min(rounds, ROUNDS_OF_MANY * 2), progress)
    return [Node(numbers[useful[node.type_number].name], node.tenants) for node in nodes]


def _dense(types: Sequence[NodeType], demand: FloatArray, values: FloatArray) -> Sequence[NodeType]:
    """Types worth nearly their price when full, as long as those hold every tenant."""
    slots = demand.shape[1] - 2
    room = np.array([item.capacity(slots) for item in types]) * (1 + ROUNDING)
    # One place in every slot: CPU is valued in the busiest one only.
    worth = (room * values).sum(axis=1) / np.array([float(item.usd_per_hour) for item in types])
    for least in (LEAST_DENSITY, 0.8, 0.0):
        kept = worth >= least
        held = (room[kept][:, np.newaxis] >= demand).all(axis=2).any(axis=0)
        if bool(np.all(held)):
            return [item for item, keep in zip(types, kept, strict=True) if keep]
    return types


def _price(nodes: Sequence[Node], types: Sequence[NodeType]) -> Decimal:
    return sum((types[node.type_number].usd_per_hour for node in nodes), Decimal(0))


def _of_smaller_sizes(  # noqa: PLR0917
    pool: Pool,
    shared: IntArray,
    types: Sequence[NodeType],
    generator: np.random.Generator,
    rounds: int,
    progress: _Progress,
) -> list[list[Node]]:
    """Packings without the largest sizes: the spare instance, which replaces any, is cheaper."""
    loads = pool.demand[shared]
    slots = loads.shape[1] - 2
    first: list[tuple[Decimal, Sequence[NodeType]]] = []
    for size in sorted({item.cpu_cores for item in undominated(types)}):
        allowed = [item for item in types if item.cpu_cores <= size]
        room = np.array([item.capacity(slots) for item in allowed]) * (1 + ROUNDING)
        if not all(bool((room >= load).all(axis=1).any()) for load in loads):
            continue
        nodes = _packed(pool, shared, types, allowed, generator, 0, progress)
        dearest = max(types[node.type_number].usd_per_hour for node in nodes)
        first.append((_price(nodes, types) + dearest, allowed))
    first.sort(key=lambda item: item[0])
    return [
        _packed(pool, shared, types, allowed, generator, rounds // 2, progress)
        for _, allowed in first[:SIZES_IMPROVED]
    ]


def _first_fit_nodes(pool: Pool, shared: IntArray, types: Sequence[NodeType]) -> list[Node] | None:
    """First-fit decreasing on the best single type, rows and type numbers as elsewhere."""
    useful = undominated(types)
    part = Pool(pool.demand[shared], pool.groups[shared])
    limit = None if len(shared) <= MOST_FOR_ALL_TYPES else 4
    nodes = first_fit_decreasing(part, useful, limit)
    if nodes is None:
        return None
    numbers = {item.name: index for index, item in enumerate(types)}
    return [
        Node(
            numbers[useful[node.type_number].name],
            tuple(int(shared[row]) for row in node.tenants),
        )
        for node in nodes
    ]


def _refuse_giants(tenants: Tenants, demand: FloatArray, types: Sequence[NodeType]) -> None:
    room = np.array([item.capacity(tenants.slots) for item in types]) * (1 + ROUNDING)
    peaks = np.column_stack([tenants.peak_cores, demand[:, -2]])
    limits = np.column_stack([room[:, 0], room[:, -2]])
    fits = np.all(limits[np.newaxis] >= peaks[:, np.newaxis], axis=2)
    giants = np.logical_not(np.any(fits, axis=1))
    if not bool(np.any(giants)):
        return
    row = int(np.flatnonzero(giants)[0])
    largest = max(types, key=lambda item: (item.cpu_cores, item.memory_mib))
    most = max(types, key=lambda item: (item.memory_mib, item.cpu_cores))
    others = f" ({int(giants.sum()):,} such tenants)" if giants.sum() > 1 else ""
    raise PlanRejected(
        f"tenant {tenants.names[row]!r} needs {peaks[row, 0]:.2f} cores and "
        f"{peaks[row, 1]:,.0f} MiB, more than any instance leaves to tenants ({largest.name} "
        f"{largest.cpu_cores:.1f} cores, {most.name} {most.memory_mib:,.0f} MiB){others}; "
        f"allow larger types, less headroom, or split the tenant"
    )


def _cheapest_for(load: FloatArray, types: Sequence[NodeType]) -> int:
    slots = len(load) - 2
    fitting = [
        (item.usd_per_hour, number)
        for number, item in enumerate(types)
        if (item.capacity(slots) * (1 + ROUNDING) >= load).all()
    ]
    return min(fitting)[1]


def _largest_group(groups: IntArray) -> int:
    named = groups[groups != NO_NUMBER]
    return int(np.bincount(named).max()) if len(named) else 0


def _instance(
    node: Node,
    tenants: Tenants,
    demand: FloatArray,
    types: Sequence[NodeType],
    isolated: frozenset[int],
) -> PackedInstance:
    item = types[node.type_number]
    load = demand[list(node.tenants)].sum(axis=0)
    return PackedInstance(
        instance_type=item.name,
        usd_per_hour=item.usd_per_hour,
        tenants=tuple(sorted(tenants.names[row] for row in node.tenants)),
        cpu_ratio=float(load[: tenants.slots].max()) / item.cpu_cores,
        memory_ratio=float(load[tenants.slots]) / item.memory_mib,
        isolated=bool(isolated.intersection(node.tenants)),
    )


def _moves(
    pool: Pool,
    nodes: Sequence[Node],
    types: Sequence[NodeType],
    isolated: frozenset[int],
    tenants: Tenants,
) -> tuple[tuple[tuple[str, int], ...], ...]:
    found = []
    for lost in range(len(nodes)):
        moves = survivors(pool, nodes, types, lost, isolated) or {}
        found.append(tuple(sorted((tenants.names[row], target) for row, target in moves.items())))
    return tuple(found)
