"""Kubernetes' autoscaler by the minute: by hand, and against a separate scalar simulation."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.load import Load
from rightsizing.decide.autoscaling.policies import Floors, HpaPolicy
from rightsizing.decide.autoscaling.replay import trace

EPS = 1e-9


@dataclass
class Minute:
    """What the oracle saw in one minute."""

    billed: float
    serving: float
    short: float


def up(value: float) -> int:
    """Ceiling that forgives the last bits of a quotient."""
    return math.ceil(value - EPS)


def clip(value: float, low: float, high: float) -> float:
    """``value`` within bounds."""
    return min(max(value, low), high)


def hpa(
    policy: HpaPolicy, env: Environment, demand: Sequence[float], floor: Sequence[float]
) -> list[Minute]:
    """Minutes of a HorizontalPodAutoscaler, from its ticks of 15 seconds."""
    first = 0 if math.isnan(demand[0]) else up(demand[0] / policy.target)
    count = int(clip(max(first, floor[0]), policy.minimum, policy.maximum))
    pods = [-1000] * count  # tick from which each is ready
    answers: list[tuple[int, float]] = [(-1, float(count))]
    seen: deque[float] = deque([math.nan] * (4 * env.metric_minutes))
    found = []
    for minute, load in enumerate(demand):
        billed = serving = short = 0.0
        for part in range(4):
            tick = 4 * minute + part
            ready = sum(1 for item in pods if item <= tick)
            billed += len(pods) / 4
            serving += ready / 4
            short += float(load > ready * env.full + EPS * max(ready * env.full, 1)) / 4
            seen.append(math.nan if ready == 0 else min(load / ready, env.metric_ceiling))
            metric = seen.popleft()
            answer = float(len(pods))
            if not math.isnan(metric):
                ratio = metric / policy.target
                if ratio > 1 and ready < len(pods):
                    spread = ready * ratio / len(pods)
                    asked = up(ready * ratio)
                    outside = abs(spread - 1) > policy.tolerance + EPS
                    if outside and spread >= 1 and asked >= len(pods):
                        answer = asked
                elif abs(ratio - 1) > policy.tolerance + EPS:
                    answer = up(ready * ratio)
            answers.append((tick, answer))
            wanted = answer
            if answer < len(pods):
                recent = [
                    value
                    for at, value in answers[-40:]
                    if (tick - max(at, -(10**6))) * 15 < max(policy.stabilisation_s, 15)
                    or (at == -1 and tick * 15 < max(policy.stabilisation_s, 15) - 15)
                ]
                wanted = min(max(recent), len(pods))
                wanted = max(wanted, math.floor(len(pods) * (1 - policy.down_percent / 100) + EPS))
            elif answer > len(pods):
                most = max(
                    up(len(pods) * (1 + policy.up_percent / 100)), len(pods) + policy.up_pods
                )
                wanted = min(answer, most)
            at = minute + 1 if part == 3 else minute
            least = floor[at] if at < len(floor) else 0.0
            wanted = clip(max(wanted, least), policy.minimum, policy.maximum)
            while len(pods) < wanted:
                pods.append(tick + 1 + 4 * env.launch_minutes)
            for item in [item for item in pods if item <= tick]:
                if len(pods) > wanted:
                    pods.remove(item)
        found.append(Minute(billed, serving, short))
    return found


def load_from(values: list[float] | np.ndarray, days: int = 1) -> Load:
    """A load whose last value stays until midnight."""
    minutes = np.full(days * 1440, np.asarray(values)[-1], dtype=np.float64)
    minutes[: len(values)] = values
    return Load("web", "cores", 0, 60, minutes)


def rough_load(seed: int, days: int = 1) -> Load:
    """A day's wave with noise, spikes and a hole."""
    rng = np.random.default_rng(seed)
    at = np.arange(days * 1440)
    values = 6 + 5 * np.sin(at / 1440 * 2 * np.pi) + rng.gamma(2.0, 0.6, len(at))
    for start in rng.integers(0, len(at) - 60, 4 * days):
        values[start : start + rng.integers(3, 40)] *= rng.uniform(0, 3)
    values[500:520] = np.nan
    return Load("web", "cores", 0, 60, values)


def floors_of(load: Load, seed: int) -> Floors:
    """Random floors, some of them zero."""
    rng = np.random.default_rng(seed)
    return Floors(np.repeat(rng.integers(0, 9, load.days * 24), 12).astype(float), "random")


def by_minute(floors: Floors | None, load: Load) -> list[float]:
    """Floors of every minute."""
    if floors is None:
        return [0.0] * len(load.values)
    return list(np.repeat(floors.least, 5))


def test_hpa_stays_within_its_tolerance_and_holds_for_five_minutes() -> None:
    """Target 0.5, 10 pods. Demand 5.5 is a ratio of 1.1: kept. Demand 2 answers 4, but the largest
    answer of 300 s counts: the last 10 was given 15 s before minute 10, so it leaves the window
    300 s later, in the 19th tick after minute 10, and 4 pods remain from minute 15 on."""
    values = np.array([5.0] * 5 + [5.5] * 5 + [2.0] * 20)
    found = trace(load_from(values), HpaPolicy(1, 40, 0.5), Environment(), capacity=1.0)
    assert found.billed[:14].tolist() == [10.0] * 14
    # Minute 14: three ticks at 10 end in tick 59 = minute 14.75, whose decision holds from 15 on.
    assert found.billed[15:20].tolist() == [4.0] * 5


def test_hpa_grows_by_the_larger_of_double_and_four_pods() -> None:
    """From 1 pod on demand 40 the metric shows 1.0 at most, ratio 2: the answer stays 2 until the
    second pod is ready, though doubling or 4 more pods would be allowed."""
    found = trace(
        load_from([0.4] * 3 + [40.0] * 30),
        HpaPolicy(1, 100, 0.5),
        Environment(launch_minutes=1),
        capacity=1.0,
    )
    assert found.billed[3] == pytest.approx((1 + 2 + 2 + 2) / 4)


HPA_POLICIES = st.builds(
    HpaPolicy,
    minimum=st.integers(0, 3),
    maximum=st.integers(8, 40),
    target=st.sampled_from([0.3, 0.5, 0.8]),
    tolerance=st.sampled_from([0.0, 0.1]),
    stabilisation_s=st.sampled_from([0, 60, 300, 345]),
    up_percent=st.sampled_from([50.0, 100.0]),
    up_pods=st.integers(1, 4),
    down_percent=st.sampled_from([20.0, 100.0]),
)
ENVIRONMENTS = st.builds(
    Environment,
    launch_minutes=st.integers(0, 5),
    metric_minutes=st.integers(0, 2),
    metric_ceiling=st.sampled_from([1.0, float("inf")]),
)


@settings(max_examples=12, deadline=None)
@given(HPA_POLICIES, ENVIRONMENTS, st.integers(0, 99))
def test_hpa_equals_the_scalar_simulation(policy: HpaPolicy, env: Environment, seed: int) -> None:
    """Pods paid for and ready, and short quarters of minutes, agree in every minute."""
    load = rough_load(seed)
    floors = floors_of(load, seed) if seed % 2 else None
    policy = replace(policy, floors=floors)
    found = trace(load, policy, env, capacity=1.0)
    _assert_same(found, hpa(policy, env, list(load.values), by_minute(floors, load)))


def _assert_same(found: object, expected: list[Minute]) -> None:
    for name in ("billed", "serving", "short"):
        one = getattr(found, name)
        other = np.array([getattr(minute, name) for minute in expected])
        differing = np.flatnonzero(np.abs(one - other) > 1e-9)
        assert not len(differing), (name, differing[0], one[differing[0]], other[differing[0]])
