"""Kubernetes' HorizontalPodAutoscaler in ticks of 15 seconds, many policies at once.

The rule is the controller's (kubernetes/kubernetes, pkg/controller/podautoscaler): the answer is
the ready pods times metric over target, rounded up, and nothing within the tolerance; pods that are
not ready yet count as idle when the answer is to grow, and if that turns the answer around nothing
happens. Answers of the stabilisation window are remembered before limits; scaling down takes the
largest of them. Work beyond capacity is not carried over. Pods that serve are ended before pods
that still start; the controller does it the other way round, which differs only when a scale-down
meets pods younger than the launch delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.lanes import FloatArray, IntArray, MinuteFigures
from rightsizing.decide.autoscaling.policies import HpaPolicy
from rightsizing.decide.autoscaling.tracking import ROUNDING
from rightsizing.errors import ConfigError

TICK_SECONDS = 15
TICKS = 60 // TICK_SECONDS


@dataclass(slots=True)
class HpaState:
    """Arrays of shape (lanes,). Queues are in ticks, the next one first.

    ``window`` holds running maxima of answers over 1, 2, 4 ... ticks (see ``_Window``).
    """

    total: FloatArray
    serving: FloatArray
    floor: FloatArray
    arriving: list[FloatArray]
    metrics: list[FloatArray]
    window: list[FloatArray]


class HpaMachine:
    """Lanes of HpaPolicy in one environment. All share one stabilisation window."""

    def __init__(self, policies: Sequence[HpaPolicy], environment: Environment) -> None:
        if environment.burst is not None or environment.warm_pool is not None:
            raise ConfigError("pods have no CPU credits and no warm pool; leave them out")
        self._policies = list(policies)
        self._env = environment
        self._minimum = np.array([float(item.minimum) for item in policies])
        self._maximum = np.array([float(item.maximum) for item in policies])
        self._target = np.array([item.target for item in policies])
        self._tolerance = np.array([item.tolerance for item in policies])
        self._up_factor = np.array([1.0 + item.up_percent / 100.0 for item in policies])
        self._up_pods = np.array([float(item.up_pods) for item in policies])
        self._down_factor = np.array([1.0 - item.down_percent / 100.0 for item in policies])
        spans = {item.stabilisation_s // TICK_SECONDS for item in policies}
        if len(spans) > 1:
            raise ConfigError("policies replayed together have one stabilisation window")
        self._window = _Window(max(spans.pop() if spans else 1, 1))
        self._delay = environment.launch_minutes * TICKS

    def of_lanes(self, lanes: IntArray) -> Self:
        """The same mechanism for some of the lanes."""
        return type(self)([self._policies[lane] for lane in lanes], self._env)

    def at_start(self, demand: FloatArray, floor: FloatArray) -> HpaState:
        """What the policy would hold in steady state at the first minute's demand, all ready."""
        wanted = np.ceil(np.nan_to_num(demand) / self._target - ROUNDING)
        total = np.minimum(np.maximum(np.maximum(wanted, floor), self._minimum), self._maximum)
        nothing = np.zeros_like(total)
        return HpaState(
            total=total,
            serving=total.copy(),
            floor=np.array(floor, dtype=np.float64),
            arriving=[nothing.copy() for _ in range(self._delay + 1)],
            metrics=[np.full_like(total, np.nan) for _ in range(self._env.metric_minutes * TICKS)],
            window=self._window.filled(total),
        )

    def advance(self, state: HpaState, demand: FloatArray, floor_next: FloatArray) -> MinuteFigures:
        """Serve one minute in four ticks; the next minute's floor is decided with in the last."""
        parts = []
        for tick in range(TICKS):
            if tick == TICKS - 1:
                state.floor = floor_next.copy()
            parts.append(self._tick(state, demand, state.floor))
        return MinuteFigures(
            billed=_sum([part.billed for part in parts]) / TICKS,
            serving=_sum([part.serving for part in parts]) / TICKS,
            short=_sum([part.short for part in parts]) / TICKS,
            excess=_sum([part.excess for part in parts]) / TICKS,
            started=_sum([part.started for part in parts]),
        )

    def _tick(self, state: HpaState, demand: FloatArray, floor: FloatArray) -> MinuteFigures:
        arrived = state.arriving.pop(0)
        state.arriving.append(np.zeros_like(arrived))
        state.serving = state.serving + arrived
        capacity = state.serving * self._env.full
        excess = demand - capacity
        short = np.asarray(excess > ROUNDING * np.maximum(capacity, 1.0), dtype=float)
        figures = MinuteFigures(
            state.total, state.serving, short, np.fmax(excess, 0.0) * short, state.total
        )
        metric = np.minimum(demand / np.maximum(state.serving, 1.0), self._env.metric_ceiling)
        metric[state.serving <= 0] = np.nan
        state.metrics.append(metric)
        answer = self._answer(state, state.metrics.pop(0))
        wanted = self._limited(state, self._window.pushed(state.window, answer), answer)
        np.minimum(np.maximum(np.maximum(wanted, floor), self._minimum), self._maximum, out=wanted)
        change = wanted - state.total
        figures.started = np.maximum(change, 0.0)
        ended = np.minimum(np.maximum(-change, 0.0), state.serving)
        state.total = state.total + (figures.started - ended)
        state.serving = state.serving - ended
        state.arriving[self._delay] += figures.started
        return figures

    def _answer(self, state: HpaState, metric: FloatArray) -> FloatArray:
        """Pods the metric asks for, before any limit; the present number without a metric."""
        ratio = metric / self._target
        starting = state.total > state.serving
        growing = ratio > 1.0
        asked = state.serving * ratio
        # Growing while pods start: spread over all pods, those that start being idle.
        spread = asked / np.maximum(state.total, 1.0)
        judged = np.where(starting & growing, spread, ratio)
        answer = np.ceil(asked - ROUNDING)
        keep = (np.abs(judged - 1.0) <= self._tolerance + ROUNDING) | np.isnan(ratio)
        keep |= starting & growing & ((spread < 1.0) | (answer < state.total))
        return np.where(keep, state.total, answer)

    def _limited(self, state: HpaState, largest: FloatArray, answer: FloatArray) -> FloatArray:
        """The answer after stabilisation (down only) and the limits on each tick's change."""
        total = state.total
        stable = np.where(answer < total, np.minimum(largest, total), answer)
        most = np.maximum(np.ceil(total * self._up_factor - ROUNDING), total + self._up_pods)
        least = np.floor(total * self._down_factor + ROUNDING)
        limited: FloatArray = np.where(
            stable > total, np.minimum(stable, most), np.maximum(stable, least)
        )
        return limited


def _sum(parts: Sequence[FloatArray]) -> FloatArray:
    total: FloatArray = parts[0] + parts[1]
    for part in parts[2:]:
        total += part
    return total


class _Window:
    """Largest of the last ``span`` values by doubling: maxima over 2^k ticks, each from two halves.

    ``values`` holds, level by level, the last 2^k maxima over 2^k ticks, then what of the widest
    level the remainder of the span needs.
    """

    def __init__(self, span: int) -> None:
        self._levels = []
        width = 1
        while width * 2 <= span:
            self._levels.append(width)
            width *= 2
        self._rest = span - width

    def filled(self, value: FloatArray) -> list[FloatArray]:
        """As if ``value`` had been pushed for ever."""
        return [value.copy() for _ in range(sum(self._levels) + self._rest)]

    def pushed(self, values: list[FloatArray], newest: FloatArray) -> FloatArray:
        """Push a value; return the largest of the last ``span``, the new one included."""
        start = 0
        largest = newest
        for width in self._levels:
            before = values.pop(start)
            values.insert(start + width - 1, largest)
            largest = np.maximum(largest, before)
            start += width
        if self._rest:
            before = values.pop(start)
            values.append(largest)
            largest = np.maximum(largest, before)
        return largest
