"""The verdict on a canary: a pure function of the evidence.

In this order: a tripwire rolls back; data that cannot be compared holds; harm shown by any test
rolls back (``alpha_harm`` is shared equally among them, so their sum bounds false roll-backs);
every required metric shown safe, on good data, promotes (all have to pass, so each may use the
whole ``alpha_promote``: intersection-union test); an undecided rollout holds at its horizon; else
continue. Nothing is remembered between looks, so a restarted judge answers the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rightsizing.model.verdict import (
    COUNT_METRICS,
    Decision,
    Evidence,
    Look,
    Metric,
    MetricCalibration,
    MetricTest,
    Tripwire,
    Verdict,
)
from rightsizing.rollout.judge.ceilings import check_cpu, check_memory
from rightsizing.rollout.judge.eprocess import (
    EvidencePaths,
    RatioInterval,
    count_interval,
    count_paths,
    gauge_interval,
    gauge_paths,
    rate_paths,
)
from rightsizing.rollout.judge.likelihood import ArmNoise
from rightsizing.rollout.judge.noise import ASSUMED_NOISE
from rightsizing.rollout.judge.observation import arm_counts, compared_looks, log_ratios, ordered
from rightsizing.rollout.judge.quality import QualityVerdict, assess_quality
from rightsizing.rollout.judge.tripwires import tripped

HALF_OF_LOOKS = 0.5  # an absolute latency limit may be passed in as many


def judge(evidence: Evidence) -> Verdict:
    """Judge all looks so far."""
    policy = evidence.policy
    quality = assess_quality(evidence)
    wires = tripped(ordered(evidence.looks), policy)
    looks = compared_looks(evidence)
    tests = (*_required(evidence, looks), *_absolute(evidence, looks))
    decision, reason = _decide(evidence, len(looks), quality, wires, tests)
    return Verdict(
        decision=decision,
        reason=reason,
        quality=quality.quality,
        quality_reason=quality.reason,
        tripwires=wires,
        tests=tests,
        alpha_each=policy.alpha_each,
        load_coverage=quality.load_coverage,
        evidence=evidence,
    )


def recompute(verdict: Verdict) -> Verdict:
    """The same verdict from what it stored; anything else means it was not made by this code."""
    return judge(verdict.evidence)


def _decide(
    evidence: Evidence,
    looks: int,
    quality: QualityVerdict,
    wires: tuple[Tripwire, ...],
    tests: tuple[MetricTest, ...],
) -> tuple[Decision, str]:
    policy = evidence.policy
    if wires:
        return Decision.ROLL_BACK, "tripwire: " + ", ".join(wire.value for wire in wires)
    if quality.quality.blocks_rollback:
        return Decision.HOLD, f"{quality.quality.value}: {quality.reason}"
    harmed = [test for test in tests if test.harmed]
    if harmed:
        return Decision.ROLL_BACK, "harm: " + "; ".join(_harm(test) for test in harmed)
    unsafe = [t for t in tests if t.metric in policy.required and t.test != "absolute"]
    unsafe = [test for test in unsafe if not test.safe]
    over = [test for test in tests if test.test == "absolute" and not test.safe]
    if not unsafe and not over and not quality.quality.blocks_promotion:
        return Decision.PROMOTE, f"every required metric is within x{policy.margin:g}"
    missing = _missing(quality, [*unsafe, *over])
    if looks >= policy.horizon_looks:
        return Decision.HOLD, f"inconclusive after {looks} looks: {missing}"
    return Decision.CONTINUE, missing


def _required(evidence: Evidence, looks: Sequence[Look]) -> list[MetricTest]:
    results = []
    for metric in evidence.policy.required:
        if metric is Metric.CPU:
            results.append(check_cpu(looks, evidence.policy))
        elif metric is Metric.MEMORY:
            results.append(check_memory(looks, evidence.policy))
        elif metric in COUNT_METRICS:
            results.append(_relative_count(evidence, looks, metric))
        else:
            results.append(_relative_gauge(evidence, looks, metric))
    return results


def _noise(calibration: MetricCalibration | None) -> ArmNoise:
    if calibration is None:
        return ASSUMED_NOISE
    return ArmNoise(calibration.spread, calibration.persistence, calibration.scatter)


def _relative_count(evidence: Evidence, looks: Sequence[Look], metric: Metric) -> MetricTest:
    counts = arm_counts(looks, metric)
    noise = _noise(evidence.calibration.of(metric))
    result = MetricTest(
        metric=metric,
        test="relative",
        looks=len(counts.canary_events),
        canary_events=float(counts.canary_events.sum()),
        canary_exposure=float(counts.canary_requests.sum()),
        baseline_events=float(counts.baseline_events.sum()),
        baseline_exposure=float(counts.baseline_requests.sum()),
    )
    if not result.looks:
        return result
    canary, baseline, log_odds = counts.canary_events, counts.baseline_events, counts.log_odds
    paths = count_paths(
        canary[:, None], baseline[:, None], log_odds[:, None], noise, evidence.policy.margin
    )
    interval = count_interval(canary, baseline, log_odds, noise, evidence.policy.alpha_harm)
    return _with_evidence(result, paths, interval, evidence)


def _relative_gauge(evidence: Evidence, looks: Sequence[Look], metric: Metric) -> MetricTest:
    ratios = log_ratios(looks, metric)
    noise = _noise(evidence.calibration.of(metric))
    seen = int(np.isfinite(ratios).sum())
    result = MetricTest(metric=metric, test="relative", looks=seen)
    if not seen:
        return result
    paths = gauge_paths(ratios[:, None], noise, evidence.policy.margin)
    interval = gauge_interval(ratios, noise, evidence.policy.alpha_harm)
    return _with_evidence(result, paths, interval, evidence)


def _with_evidence(
    result: MetricTest, paths: EvidencePaths, interval: RatioInterval, evidence: Evidence
) -> MetricTest:
    policy = evidence.policy
    known = evidence.calibration.of(result.metric)
    shown, cleared = 1 / policy.alpha_each, 1 / policy.alpha_promote
    if known is not None:
        shown = known.harm_evidence_at(policy.alpha_each, result.looks)
        cleared = known.safe_evidence_at(policy.alpha_promote)
    # harm once shown stays shown; safety has to hold now
    harm, safe = float(paths.harm.max()), float(paths.safe[-1, 0])
    safe_needed = math.log(cleared)
    return result.model_copy(
        update={
            "estimate": interval.estimate,
            "low": interval.low,
            "high": interval.high if math.isfinite(interval.high) else None,
            "log_harm": harm,
            "log_harm_needed": math.log(shown),
            "log_safe": safe,
            "log_safe_needed": safe_needed,
            "harmed": harm >= math.log(shown),
            "safe": safe >= safe_needed,
        }
    )


def _absolute(evidence: Evidence, looks: Sequence[Look]) -> list[MetricTest]:
    alpha = evidence.policy.alpha_each
    results = []
    for metric, limit in evidence.policy.absolute_limits:
        if metric in COUNT_METRICS:
            counts = arm_counts(looks, metric)
            results.append(
                _rate(metric, counts.canary_events, counts.canary_requests, limit, alpha)
            )
        else:
            known = (look.canary.gauge(metric) for look in looks)
            figures = np.array([figure for figure in known if figure is not None])
            # a look over the limit is an event; the null is "no more than every other look"
            over = (figures > limit).astype(np.float64)
            results.append(_rate(metric, over, np.ones(len(over)), HALF_OF_LOOKS, alpha))
    return results


def _rate(
    metric: Metric, events: np.ndarray, exposure: np.ndarray, limit: float, alpha: float
) -> MetricTest:
    needed = math.log(1 / alpha)
    result = MetricTest(
        metric=metric,
        test="absolute",
        looks=len(events),
        canary_events=float(events.sum()),
        canary_exposure=float(exposure.sum()),
        log_harm_needed=needed,
    )
    if not len(events):
        return result
    harm = float(rate_paths(events[:, None], exposure[:, None], limit).max())
    share = float(events.sum() / exposure.sum())
    return result.model_copy(
        update={
            "estimate": share,
            "log_harm": harm,
            "harmed": harm >= needed,
            "safe": share <= limit,
        }
    )


def _harm(test: MetricTest) -> str:
    if test.test == "absolute":
        return f"{test.metric.value} at {test.estimate:.4g} of all, over its absolute limit"
    low = f", at least x{test.low:.2f}" if test.low and test.low > 1 else ""
    return f"{test.metric.value} x{test.estimate:.2f} of the baseline{low}"


def _missing(quality: QualityVerdict, unsafe: list[MetricTest]) -> str:
    parts = [quality.reason] if quality.quality.blocks_promotion else []
    for test in unsafe:
        if not test.looks:
            parts.append(f"{test.metric.value} is not measured")
        elif test.test == "relative":
            high = "not bounded" if test.high is None else f"x{test.high:.2f}"
            parts.append(f"{test.metric.value} may still be {high} of the baseline")
        else:
            parts.append(f"{test.metric.value} at {test.estimate:.4g} is not shown under its limit")
    return "; ".join(parts)
