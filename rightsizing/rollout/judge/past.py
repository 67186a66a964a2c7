"""A service's past as two equal arms, the form the judge is calibrated on.

Resources are dealt into two halves by their requests (largest first, to the half with fewer so
far), so that both serve the same traffic on the same size side by side. A service measured as a
whole has no halves: its even and odd steps stand in for them, which shows how it moves with time
but not how two instances differ, so that automatic mode is not granted on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.model.servicepast import MINUTE_S, ServicePast
from rightsizing.model.verdict import Metric
from rightsizing.rollout.judge.likelihood import FloatArray
from rightsizing.rollout.judge.noise import CountHistory

EVERY_STEP = slice(None)
_COUNTS = {Metric.ERRORS: "errors", Metric.SLOW: "slow"}
_GAUGES = {Metric.LATENCY_P99: "latency_p99_ms", Metric.LATENCY_MEAN: "latency_mean_ms"}


@dataclass(frozen=True, slots=True)
class ArmsPast:
    """Histories of both arms by metric, and why they do not stand for two real arms (if so)."""

    counts: dict[Metric, CountHistory]
    gauges: dict[Metric, FloatArray]
    halves: tuple[tuple[str, ...], tuple[str, ...]]
    stand_in: tuple[str, ...] = ()

    @property
    def is_real(self) -> bool:
        """Whether the noise found is that of two arms, a minute a look."""
        return not self.stand_in


def arms_of(past: ServicePast) -> ArmsPast:
    """Two equal arms of a service's past, for every metric that was measured."""
    stand_in = []
    if past.step_s != MINUTE_S:
        stand_in.append(
            f"its past is of {past.step_s} s steps, and a rollout is judged by steps of "
            f"{MINUTE_S} s"
        )
    if len(past.resources) > 1:
        first, second = _halves(past)
    else:
        first = second = np.array([0])
        stand_in.append(
            "its past is of one resource, which does not show how two differ; measure it by "
            "instance or zone"
        )
    arms = (_Arm(past, first, EVERY_STEP), _Arm(past, second, EVERY_STEP))
    if len(past.resources) == 1:
        whole = past.steps // 2 * 2
        arms = (_Arm(past, first, slice(0, whole, 2)), _Arm(past, second, slice(1, whole, 2)))
    counts = {
        metric: CountHistory(*arms[0].events(figure), *arms[1].events(figure))
        for metric, figure in _COUNTS.items()
        if past.measured(figure)
    }
    gauges = {
        metric: np.log(arms[0].worst(figure) / arms[1].worst(figure))
        for metric, figure in _GAUGES.items()
        if past.measured(figure)
    }
    names = tuple(tuple(past.resources[int(row)] for row in rows) for rows in (first, second))
    return ArmsPast(counts, gauges, (names[0], names[1]), tuple(stand_in))


@dataclass(frozen=True, slots=True)
class _Arm:
    past: ServicePast
    rows: np.ndarray
    steps: slice

    def events(self, figure: str) -> tuple[FloatArray, FloatArray]:
        """Events and requests of each step; only of resources that reported both."""
        events = getattr(self.past, figure)[self.rows, self.steps]
        requests = self.past.requests[self.rows, self.steps]
        known = np.isfinite(events) & np.isfinite(requests)
        return (
            np.where(known, events, 0.0).sum(axis=0),
            np.where(known, requests, 0.0).sum(axis=0),
        )

    def worst(self, figure: str) -> FloatArray:
        """Highest figure of any resource in each step; NaN: none reported."""
        values = getattr(self.past, figure)[self.rows, self.steps]
        highest: FloatArray = np.max(np.where(np.isfinite(values), values, -np.inf), axis=0)
        return np.where(np.isfinite(highest), highest, np.nan)


def _halves(past: ServicePast) -> tuple[np.ndarray, np.ndarray]:
    totals = np.nansum(past.requests, axis=1)
    halves: tuple[list[int], list[int]] = ([], [])
    served = [0.0, 0.0]
    for row in np.argsort(-totals, kind="stable"):
        lighter = int(served[1] < served[0])
        halves[lighter].append(int(row))
        served[lighter] += float(totals[row])
    if not halves[1]:  # all but one never served
        halves[1].append(halves[0].pop())
    return np.array(sorted(halves[0])), np.array(sorted(halves[1]))
