"""The tenants to be packed, as arrays.

A tenant's CPU is a profile over slots of a cycle (the 24 hours of a day, the 168 of a week, or one
slot: a constant). Its memory is one figure, the peak: processes seldom give memory back, so memory
of different hours is not shared. Slots are what makes packing joint in time: two tenants whose
peaks fall into different slots fit where the sum of their peaks would not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.errors import ConfigError

FloatArray = NDArray[np.float64]
NO_GROUP = ""
MOST_TENANTS = 100_000


@dataclass(frozen=True, slots=True)
class Tenants:
    """Names, loads and rules of all tenants; row i of each array belongs to ``names[i]``.

    Attributes:
        names: unique.
        cpu_cores: shape (tenants, slots), not negative.
        memory_mib: shape (tenants,), not negative.
        groups: anti-affinity; two tenants of one group share no instance. ``""``: no group.
        isolated: a tenant that shares its instance with nobody.
    """

    names: tuple[str, ...]
    cpu_cores: FloatArray
    memory_mib: FloatArray
    groups: tuple[str, ...]
    isolated: tuple[bool, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be packed: nobody, duplicates, numbers that are none."""
        count = len(self.names)
        if count == 0:
            raise ConfigError("there are no tenants; give at least one row")
        if count > MOST_TENANTS:
            raise ConfigError(
                f"{count:,} tenants are above the limit of {MOST_TENANTS:,}; pack them in parts"
            )
        lengths = (self.cpu_cores, self.memory_mib, self.groups, self.isolated)
        if any(len(item) != count for item in lengths):
            raise ValueError("tenants' arrays differ in length")
        name, times = Counter(self.names).most_common(1)[0]
        if times > 1:
            raise ConfigError(f"tenant {name!r} is given {times} times; give each name once")
        for noun, array in (("cpu_cores", self.cpu_cores), ("memory_mib", self.memory_mib)):
            rows = array.reshape(count, -1)
            bad = ~(np.isfinite(rows) & (rows >= 0)).all(axis=1)
            if bad.any():
                first = int(np.flatnonzero(bad)[0])
                value = rows[first][~(np.isfinite(rows[first]) & (rows[first] >= 0))][0]
                raise ConfigError(
                    f"tenant {self.names[first]!r} has {noun} {value:g}; it must be a number of "
                    f"at least 0"
                )

    @property
    def slots(self) -> int:
        """Slots of the cycle; 1: loads are constant."""
        return int(self.cpu_cores.shape[1])

    @property
    def peak_cores(self) -> FloatArray:
        """Largest CPU of each tenant, shape (tenants,)."""
        peaks: FloatArray = self.cpu_cores.max(axis=1)
        return peaks

    def demand(self) -> FloatArray:
        """One row a tenant: CPU of every slot, memory MiB, and 1 for the place it takes."""
        places = np.ones((len(self.names), 1))
        return np.hstack([self.cpu_cores, self.memory_mib[:, np.newaxis], places])

    def group_numbers(self) -> NDArray[np.int64]:
        """Groups as numbers from 0; -1 for a tenant without one."""
        known = {name: number for number, name in enumerate(sorted(set(self.groups) - {NO_GROUP}))}
        return np.array([known.get(name, -1) for name in self.groups], dtype=np.int64)
