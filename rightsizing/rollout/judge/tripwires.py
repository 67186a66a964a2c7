"""Events that roll back at once, without statistics and whatever the data quality.

CPU and memory are held against the canary's own limit, never against the baseline: more use of a
smaller size is the aim. The durations are those of the case's alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rightsizing.model.verdict import ArmLook, JudgePolicy, Look, Tripwire


def tripped(looks: Sequence[Look], policy: JudgePolicy) -> tuple[Tripwire, ...]:
    """Wires touched by the looks so far, oldest look first; a warm-up excuses only slow starts."""
    steady = looks[policy.warm_up_looks :]
    wires = {
        Tripwire.OUT_OF_MEMORY: any(look.canary.oom_kills for look in looks),
        Tripwire.CRASH_LOOP: sum(look.canary.restarts for look in looks)
        >= policy.crash_loop_restarts,
        Tripwire.UNHEALTHY: _run(steady, policy.unhealthy_looks, _is_unhealthy),
        Tripwire.NO_TRAFFIC: _run(steady, policy.no_traffic_looks, _is_starved),
        Tripwire.SUSTAINED_CPU: _lasts(
            steady, policy.cpu_alert_s, lambda arm: _over(arm.cpu_share, policy.cpu_alert)
        ),
        Tripwire.SUSTAINED_MEMORY: _lasts(
            steady, policy.memory_alert_s, lambda arm: _over(arm.memory_share, policy.memory_alert)
        ),
    }
    return tuple(wire for wire, touched in wires.items() if touched)


def _is_unhealthy(look: Look) -> bool:
    healthy, expected = look.canary.healthy_targets, look.canary.expected_targets
    return healthy is not None and expected is not None and healthy < expected


def _is_starved(look: Look) -> bool:
    return look.canary.requests == 0 and bool(look.baseline.requests)


def _over(share: float | None, limit: float) -> bool:
    return share is not None and share > limit


def _run(looks: Sequence[Look], length: int, holds: Callable[[Look], bool]) -> bool:
    """Whether it ever held for so many looks in a row."""
    run = 0
    for look in looks:
        run = run + 1 if holds(look) else 0
        if run >= length:
            return True
    return False


def _lasts(looks: Sequence[Look], seconds: int, holds: Callable[[ArmLook], bool]) -> bool:
    """Whether it ever held without a break for more than so many seconds."""
    lasted = 0
    for look in looks:
        lasted = lasted + look.length_s if holds(look.canary) else 0
        if lasted > seconds:
            return True
    return False
