"""An arm's minutes: conservation, monotony, determinism, memory, warm-up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.embedded.cloud.plane.arrivals import generators, noise_factors
from rightsizing.embedded.cloud.plane.scenario import (
    ConstantRate,
    Demand,
    DiurnalRate,
    Noise,
    TraceRate,
)
from rightsizing.embedded.cloud.plane.traffic import ArmMinutes, Cohort, Condition, arm_minutes
from rightsizing.units import BYTES_PER_GIB

FIRST = 29_000_000  # a minute in 2025
QUIET = Noise()


def _demand(**more: Any) -> Demand:
    plain = {"rate_noise": QUIET, "shared_noise": QUIET, "arm_noise": QUIET, "idle_cpu_ratio": 0.0}
    return Demand(rate=ConstantRate(requests_per_s=1), service_core_s=0.02, **(plain | more))


def _cohort(**more: Any) -> Cohort:
    return Cohort(**({"name": "x", "count": 2, "cores": 2.0, "memory_bytes": 8e9} | more))


def _run(
    rate: float, minutes: int = 30, demand: Demand | None = None, *cohorts: Cohort, **more: Any
) -> ArmMinutes:
    chosen = np.arange(FIRST, FIRST + minutes, dtype=np.int64)
    return arm_minutes(
        cohorts or (_cohort(),),
        demand or _demand(),
        chosen,
        np.full(minutes, rate),
        np.ones(minutes),
        rngs=generators(1, "arm", chosen.tolist()),
        **({"waits_s": {}} | more),
    )


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 900), st.floats(0, 1), st.booleans(), st.floats(0.05, 5))
def test_requests_in_are_served_or_failed(
    rate: float, errors: float, killed: bool, timeout_s: float
) -> None:
    """In every minute, at any load, with errors, kills and time-outs; latencies are of them all."""
    found = _run(
        rate,
        5,
        _demand(error_ratio=errors, timeout_s=timeout_s),
        condition=Condition(oom_killed=killed),
    )
    assert np.all(found.failed >= 0)
    assert np.all(found.served >= 0)
    assert np.array_equal(found.served + found.failed, found.requests)
    assert np.array_equal(found.latency_counts.sum(axis=1), found.requests)


def test_use_of_cpu_is_the_work_done() -> None:
    """100 requests a second of 20 ms on 2 x 2 cores: 2 of 4 cores, 50 %."""
    found = _run(100.0)
    assert found.cpu_ratio == pytest.approx(np.full((1, 30), 0.5))


def test_mean_latency_is_that_of_the_queue() -> None:
    """rho 0.7 on two servers: W = 1.96 S = 39.2 ms, plus 10 ms off the CPU; cells are 6 % wide."""
    found = _run(140.0, 200, _demand(off_cpu_s=0.01))
    total = (found.latency_s * found.latency_counts).sum() / found.latency_counts.sum()
    assert total == pytest.approx(0.0492, rel=0.02)


def test_overload_is_monotone_and_fails_what_does_not_fit() -> None:
    """Capacity is 200 a second: below, nothing fails; at 300 a third does with a full queue."""
    failed = [int(_run(rate, 60).failed[30:].sum()) for rate in (150, 180, 220, 260, 300, 400)]
    assert failed[0] == 0
    assert failed == sorted(failed)
    share = _run(300.0, 60).failed[30:].sum() / _run(300.0, 60).requests[30:].sum()
    assert share == pytest.approx(1 / 3, abs=0.03)
    assert _run(300.0, 60).cpu_ratio[0, 30:].min() == pytest.approx(1.0)


def test_a_queue_outlives_its_block() -> None:
    """What is left of one block is where the next begins, so cutting changes nothing."""
    whole = _run(230.0, 20)
    first = _run(230.0, 10)
    assert first.waits_s["x"] > 0
    later = np.arange(FIRST + 10, FIRST + 20, dtype=np.int64)
    second = arm_minutes(
        (_cohort(),),
        _demand(),
        later,
        np.full(10, 230.0),
        np.ones(10),
        rngs=generators(1, "arm", later.tolist()),
        waits_s=first.waits_s,
    )
    assert np.array_equal(np.append(first.requests, second.requests), whole.requests)
    assert np.array_equal(np.append(first.failed, second.failed), whole.failed)


def test_fewer_cores_are_slower_and_faster_ones_are_not() -> None:
    """The same load on half the cores waits longer; on cores twice as fast it does not."""

    def mean(**shape: Any) -> float:
        found = _run(150.0, 60, None, _cohort(**shape))
        return float((found.latency_s * found.latency_counts).sum() / found.latency_counts.sum())

    assert mean(cores=4.0) < mean(cores=2.0) < mean(cores=1.6)
    assert mean(cores=2.0, speed=2.0) < mean(cores=4.0)


def test_memory_that_does_not_fit_is_killed_every_minute() -> None:
    """9 GiB wanted of 8: two instances killed a minute, down for 20 s of it: a third is lost."""
    small = _cohort(memory_bytes=8.0 * BYTES_PER_GIB)
    found = _run(50.0, 60, _demand(memory_base_mib=9 * 1024.0), small)
    assert found.oom_kills.tolist() == [[2] * 60]
    assert found.memory_ratio.max() == 1.0
    assert found.failed.sum() / found.requests.sum() == pytest.approx(1 / 3, abs=0.02)
    fits = _run(50.0, 10, _demand(memory_base_mib=7 * 1024.0), small)
    assert fits.oom_kills.sum() == 0
    assert fits.memory_ratio == pytest.approx(np.full((1, 10), 7 / 8))


def test_a_new_instance_needs_more_work_a_request() -> None:
    """Twice as much at first, none more after three minutes, linearly: 11/6, 9/6, 7/6, 1."""
    demand = _demand(warmup_ratio=2.0, warmup_s=180.0)
    found = _run(50.0, 4, demand, _cohort(started_s=FIRST * 60))
    # 50 x 0.02 / 4 = 0.25 of the cores; in the middle of minute k the factor is 2 - (k + 0.5) / 3.
    wanted = 0.25 * np.array([11 / 6, 9 / 6, 7 / 6, 1])
    assert found.cpu_ratio[0] == pytest.approx(wanted)


def test_nothing_in_service_fails_everything() -> None:
    """An arm of unhealthy instances only."""
    found = _run(10.0, 3, None, _cohort(in_service=False))
    assert found.requests.sum() > 0
    assert np.array_equal(found.failed, found.requests)


def test_randomness_is_of_seed_name_and_minute() -> None:
    """Equal for equal, different for another minute, name or seed."""
    first = [rng.random() for rng in generators(1, "arm", [5, 6])]
    assert first == [rng.random() for rng in generators(1, "arm", [5, 6])]
    changed: list[tuple[int, str, list[int]]] = [(1, "arm", [7]), (1, "b", [5]), (2, "arm", [5])]
    others = [generators(*which)[0].random() for which in changed]
    assert len({*first, *others}) == 5


def test_noise_has_mean_one_and_the_stated_correlation() -> None:
    """100,000 minutes: mean 1, sigma 0.2 of the logarithm, lag-1 correlation 0.8."""
    innovations = np.random.default_rng(0).standard_normal(100_000)
    factors, _ = noise_factors(Noise(sigma=0.2, correlation=0.8), innovations, None)
    logs = np.log(factors)
    assert factors.mean() == pytest.approx(1.0, abs=0.01)
    assert logs.std() == pytest.approx(0.2, abs=0.005)
    assert np.corrcoef(logs[:-1], logs[1:])[0, 1] == pytest.approx(0.8, abs=0.01)


def test_noise_goes_on_where_it_stopped() -> None:
    """In two parts with the state between them: the same."""
    innovations = np.random.default_rng(0).standard_normal(10)
    noise = Noise(sigma=0.3, correlation=0.9)
    whole, _ = noise_factors(noise, innovations, None)
    first, state = noise_factors(noise, innovations[:4], None)
    second, _ = noise_factors(noise, innovations[4:], state)
    assert np.concatenate([first, second]).tolist() == whole.tolist()


def test_rates_over_time() -> None:
    """A cosine with its peak at 15 UTC, halved on a Saturday; a trace that repeats."""
    daily = DiurnalRate(mean_requests_per_s=10, peak_requests_per_s=16, weekend_ratio=0.5)
    monday = 1_767_571_200  # 2026-01-05
    hours = np.array([15, 3, 9], dtype=np.int64) * 3600
    assert daily.at(monday + hours).tolist() == pytest.approx([16, 4, 10])
    assert daily.at(monday + 5 * 86_400 + hours).tolist() == pytest.approx([8, 2, 5])
    trace = TraceRate(interval_s=60, requests_per_s=(1.0, 2.0, 3.0))
    assert trace.at(np.array([0, 60, 179, 180])).tolist() == [1, 2, 3, 1]
