"""Alarms, clocks, credits and warm pools by the minute: by hand, and against a scalar simulation.

The simulation is written separately and slowly: every instance has its own birthday, nothing is an
array. It shares the parameters with the code under test and none of its code.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.catalog.credits import CreditTerms
from rightsizing.decide.autoscaling.environment import Burst, Environment, WarmPool
from rightsizing.decide.autoscaling.load import Load
from rightsizing.decide.autoscaling.policies import (
    ClockPolicy,
    Floors,
    Policy,
    Step,
    TrackingPolicy,
    ec2_tracking,
    ecs_tracking,
)
from rightsizing.decide.autoscaling.replay import replay, trace
from rightsizing.model.shape import CreditMode

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


def alarms(  # noqa: PLR0912, PLR0915  # one rule after another, in the order of a minute
    policy: TrackingPolicy | ClockPolicy,
    env: Environment,
    demand: Sequence[float],
    floor: Sequence[float],
) -> list[Minute]:
    """Minutes of target tracking, step scaling or a clock."""
    target = policy.target if isinstance(policy, TrackingPolicy) else 1.0
    first = (
        0 if math.isnan(demand[0]) or isinstance(policy, ClockPolicy) else up(demand[0] / target)
    )
    count = int(clip(max(first, floor[0]), policy.minimum, policy.maximum))
    births = [(-1000, -1000)] * count  # (serves from, counted from)
    seen: deque[float] = deque([math.nan] * env.metric_minutes)
    above: list[bool] = []
    below: list[bool] = []
    quiet_until = -1
    credit = 0.0
    pool: list[int] = []
    if env.warm_pool is not None:
        pool = [-1000] * int(max(env.warm_pool.prepared - count, env.warm_pool.least))
    before = count
    found = []
    for now, load in enumerate(demand):
        serving = sum(1 for serves, _ in births if serves <= now)
        counted = sum(1 for _, counts in births if counts <= now)
        if env.burst is not None and serving > before:
            credit = credit * before / serving
        before = serving
        full = serving * env.full
        if env.burst is not None and env.burst.mode is CreditMode.STANDARD:
            terms = env.burst.terms
            full = serving * min((credit + terms.earned_per_minute) / terms.vcpus, env.full)
        short = float(not math.isnan(load) and load > full + EPS * max(full, 1))
        found.append(Minute(len(births), serving, short))
        use = load / max(serving, 1)
        if env.burst is not None:
            terms = env.burst.terms
            spent = 0.0 if math.isnan(use) else min(use, 1.0) * terms.vcpus
            least = -terms.kept_at_most
            if env.burst.mode is CreditMode.STANDARD:
                spent = min(spent, credit + terms.earned_per_minute)
                use = math.nan if math.isnan(use) else spent / terms.vcpus
                least = 0.0
            credit = clip(credit + terms.earned_per_minute - spent, least, terms.kept_at_most)
        seen.append(math.nan if counted == 0 else min(use, env.metric_ceiling))
        metric = seen.popleft()
        wanted: float = len(births)
        if isinstance(policy, TrackingPolicy):
            above.append(metric > policy.target)
            below.append(policy.scales_in and metric < policy.low_ratio * policy.target)
            starting = len(births) - counted
            out = len(above) >= policy.out_minutes and all(above[-policy.out_minutes :])
            shrink = len(below) >= policy.in_minutes and all(below[-policy.in_minutes :])
            if policy.quiet_while_warming and starting:
                shrink = False
            if now < quiet_until:
                shrink = False
            if out:
                asked: float = up(counted * metric / policy.target)
                if policy.steps:
                    asked = counted + change(policy, policy.steps, metric - policy.target, counted)
                wanted = max(wanted, asked)
            if shrink:
                asked = up(counted * metric / policy.target)
                if policy.steps_in:
                    distance = policy.low_ratio * policy.target - metric
                    asked = max(counted + change(policy, policy.steps_in, distance, counted), 0)
                wanted = min(wanted, asked + starting)
            if wanted < len(births):
                quiet_until = now + 1 + policy.in_cooldown_minutes
            elif wanted > len(births):
                quiet_until = -1
        else:
            wanted = 0
        ahead = floor[now + 1] if now + 1 < len(floor) else 0.0
        wanted = clip(max(wanted, ahead), policy.minimum, policy.maximum)
        warmup = policy.warmup_minutes if isinstance(policy, TrackingPolicy) else 0
        while len(births) < wanted:
            serves = now + 1 + env.launch_minutes
            ready = [item for item in pool if item <= now]
            if env.warm_pool is not None and ready:
                pool.remove(ready[0])
                serves = now + 1 + env.warm_pool.launch_minutes
            births.append((serves, serves + warmup))
        for item in [item for item in births if item[1] <= now]:
            if len(births) > wanted:
                births.remove(item)
                before -= 1
        if env.warm_pool is not None:
            size = max(env.warm_pool.prepared - len(births), env.warm_pool.least)
            while len(pool) < size:
                pool.append(now + max(env.launch_minutes, 1))
            while len(pool) > size and any(item <= now for item in pool):
                pool.remove(next(item for item in pool if item <= now))
    return found


def change(policy: TrackingPolicy, steps: Sequence[Step], distance: float, counted: int) -> float:
    """One step adjustment, as the EC2 guide words its rounding."""
    hit = [
        step for step in sorted(steps, key=lambda item: item.lower) if step.lower <= distance + EPS
    ]
    if not hit:
        return 0.0
    amount = hit[-1].change
    if not policy.percent:
        return amount
    part = counted * amount / 100
    if part == 0:
        return 0.0
    size = math.floor(abs(part) + EPS)
    size = max(size, 1)
    size = max(size, policy.least_change)
    return size if part > 0 else -size


SLOTS = 288  # of five minutes in a day
T3 = CreditTerms("t3.large", vcpus=2, earned_per_minute=0.6)


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


def test_scale_out_takes_three_minutes_and_then_the_launch() -> None:
    """Demand 3 on 2 instances at target 0.5: utilisation 1 from minute 10 on.

    Datapoints of minutes 10, 11, 12 are above; the decision at the end of minute 12 asks for
    ceil(2 * 1 / 0.5) = 4; they are paid for from minute 13 and serve from 13 + 3 = 16.
    At minute 16 demand 3 on 4 is 0.75 > 0.5: warm-up 0, so the alarm stays on and at its end asks
    for ceil(4 * 0.75 / 0.5) = 6.
    """
    values = np.array([1.0] * 10 + [3.0] * 20)
    policy = ec2_tracking(1, 20, 0.5, warmup=0)
    found = trace(load_from(values), policy, Environment(launch_minutes=3), capacity=1.0)
    assert found.billed[:19].tolist() == [2.0] * 13 + [4.0] * 4 + [6.0] * 2
    assert found.serving[:21].tolist() == [2.0] * 16 + [4.0] * 4 + [6.0]


def test_scale_in_waits_for_fifteen_low_minutes_and_rounds_up() -> None:
    """Demand falls from 4 to 1.3 at minute 5 on 8 instances at target 0.5 (low alarm 0.35).

    Minutes 5 to 19 are low (0.1625); at the end of minute 19 ceil(8 * 0.1625 / 0.5) = ceil(2.6) = 3
    remain, from minute 20 on. Then 0.433 is not below 0.35: no more is ended.
    """
    values = np.array([4.0] * 5 + [1.3] * 60)
    policy = ec2_tracking(1, 20, 0.5, warmup=0)
    found = trace(load_from(values), policy, Environment(), capacity=1.0)
    assert found.billed[:60].tolist() == [8.0] * 20 + [3.0] * 40


def test_instances_that_warm_up_hold_off_scale_in_and_stay_out_of_the_metric() -> None:
    """A floor starts 4 instances at minute 4 (slot of minute 5); with a launch of 1 minute and a
    warm-up of 30 nothing is ended before minute 5 + 1 + 30, although use is low all the time."""
    least = np.zeros(SLOTS)
    least[1] = 6.0
    policy = ec2_tracking(1, 20, 0.5, Floors(least, "five minutes"), warmup=30)
    found = trace(load_from([1.0]), policy, Environment(launch_minutes=1), capacity=1.0)
    assert found.billed[4:6].tolist() == [2.0, 6.0]
    assert (found.billed[5:36] == 6.0).all()
    assert found.billed[38] < 6.0


def test_ecs_scales_in_again_only_after_its_cooldown() -> None:
    """Demand falls by steps; two reductions are at least 5 minutes apart."""
    values = np.concatenate([[8.0] * 5, np.linspace(8.0, 1.0, 60)])
    found = trace(load_from(values), ecs_tracking(1, 40, 0.5), Environment(), capacity=1.0)
    reductions = np.flatnonzero(np.diff(found.billed) < 0)
    assert len(reductions) > 2
    assert np.diff(reductions).min() >= 6  # the cooldown's five minutes lie between


def test_step_scaling_rounds_percentages_as_aws_documents() -> None:
    """25 % of 10 is 2.5 and adds 2; 5 % of 10 is 0.5 and adds 1 (EC2 guide, step scaling)."""
    base = TrackingPolicy(10, 40, 0.5, out_minutes=1, warmup_minutes=0, percent=True)
    for percent, after in ((25.0, 12.0), (5.0, 11.0)):
        policy = TrackingPolicy(
            10,
            40,
            base.target,
            out_minutes=1,
            warmup_minutes=0,
            percent=True,
            steps=(Step(0.0, percent),),
        )
        found = trace(load_from([4.0, 6.0, 4.0]), policy, Environment(), capacity=1.0)
        assert found.billed[2] == after


def test_standard_credits_starve_and_blind_the_metric() -> None:
    """t3.large earns 0.6 vCPU-minutes a minute, 30 % of its 2 vCPU. Without credits demand of half
    an instance is short, and the metric shows 0.3 only, so a target of 0.4 never scales out."""
    env = Environment(burst=Burst(T3, CreditMode.STANDARD))
    found = trace(load_from([0.5]), ec2_tracking(1, 10, 0.4, warmup=0), env, capacity=1.0)
    start = found.billed[0]  # 0.5 / 0.4 asks for 2 at the start: 0.25 each, below the baseline
    assert start == 2.0
    assert found.short.sum() == 0
    alone = trace(load_from([0.5]), ClockPolicy(1, 1), env, capacity=1.0)
    assert alone.short.sum() == 1440


def test_unlimited_surplus_is_billed_beyond_a_day_of_earnings() -> None:
    """One t3.large at 100 %: spends 2, earns 0.6, so 1.4 a minute; the first 864 are a debt of a
    day's earnings, the rest of 1440 * 1.4 = 2016 is billed: 1152."""
    env = Environment(burst=Burst(T3, CreditMode.UNLIMITED))
    found = replay(load_from([1.0]), [ClockPolicy(1, 1)], env, capacity=1.0)
    assert found.surplus_credits.sum() == pytest.approx(1152.0)


def test_a_warm_pool_serves_sooner_until_it_is_empty() -> None:
    """Two prepared instances (maximum prepared 4, group of 2) serve after 1 minute, others after 5.

    The floor of minute 5 asks for 6 instances: 2 + 2 serve from minute 6, all 6 from minute 10.
    """
    least = np.zeros(SLOTS)
    least[1:] = 6.0
    env = Environment(launch_minutes=5, warm_pool=WarmPool(prepared=4))
    policy = ec2_tracking(1, 20, 0.5, Floors(least, "from minute 5"), warmup=0)
    found = trace(load_from([1.0]), policy, env, capacity=1.0)
    assert found.serving[4:12].tolist() == [2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 6.0, 6.0]


ALARM_POLICIES = st.builds(
    TrackingPolicy,
    minimum=st.integers(0, 3),
    maximum=st.integers(8, 40),
    target=st.sampled_from([0.3, 0.5, 0.65, 0.8]),
    low_ratio=st.sampled_from([0.7, 0.9]),
    out_minutes=st.integers(1, 5),
    in_minutes=st.integers(5, 15),
    warmup_minutes=st.integers(0, 6),
    quiet_while_warming=st.booleans(),
    in_cooldown_minutes=st.sampled_from([0, 5]),
    scales_in=st.sampled_from([True, True, False]),
    steps=st.sampled_from([(), (Step(0.0, 10.0), Step(0.1, 40.0)), (Step(0.05, 3.0),)]),
    steps_in=st.sampled_from([(), (Step(0.0, -10.0), Step(0.2, -30.0))]),
    percent=st.booleans(),
    least_change=st.integers(1, 3),
)
ENVIRONMENTS = st.builds(
    Environment,
    launch_minutes=st.integers(0, 5),
    metric_minutes=st.integers(0, 2),
    metric_ceiling=st.sampled_from([1.0, float("inf")]),
)
SURROUNDINGS = st.sampled_from(
    [None, Burst(T3, CreditMode.STANDARD), Burst(T3, CreditMode.UNLIMITED)]
)


@settings(max_examples=20, deadline=None)
@given(ALARM_POLICIES, ENVIRONMENTS, SURROUNDINGS, st.booleans(), st.integers(0, 99))
def test_alarms_equal_the_scalar_simulation(
    policy: TrackingPolicy, env: Environment, burst: Burst | None, pooled: bool, seed: int
) -> None:
    """Instances paid for and serving, and short minutes, agree in every minute."""
    load = rough_load(seed)
    floors = floors_of(load, seed) if seed % 2 else None
    pool = WarmPool(12, 1, min(1, env.launch_minutes)) if pooled else None
    env = _with(env, burst, pool)
    policy = _floored(policy, floors)
    found = trace(load, policy, env, capacity=1.0)
    _assert_same(found, alarms(policy, env, list(load.values), by_minute(floors, load)))


def test_a_clock_policy_equals_the_scalar_simulation() -> None:
    """Scheduled capacity rises and falls at its minutes, late by the launch."""
    load = rough_load(7)
    floors = floors_of(load, 7)
    policy = ClockPolicy(1, 6, floors)
    env = Environment()
    found = trace(load, policy, env, capacity=1.0)
    _assert_same(found, alarms(policy, env, list(load.values), by_minute(floors, load)))


def test_stretches_give_the_figures_of_one_pass() -> None:
    """9 days cut in three stretches agree to the last bit with one policy run through alone, though
    standard credits remember for days."""
    load = rough_load(3, days=9)
    env = Environment(burst=Burst(T3, CreditMode.STANDARD))
    policies: list[Policy] = [ec2_tracking(1, 60, target) for target in (0.25, 0.8)]
    policies.append(ecs_tracking(1, 60, 0.6, floors_of(load, 2)))
    found = replay(load, policies, env, capacity=1.0)
    for index, policy in enumerate(policies):
        alone = trace(load, policy, env, capacity=1.0)
        known = ~np.isnan(load.values)
        paid = (alone.billed * known).reshape(9, 1440).sum(axis=1)
        assert found.instance_minutes[index].tolist() == paid.tolist()
        short = alone.short.reshape(9, 1440).sum(axis=1)
        assert found.short_minutes[index].tolist() == short.tolist()


def _with(env: Environment, burst: Burst | None, pool: WarmPool | None) -> Environment:
    return Environment(
        env.launch_minutes, env.metric_minutes, env.full, env.metric_ceiling, pool, burst
    )


def _floored(policy: Policy, floors: Floors | None) -> Policy:
    return replace(policy, floors=floors)


def _assert_same(found: object, expected: list[Minute]) -> None:
    for name in ("billed", "serving", "short"):
        one = getattr(found, name)
        other = np.array([getattr(minute, name) for minute in expected])
        differing = np.flatnonzero(np.abs(one - other) > 1e-9)
        assert not len(differing), (name, differing[0], one[differing[0]], other[differing[0]])
