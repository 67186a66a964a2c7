"""First-fit decreasing on one instance type, the rule packings are compared with.

Tenants are ordered by their largest share of an instance and each is put into the first instance
that still holds it. The best single type is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rightsizing.decide.tenancy.filling import NO_NUMBER, ROUNDING, Pool
from rightsizing.decide.tenancy.nodetype import NodeType
from rightsizing.decide.tenancy.search import Node
from rightsizing.decide.tenancy.tenants import FloatArray


def first_fit_decreasing(
    pool: Pool, types: Sequence[NodeType], most_types: int | None = None
) -> list[Node] | None:
    """Nodes of the best single type; None when no type holds every tenant.

    ``most_types`` limits the trial to the types that are cheapest for the load in total.
    """
    slots = pool.demand.shape[1] - 2
    capacities = np.array([item.capacity(slots) for item in types])
    prices = np.array([float(item.usd_per_hour) for item in types])
    able = np.flatnonzero((capacities * (1 + ROUNDING) >= pool.demand.max(axis=0)).all(axis=1))
    least = (pool.demand.sum(axis=0) / capacities[able]).max(axis=1) * prices[able]
    able = able[np.argsort(least, kind="stable")][:most_types]
    best: list[Node] | None = None
    for number in able:
        nodes = _of_type(pool, int(number), capacities[number])
        if best is None or len(nodes) * prices[number] < len(best) * prices[best[0].type_number]:
            best = nodes
    return best


def _of_type(pool: Pool, number: int, capacity: FloatArray) -> list[Node]:
    order = np.argsort(-(pool.demand / capacity).max(axis=1), kind="stable")
    room = np.empty((0, len(capacity)))
    members: list[list[int]] = []
    held: list[set[int]] = []
    for row in order:
        load, group = pool.demand[row], int(pool.groups[row])
        fits = (room >= load).all(axis=1)
        if group != NO_NUMBER:
            fits &= np.array([group not in groups for groups in held], dtype=bool)
        target = int(np.argmax(fits)) if fits.any() else len(members)
        if target == len(members):
            members.append([])
            held.append(set())
            room = np.vstack([room, capacity * (1 + ROUNDING)])
        room[target] -= load
        members[target].append(int(row))
        held[target] |= {group} - {NO_NUMBER}
    return [Node(number, tuple(rows)) for rows in members]
