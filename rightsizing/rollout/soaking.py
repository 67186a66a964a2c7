"""The verdict on a size that serves alone: absolute limits and tripwires, nothing to compare with.

After the last weight the old slot has no traffic, so the twin is gone; what remains are the
objectives themselves and the events that need no statistics. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.model.verdict import (
    COUNT_METRICS,
    Decision,
    JudgePolicy,
    Look,
    Metric,
    Tripwire,
)
from rightsizing.rollout.judge.eprocess import rate_paths
from rightsizing.rollout.judge.judgement import HALF_OF_LOOKS
from rightsizing.rollout.judge.observation import ordered
from rightsizing.rollout.judge.tripwires import tripped


@dataclass(frozen=True, slots=True)
class SoakVerdict:
    """ROLL_BACK, CONTINUE, or HOLD when nothing was measured; never a promotion."""

    decision: Decision
    reason: str
    tripwires: tuple[Tripwire, ...] = ()


def judge_soak(looks: Sequence[Look], policy: JudgePolicy) -> SoakVerdict:
    """Judge the looks so far; only their canary arm counts."""
    known = ordered(looks)
    wires = tuple(wire for wire in tripped(known, policy) if wire is not Tripwire.NO_TRAFFIC)
    if wires:
        names = ", ".join(wire.value for wire in wires)
        return SoakVerdict(Decision.ROLL_BACK, f"tripwire: {names}", wires)
    steady = known[policy.warm_up_looks :]
    for metric, limit in policy.absolute_limits:
        harm, needed, share = _held_against(steady, metric, limit, policy)
        if harm >= needed:
            shown = f"{share:.2%} of requests" if metric in COUNT_METRICS else f"{share:.0%}"
            rest = "" if metric in COUNT_METRICS else " of the minutes"
            return SoakVerdict(
                Decision.ROLL_BACK,
                f"harm: {metric.value} over its limit of {limit:g} in {shown}{rest}",
            )
    if known and all(_is_silent(look) for look in known[-policy.no_traffic_looks :]):
        return SoakVerdict(Decision.HOLD, "no_data: nothing was measured in the newest looks")
    return SoakVerdict(Decision.CONTINUE, "within every limit so far")


def _held_against(
    looks: Sequence[Look], metric: Metric, limit: float, policy: JudgePolicy
) -> tuple[float, float, float]:
    """Log evidence of harm, what is needed, and the share over the limit.

    The latter alpha is shared among the limits, as the judge does; a gauge may be over its limit in
    every other look.
    """
    count = max(len(policy.absolute_limits), 1)
    needed = math.log(count / policy.alpha_harm)
    if metric in COUNT_METRICS:
        pairs = [
            (min(look.canary.events(metric) or 0, look.canary.requests), look.canary.requests)
            for look in looks
            if look.canary.requests and look.canary.events(metric) is not None
        ]
        bound = limit
    else:
        figures = [look.canary.gauge(metric) for look in looks]
        pairs = [(int(figure > limit), 1) for figure in figures if figure is not None]
        bound = HALF_OF_LOOKS
    if not pairs:
        return 0.0, needed, 0.0
    events = np.array([[float(pair[0])] for pair in pairs])
    exposure = np.array([[float(pair[1])] for pair in pairs])
    share = float(events.sum() / exposure.sum())
    return float(rate_paths(events, exposure, bound).max()), needed, share


def _is_silent(look: Look) -> bool:
    arm = look.canary
    return arm.requests is None and arm.cpu_share is None and arm.healthy_targets is None
