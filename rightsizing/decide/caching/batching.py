"""Calls saved by collecting requests into batches, and what waiting for a batch costs.

A batch opens with the first request that finds none open, and is sent when it is full or its window
is over. Every request of a batch waits until it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.decide.caching.accesslog import FloatArray

WINDOWS_S = (0.1, 0.5, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Batching:
    """One setting replayed. Waiting is what batching adds to a request, seconds."""

    most_requests: int
    window_s: float
    requests: int
    calls: int
    mean_wait_s: float
    p95_wait_s: float

    @property
    def saved_ratio(self) -> float:
        """Share (0-1) of calls that are not made."""
        return 1 - self.calls / self.requests if self.requests else 0.0


def replay_batches(seconds: FloatArray, most_requests: int, window_s: float) -> Batching:
    """Collect requests, given in order of time, into batches."""
    starts: list[int] = []
    sent: list[float] = []
    index, count = 0, len(seconds)
    while index < count:
        due = float(seconds[index]) + window_s
        end = min(int(np.searchsorted(seconds, due, side="right")), index + most_requests)
        full = end - index == most_requests
        starts.append(index)
        sent.append(float(seconds[end - 1]) if full else due)
        index = end
    if not count:
        return Batching(most_requests, window_s, 0, 0, 0.0, 0.0)
    sizes = np.diff([*starts, count])
    waits = np.repeat(np.array(sent), sizes) - seconds
    return Batching(
        most_requests,
        window_s,
        count,
        len(starts),
        float(waits.mean()),
        float(np.quantile(waits, 0.95)),
    )


def batching_ladder(
    seconds: FloatArray, most_requests: int, windows_s: Sequence[float] = WINDOWS_S
) -> tuple[Batching, ...]:
    """Several windows, shortest first."""
    return tuple(replay_batches(seconds, most_requests, window) for window in sorted(windows_s))
