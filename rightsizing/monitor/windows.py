"""Shares over a window: counters that may restart, and up or down, sample by sample.

A counter that falls was restarted and began again at 0, so what it shows then is all new; this is
Prometheus' own rule. Samples older than the longest window asked for are dropped, so memory is
bounded by the window and the sampling interval.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightsizing.model.base import NoData

TOO_FEW = NoData("fewer than two samples in the window")
NO_UNITS = NoData("nothing was done in the window")


@dataclass(frozen=True, slots=True)
class CounterPair:
    """A count of parts (slow, failed) and of all, read together."""

    at_s: float  # of a monotonic clock
    part: float
    whole: float


@dataclass(slots=True)
class ShareWindow:
    """The share of parts in all over the last seconds. ``longest_s``: the longest window asked."""

    longest_s: float
    _pairs: deque[CounterPair] = field(default_factory=deque)

    def add(self, pair: CounterPair) -> None:
        """Take a newer sample; one that is not newer than the last is left out."""
        if self._pairs and pair.at_s <= self._pairs[-1].at_s:
            return
        self._pairs.append(pair)
        while self._pairs[0].at_s < pair.at_s - self.longest_s:
            self._pairs.popleft()

    def share(self, window_s: float, now_s: float) -> float | NoData:
        """Parts over all in ``[now - window, now]``, 0 to 1."""
        inside = [pair for pair in self._pairs if pair.at_s >= now_s - window_s]
        if len(inside) < 2:
            return TOO_FEW
        part = whole = 0.0
        for before, after in itertools.pairwise(inside):
            part += _increase(before.part, after.part)
            whole += _increase(before.whole, after.whole)
        return part / whole if whole > 0 else NO_UNITS


_UNKNOWN, _UP, _DOWN = 0, 1, 2


class DownWindow:
    """The share of samples in which a workload was down.

    One byte a sampling interval in a ring: three days of 15 s take 17 kB a workload, whatever
    happens in them. Of several samples in one interval the last counts.
    """

    def __init__(self, *, longest_s: float, interval_s: float) -> None:
        self._interval_s = interval_s
        self._ring = np.zeros(int(longest_s // interval_s) + 1, dtype=np.uint8)
        self._newest: int | None = None  # interval number of the newest sample

    def add(self, at_s: float, *, up: bool) -> None:
        """Take a sample; one of an earlier interval than the newest is left out."""
        number = int(at_s // self._interval_s)
        if self._newest is not None and number < self._newest:
            return
        if self._newest is not None:
            skipped = min(number - self._newest - 1, len(self._ring))
            for empty in range(number - skipped, number):
                self._ring[empty % len(self._ring)] = _UNKNOWN
        self._ring[number % len(self._ring)] = _UP if up else _DOWN
        self._newest = number

    def share(self, window_s: float, now_s: float) -> float | NoData:
        """Down samples over all in the intervals that ``(now - window, now]`` touches, 0 to 1."""
        found = self._between(now_s - window_s, now_s)
        known = np.count_nonzero(found)
        if not known:
            return NoData("never looked at in the window")
        return float(np.count_nonzero(found == _DOWN) / known)

    def _between(self, start_s: float, end_s: float) -> NDArray[np.uint8]:
        if self._newest is None:
            return np.zeros(0, dtype=np.uint8)
        size = len(self._ring)
        last = min(int(end_s // self._interval_s), self._newest)
        first = max(math.floor(start_s / self._interval_s) + 1, self._newest - size + 1, 0)
        if first > last:
            return np.zeros(0, dtype=np.uint8)
        low, high = first % size, last % size
        if low <= high:
            return self._ring[low : high + 1]
        return np.concatenate([self._ring[low:], self._ring[: high + 1]])


def _increase(before: float, after: float) -> float:
    return after if after < before else after - before
