"""LRU stack distances: how large a least-recently-used cache each access needs to be a hit.

The distance of an access is the bytes of the distinct keys used since the last access to its key,
its own value included (Mattson et al., IBM Systems Journal 9, 1970); a first access has none. With
``previous[i]`` the last access to the key of i, the keys used between are those accesses j in
(previous[i], i] less the ones repeated within, which are the j < i with previous[j] > previous[i]:

    distance_i = sum of sizes over (previous[i], i)  -  sum over such j of size at previous[j]
                 + own size

The second sum counts earlier elements that are larger, by merging sorted blocks of doubling size:
O(n log^2 n) in numpy. Large logs are sampled by key (SHARDS, Waldspurger et al., FAST 2015): keys
whose hash falls below the rate are kept, and distances are divided by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.decide.caching.accesslog import AccessLog, FloatArray, IntArray

MOST_EXACT = 500_000  # accesses; more are sampled
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio (Knuth's hashing)


@dataclass(frozen=True, slots=True)
class SampledLog:
    """A log, or the part of it whose keys were drawn, with the share (0-1) of keys drawn."""

    log: AccessLog
    rate: float


def previous_accesses(keys: IntArray) -> IntArray:
    """For each access the last one to the same key; -1 for a first access."""
    order = np.argsort(keys, kind="stable")
    found = np.full(len(keys), -1, dtype=np.int64)
    same = keys[order][1:] == keys[order][:-1]
    found[order[1:][same]] = order[:-1][same]
    return found


def stack_distances(log: AccessLog) -> FloatArray:
    """Bytes each access needs, shape (accesses,); infinite for a first access."""
    count = log.accesses
    previous = previous_accesses(log.keys)
    again = np.flatnonzero(previous >= 0)
    distances = np.full(count, np.inf)
    if not len(again):
        return distances
    sums = np.concatenate([[0.0], np.cumsum(log.value_bytes)])
    before = previous[again]
    between = sums[again] - sums[before + 1]
    repeated = _weight_of_larger_before(before, log.value_bytes[before])
    distances[again] = np.maximum(between - repeated, 0.0) + log.value_bytes[again]
    return distances


def sample_keys(log: AccessLog, most: int = MOST_EXACT) -> SampledLog:
    """The log itself when it is short enough, else the accesses of a share of its keys."""
    if log.accesses <= most:
        return SampledLog(log, 1.0)
    rate = most / log.accesses
    hashed = (log.keys.astype(np.uint64) * _HASH_MULTIPLIER) >> np.uint64(40)
    drawn = hashed.astype(np.float64) < rate * 2**24
    rate = int(rate * 2**24) / 2**24
    return SampledLog(AccessLog(log.seconds[drawn], log.keys[drawn], log.value_bytes[drawn]), rate)


def _weight_of_larger_before(values: IntArray, weights: FloatArray) -> FloatArray:
    """For each element the sum of weights of earlier elements of larger value (all distinct)."""
    count = len(values)
    ranks = np.empty(count, dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(count)
    found = np.zeros(count)
    # order: positions sorted by value within each block; blocks double until one is left
    position = np.arange(count)
    width = 1
    while width < count:
        block = position // (2 * width)
        right = (position // width) % 2 == 1
        # One sort by (block, rank); within a block, running weight of the left half.
        order = np.argsort(block * count + ranks, kind="stable")
        left_weight = np.where(right[order], 0.0, weights[order])
        running = np.cumsum(left_weight)
        ends = np.flatnonzero(np.diff(block[order], append=-1))
        totals = running[ends]
        of_block = totals[block[order]]
        is_right = right[order]
        found[order[is_right]] += (of_block - running)[is_right]
        width *= 2
    return found
