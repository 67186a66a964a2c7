"""The state of one alert rule for one workload, and how a reading changes it.

    inactive -> pending -> firing -> inactive (resolved)        any of them -> no data -> inactive

Time passes by a monotonic clock, never by the wall's: a clock that jumps makes nothing fire and
nothing late. Time in which nobody watched (a restart) does not count as time above the threshold,
as Prometheus restores its own ``for`` state. A missing reading counts as the last one for
``STALE_S``; after that the state is "no data", which is neither good nor bad.
"""

from __future__ import annotations

from enum import StrEnum, unique

from pydantic import Field

from rightsizing.model.alerting import AlertRule
from rightsizing.model.base import FrozenModel, NoData

STALE_S = 300.0  # Prometheus' lookback: a series without a newer sample stays for this long


@unique
class Phase(StrEnum):
    """Where an alert is."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    NO_DATA = "no_data"


@unique
class Change(StrEnum):
    """What is worth telling."""

    FIRED = "fired"
    RESOLVED = "resolved"
    LOST = "lost"  # readings stopped
    FOUND = "found"  # readings are back


class AlertState(FrozenModel):
    """What has to survive a restart. Seconds are of watched time.

    ``held_s``: how long the value has been above, since the first reading that was; None: it is
    not. ``calm_s``: since it was last above while firing. ``silent_s``: since the last reading.
    """

    phase: Phase = Phase.INACTIVE
    since_ms: int = Field(default=0, description="wall clock at which the phase began")
    held_s: float | None = None
    calm_s: float = 0.0
    silent_s: float = 0.0
    value: float | None = None


def advance(
    rule: AlertRule,
    state: AlertState,
    reading: float | NoData,
    *,
    elapsed_s: float,
    now_ms: int,
) -> tuple[AlertState, Change | None]:
    """The state after one evaluation, and what changed for whoever is told.

    Args:
        reading: the indicator's value now; NoData when nothing newer than before was read.
        elapsed_s: watched time since the previous evaluation, from a monotonic clock; 0 for the
            first one after a start.
        now_ms: the wall clock, for ``since_ms`` alone.

    Raises:
        ValueError: ``elapsed_s`` is negative, which a monotonic clock never gives.
    """
    if elapsed_s < 0:
        raise ValueError(f"elapsed time {elapsed_s} s is negative; give a monotonic clock's")
    if isinstance(reading, NoData):
        silent_s = state.silent_s + elapsed_s
        if state.phase is Phase.NO_DATA:
            return state, None
        last = state.value
        if last is None or silent_s > STALE_S:
            lost = AlertState(phase=Phase.NO_DATA, since_ms=now_ms, silent_s=silent_s)
            return lost, Change.LOST
        state = state.model_copy(update={"silent_s": silent_s})
        return _judge(rule, state, last, elapsed_s, now_ms)
    fresh = state.model_copy(update={"silent_s": 0.0, "value": reading})
    if state.phase is not Phase.NO_DATA:
        return _judge(rule, fresh, reading, elapsed_s, now_ms)
    back = fresh.model_copy(update={"phase": Phase.INACTIVE, "since_ms": now_ms})
    after, change = _judge(rule, back, reading, 0.0, now_ms)
    return after, change or Change.FOUND


def _judge(
    rule: AlertRule, state: AlertState, value: float, elapsed_s: float, now_ms: int
) -> tuple[AlertState, Change | None]:
    if value > rule.above:
        held_s = 0.0 if state.held_s is None else state.held_s + elapsed_s
        above = state.model_copy(update={"held_s": held_s, "calm_s": 0.0})
        if state.phase is Phase.FIRING:
            return above, None
        if held_s >= rule.for_s:
            return _moved(above, Phase.FIRING, now_ms), Change.FIRED
        return _moved(above, Phase.PENDING, now_ms), None
    below = state.model_copy(update={"held_s": None})
    if state.phase is Phase.FIRING:
        calm_s = state.calm_s + elapsed_s
        if calm_s < rule.keep_firing_s:
            return below.model_copy(update={"calm_s": calm_s}), None
        return _moved(below, Phase.INACTIVE, now_ms), Change.RESOLVED
    return _moved(below, Phase.INACTIVE, now_ms), None


def _moved(state: AlertState, phase: Phase, now_ms: int) -> AlertState:
    if state.phase is phase:
        return state
    return state.model_copy(update={"phase": phase, "since_ms": now_ms, "calm_s": 0.0})
