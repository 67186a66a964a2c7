"""How many invocations would start cold, and how many run at once, by replaying a log.

An invocation takes the environment that became idle last, as long as it was idle for less than the
time after which AWS takes environments away; else a new one is initialised. AWS documents no such
time. ``IDLE_SECONDS`` is an assumption; environments are also renewed now and then whatever their
traffic, which is not replayed. Concurrency at no cold start does not depend on it.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IDLE_SECONDS = 600.0
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConcurrencyReplay:
    """What a replay shows."""

    invocations: int
    cold_starts: int
    peak_concurrency: int

    @property
    def cold_ratio(self) -> float:
        """Share (0-1) of invocations that start cold."""
        return self.cold_starts / self.invocations if self.invocations else 0.0


def replay_invocations(
    started_s: FloatArray, duration_s: FloatArray, idle_s: float = IDLE_SECONDS
) -> ConcurrencyReplay:
    """Replay invocations in order of start.

    Args:
        started_s: seconds, any order, shape (invocations,).
        duration_s: not negative, same shape.
        idle_s: idle time after which an environment is gone.
    """
    order = np.argsort(started_s, kind="stable")
    idle: list[float] = []  # since when, the latest last
    busy: list[float] = []  # heap of ends
    cold = peak = 0
    for start, length in zip(started_s[order].tolist(), duration_s[order].tolist(), strict=True):
        while busy and busy[0] <= start:
            idle.append(heapq.heappop(busy))
        if idle and start - idle[-1] < idle_s:
            idle.pop()
        else:
            idle.clear()  # the latest is gone, so all are
            cold += 1
        heapq.heappush(busy, start + length)
        peak = max(peak, len(busy))
    return ConcurrencyReplay(len(order), cold, peak)
