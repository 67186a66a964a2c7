"""From what targets report to the arrays the tests take.

Sums are exact (``math.fsum``) and do not depend on the order of targets; a figure one target did
not report is not reported by the arm, because a sum without it would be too small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.model.verdict import ArmLook, Evidence, Look, Metric
from rightsizing.rollout.judge.likelihood import FloatArray


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Events and requests of both arms, look by look; looks without data in both are left out."""

    canary_events: FloatArray
    canary_requests: FloatArray
    baseline_events: FloatArray
    baseline_requests: FloatArray

    @property
    def log_odds(self) -> FloatArray:
        """Log of canary requests over baseline requests."""
        odds: FloatArray = np.log(self.canary_requests / self.baseline_requests)
        return odds


def merge_targets(targets: Iterable[ArmLook]) -> ArmLook:
    """One arm's look from its targets' looks: counts add up, CPU is weighted by capacity.

    Mean latency is weighted by requests. The 99th percentile is the worst target's, an upper bound
    of the arm's own, and so is memory; the clock is the one furthest behind. No targets give a look
    in which nothing was measured.
    """
    known = tuple(targets)
    if not known:
        return ArmLook()
    cores = [target.capacity_cores for target in known]
    weights = [1.0 if None in cores else float(core or 0.0) for core in cores]
    return ArmLook(
        requests=_total([target.requests for target in known]),
        errors=_total([target.errors for target in known]),
        slow=_total([target.slow for target in known]),
        latency_p99_ms=_worst([target.latency_p99_ms for target in known]),
        latency_mean_ms=_weighted(
            [target.latency_mean_ms for target in known],
            [float(target.requests or 0) for target in known],
        ),
        cpu_share=_weighted([target.cpu_share for target in known], weights),
        memory_share=_worst([target.memory_share for target in known]),
        capacity_cores=None if None in cores else math.fsum(core or 0.0 for core in cores),
        restarts=sum(target.restarts for target in known),
        oom_kills=sum(target.oom_kills for target in known),
        healthy_targets=_total([target.healthy_targets for target in known]),
        expected_targets=_total([target.expected_targets for target in known]),
        clock_ms=min((t.clock_ms for t in known if t.clock_ms is not None), default=None),
    )


def ordered(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Looks by time; of two with the same start the later in the input (a correction) counts."""
    return tuple(look for _, look in sorted({look.start_ms: look for look in looks}.items()))


def compared_looks(evidence: Evidence) -> tuple[Look, ...]:
    """Looks after the warm-up, by time."""
    return ordered(evidence.looks)[evidence.policy.warm_up_looks :]


def arm_counts(looks: Sequence[Look], metric: Metric) -> ArmCounts:
    """A count metric of both arms; events never exceed requests."""
    rows = []
    for look in looks:
        canary, baseline = look.canary, look.baseline
        events = (canary.events(metric), baseline.events(metric))
        if canary.requests and baseline.requests and None not in events:
            rows.append(
                (
                    min(events[0] or 0, canary.requests),
                    canary.requests,
                    min(events[1] or 0, baseline.requests),
                    baseline.requests,
                )
            )
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return ArmCounts(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def log_ratios(looks: Sequence[Look], metric: Metric) -> FloatArray:
    """Log of canary over baseline of a latency gauge, look by look; NaN: no data."""
    pairs = ((look.canary.gauge(metric), look.baseline.gauge(metric)) for look in looks)
    return np.array(
        [
            math.log(canary / baseline) if canary and baseline else math.nan
            for canary, baseline in pairs
        ]
    )


def _total(values: list[int | None]) -> int | None:
    return None if None in values else sum(value or 0 for value in values)


def _worst(values: list[float | None]) -> float | None:
    return None if None in values else max(value or 0.0 for value in values)


def _weighted(values: list[float | None], weights: list[float]) -> float | None:
    if None in values:
        return None
    total = math.fsum(weights)
    if total == 0:
        return None
    pairs = zip(values, weights, strict=True)
    return math.fsum((value or 0.0) * weight for value, weight in pairs) / total
