"""Whether data may be judged: each finding, and which comes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightsizing.model.verdict import Calibration, Evidence, Quality
from rightsizing.rollout.judge.quality import assess_quality, load_coverage

Build = Callable[..., Evidence]


def test_good_data_is_good(evidence: Build) -> None:
    """Equal arms under busy-hour load."""
    assert assess_quality(evidence()).quality is Quality.GOOD


@pytest.mark.parametrize(
    ("changes", "quality", "words"),
    [
        ({"looks": 0}, Quality.NO_DATA, "no look"),
        ({"canary": {"requests": None, "latency_p99_ms": None}}, Quality.NO_DATA, "canary"),
        ({"baseline": {"requests": None, "latency_p99_ms": None}}, Quality.NO_DATA, "baseline"),
        ({"canary": {"clock_ms": 0}}, Quality.CLOCK_SKEW, "1200 s off"),
        ({"canary": {"requests": 600}}, Quality.UNBALANCED, "weight says"),
        ({"baseline": {"oom_kills": 1}}, Quality.BASELINE_BAD, "memory"),
        ({"baseline": {"restarts": 1}}, Quality.BASELINE_BAD, "restarting"),
        ({"policy": {"max_error_ratio": 0.001}}, Quality.BASELINE_BAD, "0.0100"),
        ({"looks": 3}, Quality.TOO_FEW, "0 requests"),
        (
            {"canary": {"requests": 100}, "baseline": {"requests": 100}},
            Quality.LOAD_NOT_COVERED,
            "8%",
        ),
        ({"calibration": Calibration()}, Quality.LOAD_NOT_COVERED, "not known"),
    ],
)
def test_each_finding(evidence: Build, changes: dict, quality: Quality, words: str) -> None:
    """One fault in otherwise good data, named in the reason."""
    found = assess_quality(evidence(**changes))
    assert found.quality is quality
    assert words in found.reason


def test_old_data_is_stale(evidence: Build) -> None:
    """The newest look ended 185 s ago; 180 s are allowed."""
    late = evidence().model_copy(update={"now_ms": 20 * 60_000 + 185_000})
    assert assess_quality(late).quality is Quality.STALE


def test_a_look_from_the_future_is_a_skewed_clock(evidence: Build) -> None:
    """Ten minutes ahead of the metrics' clock."""
    early = evidence().model_copy(update={"now_ms": 10 * 60_000})
    assert assess_quality(early).quality is Quality.CLOCK_SKEW


def test_small_imbalance_is_what_balancers_do(evidence: Build) -> None:
    """5 % fewer requests at 24,000: chi-square would blame it, the tolerance of 10 % does not."""
    assert assess_quality(evidence(canary={"requests": 1140})).quality is Quality.GOOD


def test_the_worse_finding_wins(evidence: Build) -> None:
    """Without data of the canary, that its balance is off says nothing."""
    both = evidence(canary={"requests": None, "latency_p99_ms": None}, baseline={"oom_kills": 1})
    assert assess_quality(both).quality is Quality.NO_DATA


def test_coverage_is_of_the_busy_hours(evidence: Build) -> None:
    """1,200 requests in 60 s on 2 cores are 10 a core and second: all of 10, half of 20."""
    looks = evidence().looks
    assert load_coverage(looks, 10.0) == pytest.approx(1.0)
    assert load_coverage(looks, 20.0) == pytest.approx(0.5)
    assert load_coverage(looks, None) is None
