"""Accesses of a key space: when, which key, how large its value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.errors import BadTrace

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MINUTES_FOR_A_RATE = 60


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Accesses in order of time.

    Attributes:
        seconds: time of each, ascending, shape (accesses,).
        keys: number of the key, from 0, same shape.
        value_bytes: size of the value with its overhead in the cache, same shape.
    """

    seconds: FloatArray
    keys: IntArray
    value_bytes: FloatArray

    def __post_init__(self) -> None:
        """Refuse times that are no numbers and sizes below 0."""
        for noun, array in (("time", self.seconds), ("value size", self.value_bytes)):
            bad = ~np.isfinite(array)
            if noun == "value size":
                bad |= array < 0
            if bool(np.any(bad)):
                row = int(np.flatnonzero(bad)[0])
                raise BadTrace(
                    f"access {row + 1}: {noun} {array[row]:g} is not possible; correct it"
                )

    @property
    def accesses(self) -> int:
        """How many."""
        return len(self.keys)

    @property
    def distinct(self) -> int:
        """How many keys."""
        return len(np.unique(self.keys))

    @property
    def span_s(self) -> float:
        """Seconds from the first access to the last."""
        return float(self.seconds[-1] - self.seconds[0]) if len(self.seconds) else 0.0

    def ordered(self) -> AccessLog:
        """The same by time; accesses of one instant keep their order."""
        order = np.argsort(self.seconds, kind="stable")
        return AccessLog(self.seconds[order], self.keys[order], self.value_bytes[order])
