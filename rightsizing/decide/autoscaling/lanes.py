"""Lanes: what the replay runs side by side, and the handling of their state.

A lane is one policy on one stretch of the load. A state is a dataclass whose fields are arrays of
shape (lanes,) or lists of them (queues, the next minute first). These functions cut, paste and
compare states lane by lane, without knowing what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(slots=True)
class MinuteFigures:
    """What one minute came to, arrays of shape (lanes,).

    ``billed``: instances paid for; ``pooled``: warm ones waiting; ``short``: share of the minute
    in which demand was above capacity; ``excess``: demand above it, in instances; ``started``:
    instances launched; ``surplus``: credits billed.
    """

    billed: FloatArray
    serving: FloatArray
    short: FloatArray
    excess: FloatArray
    started: FloatArray
    pooled: FloatArray | None = None
    surplus: FloatArray | None = None


class Machine(Protocol):
    """A scaling mechanism for many lanes, advanced a minute at a time."""

    def at_start(self, demand: FloatArray, floor: FloatArray) -> Any:
        """A state before the first minute, whose demand and floor are given."""

    def advance(self, state: Any, demand: FloatArray, floor_next: FloatArray) -> MinuteFigures:
        """Serve one minute of demand (in instances; NaN: not measured), then decide the next."""

    def of_lanes(self, lanes: IntArray) -> Self:
        """The same mechanism for some of the lanes."""


S = TypeVar("S")


def cut(state: S, lanes: IntArray) -> S:
    """A copy of some lanes."""
    found = {
        item.name: [array[lanes] for array in value] if isinstance(value, list) else value[lanes]
        for item in fields(state)  # type: ignore[arg-type]  # any dataclass
        for value in (getattr(state, item.name),)
    }
    return type(state)(**found)


def paste(state: S, lanes: IntArray | BoolArray, source: S) -> None:
    """Overwrite some lanes of ``state`` with all lanes of ``source``."""
    for own, other in zip(_arrays(state), _arrays(source), strict=True):
        own[lanes] = other


def agreement(one: object, other: object) -> BoolArray:
    """Lanes whose states are the same in every array; NaN equals NaN."""
    pairs = zip(_arrays(one), _arrays(other), strict=True)
    return cast(
        "BoolArray",
        np.logical_and.reduce([(a == b) | (np.isnan(a) & np.isnan(b)) for a, b in pairs]),
    )


def _arrays(state: object) -> list[FloatArray]:
    found: list[FloatArray] = []
    for item in fields(state):  # type: ignore[arg-type]  # any dataclass
        value = getattr(state, item.name)
        found.extend(value if isinstance(value, list) else [value])
    return found
