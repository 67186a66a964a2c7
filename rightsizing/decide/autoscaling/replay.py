"""Replay of many policies over one load, a minute at a time, exact and fast.

A year has 525,600 minutes, and each depends on the one before. The load is therefore cut into
stretches that run side by side, each from a guess a day earlier. Policies forget their past within
hours, so a stretch mostly begins in the very state in which the stretch before it ended; where it
did not, it is run again from that state, until every joint fits. The result is that of one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.horizontal import HpaMachine
from rightsizing.decide.autoscaling.lanes import (
    FloatArray,
    IntArray,
    Machine,
    MinuteFigures,
    agreement,
    cut,
    paste,
)
from rightsizing.decide.autoscaling.load import MINUTES_PER_DAY, Load
from rightsizing.decide.autoscaling.policies import SLOT_MINUTES, HpaPolicy, Policy
from rightsizing.decide.autoscaling.tracking import TrackingMachine

SLOTS_PER_DAY = MINUTES_PER_DAY // SLOT_MINUTES
LANES = 8192  # side by side: enough that numpy's cost a call no longer counts
LEAST_STRETCH_DAYS = 3  # a day of run-up costs at most a third more

FIGURES = 6  # summed by day, in the order of ``Replay``
ReplayListener = Callable[[int, int], None]  # minutes done, minutes in all


@dataclass(frozen=True, slots=True)
class Replay:
    """What each policy came to on each day: arrays of shape (policies, days).

    ``instance_minutes`` paid; ``short_minutes``: minutes with demand above capacity;
    ``excess``: demand above capacity, in load units times minutes; ``starts``: instances started.
    ``minutes`` and ``demand`` of shape (days,): measured minutes, and load times minutes.
    ``pooled_minutes`` and ``surplus_credits`` are 0 without a warm pool or credits.
    """

    instance_minutes: FloatArray
    short_minutes: FloatArray
    excess: FloatArray
    starts: FloatArray
    pooled_minutes: FloatArray
    surplus_credits: FloatArray
    minutes: FloatArray
    demand: FloatArray

    def of_days(self, first: int, last: int) -> Replay:
        """Days ``first`` to ``last`` - 1."""
        own = slice(first, last)
        return Replay(
            *(
                getattr(self, name)[..., own]
                for name in (
                    "instance_minutes",
                    "short_minutes",
                    "excess",
                    "starts",
                    "pooled_minutes",
                    "surplus_credits",
                    "minutes",
                    "demand",
                )
            )
        )

    def mean_instances(self) -> FloatArray:
        """Instances paid for on average over measured minutes, shape (policies,)."""
        total: FloatArray = self.instance_minutes.sum(axis=1) / max(self.minutes.sum(), 1.0)
        return total

    def short_share(self) -> FloatArray:
        """Share of measured minutes with demand above capacity, shape (policies,)."""
        share: FloatArray = self.short_minutes.sum(axis=1) / max(self.minutes.sum(), 1.0)
        return share

    def excess_share(self) -> FloatArray:
        """Share of the load that came while there was no capacity for it, shape (policies,)."""
        share: FloatArray = self.excess.sum(axis=1) / max(self.demand.sum(), 1e-300)
        return share


def replay(
    load: Load,
    policies: Sequence[Policy],
    environment: Environment,
    *,
    capacity: float,
    progress: ReplayListener | None = None,
) -> Replay:
    """Replay policies over a load.

    Args:
        load: by the minute; minutes that were not measured trigger nothing and count for nothing.
        policies: any mix.
        environment: what surrounds all of them.
        capacity: load that one instance carries at 100 %, in the load's unit.
        progress: told about minutes done.
    """
    demand = load.values / capacity
    figures = _Figures(len(policies), load.days)
    groups = _groups(policies)
    for number, (members, build) in enumerate(groups):
        own = [policies[index] for index in members]
        run = _Run(demand, load.days, own, build=build, environment=environment)
        listener = None if progress is None else _shifted(progress, number, len(groups))
        figures.take(np.array(members), run.complete(listener))
    measured = np.isfinite(load.values).reshape(load.days, MINUTES_PER_DAY)
    return Replay(
        instance_minutes=figures.values[0],
        short_minutes=figures.values[1],
        excess=figures.values[2] * capacity,
        starts=figures.values[3],
        pooled_minutes=figures.values[4],
        surplus_credits=figures.values[5],
        minutes=measured.sum(axis=1).astype(np.float64),
        demand=np.nansum(load.values.reshape(load.days, MINUTES_PER_DAY), axis=1),
    )


@dataclass(frozen=True, slots=True)
class Trace:
    """One policy minute by minute, arrays of shape (minutes,): instances paid for and serving,
    share of the minute in which demand was above capacity."""

    billed: FloatArray
    serving: FloatArray
    short: FloatArray


def trace(load: Load, policy: Policy, environment: Environment, *, capacity: float) -> Trace:
    """Replay one policy in a single pass and keep every minute."""
    build = _groups([policy])[0][1]
    run = _Run(
        load.values / capacity,
        load.days,
        [policy],
        build=build,
        environment=environment,
        stretches=1,
    )
    minutes = [
        (float(figures.billed[0]), float(figures.serving[0]), float(figures.short[0]))
        for figures in run.minutes()
    ]
    billed, serving, short = (np.array(column) for column in zip(*minutes, strict=True))
    return Trace(billed, serving, short)


Builder = Callable[[Sequence[Any], Environment], Machine]


def _groups(policies: Sequence[Policy]) -> list[tuple[list[int], Builder]]:
    """Policies that one machine can run together."""
    found: dict[tuple[str, int], list[int]] = {}
    for index, policy in enumerate(policies):
        kind = ("hpa", policy.stabilisation_s) if isinstance(policy, HpaPolicy) else ("alarms", 0)
        found.setdefault(kind, []).append(index)
    builders: dict[str, Builder] = {"hpa": HpaMachine, "alarms": TrackingMachine}
    return [(members, builders[kind]) for (kind, _), members in found.items()]


def _shifted(progress: ReplayListener, number: int, groups: int) -> ReplayListener:
    return lambda done, total: progress(number * total + done, groups * total)


class _Figures:
    """Sums by day: array of shape (figures, policies, days)."""

    def __init__(self, policies: int, days: int) -> None:
        self.values = np.zeros((FIGURES, policies, days))

    def take(self, members: IntArray, values: NDArray[np.float64]) -> None:
        self.values[:, members] = values


class _Run:
    """One machine over one load, in stretches."""

    def __init__(
        self,
        demand: FloatArray,
        days: int,
        policies: Sequence[Policy],
        *,
        build: Builder,
        environment: Environment,
        stretches: int | None = None,
    ) -> None:
        self._policies = len(policies)
        self._days = days
        if stretches is None:
            stretches = max(min(LANES // max(self._policies, 1), days // LEAST_STRETCH_DAYS), 1)
        self._stretch_days = -(-days // stretches)
        self._stretches = -(-days // self._stretch_days)
        # A day of run-up before the first stretch, and nothing measured after the last.
        padded = np.full((1 + self._stretches * self._stretch_days) * MINUTES_PER_DAY, np.nan)
        padded[MINUTES_PER_DAY : MINUTES_PER_DAY + len(demand)] = demand
        self._demand = padded
        least = np.zeros((self._policies, len(padded) // SLOT_MINUTES + 1))
        for row, policy in enumerate(policies):
            if policy.floors is not None:
                least[row, SLOTS_PER_DAY : SLOTS_PER_DAY + len(policy.floors.least)] = (
                    policy.floors.least
                )
        self._floors = np.ascontiguousarray(least.T)
        self._policy_of = np.repeat(np.arange(self._policies), self._stretches)
        self._stretch_of = np.tile(np.arange(self._stretches), self._policies)
        self._machine = build([policies[int(index)] for index in self._policy_of], environment)

    def complete(self, progress: ReplayListener | None) -> NDArray[np.float64]:
        """Figures of shape (figures, policies, days)."""
        lanes = np.arange(len(self._policy_of))
        state: Any = self._at_start(lanes, 0)
        if self._stretches > 1:
            self._advance(state, lanes, range(MINUTES_PER_DAY), None, progress)
        first = np.flatnonzero(self._stretch_of == 0)
        paste(state, first, cut(self._at_start(lanes, MINUTES_PER_DAY), first))
        begun = cut(state, lanes)
        main = range(MINUTES_PER_DAY, (1 + self._stretch_days) * MINUTES_PER_DAY)
        sums = np.zeros((FIGURES, len(lanes), self._stretch_days))
        self._advance(state, lanes, main, sums, progress)
        follower = np.flatnonzero(self._stretch_of > 0)
        for _ in range(self._stretches):
            again = follower[~agreement(cut(begun, follower), cut(state, follower - 1))]
            if not len(again):
                break
            corrected = cut(state, again - 1)
            paste(begun, again, corrected)
            part = np.zeros((FIGURES, len(again), self._stretch_days))
            self._advance(corrected, again, main, part, None)
            paste(state, again, corrected)
            sums[:, again] = part
        whole = sums.reshape(FIGURES, self._policies, self._stretches * self._stretch_days)
        return whole[:, :, : self._days]

    def minutes(self) -> Iterator[MinuteFigures]:
        """Every minute of a run in one stretch."""
        lanes = np.arange(self._policies)
        state: Any = self._at_start(lanes, MINUTES_PER_DAY)
        for minute in range(MINUTES_PER_DAY, (1 + self._days) * MINUTES_PER_DAY):
            demand = np.repeat(self._demand[minute], self._policies)
            floor = self._floors[(minute + 1) // SLOT_MINUTES]
            yield self._machine.advance(state, demand, floor)

    def _at_start(self, lanes: IntArray, minute: int) -> object:
        offset = self._stretch_of[lanes] * self._stretch_days * MINUTES_PER_DAY + minute
        floor = self._floors[offset // SLOT_MINUTES, self._policy_of[lanes]]
        return self._machine.at_start(self._demand[offset], floor)

    def _advance(
        self,
        state: Any,
        lanes: IntArray,
        minutes: range,
        sums: NDArray[np.float64] | None,
        progress: ReplayListener | None,
    ) -> None:
        """Run some lanes through ``minutes`` of their stretches (0 is a day before each)."""
        whole = len(lanes) == len(self._policy_of)
        machine = self._machine if whole else self._machine.of_lanes(lanes)
        stretch, policy = self._stretch_of[lanes], self._policy_of[lanes]
        offsets = np.arange(self._stretches) * self._stretch_days * MINUTES_PER_DAY
        floor = self._floors[(offsets[stretch] + minutes.start) // SLOT_MINUTES, policy]
        day_sums = np.zeros((FIGURES, len(lanes)))
        for minute in minutes:
            if (minute + 1) % SLOT_MINUTES == 0:
                floor = self._floors[(offsets[stretch] + minute + 1) // SLOT_MINUTES, policy]
            demand = self._demand[offsets + minute][stretch]
            figures = machine.advance(state, demand, floor)
            if sums is not None:
                _add(day_sums, figures, demand)
                if (minute + 1) % MINUTES_PER_DAY == 0:
                    sums[:, :, minute // MINUTES_PER_DAY - 1] = day_sums
                    day_sums[:] = 0.0
            if progress is not None and minute % MINUTES_PER_DAY == 0:
                progress(minute, (1 + self._stretch_days) * MINUTES_PER_DAY)


def _add(sums: NDArray[np.float64], figures: MinuteFigures, demand: FloatArray) -> None:
    known = ~np.isnan(demand)
    sums[0] += figures.billed * known
    sums[1] += figures.short
    sums[2] += figures.excess
    sums[3] += figures.started
    if figures.pooled is not None:
        sums[4] += figures.pooled * known
    if figures.surplus is not None:
        sums[5] += figures.surplus
