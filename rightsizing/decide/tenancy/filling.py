"""Filling one instance from a pool of tenants.

Tenants are put in one by one. Of those that still fit in every column (CPU of each slot, memory,
places) and whose anti-affinity group is not there yet, the one is taken whose load agrees best with
what is left: the largest weighted dot product of load and the square of the share of capacity that
remains (after Panigrahy et al., "Heuristics for vector bin packing", 2011, who take the share
itself). Big tenants therefore go first, and those that use what the others leave.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.decide.tenancy.tenants import FloatArray

IntArray = NDArray[np.int64]
NO_NUMBER = -1
# Loads are sums of floats; a load may pass a capacity by this share of it without being above it.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Pool:
    """Loads of tenants, shape (tenants, columns), and their group numbers (-1: none)."""

    demand: FloatArray
    groups: IntArray


def fill(pool: Pool, members: IntArray, capacity: FloatArray, weights: FloatArray) -> list[int]:
    """The members that one instance takes.

    Args:
        pool: all tenants.
        members: rows of the pool that may be taken.
        capacity: of the instance, shape (columns,).
        weights: of a column in the dot product; larger where capacity is worth more.

    Returns:
        Rows of the pool, in the order they were put in.
    """
    room = capacity * (1 + ROUNDING)
    scale = weights / capacity
    loads = pool.demand[members]
    groups = pool.groups[members]
    taken: list[int] = []
    while len(members):
        fits = (loads <= room).all(axis=1)
        if not fits.all():
            members, loads, groups = members[fits], loads[fits], groups[fits]
            if not len(members):
                break
        best = int(np.argmax(loads @ (scale * (room / capacity) ** 2)))
        taken.append(int(members[best]))
        room = room - loads[best]
        keep = np.ones(len(members), dtype=bool)
        keep[best] = False
        if groups[best] != NO_NUMBER:
            keep &= groups != groups[best]
        members, loads, groups = members[keep], loads[keep], groups[keep]
    return taken
