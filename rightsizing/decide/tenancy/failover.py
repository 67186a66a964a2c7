"""What happens to tenants when an instance is lost, and the instances to hold for it.

With one instance to spare (N+1), the tenants of any one lost instance must find places on the
others at once, in every slot, within the same headroom, with anti-affinity kept; an isolated tenant
needs an empty instance. Places are looked for by best fit, largest tenant first, so a survival that
is reported is real, and one that is not found may still exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, unique

import numpy as np

from rightsizing.decide.tenancy.filling import NO_NUMBER, ROUNDING, Pool
from rightsizing.decide.tenancy.nodetype import NodeType
from rightsizing.decide.tenancy.search import Node
from rightsizing.decide.tenancy.tenants import FloatArray


@unique
class FailoverRule(StrEnum):
    """What a packing must survive."""

    NONE = "none"
    N_PLUS_ONE = "n+1"  # any one instance lost, the rest take its tenants


def survivors(
    pool: Pool,
    nodes: Sequence[Node],
    types: Sequence[NodeType],
    lost: int,
    isolated: frozenset[int] = frozenset(),
) -> dict[int, int] | None:
    """Where each tenant of a lost node goes, as row -> node; None when no place was found.

    Args:
        pool: all tenants.
        nodes: all nodes, spare ones without tenants.
        types: of the nodes.
        lost: index of the lost node.
        isolated: rows of tenants that share with nobody.
    """
    capacities = _capacities(pool, nodes, types)
    room = capacities * (1 + ROUNDING) - _loads(pool, nodes)
    others = np.array([index != lost for index in range(len(nodes))])
    for index, node in enumerate(nodes):  # nobody joins an isolated tenant
        others[index] &= not isolated.intersection(node.tenants)
    empty = np.array([not node.tenants for node in nodes])
    held = [set(pool.groups[list(node.tenants)].tolist()) - {NO_NUMBER} for node in nodes]
    moves: dict[int, int] = {}
    rows = list(nodes[lost].tenants)
    shares = (pool.demand[rows] / capacities.max(axis=0)).max(axis=1)
    for row in (rows[index] for index in np.argsort(-shares, kind="stable")):
        load, group = pool.demand[row], int(pool.groups[row])
        fits = others & (room >= load).all(axis=1)
        if row in isolated:
            fits &= empty
        if group != NO_NUMBER:
            fits &= np.array([group not in groups for groups in held])
        if not fits.any():
            return None
        left = ((room - load) / capacities).min(axis=1)
        target = int(np.argmin(np.where(fits, left, np.inf)))
        room[target] -= load
        empty[target] = False
        others[target] &= row not in isolated
        held[target] |= {group} - {NO_NUMBER}
        moves[row] = target
    return moves


def with_spares(
    pool: Pool,
    nodes: Sequence[Node],
    types: Sequence[NodeType],
    isolated: frozenset[int] = frozenset(),
) -> list[Node]:
    """The nodes with as few cheap empty ones added as any single loss needs."""
    found = list(nodes)
    by_price = sorted(range(len(types)), key=lambda number: (types[number].usd_per_hour, number))
    while True:
        in_danger = _in_danger(pool, found, types, range(len(nodes)), isolated)
        if not in_danger:
            return found
        for number in by_price:
            trial = [*found, Node(number, ())]
            if not _in_danger(pool, trial, types, in_danger, isolated, first_only=True):
                return trial
        # No one type helps all of them: one like the first, and look again.
        found.append(Node(nodes[in_danger[0]].type_number, ()))


def _in_danger(
    pool: Pool,
    nodes: Sequence[Node],
    types: Sequence[NodeType],
    candidates: Sequence[int],
    isolated: frozenset[int],
    *,
    first_only: bool = False,
) -> list[int]:
    found = []
    # Large nodes are the ones that find no place: looking at them first ends most trials early.
    for index in sorted(candidates, key=lambda i: -types[nodes[i].type_number].usd_per_hour):
        if survivors(pool, nodes, types, index, isolated) is None:
            found.append(index)
            if first_only:
                break
    return found


def _capacities(pool: Pool, nodes: Sequence[Node], types: Sequence[NodeType]) -> FloatArray:
    slots = pool.demand.shape[1] - 2
    return np.array([types[node.type_number].capacity(slots) for node in nodes])


def _loads(pool: Pool, nodes: Sequence[Node]) -> FloatArray:
    return np.array([pool.demand[list(node.tenants)].sum(axis=0) for node in nodes])
