"""Hit ratio against cache size and time to live, and what a replay of one setting really gives.

A value lives for the time to live from when it was fetched; a hit does not renew it, as with SETEX
after a miss. The curve counts an access as a hit when its stack distance fits and its value, had
nothing been evicted, would still live. ``replay`` runs one setting access by access and is exact.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.decide.caching.accesslog import AccessLog, FloatArray
from rightsizing.decide.caching.stackdistance import sample_keys, stack_distances

TTL_LADDER_S = (60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
SIZE_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the bytes of all keys


@dataclass(frozen=True, slots=True)
class HitCurve:
    """Hit ratios (0-1), shape (ttls, sizes); ``sampled_ratio`` of the keys was looked at."""

    ttl_s: tuple[float, ...]
    size_bytes: tuple[float, ...]
    hit_ratio: FloatArray
    working_set_bytes: float
    repeated_ratio: float  # accesses to a key seen before: no cache can hit more
    sampled_ratio: float


def hit_curve(
    log: AccessLog,
    ttl_s: Sequence[float] = TTL_LADDER_S,
    size_shares: Sequence[float] = SIZE_SHARES,
) -> HitCurve:
    """The curve of a log in order of time."""
    sampled = sample_keys(log)
    part = sampled.log
    distances = stack_distances(part) / sampled.rate
    working_set = _bytes_of_keys(part) / sampled.rate
    sizes = tuple(working_set * share for share in size_shares)
    # Distances of hits fit with rounding: sums of the same floats in another order.
    fits = [distances <= size * (1 + 1e-9) for size in sizes]
    ratios = np.zeros((len(ttl_s), len(sizes)))
    for row, ttl in enumerate(ttl_s):
        alive = _alive(part, ttl)
        for column, fit in enumerate(fits):
            ratios[row, column] = float(np.mean(alive & fit)) if part.accesses else 0.0
    repeated = float(np.mean(np.isfinite(distances))) if part.accesses else 0.0
    return HitCurve(tuple(ttl_s), sizes, ratios, working_set, repeated, sampled.rate)


def replay(log: AccessLog, size_bytes: float, ttl_s: float) -> float:
    """Hit ratio (0-1) of a least-recently-used cache with a time to live, access by access."""
    held: OrderedDict[int, tuple[float, float]] = OrderedDict()  # key -> fetched at, bytes
    used, hits = 0.0, 0
    for second, key, size in zip(
        log.seconds.tolist(), log.keys.tolist(), log.value_bytes.tolist(), strict=True
    ):
        found = held.pop(key, None)
        if found is not None:
            used -= found[1]
        alive = found is not None and second - found[0] < ttl_s
        hits += alive
        fetched = found[0] if alive and found is not None else second
        if size <= size_bytes:
            held[key] = (fetched, size)
            used += size
        while used > size_bytes * (1 + 1e-9):
            _, (_, dropped) = held.popitem(last=False)
            used -= dropped
    return hits / log.accesses if log.accesses else 0.0


def _bytes_of_keys(log: AccessLog) -> float:
    """Bytes of every key once, at its largest."""
    if not log.accesses:
        return 0.0
    order = np.lexsort((log.value_bytes, log.keys))
    last = np.flatnonzero(np.diff(log.keys[order], append=-1))
    return float(log.value_bytes[order][last].sum())


def _alive(log: AccessLog, ttl_s: float) -> np.ndarray:
    """Accesses whose value, fetched at the last miss and never evicted, still lives."""
    fetched: dict[int, float] = {}
    alive = np.zeros(log.accesses, dtype=bool)
    for index, (second, key) in enumerate(
        zip(log.seconds.tolist(), log.keys.tolist(), strict=True)
    ):
        since = fetched.get(key)
        if since is not None and second - since < ttl_s:
            alive[index] = True
        else:
            fetched[key] = second
    return alive
