"""Stack distances, hit curves, batching and verdicts against brute force."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.decide.caching.accesslog import AccessLog
from rightsizing.decide.caching.batching import replay_batches
from rightsizing.decide.caching.hitcurve import hit_curve, replay
from rightsizing.decide.caching.redisinfo import parse_info
from rightsizing.decide.caching.stackdistance import sample_keys, stack_distances
from rightsizing.decide.caching.verdict import CacheSetting, CacheTerms, judge_cache
from rightsizing.errors import BadTrace
from rightsizing.model.base import NoData


def log_of(keys, sizes=None, step: float = 1.0) -> AccessLog:
    """One access each ``step`` seconds; ``sizes`` by key."""
    numbers = np.array(keys, dtype=np.int64)
    weights = np.ones(len(keys)) if sizes is None else np.array(sizes, dtype=float)[numbers]
    return AccessLog(np.arange(len(keys)) * step, numbers, weights)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(0, 99))
def test_distances_by_definition(keys, seed) -> None:
    """Bytes of the distinct keys since the last access, the own included."""
    sizes = np.random.default_rng(seed).uniform(1, 10, 9)
    found = stack_distances(log_of(keys, sizes))
    for index, key in enumerate(keys):
        before = [j for j in range(index) if keys[j] == key]
        if not before:
            assert np.isinf(found[index])
            continue
        between = set(keys[before[-1] + 1 : index])
        assert found[index] == pytest.approx(sum(sizes[k] for k in between) + sizes[key])


@given(st.lists(st.integers(0, 20), min_size=2, max_size=200))
def test_the_curve_is_a_replayed_lru(keys) -> None:
    """With values of one size and no end of life, every size on the curve is exact."""
    log = log_of(keys)
    curve = hit_curve(log, ttl_s=(1e9,))
    for size, ratio in zip(curve.size_bytes, curve.hit_ratio[0], strict=True):
        assert ratio == pytest.approx(replay(log, size, 1e9))


def test_ttl_ends_lives() -> None:
    """The same key each second with a life of 3 s: of every 3 accesses 2 hit."""
    log = log_of([0] * 30)
    assert replay(log, 10, 3.0) == pytest.approx(20 / 30)
    assert hit_curve(log, ttl_s=(3.0,)).hit_ratio[0, -1] == pytest.approx(20 / 30)


def test_more_memory_never_hits_less() -> None:
    """Along sizes and along times to live."""
    keys = np.random.default_rng(1).zipf(1.4, 3000) % 200
    ratios = hit_curve(log_of(keys)).hit_ratio
    assert (np.diff(ratios, axis=1) >= 0).all()
    assert (np.diff(ratios, axis=0) >= 0).all()


def test_sampling_keeps_the_shape() -> None:
    """A fifth of 40,000 accesses: within 4 points of the exact curve at full size."""
    generator = np.random.default_rng(2)
    log = log_of(generator.integers(0, 3000, 40_000))
    sampled = sample_keys(log, 8_000)
    assert sampled.rate == pytest.approx(0.2, abs=0.001)
    exact = stack_distances(log)
    scaled = stack_distances(sampled.log) / sampled.rate
    for size in (500.0, 1500.0, 3000.0):
        assert np.mean(scaled <= size) == pytest.approx(np.mean(exact <= size), abs=0.04)


def test_batches_by_hand() -> None:
    """0, 0.4, 0.9, 3 s; window 1 s, most 2: [0, 0.4] sent full at 0.4, [0.9] at 1.9, [3] at 4."""
    found = replay_batches(np.array([0, 0.4, 0.9, 3.0]), 2, 1.0)
    assert found.calls == 3
    # waits 0.4, 0, 1, 1
    assert found.mean_wait_s == pytest.approx(0.6)
    assert found.saved_ratio == pytest.approx(0.25)


def test_a_cache_pays_or_not_by_the_price_of_a_call() -> None:
    """The same log: dear calls are worth a node, nearly free ones are not."""
    log = log_of(np.random.default_rng(3).zipf(1.5, 2000) % 50, step=10.0)
    dear = judge_cache(log, CacheTerms(3600, Decimal("0.01")))
    free = judge_cache(log, CacheTerms(3600, Decimal("0.0000001")))
    unknown = judge_cache(log, CacheTerms(3600, None))
    assert (dear.worth_it, free.worth_it) == (True, False)
    assert isinstance(unknown.worth_it, NoData)
    assert isinstance(dear.best, CacheSetting)
    assert dear.best.hit_ratio == replay(log, dear.best.size_bytes, dear.best.ttl_s)


def test_no_repetition_is_said() -> None:
    """Every key once: never a hit, not worth it."""
    verdict = judge_cache(log_of(range(50)), CacheTerms(3600, Decimal(1)))
    assert verdict.worth_it is False
    assert "no key was accessed twice" in verdict.says


def test_no_traffic_is_not_decided() -> None:
    """An empty log gives no verdict."""
    empty = AccessLog(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0))
    assert isinstance(judge_cache(empty, CacheTerms(3600, Decimal(1))).worth_it, NoData)


INFO = """# Stats
keyspace_hits:70
keyspace_misses:30
evicted_keys:5
expired_keys:9
# Memory
used_memory:1000000
used_memory_peak:2000000
maxmemory:0
# Server
uptime_in_seconds:3600
# Keyspace
db0:keys=12,expires=3,avg_ttl=100
db1:keys=8,expires=0,avg_ttl=0
"""


def test_redis_info() -> None:
    """Counters of all databases; a hit ratio of 70 %."""
    figures = parse_info("info.txt", INFO)
    assert (figures.hit_ratio, figures.keys, figures.evicted_keys) == (0.7, 20, 5)
    assert figures.lookups_per_month == pytest.approx(100 * 730)


def test_redis_without_traffic() -> None:
    """No look-ups: no ratio, rather than 0."""
    idle = INFO.replace("hits:70", "hits:0").replace("misses:30", "misses:0")
    assert isinstance(parse_info("info.txt", idle).hit_ratio, NoData)


def test_redis_info_cut_short() -> None:
    """What is missing is named."""
    with pytest.raises(BadTrace, match="keyspace_hits"):
        parse_info("info.txt", "used_memory:1")
