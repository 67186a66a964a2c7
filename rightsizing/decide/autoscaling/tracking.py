"""Target tracking, step scaling and fixed or scheduled capacity, minute by minute, many at once.

The order within a minute: instances launched ``launch_minutes`` ago begin to serve; the minute's
load is served and its metric published; alarms look at the newest datapoint that has arrived; the
decision starts or ends instances before the next minute. While an alarm stays on, its action is
taken again every minute (CloudWatch: alarm actions of Auto Scaling). Only instances that have
warmed up are ended. Work beyond capacity is not carried over.

Proportional answers are rounded up, out and in alike: scaling in never goes below what keeps the
metric at or under the target (EC2 and Application Auto Scaling guides).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.lanes import FloatArray, IntArray, MinuteFigures
from rightsizing.decide.autoscaling.policies import ClockPolicy, Step, TrackingPolicy
from rightsizing.model.shape import CreditMode

# ceil(3 * 0.2 / 0.3) must be 2, not 3: quotients are computed to about 1e-15.
ROUNDING = 1e-9


@dataclass(slots=True)
class TrackingState:
    """Arrays of shape (lanes,). ``total``: launching, warming and counted instances together.

    Queues hold what becomes of use in the next minutes. ``high`` and ``low`` count datapoints
    beyond the thresholds, up to what the alarms need.
    """

    total: FloatArray
    serving: FloatArray
    counted: FloatArray
    high: FloatArray
    low: FloatArray
    cooldown: FloatArray
    arriving: list[FloatArray]
    warming: list[FloatArray]
    metrics: list[FloatArray]
    pool: list[FloatArray]  # ready ones first, then what is being prepared; empty without a pool
    credits: list[FloatArray]  # mean balance of an instance, vCPU-minutes; empty without credits


class TrackingMachine:
    """Lanes of TrackingPolicy and ClockPolicy in one environment."""

    def __init__(
        self, policies: Sequence[TrackingPolicy | ClockPolicy], environment: Environment
    ) -> None:
        self._policies = list(policies)
        self._env = environment
        tracked = [item if isinstance(item, TrackingPolicy) else None for item in policies]

        def column(name: str, otherwise: float) -> FloatArray:
            return np.array(
                [otherwise if item is None else float(getattr(item, name)) for item in tracked]
            )

        self._minimum = np.array([float(item.minimum) for item in policies])
        self._maximum = np.array([float(item.maximum) for item in policies])
        self._target = column("target", 1.0)
        self._threshold = np.where(
            [item is None for item in tracked], np.inf, self._target
        )  # no alarm: nothing is above it
        self._low = column("low_ratio", 0.0) * self._target
        self._low[[item is None or not item.scales_in for item in tracked]] = -np.inf
        self._out_minutes = column("out_minutes", 1.0)
        self._in_minutes = column("in_minutes", 1.0)
        self._quiet = np.array([item is not None and item.quiet_while_warming for item in tracked])
        self._in_cooldown = column("in_cooldown_minutes", 0.0)
        self._has_cooldown = bool(self._in_cooldown.any())
        self._by_clock = np.array([item is None for item in tracked])
        self._has_clock = bool(self._by_clock.any())
        warmups = column("warmup_minutes", 0.0).astype(int)
        self._longest_warmup = int(warmups.max(initial=0))
        self._warmups = [
            (int(minutes), np.asarray(warmups == minutes, dtype=float))
            for minutes in np.unique(warmups)
        ]
        self._steps = _StepTable.of(tracked)

    def of_lanes(self, lanes: IntArray) -> Self:
        """The same mechanism for some of the lanes."""
        return type(self)([self._policies[lane] for lane in lanes], self._env)

    def at_start(self, demand: FloatArray, floor: FloatArray) -> TrackingState:
        """What the policy would hold in steady state at the first minute's demand, all warm."""
        lanes = len(self._minimum)
        wanted = np.ceil(np.nan_to_num(demand) / self._target - ROUNDING)
        if self._has_clock:
            wanted[self._by_clock] = 0.0
        total = np.minimum(np.maximum(np.maximum(wanted, floor), self._minimum), self._maximum)
        env, nothing = self._env, np.zeros(lanes)
        pool: list[FloatArray] = []
        if env.warm_pool is not None:
            pool = [self._pool_size(total)]
            pool += [nothing.copy() for _ in range(max(env.launch_minutes, 1))]
        return TrackingState(
            total=total,
            serving=total.copy(),
            counted=total.copy(),
            high=nothing.copy(),
            low=nothing.copy(),
            cooldown=nothing.copy(),
            arriving=[nothing.copy() for _ in range(env.launch_minutes + 1)],
            warming=[nothing.copy() for _ in range(self._longest_warmup + 1)],
            metrics=[np.full(lanes, np.nan) for _ in range(env.metric_minutes)],
            pool=pool,
            credits=[] if env.burst is None else [nothing.copy()],
        )

    def advance(
        self, state: TrackingState, demand: FloatArray, floor_next: FloatArray
    ) -> MinuteFigures:
        """Serve one minute, then decide the next. ``demand`` in instances, NaN: not measured."""
        self._arrive(state)
        figures = MinuteFigures(state.total, state.serving, *self._serve(state, demand))
        if state.pool:
            figures.pooled = state.pool[0].copy()
        metric = self._metric(state, demand, figures)
        state.metrics.append(metric)
        wanted = self._decide(state, state.metrics.pop(0))
        if self._has_clock:
            np.copyto(wanted, 0.0, where=self._by_clock)
        np.maximum(wanted, floor_next, out=wanted)
        np.maximum(wanted, self._minimum, out=wanted)
        np.minimum(wanted, self._maximum, out=wanted)
        figures.started = self._move(state, wanted)
        return figures

    def _arrive(self, state: TrackingState) -> None:
        arrived = state.arriving.pop(0)
        state.arriving.append(np.zeros_like(arrived))
        if state.credits:
            held = state.credits[0] * state.serving
            state.credits[0] = held / np.maximum(state.serving + arrived, 1.0)
        state.serving = state.serving + arrived
        if len(self._warmups) == 1:
            state.warming[self._warmups[0][0]] += arrived
        else:
            for minutes, share in self._warmups:
                state.warming[minutes] += arrived * share
        warmed = state.warming.pop(0)
        state.counted = state.counted + warmed
        state.warming.append(np.zeros_like(warmed))
        if state.pool:
            state.pool[0] = state.pool[0] + state.pool.pop(1)
            state.pool.append(np.zeros_like(arrived))

    def _serve(
        self, state: TrackingState, demand: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        capacity = state.serving * self._env.full
        burst = self._env.burst
        if burst is not None and burst.mode is CreditMode.STANDARD:
            terms = burst.terms
            most = (state.credits[0] + terms.earned_per_minute) / terms.vcpus
            capacity = state.serving * np.minimum(most, self._env.full)
        excess = demand - capacity
        # NaN compares false and fmax drops it: a minute nobody measured is not short.
        short = np.asarray(excess > ROUNDING * np.maximum(capacity, 1.0), dtype=float)
        return short, np.fmax(excess, 0.0) * short, np.zeros_like(short)

    def _metric(
        self, state: TrackingState, demand: FloatArray, figures: MinuteFigures
    ) -> FloatArray:
        use = demand / np.maximum(state.serving, 1.0)
        burst = self._env.burst
        if burst is not None:
            use = self._spend(state, use, figures)
        metric = np.minimum(use, self._env.metric_ceiling)
        metric[state.counted <= 0] = np.nan
        return metric

    def _spend(self, state: TrackingState, use: FloatArray, figures: MinuteFigures) -> FloatArray:
        burst = self._env.burst
        assert burst is not None  # the caller asked
        terms = burst.terms
        balance = state.credits[0]
        spent = np.minimum(np.nan_to_num(use), 1.0) * terms.vcpus
        if burst.mode is CreditMode.STANDARD:
            spent = np.minimum(spent, balance + terms.earned_per_minute)
            use = np.where(np.isnan(use), np.nan, spent / terms.vcpus)
            least = 0.0
        else:
            least = -terms.kept_at_most
        after = balance + terms.earned_per_minute - spent
        figures.surplus = np.maximum(least - after, 0.0) * state.serving
        state.credits[0] = np.minimum(np.maximum(after, least), terms.kept_at_most)
        return use

    def _decide(self, state: TrackingState, metric: FloatArray) -> FloatArray:
        """Instances the alarms ask for; the present number where they ask for nothing."""
        state.high = np.minimum((state.high + 1.0) * (metric > self._threshold), self._out_minutes)
        state.low = np.minimum((state.low + 1.0) * (metric < self._low), self._in_minutes)
        out = state.high >= self._out_minutes
        shrink = state.low >= self._in_minutes
        launching = state.total - state.counted
        shrink &= ~(self._quiet & (launching > 0))
        if self._has_cooldown:
            shrink &= state.cooldown <= 0
        answer = np.ceil(state.counted * metric / self._target - ROUNDING)
        more, fewer = answer, answer
        if self._steps is not None:
            more, fewer = self._steps.answers(
                state.counted, metric - self._threshold, self._low - metric, answer
            )
        wanted = np.where(out, np.maximum(state.total, more), state.total)
        wanted = np.where(shrink, np.minimum(state.total, fewer + launching), wanted)
        if self._has_cooldown:
            state.cooldown = np.maximum(state.cooldown - 1.0, 0.0)
            state.cooldown = np.where(wanted < state.total, self._in_cooldown, state.cooldown)
            state.cooldown = np.where(wanted > state.total, 0.0, state.cooldown)
        return wanted

    def _move(self, state: TrackingState, wanted: FloatArray) -> FloatArray:
        change = wanted - state.total
        started = np.maximum(change, 0.0)
        ended = np.minimum(np.maximum(-change, 0.0), state.counted)
        state.total = state.total + (started - ended)
        state.serving = state.serving - ended
        state.counted = state.counted - ended
        pool = self._env.warm_pool
        if pool is None:
            state.arriving[self._env.launch_minutes] += started
            return started
        prepared = np.minimum(started, state.pool[0])
        # Index 0 begins to serve in the next minute.
        state.arriving[pool.launch_minutes] += prepared
        state.arriving[self._env.launch_minutes] += started - prepared
        state.pool[0] = state.pool[0] - prepared
        missing = self._pool_size(state.total) - np.add.reduce(state.pool)
        state.pool[-1] += np.maximum(missing, 0.0)
        state.pool[0] = np.maximum(state.pool[0] + np.minimum(missing, 0.0), 0.0)
        return started

    def _pool_size(self, total: FloatArray) -> FloatArray:
        pool = self._env.warm_pool
        assert pool is not None  # the caller asked
        return np.maximum(pool.prepared - total, float(pool.least))


class _StepTable:
    """Step adjustments of all lanes, padded to the longest list."""

    def __init__(self, tracked: Sequence[TrackingPolicy | None]) -> None:
        self._stepped = np.array([item is not None and bool(item.steps) for item in tracked])
        self._stepped_in = np.array([item is not None and bool(item.steps_in) for item in tracked])
        self._percent = np.array([item is not None and item.percent for item in tracked])
        self._least = np.array(
            [1.0 if item is None else float(item.least_change) for item in tracked]
        )
        self._out = _padded([() if item is None else item.steps for item in tracked])
        self._in = _padded([() if item is None else item.steps_in for item in tracked])

    @classmethod
    def of(cls, tracked: Sequence[TrackingPolicy | None]) -> _StepTable | None:
        """None when no lane has steps."""
        if not any(item is not None and (item.steps or item.steps_in) for item in tracked):
            return None
        return cls(tracked)

    def answers(
        self, counted: FloatArray, above: FloatArray, below: FloatArray, answer: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Capacity asked for by AlarmHigh and by AlarmLow; ``answer`` where a lane has no steps."""
        more = counted + self._change(counted, above, *self._out)
        fewer = counted + self._change(counted, below, *self._in)
        return (
            np.where(self._stepped, more, answer),
            np.where(self._stepped_in, np.maximum(fewer, 0.0), answer),
        )

    def _change(
        self, counted: FloatArray, distance: FloatArray, lower: FloatArray, change: FloatArray
    ) -> FloatArray:
        index = np.sum(distance + ROUNDING >= lower, axis=0) - 1
        found = np.take_along_axis(change, np.maximum(index, 0)[np.newaxis, :], axis=0)[0]
        found = np.where(index >= 0, found, 0.0)
        part = counted * found / 100.0
        whole = np.trunc(part + np.sign(part) * ROUNDING)
        whole = np.where((part != 0) & (np.abs(whole) < 1), np.sign(part), whole)
        whole = np.sign(whole) * np.maximum(np.abs(whole), self._least)
        return np.where(self._percent, whole, found)


def _padded(lists: Sequence[Sequence[Step]]) -> tuple[FloatArray, FloatArray]:
    """Lower bounds and changes, shape (steps, lanes); padding is never reached."""
    longest = max((len(steps) for steps in lists), default=0) or 1
    lower = np.full((longest, len(lists)), np.inf)
    change = np.zeros((longest, len(lists)))
    for lane, steps in enumerate(lists):
        for row, step in enumerate(sorted(steps, key=lambda item: item.lower)):
            lower[row, lane] = step.lower
            change[row, lane] = step.change
    return lower, change
