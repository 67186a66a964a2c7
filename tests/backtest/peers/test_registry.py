"""What every peer keeps to, whichever it is."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.backtest.peers.registry import oracles, peers
from rightsizing.backtest.peers.scaled import scaled
from rightsizing.backtest.rule import HindsightRule, Limits, Rule
from rightsizing.backtest.series import DemandSeries
from rightsizing.model.base import NoData

EVERY = pytest.mark.parametrize("rule", peers(), ids=lambda rule: rule.name)
# A load-adjusted percentile and an ensemble that picks by past cost may fall as demand grows.
MONOTONE = pytest.mark.parametrize(
    "rule",
    [rule for rule in peers() if not rule.name.startswith("autopilot")],
    ids=lambda rule: rule.name,
)


def _random(track, seed: int, days: int = 20, workload: str = "web") -> DemandSeries:
    rng = np.random.default_rng(seed)
    count = days * 24
    daily = 1 + np.sin(np.arange(count) / 24 * 2 * np.pi)
    cpu = daily * rng.gamma(2.0, 0.3, count)
    memory = np.cumsum(np.abs(rng.normal(0, 1e7, count))) + 5e8
    cpu[rng.random(count) < 0.1] = np.nan
    memory[rng.random(count) < 0.1] = np.nan
    return track(cpu=cpu, memory=memory, interval_s=3600, workload=workload)


def _values(limits: Limits) -> tuple[float, float]:
    assert not isinstance(limits.cpu_cores, NoData)
    assert not isinstance(limits.memory_bytes, NoData)
    return limits.cpu_cores, limits.memory_bytes


def test_names_are_unique_and_kebab_case() -> None:
    """Names are printed, stored and typed: stable, short, each used once."""
    names = [rule.name for rule in (*peers(), *oracles())]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name) for name in names)


def test_every_peer_says_what_it_is() -> None:
    """A description, a source, and a review at least weekly."""
    assert all(rule.description and rule.source for rule in (*peers(), *oracles()))
    assert {rule.review_days for rule in peers()} == {1, 7}


def test_only_oracles_see_the_period() -> None:
    """No peer has the method through which the scored period is shown."""
    assert not any(isinstance(rule, HindsightRule) for rule in peers())
    assert all(isinstance(rule, HindsightRule) for rule in oracles())


@EVERY
def test_nothing_measured_is_abstained_from(rule: Rule, track) -> None:
    """No measurements: no limit, and a reason."""
    limits = rule.propose([track(days=20)])[0]
    assert isinstance(limits.cpu_cores, NoData)
    assert isinstance(limits.memory_bytes, NoData)
    assert limits.cpu_cores.reason
    assert limits.memory_bytes.reason


@EVERY
def test_missing_memory_changes_no_cpu(rule: Rule, track) -> None:
    """CPU is sized without memory; memory is abstained from."""
    series = _random(track, 1)
    without = replace(series, memory_bytes=np.full_like(series.memory_bytes, np.nan))
    limits = rule.propose([without])[0]
    assert limits.cpu_cores == rule.propose([series])[0].cpu_cores
    assert isinstance(limits.memory_bytes, NoData)


@EVERY
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), day=st.integers(3, 19))
def test_the_future_is_not_seen(rule: Rule, track, seed, day) -> None:
    """Whatever follows, what is said of the past stays the same."""
    series = _random(track, seed)
    later = series.cpu_cores.copy()
    later[day * 24 :] = 1000.0
    other = replace(series, cpu_cores=later, memory_bytes=series.memory_bytes.copy())
    other.memory_bytes[day * 24 :] = np.nan
    assert rule.propose([series.until(day)]) == rule.propose([other.until(day)])


@EVERY
def test_workloads_do_not_touch_each_other(rule: Rule, track) -> None:
    """Together, alone and in another order every workload gets the same; input stays unchanged."""
    fleet = [_random(track, seed, workload=str(seed)) for seed in range(3)]
    fleet.insert(1, track(days=20, interval_s=3600, workload="silent"))
    before = [series.cpu_cores.copy() for series in fleet]
    together = rule.propose(fleet)
    assert together == tuple(rule.propose([series])[0] for series in fleet)
    assert together == tuple(reversed(rule.propose(fleet[::-1])))
    for series, cpu in zip(fleet, before, strict=True):
        np.testing.assert_array_equal(series.cpu_cores, cpu)


@MONOTONE
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_more_demand_never_gets_less(rule: Rule, track, seed) -> None:
    """Every interval at least as high: both limits at least as high."""
    series = _random(track, seed)
    rng = np.random.default_rng(seed + 1)
    count = len(series.cpu_cores)
    higher = replace(
        series,
        cpu_cores=series.cpu_cores + rng.gamma(0.5, 0.5, count),
        memory_bytes=series.memory_bytes + rng.gamma(0.5, 1e8, count),
    )
    less, more = (_values(rule.propose([each])[0]) for each in (series, higher))
    assert more[0] >= less[0]
    assert more[1] >= less[1]


@EVERY
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.sampled_from([2.0, 4.0, 0.5]))
def test_limits_scale_with_use(rule: Rule, track, seed, factor) -> None:
    """Use times k scales limits by k, within the peer's own rounding (VPA's buckets: 5 %)."""
    series = _random(track, seed)
    times = replace(
        series, cpu_cores=series.cpu_cores * factor, memory_bytes=series.memory_bytes * factor
    )
    once, scaled_limits = (_values(rule.propose([each])[0]) for each in (series, times))
    tolerance = 0.12 if rule.name == "vpa" else 0.02 if rule.name.startswith("krr") else 1e-9
    assert scaled_limits[0] == pytest.approx(once[0] * factor, rel=tolerance)
    assert scaled_limits[1] == pytest.approx(once[1] * factor, rel=tolerance)


@EVERY
def test_accepting_twice_is_accepting_once(rule: Rule, track) -> None:
    """What was accepted is not moved again by the same proposal."""
    proposed = rule.propose([_random(track, 4)])[0]
    once = rule.accept(Limits(0.01, 1e6), proposed)
    assert once == rule.accept(once, proposed)


@EVERY
def test_an_abstention_keeps_what_is_in_force(rule: Rule) -> None:
    """Nothing said: nothing moved."""
    current = Limits(2.0, 1e9)
    assert rule.accept(current, Limits(NoData("a"), NoData("b"))) == current


@EVERY
@pytest.mark.parametrize("values", [[0.0] * 480, [1.0], [0.0] * 479 + [9.0]])
def test_odd_series_are_answered(rule: Rule, track, values) -> None:
    """All zero, one sample, one spike: finite limits or a reason."""
    for said in rule.propose([track(cpu=values, memory=values, interval_s=3600)]):
        for limit in (said.cpu_cores, said.memory_bytes):
            assert isinstance(limit, NoData) or (np.isfinite(limit) and limit >= 0)


@EVERY
def test_a_scaled_rule_multiplies_and_keeps_its_hysteresis(rule: Rule, track) -> None:
    """Limits times the factors; what the rule would keep is kept bit for bit."""
    series = _random(track, 7)
    plain, times = rule.propose([series])[0], scaled(rule, 1.3, 1.1).propose([series])[0]
    assert _values(times)[0] == pytest.approx(1.3 * _values(plain)[0])
    assert _values(times)[1] == pytest.approx(1.1 * _values(plain)[1])
    near = Limits(_values(plain)[0] * 0.97, _values(plain)[1] * 0.99)
    near_times = Limits(_values(near)[0] * 1.3, _values(near)[1] * 1.1)
    kept = rule.accept(near, plain)
    kept_times = scaled(rule, 1.3, 1.1).accept(near_times, times)
    if kept == near:
        assert kept_times == near_times
    else:
        assert _values(kept_times)[0] == pytest.approx(1.3 * _values(kept)[0])


def test_a_factor_must_be_above_zero() -> None:
    """A limit of nothing is no limit."""
    with pytest.raises(ValueError, match="not above zero"):
        scaled(peers()[0], 0.0)
