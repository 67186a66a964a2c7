"""The choice of a scaling policy: bound, evidence, fixed point, timetables, the clairvoyant."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from rightsizing.decide.autoscaling.application import applied_policy, scheduled_minima
from rightsizing.decide.autoscaling.candidates import Setting, Workbench, most_needed
from rightsizing.decide.autoscaling.choice import Choice, choose, frontier, pick
from rightsizing.decide.autoscaling.clairvoyant import clairvoyant_instances
from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.evidence import (
    days_to_certify,
    shortage_evidence,
    upper_share,
)
from rightsizing.decide.autoscaling.floors import (
    EVERY_DAY,
    Timetable,
    TimetableSpec,
    learn_timetables,
    predicted_floors,
)
from rightsizing.decide.autoscaling.load import Load, load_of
from rightsizing.decide.autoscaling.policies import Platform
from rightsizing.decide.autoscaling.replay import trace
from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.model.base import NoData
from rightsizing.model.scaling import ScalingPolicy

MONDAY_MS = 4 * 86_400_000  # 1970-01-05


def wave(days: int, seed: int = 1, noise: float = 0.03, step_s: int = 60) -> Load:
    """A diurnal load in cores; days differ a little."""
    rng = np.random.default_rng(seed)
    at = np.arange(days * 86_400 // step_s) * step_s / 60
    own = np.exp(0.03 * rng.standard_normal(days))[(at // 1440).astype(int)]
    values = (6 + 4.5 * np.sin(at / 1440 * 2 * np.pi)) * own
    values *= np.exp(noise * rng.standard_normal(len(at)))
    stamps = MONDAY_MS + (at * 60_000).astype(np.int64)
    return load_of("web", "cores", stamps, step_s, values)


def setting(load: Load, platform: Platform = Platform.EC2) -> Setting:
    """Two cores an instance."""
    env = Environment()
    return Setting(platform, env, 2.0, 1, most_needed(load, 2.0 * env.full), 0)


@pytest.fixture(scope="module")
def choice() -> Choice:
    """Chosen on four days."""
    load = wave(4)
    return choose(load, setting(load))


def test_the_choice_keeps_the_bound_and_costs_less_than_a_fixed_number(choice: Choice) -> None:
    """A diurnal load: scaling halves the bill of its peak, near the clairvoyant's."""
    assert choice.within_bound
    assert choice.chosen.short_share <= choice.bound
    assert choice.chosen.instances < 0.75 * choice.static.instances
    assert choice.clairvoyant <= choice.chosen.instances < 1.3 * choice.clairvoyant


def test_the_frontier_holds_no_beaten_candidate(choice: Choice) -> None:
    """Cheapest first, ever less short."""
    costs = [item.instances for item in choice.frontier]
    shorts = [item.short_share for item in choice.frontier]
    assert costs == sorted(costs)
    assert all(one > other for one, other in pairwise(shorts))
    assert frontier(choice.frontier) == choice.frontier


def test_a_bound_nothing_keeps_is_admitted(choice: Choice) -> None:
    """The least short candidate is taken."""
    points = [item for item in choice.frontier if item.short_share > 0]
    least = min(points, key=lambda item: item.short_share)
    assert pick(points, least.short_share / 2) == least


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([Platform.EC2, Platform.ECS]))
def test_choosing_again_on_what_the_choice_recorded_changes_nothing(
    seed: int, platform: Platform
) -> None:
    """A fixed point: the load is read back as use of an instance times instances, both of which
    the policy moved, and the same policy is chosen."""
    load = wave(3, seed, step_s=300)
    own = setting(load, platform)
    first = choose(load, own)
    policy = Workbench(load, own, [first.chosen.candidate]).chosen(first.chosen.candidate, load)
    serving = trace(load, policy, own.environment, capacity=own.capacity).serving
    use = load.values / (serving * own.capacity)
    recorded = Load(load.key, load.unit, load.start_ms, 300, use * own.capacity * serving)
    assert choose(recorded, own).chosen.candidate == first.chosen.candidate


def test_an_hourly_series_gets_the_clock_only() -> None:
    """Nothing that reacts within minutes is judged on hourly means."""
    load = wave(4, step_s=3600)
    found = choose(load, setting(load))
    assert load.by_clock_only
    assert {item.candidate.target for item in found.frontier} == {None}


@pytest.mark.parametrize(
    ("values", "step_s", "message"),
    [
        (np.zeros(5 * 1440), 60, "had no traffic"),
        (np.ones(1440), 60, "has 1.0 days of load"),
        (np.full(5 * 1440, np.nan), 60, "no measurement"),
        (-np.ones(5 * 1440), 60, "counter that went backwards"),
        (np.ones(5 * 1440), 45, "intervals of 45 s"),
    ],
)
def test_a_load_that_cannot_be_replayed_says_why(
    values: np.ndarray, step_s: int, message: str
) -> None:
    """One sentence each."""
    stamps = np.arange(len(values)) * step_s * 1000
    with pytest.raises(TelemetryError, match=message):
        load_of("web", "cores", stamps, step_s, values)


def test_a_bound_of_nothing_is_refused() -> None:
    """The value is named."""
    load = wave(3, step_s=300)
    with pytest.raises(ConfigError, match="a bound of 0"):
        choose(load, setting(load), bound=0)


def test_half_hours_are_joined_by_lines_and_holes_stay() -> None:
    """Means 2 and 4 of two half hours: the line between their middles passes 3 at the joint."""
    values = np.tile([2.0, 4.0], 24 * 4)
    values[50] = np.nan
    load = load_of("web", "cores", np.arange(len(values)) * 1_800_000, 1800, values)
    # Minute 29 has its middle at 29.5, 14.5 of 30 minutes after 15: 2 + 2 * 14.5 / 30.
    assert load.values[29] == pytest.approx(2 + 2 * 14.5 / 30)
    assert np.isnan(load.values[50 * 30 : 51 * 30]).all()
    assert load.joined


def test_upper_share_is_the_binomial_limit() -> None:
    """3 of 40: the limit is where 3 or fewer have a chance of 5 %; none: 1 - 0.05^(1/40)."""
    assert binom.cdf(3, 40, upper_share(3, 40)) == pytest.approx(0.05)
    assert upper_share(0, 40) == pytest.approx(1 - 0.05 ** (1 / 40))
    assert days_to_certify(0.001) == math.ceil(math.log(0.05) / math.log(0.999)) == 2995


def test_evidence_counts_days_not_minutes() -> None:
    """One bad day of four: the interval spans from none of the draws to most of them."""
    found = shortage_evidence(
        np.array([0.0, 144.0, 0.0, 0.0]), np.full(4, 1440.0), bound=0.001, seed=1
    )
    assert (found.share, found.days_short) == (0.025, 1)
    assert found.lower == 0.0
    assert found.upper is not None
    assert found.upper >= 0.05  # two draws of the bad day are among the upper 2.5 %
    assert "cannot certify" in found.sentence(0.001)


def test_a_timetable_takes_the_order_statistic_and_skips_left_out_days() -> None:
    """Minutes of each hour are 0 to 59 on day 1 and 100 more on day 2, which is left out.

    q0.5 of 60 minutes: index ceil(0.5 * 59) = 30, value 30, at 10 an instance 3.
    """
    values = np.concatenate([np.tile(np.arange(60.0), 24), np.tile(np.arange(100.0, 160.0), 24)])
    load = Load("web", "cores", MONDAY_MS, 60, values)
    spec = TimetableSpec(EVERY_DAY, 60, 0.5)
    without = np.array([False, True])
    table = learn_timetables(load, [spec], capacity=10, least=1, most=99, without=without)[spec]
    assert table.least == ((3,) * 24,)


def test_a_forecast_knows_only_earlier_days() -> None:
    """Hourly mean 10 on day 1, 20 on day 2: day 2 is promised what day 1 had, day 3 the larger."""
    values = np.repeat([10.0, 20.0, 5.0], 1440)
    load = Load("web", "cores", MONDAY_MS, 60, values)
    floors = predicted_floors(load, capacity=2.0, target=0.5, lead_minutes=0, label="")
    assert floors.least.reshape(3, 288)[:, 0].tolist() == [0.0, 10.0, 20.0]


def test_scheduled_minima_are_cron_times_ahead_of_their_periods() -> None:
    """Workdays 2 until noon, then 5; weekends 2: raised at 11:55 Monday to Friday, lowered at
    midnight after each of these days."""
    table = Timetable(((0, 1, 2, 3, 4), (5, 6)), 720, ((2, 5), (2, 2)))
    found = {(item.cron, item.minimum) for item in scheduled_minima(table, 5)}
    assert found == {("55 11 * * 1,2,3,4,5", 5), ("0 0 * * 2,3,4,5,6", 2)}


def test_a_choice_becomes_what_a_release_carries(choice: Choice) -> None:
    """Percentages and cron times; a fixed number has no policy."""
    policy = applied_policy(choice)
    assert isinstance(policy, ScalingPolicy)
    target = choice.chosen.candidate.target
    assert policy.target_cpu_pct == (None if target is None else round(target * 100))
    fixed = Choice(**{**_fields(choice), "chosen": choice.static, "timetable": None})
    assert isinstance(applied_policy(fixed), NoData)


def test_the_clairvoyant_holds_fifteen_minutes_and_launches_three_ahead() -> None:
    """Need 5 in minute 100 only: paid from minute 97 to the end of minute 115."""
    values = np.full(1440, 0.5)
    values[100] = 4.2
    load = Load("web", "cores", MONDAY_MS, 60, values)
    paid = clairvoyant_instances(load, Environment(full=0.85), capacity=1.0, least=1)
    assert np.flatnonzero(paid == 5).tolist() == list(range(97, 116))


def _fields(choice: Choice) -> dict[str, object]:
    return {name: getattr(choice, name) for name in Choice.__dataclass_fields__}
