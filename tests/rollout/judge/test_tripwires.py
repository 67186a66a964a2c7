"""Events that need no statistics, and ceilings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from rightsizing.model.verdict import Evidence, JudgePolicy, Tripwire
from rightsizing.rollout.judge.ceilings import check_cpu, check_memory, under_ceiling_path
from rightsizing.rollout.judge.tripwires import tripped

Build = Callable[..., Evidence]
POLICY = JudgePolicy()


@pytest.mark.parametrize(
    ("canary", "wire"),
    [
        ({"oom_kills": 1}, Tripwire.OUT_OF_MEMORY),
        ({"restarts": 1}, Tripwire.CRASH_LOOP),
        ({"healthy_targets": 1}, Tripwire.UNHEALTHY),
        ({"requests": 0}, Tripwire.NO_TRAFFIC),
        ({"cpu_share": 0.95}, Tripwire.SUSTAINED_CPU),
        ({"memory_share": 0.95}, Tripwire.SUSTAINED_MEMORY),
    ],
)
def test_each_wire_trips(evidence: Build, canary: dict, wire: Tripwire) -> None:
    """One fault of the canary that lasts, in otherwise good data."""
    assert tripped(evidence(canary=canary).looks, POLICY) == (wire,)


def test_a_good_canary_trips_nothing(evidence: Build) -> None:
    """More CPU than the baseline, still under its ceiling, is the aim of a smaller size."""
    looks = evidence(canary={"cpu_share": 0.88}, baseline={"cpu_share": 0.2}).looks
    assert tripped(looks, POLICY) == ()


@pytest.mark.parametrize(("minutes", "trips"), [(5, False), (6, True)])
def test_cpu_has_to_last_longer_than_the_alert(evidence: Build, minutes: int, trips: bool) -> None:
    """The case: over 90 % for more than 5 minutes."""
    hot = evidence(3 + minutes, canary={"cpu_share": 0.91}).looks[3:]
    calm = evidence(3).looks
    assert bool(tripped((*calm, *hot), POLICY)) is trips


def test_a_pause_starts_the_count_again(evidence: Build) -> None:
    """Four hot minutes, one calm, four hot: never more than five in a row."""
    hot = evidence(4, canary={"cpu_share": 0.99}).looks
    calm = evidence(1).looks
    assert tripped((*calm * 3, *hot, *calm, *hot), POLICY) == ()


def test_a_slow_start_is_excused_but_not_a_kill(evidence: Build) -> None:
    """Three looks of warm-up: unhealthy is excused, out of memory is not."""
    assert tripped(evidence(3, canary={"healthy_targets": 0}).looks, POLICY) == ()
    assert tripped(evidence(1, canary={"oom_kills": 1}).looks, POLICY) == (Tripwire.OUT_OF_MEMORY,)


def test_betting_against_a_mean_at_the_ceiling_rarely_wins() -> None:
    """400 runs of autocorrelated CPU with conditional mean 0.8; 1 % of 400 is 4, bound 12."""
    rng = np.random.default_rng(11)
    wins = 0
    for _ in range(400):
        shares = 0.8 + 0.2 * rng.choice([-1.0, 1.0], 120) * rng.uniform(0, 1)
        wins += bool(under_ceiling_path(shares, 0.8).max() >= np.log(100))
    assert wins <= binom.ppf(0.999, 400, 0.01)


def test_cpu_well_under_its_ceiling_is_safe_soon(evidence: Build) -> None:
    """At 50 % against 80 %: capital grows by up to 1 + 4.5 x 0.3 = 2.35 a look."""
    result = check_cpu(evidence(12).looks, POLICY)
    assert result.safe
    assert result.estimate == pytest.approx(0.5)


def test_cpu_near_its_ceiling_is_not_shown_safe(evidence: Build) -> None:
    """79 % against 80 % for an hour is not proof."""
    assert not check_cpu(evidence(60, canary={"cpu_share": 0.79}).looks, POLICY).safe


def test_unmeasured_cpu_and_memory_are_not_safe(evidence: Build) -> None:
    """Absence is never a pass."""
    looks = evidence(canary={"cpu_share": None, "memory_share": None}).looks
    assert not check_cpu(looks, POLICY).safe
    assert not check_memory(looks, POLICY).safe


def test_memory_is_judged_by_its_highest_look(evidence: Build) -> None:
    """One look at 86 % of 20 is over 85 %."""
    looks = (*evidence(19).looks, *evidence(1, canary={"memory_share": 0.86}).looks)
    assert check_memory(evidence().looks, POLICY).safe
    assert not check_memory(looks, POLICY).safe
