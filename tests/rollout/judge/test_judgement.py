"""The verdict as a whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rightsizing.model.verdict import (
    Calibration,
    Decision,
    Evidence,
    Look,
    Metric,
    Quality,
    Tripwire,
    Verdict,
)
from rightsizing.rollout.judge.judgement import judge, recompute

Build = Callable[..., Evidence]
SPARSE = {"requests": 1200, "errors": 0, "slow": 0}


def test_an_equal_canary_is_promoted(evidence: Build) -> None:
    """60 minutes of 12 and 60 events each: both within x1.25 with certainty enough."""
    verdict = judge(evidence(60))
    assert verdict.decision is Decision.PROMOTE
    assert {test.metric for test in verdict.tests if test.safe} == {Metric.ERRORS, Metric.SLOW}


def test_a_worse_canary_is_rolled_back(evidence: Build) -> None:
    """Twice the errors; the reason names metric and size."""
    verdict = judge(evidence(20, canary={"errors": 24}))
    assert verdict.decision is Decision.ROLL_BACK
    assert "errors x2" in verdict.reason


def test_one_harmed_metric_is_enough(evidence: Build) -> None:
    """Errors equal, slow requests doubled."""
    verdict = judge(evidence(20, canary={"slow": 120}))
    assert verdict.decision is Decision.ROLL_BACK
    assert "slow" in verdict.reason


def test_one_unknown_metric_holds_up_promotion(evidence: Build) -> None:
    """Nobody counts slow requests: never promoted, and said so."""
    verdict = judge(evidence(60, canary={"slow": None}))
    assert verdict.decision is Decision.CONTINUE
    assert "slow is not measured" in verdict.reason


def test_too_little_is_continued_then_held(evidence: Build) -> None:
    """No errors at all prove nothing about their ratio; at the horizon a person decides."""
    assert judge(evidence(30, canary=SPARSE, baseline=SPARSE)).decision is Decision.CONTINUE
    held = judge(evidence(123, canary=SPARSE, baseline=SPARSE))
    assert held.decision is Decision.HOLD
    assert "inconclusive after 120 looks" in held.reason


def test_a_tripwire_beats_bad_data(evidence: Build) -> None:
    """Out of memory rolls back even while the arms cannot be compared."""
    verdict = judge(evidence(10, canary={"oom_kills": 1, "requests": 300}))
    assert verdict.quality is Quality.UNBALANCED
    assert verdict.tripwires == (Tripwire.OUT_OF_MEMORY,)
    assert verdict.decision is Decision.ROLL_BACK


def test_a_bad_baseline_blames_nobody(evidence: Build) -> None:
    """Both arms over the absolute limit: an incident upstream holds the rollout."""
    both = {"errors": 240}
    verdict = judge(evidence(20, both, both, {"max_error_ratio": 0.05}))
    assert verdict.quality is Quality.BASELINE_BAD
    assert verdict.decision is Decision.HOLD


def test_an_absolute_limit_rolls_back_beside_relative_tests(evidence: Build) -> None:
    """1.6 % of requests fail against a limit of 1.3 %; the baseline is under it."""
    policy = {"max_error_ratio": 0.013, "required": (Metric.ERRORS,)}
    verdict = judge(evidence(60, {"errors": 20}, None, policy))
    assert any(test.test == "absolute" and test.harmed for test in verdict.tests)
    assert verdict.decision is Decision.ROLL_BACK


def test_a_night_pass_does_not_promote(evidence: Build) -> None:
    """All tests pass at a fifth of the busy hours' load: continue, and say why."""
    night = {"requests": 240}
    verdict = judge(evidence(60, night, night))
    assert verdict.quality is Quality.LOAD_NOT_COVERED
    assert verdict.decision is Decision.CONTINUE
    assert "busy hours" in verdict.reason


def test_harm_by_night_still_rolls_back(evidence: Build) -> None:
    """Load not covered blocks promotion only."""
    verdict = judge(evidence(20, {"requests": 240, "errors": 36}, {"requests": 240}))
    assert verdict.decision is Decision.ROLL_BACK


def test_the_ceiling_decides_about_cpu(evidence: Build) -> None:
    """Three times the baseline's CPU is fine under the ceiling, and not shown fine over it."""
    policy = {"required": (Metric.ERRORS, Metric.CPU)}
    fine = judge(evidence(60, {"cpu_share": 0.6}, {"cpu_share": 0.2}, policy))
    over = judge(evidence(60, {"cpu_share": 0.85}, {"cpu_share": 0.85}, policy))
    assert fine.decision is Decision.PROMOTE
    assert over.decision is Decision.CONTINUE


def test_latency_p99_is_compared_as_a_gauge(evidence: Build) -> None:
    """160 ms beside 80 ms, with the noise assumed of a service without history."""
    policy = {"required": (Metric.LATENCY_P99,)}
    worse = judge(evidence(60, {"latency_p99_ms": 400.0}, None, policy))
    assert worse.decision is Decision.ROLL_BACK
    assert judge(evidence(60, None, None, policy)).decision is not Decision.ROLL_BACK


def test_an_absolute_mean_latency_is_held(evidence: Build) -> None:
    """60 ms against an objective of 50 ms in every look: 2 to the 20th against chance."""
    policy = {"max_latency_mean_ms": 50.0}
    verdict = judge(evidence(23, {"latency_mean_ms": 60.0}, {"latency_mean_ms": 45.0}, policy))
    assert verdict.decision is Decision.ROLL_BACK
    assert "latency_mean" in verdict.reason


def test_an_uncalibrated_service_needs_more(evidence: Build) -> None:
    """Assumed noise is larger, so the same looks carry less evidence."""
    sure = judge(evidence(40))
    unsure = judge(evidence(40, calibration=Calibration(busy_requests_per_core_s=10.0)))
    assert (unsure.tests[0].log_safe or 0) < (sure.tests[0].log_safe or 0)


@pytest.mark.parametrize("errors", [6, 12, 18, 60])
def test_every_verdict_can_be_recomputed(evidence: Build, errors: int) -> None:
    """Also after it was written and read."""
    verdict = judge(evidence(25, canary={"errors": errors}))
    assert recompute(verdict) == verdict
    assert recompute(Verdict.model_validate_json(verdict.model_dump_json())) == verdict


def test_a_changed_look_is_noticed(evidence: Build) -> None:
    """A verdict whose evidence was edited no longer follows from it."""
    verdict = judge(evidence(25))
    look = verdict.evidence.looks[10]
    edited = look.model_copy(update={"canary": look.canary.model_copy(update={"errors": 40})})
    looks = tuple(edited if item == look else item for item in verdict.evidence.looks)
    tampered = verdict.model_copy(
        update={"evidence": verdict.evidence.model_copy(update={"looks": looks})}
    )
    assert recompute(tampered) != tampered


def test_more_harm_never_promotes_earlier(evidence: Build) -> None:
    """The same streams with events added to the canary: promoted no sooner, at any look."""
    rng = np.random.default_rng(12)
    base = evidence(40, policy={"required": (Metric.ERRORS,)})
    for _ in range(3):
        errors = rng.poisson(30, (2, 40))
        more = rng.binomial(1, 0.3, 40) * rng.poisson(4, 40)
        plain = _promoted(base, errors[0], errors[1])
        assert _promoted(base, errors[0] + more, errors[1]) >= plain


def _promoted(base: Evidence, canary: np.ndarray, baseline: np.ndarray) -> int:
    looks: tuple[Look, ...] = tuple(
        look.model_copy(
            update={
                "canary": look.canary.model_copy(update={"errors": int(canary[i])}),
                "baseline": look.baseline.model_copy(update={"errors": int(baseline[i])}),
            }
        )
        for i, look in enumerate(base.looks)
    )
    for count in range(4, len(looks) + 1, 2):
        some = base.model_copy(update={"looks": looks[:count], "now_ms": count * 60_000})
        if judge(some).decision is Decision.PROMOTE:
            return count
    return len(looks) + 1
