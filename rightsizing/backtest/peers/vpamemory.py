"""The Vertical Pod Autoscaler's memory samples: one peak per 24 hours, and what an OOM kill adds.

A pod's windows are counted from its first memory sample; a window's one sample is its peak, dated
to the window's END. A kill enters the window it falls into as if that much had been used: at least
100 MiB or 20 % more than the larger of the request and the window's own peak. A window that opens
with a sample of 0 bytes keeps 0: the peak is replaced only where there was one.

Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender/model/container.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.units import BYTES_PER_MIB, SECONDS_PER_DAY

_WINDOW_S = SECONDS_PER_DAY
_OOM_RATIO = 1.2
_OOM_MINIMUM_BYTES = 100 * BYTES_PER_MIB


@dataclass(frozen=True, slots=True)
class OomKill:
    """A container killed for memory, with the request it had."""

    time_s: float  # since 1970-01-01
    requested_bytes: float
    pod: int = 0  # index among the pods shown to the recommender


def memory_after_oom_bytes(used_bytes: float) -> int:
    """What a kill at ``used_bytes`` asks for: + 100 MiB or + 20 %, whichever is more."""
    used = int(used_bytes)
    return max(used + _OOM_MINIMUM_BYTES, int(used * _OOM_RATIO))


def memory_peaks(window: DemandSeries, kills: Sequence[OomKill]) -> tuple[FloatArray, FloatArray]:
    """The 24-hour windows that have samples: ends in seconds since 1970, peaks in bytes."""
    measured = np.flatnonzero(window.memory_bytes >= 0)
    times_s = window.times_s[measured]
    used: FloatArray = np.trunc(window.memory_bytes[measured])
    if kills:
        return _peaks_with_kills(times_s, used, kills)
    if not measured.size:
        return np.empty(0), np.empty(0)
    index = (times_s - times_s[0]) // _WINDOW_S
    starts = np.flatnonzero(np.diff(index, prepend=-1.0))
    peaks = np.where(used[starts] == 0, 0.0, np.maximum.reduceat(used, starts))
    return times_s[0] + (index[starts] + 1) * _WINDOW_S, peaks


def _peaks_with_kills(
    times_s: FloatArray, used: FloatArray, kills: Sequence[OomKill]
) -> tuple[FloatArray, FloatArray]:
    """The same, event by event; at one instant usage comes before the kill."""
    events = [(time, False, value) for time, value in zip(times_s, used, strict=True)]
    events += [(kill.time_s, True, kill.requested_bytes) for kill in kills]
    peaks: dict[float, float] = {}
    end_s: float | None = None
    usage_peak = oom_peak = 0.0
    for time_s, killed, value in sorted(events):
        amount = float(memory_after_oom_bytes(max(value, usage_peak)) if killed else value)
        if end_s is None or time_s >= end_s:
            opened_s = time_s if end_s is None else end_s
            end_s = opened_s + ((time_s - opened_s) // _WINDOW_S + 1) * _WINDOW_S
            usage_peak = oom_peak = 0.0
        elif max(usage_peak, oom_peak) == 0 or amount <= max(usage_peak, oom_peak):
            continue
        peaks[end_s] = amount
        if killed:
            oom_peak = amount
        else:
            usage_peak = amount
    return np.array(list(peaks)), np.array(list(peaks.values()))
