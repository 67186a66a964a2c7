"""Whether the data may be judged at all, asked before any test.

Checked worst first; the first that applies is the answer. Zero is not missing: an arm that counted
its requests and found none has data (the no-traffic tripwire answers for it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from rightsizing.model.verdict import (
    COUNT_METRICS,
    ArmLook,
    Evidence,
    JudgePolicy,
    Look,
    Quality,
)
from rightsizing.rollout.judge.eprocess import rate_paths
from rightsizing.rollout.judge.observation import arm_counts, compared_looks, ordered

COVERED_QUANTILE = 0.95  # of the canary's looks: one lucky minute does not cover a peak


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """The worst finding and its reason."""

    quality: Quality
    reason: str
    load_coverage: float | None


def assess_quality(evidence: Evidence) -> QualityVerdict:
    """Assess all looks so far."""
    looks = ordered(evidence.looks)
    compared = compared_looks(evidence)
    policy = evidence.policy
    coverage = load_coverage(compared, evidence.calibration.busy_requests_per_core_s)
    checks: tuple[tuple[Quality, Callable[[], str]], ...] = (
        (Quality.NO_DATA, lambda: _no_data(looks, policy)),
        (Quality.STALE, lambda: _stale(looks, evidence)),
        (Quality.CLOCK_SKEW, lambda: _clock_skew(looks, evidence)),
        (Quality.UNBALANCED, lambda: _unbalanced(compared, policy)),
        (Quality.BASELINE_BAD, lambda: _baseline_bad(looks, compared, policy)),
        (Quality.TOO_FEW, lambda: _too_few(compared, policy)),
        (Quality.LOAD_NOT_COVERED, lambda: _not_covered(coverage, policy)),
    )
    for quality, check in checks:
        reason = check()
        if reason:
            return QualityVerdict(quality, reason, coverage)
    return QualityVerdict(Quality.GOOD, "both arms are measured and comparable", coverage)


def load_coverage(looks: Sequence[Look], busy_requests_per_core_s: float | None) -> float | None:
    """The canary's own busy looks over the service's busy hours, requests a core and second."""
    loads = [
        look.canary.requests / look.length_s / look.canary.capacity_cores
        for look in looks
        if look.canary.requests is not None and look.canary.capacity_cores
    ]
    if not loads or not busy_requests_per_core_s:
        return None
    return float(np.quantile(loads, COVERED_QUANTILE)) / busy_requests_per_core_s


def _no_data(looks: Sequence[Look], policy: JudgePolicy) -> str:
    if not looks:
        return "no look has arrived yet"
    recent = looks[-policy.no_traffic_looks :]
    for name in ("baseline", "canary"):
        arms: list[ArmLook] = [getattr(look, name) for look in recent]
        if all(arm.requests is None and arm.latency_p99_ms is None for arm in arms):
            return (
                f"the {name} reported neither requests nor latency in the last {len(recent)} looks"
            )
    return ""


def _is_silent(arm: ArmLook) -> bool:
    return arm.requests is None and arm.latency_p99_ms is None and arm.latency_mean_ms is None


def _stale(looks: Sequence[Look], evidence: Evidence) -> str:
    age_s = (evidence.now_ms - looks[-1].end_ms) / 1000
    if age_s > evidence.policy.stale_after_s:
        return (
            f"the newest look ended {age_s:.0f} s ago, at most {evidence.policy.stale_after_s} s "
            "are allowed"
        )
    return ""


def _clock_skew(looks: Sequence[Look], evidence: Evidence) -> str:
    most_s = evidence.policy.max_clock_skew_s
    ahead_s = (looks[-1].end_ms - evidence.now_ms) / 1000
    if ahead_s > most_s:
        return f"the newest look ends {ahead_s:.0f} s in the future, at most {most_s} s are allowed"
    for look in reversed(looks):
        clocks = {"baseline": look.baseline.clock_ms, "canary": look.canary.clock_ms}
        known = {name: clock for name, clock in clocks.items() if clock is not None}
        if not known:
            continue
        for name, clock in known.items():
            off_s = abs(clock - look.end_ms) / 1000
            if off_s > most_s:
                return f"the {name}'s clock is {off_s:.0f} s off, at most {most_s} s are allowed"
        return ""
    return ""


def _unbalanced(looks: Sequence[Look], policy: JudgePolicy) -> str:
    known = [look for look in looks if None not in (look.canary.requests, look.baseline.requests)]
    canary = sum(look.canary.requests or 0 for look in known)
    totals = [(look.canary.requests or 0) + (look.baseline.requests or 0) for look in known]
    total = sum(totals)
    expected = sum(n * look.canary_weight for n, look in zip(totals, known, strict=True))
    variance = sum(
        n * look.canary_weight * (1 - look.canary_weight)
        for n, look in zip(totals, known, strict=True)
    )
    if not variance or canary == 0:  # an arm without any traffic is the tripwire's business
        return ""
    off = canary / expected - 1
    # requests come in connections, so a real balancer scatters more than the chi-square test
    # assumes: small relative differences are never blamed
    if abs(off) <= policy.balance_tolerance:
        return ""
    if float(chi2.sf((canary - expected) ** 2 / variance, 1)) >= policy.balance_alpha:
        return ""
    return (
        f"the canary got {canary} of {total} requests, its weight says {expected:.0f}; "
        "the arms are not comparable"
    )


def _baseline_bad(looks: Sequence[Look], compared: Sequence[Look], policy: JudgePolicy) -> str:
    if sum(look.baseline.oom_kills for look in looks):
        return "the baseline itself was killed for lack of memory"
    if sum(look.baseline.restarts for look in looks) >= policy.crash_loop_restarts:
        return "the baseline itself keeps restarting"
    for metric, limit in policy.absolute_limits:
        if metric not in COUNT_METRICS:
            continue
        counts = arm_counts(compared, metric)
        if not len(counts.baseline_events):
            continue
        path = rate_paths(counts.baseline_events[:, None], counts.baseline_requests[:, None], limit)
        if float(path.max()) >= np.log(1 / policy.alpha_each):
            share = counts.baseline_events.sum() / counts.baseline_requests.sum()
            return (
                f"the baseline's own {metric.value} ratio is {share:.4f}, over the limit of "
                f"{limit:g}; the canary is not to blame"
            )
    return ""


def _too_few(looks: Sequence[Look], policy: JudgePolicy) -> str:
    for name in ("baseline", "canary"):
        requests = sum(getattr(look, name).requests or 0 for look in looks)
        if requests < policy.min_requests:
            return (
                f"the {name} served {requests} requests since the warm-up, "
                f"{policy.min_requests} are needed"
            )
    return ""


def _not_covered(coverage: float | None, policy: JudgePolicy) -> str:
    if policy.min_load_coverage == 0:
        return ""
    if coverage is None:
        return "the load of the service's busy hours, or of the canary, is not known"
    if coverage < policy.min_load_coverage:
        return (
            f"the canary saw {coverage:.0%} of the load a core has in busy hours, "
            f"{policy.min_load_coverage:.0%} are needed: raise its weight or wait for the peak"
        )
    return ""
