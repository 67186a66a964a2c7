"""CPU and memory of the canary against the ceiling of its own limit.

CPU: the canary may be promoted when "its mean is at or over the ceiling" is rejected by betting
against it: capital is multiplied by 1 + bet (ceiling - x) at each look, which cannot be expected to
grow while the conditional mean is at or over the ceiling, however the looks are correlated
(Waudby-Smith and Ramdas 2024, JRSS B 86). Memory: the highest look has to be under the ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from rightsizing.model.verdict import JudgePolicy, Look, Metric, MetricTest
from rightsizing.rollout.judge.likelihood import FloatArray

BET_SHARES = np.array([0.1, 0.3, 0.6, 0.9])  # of the largest bet that cannot lose everything


def under_ceiling_path(shares: FloatArray, ceiling: float) -> FloatArray:
    """Log evidence that the mean of shares (0-1, (looks,)) is under the ceiling, by look."""
    bets = BET_SHARES / max(1 - ceiling, 0.01)
    gain = 1 + bets[:, None] * (ceiling - np.minimum(shares, 1.0))[None, :]
    # shares over 1 (turbo) may make the capital negative only for ceilings over 1: floor it
    capital = np.cumsum(np.log(np.maximum(gain, 1e-12)), axis=1)
    path: FloatArray = logsumexp(capital, axis=0) - np.log(len(bets))
    return path


def check_cpu(looks: Sequence[Look], policy: JudgePolicy) -> MetricTest:
    """Mean CPU of the canary against its ceiling."""
    shares = np.array(
        [look.canary.cpu_share for look in looks if look.canary.cpu_share is not None]
    )
    needed = math.log(1 / policy.alpha_promote)
    if not len(shares):
        return MetricTest(metric=Metric.CPU, test="ceiling", looks=0, log_safe_needed=needed)
    evidence = float(under_ceiling_path(shares, policy.cpu_ceiling)[-1])
    return MetricTest(
        metric=Metric.CPU,
        test="ceiling",
        looks=len(shares),
        estimate=float(shares.mean()),
        log_safe=evidence,
        log_safe_needed=needed,
        safe=evidence >= needed,
    )


def check_memory(looks: Sequence[Look], policy: JudgePolicy) -> MetricTest:
    """Highest memory of the canary against its ceiling."""
    shares = [look.canary.memory_share for look in looks if look.canary.memory_share is not None]
    highest = max(shares, default=None)
    return MetricTest(
        metric=Metric.MEMORY,
        test="ceiling",
        looks=len(shares),
        estimate=highest,
        safe=highest is not None and highest <= policy.memory_ceiling,
    )
