"""The policies a choice is made among, and their capacity by the clock, learnt honestly.

A timetable fits the days it was learnt from better than the next ones. A candidate is therefore
judged with timetables that have not seen the day they serve: the days are cut into blocks, and
each block is served by what the others taught. The policy that is handed out has learnt from all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.floors import (
    EVERY_DAY,
    WORKDAYS,
    Timetable,
    TimetableSpec,
    learn_timetables,
    predicted_floors,
)
from rightsizing.decide.autoscaling.load import MINUTES_PER_DAY, Load
from rightsizing.decide.autoscaling.policies import (
    SLOT_MINUTES,
    ClockPolicy,
    Floors,
    HpaPolicy,
    Platform,
    Policy,
    TrackingPolicy,
    ec2_tracking,
    ecs_tracking,
)

TARGETS = tuple(step / 100 for step in (*range(20, 60, 5), *range(60, 90, 2)))
FEW_TARGETS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85)
QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
PERIODS_MINUTES = (15, 30, 60, 120, 240)
WEEKS_TO_TELL_WEEKENDS = 2
BLOCKS = 5
# Amazon EC2 Auto Scaling quotas: scheduled actions of a group; ECS allows 200 a target.
MOST_SCHEDULED_ACTIONS = 125
HEADROOM = 1.25  # of the maximum over the largest need seen: what nobody has seen yet


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy to try: ``target`` None means the clock alone; floors come from at most one source.

    ``instances`` is the number of a fixed fleet; then nothing else is set.
    """

    target: float | None
    timetable: TimetableSpec | None = None
    forecast_target: float | None = None
    instances: int | None = None

    @property
    def kind(self) -> str:
        """Mechanisms in use, in words."""
        if self.instances is not None:
            return "static"
        floors = ""
        if self.timetable is not None:
            single = self.timetable.period_minutes == MINUTES_PER_DAY
            floors = "minimum" if single else "schedule"
        elif self.forecast_target is not None:
            floors = "predictive"
        parts = ["" if self.target is None else "target tracking", floors]
        return " + ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all candidates.

    ``capacity``: load one instance carries at 100 %, in the load's unit. ``warmup_minutes`` is of
    EC2 target tracking.
    """

    platform: Platform
    environment: Environment
    capacity: float
    least: int
    most: int
    warmup_minutes: int

    @property
    def usable(self) -> float:
        """Load one instance may carry."""
        return self.capacity * self.environment.full

    @property
    def lead_minutes(self) -> int:
        """How long before its period scheduled capacity is asked for, on the grid of floors."""
        return -(-self.environment.launch_minutes // SLOT_MINUTES) * SLOT_MINUTES


def candidates(load: Load, setting: Setting) -> tuple[Candidate, ...]:
    """Everything worth a replay, the simplest first."""
    found = [Candidate(None, instances=number) for number in _static_numbers(load, setting)]
    specs = _specs(load)
    if load.by_clock_only:
        return (*found, *(Candidate(None, spec) for spec in specs))
    found += [Candidate(target) for target in TARGETS]
    found += [
        Candidate(target, TimetableSpec(EVERY_DAY, MINUTES_PER_DAY, quantile))
        for target in FEW_TARGETS
        for quantile in QUANTILES[:-2]
    ]
    found += [Candidate(target, spec) for spec in specs for target in (None, *FEW_TARGETS)]
    if setting.platform is not Platform.KUBERNETES:  # no such thing there
        found += [
            Candidate(target, None, forecast)
            for forecast in TARGETS[::2]
            for target in (0.5, 0.6, 0.7, 0.8)
        ]
    return tuple(found)


def most_needed(load: Load, usable: float) -> int:
    """A maximum with headroom over the largest need seen."""
    return int(np.ceil(float(np.nanmax(load.values)) / usable * HEADROOM))


class Workbench:
    """Policies of candidates over one load: cross-learnt to judge them, or learnt from all days."""

    def __init__(self, load: Load, setting: Setting, tried: Sequence[Candidate]) -> None:
        self.load = load
        self.setting = setting
        specs = sorted(
            {item.timetable for item in tried if item.timetable is not None},
            key=lambda spec: (spec.groups, spec.period_minutes, spec.quantile),
        )
        self._whole = self._learn(specs, None)
        block_of = np.minimum(np.arange(load.days) * BLOCKS // load.days, BLOCKS - 1)
        blocks = [block_of == number for number in range(BLOCKS) if (block_of == number).any()]
        self._cross = [(block, self._learn(specs, block)) for block in blocks]

    def judged(self, candidate: Candidate) -> Policy:
        """To be replayed over the load it is chosen on."""
        floors = None
        if candidate.timetable is not None:
            floors = self._cross_floors(candidate.timetable)
        return self._policy(candidate, floors, self.load)

    def chosen(self, candidate: Candidate, load: Load) -> Policy:
        """Learnt from all days, over another load (which begins on the same day)."""
        table = self.timetable(candidate)
        floors = None
        if table is not None:
            floors = table.floors(load, self.setting.lead_minutes, str(candidate.timetable))
        return self._policy(candidate, floors, load)

    def timetable(self, candidate: Candidate) -> Timetable | None:
        """What the clock of a candidate asks for, learnt from all days."""
        return None if candidate.timetable is None else self._whole[candidate.timetable]

    def feasible(self, candidate: Candidate) -> bool:
        """Whether AWS lets a group have that many scheduled actions."""
        table = self.timetable(candidate)
        return table is None or table.actions <= MOST_SCHEDULED_ACTIONS

    def _learn(
        self, specs: Sequence[TimetableSpec], without: np.ndarray | None
    ) -> dict[TimetableSpec, Timetable]:
        setting = self.setting
        return learn_timetables(
            self.load,
            specs,
            capacity=setting.usable,
            least=setting.least,
            most=setting.most,
            without=without,
        )

    def _cross_floors(self, spec: TimetableSpec) -> Floors:
        slots = MINUTES_PER_DAY // SLOT_MINUTES
        least = np.zeros(self.load.days * slots)
        for block, tables in self._cross:
            own = tables[spec].floors(self.load, self.setting.lead_minutes, "")
            inside = np.repeat(block, slots)
            least[inside] = own.least[inside]
        return Floors(least, str(spec))

    def _policy(self, candidate: Candidate, floors: Floors | None, load: Load) -> Policy:
        setting = self.setting
        if candidate.instances is not None:
            return ClockPolicy(candidate.instances, candidate.instances)
        if candidate.forecast_target is not None:
            floors = predicted_floors(
                load,
                capacity=setting.capacity,
                target=candidate.forecast_target,
                lead_minutes=setting.lead_minutes,
                label="predictive",
            )
        if candidate.target is None:
            return ClockPolicy(setting.least, setting.most, floors)
        return tracking_policy(setting, candidate.target, floors)


def tracking_policy(
    setting: Setting, target: float, floors: Floors | None = None
) -> TrackingPolicy | HpaPolicy:
    """The platform's own dynamic scaling at its defaults."""
    if setting.platform is Platform.KUBERNETES:
        return HpaPolicy(setting.least, setting.most, target, floors=floors)
    if setting.platform is Platform.ECS:
        return ecs_tracking(setting.least, setting.most, target, floors)
    policy = ec2_tracking(setting.least, setting.most, target, floors)
    return replace(policy, warmup_minutes=setting.warmup_minutes)


def _specs(load: Load) -> list[TimetableSpec]:
    layouts: list[tuple[tuple[int, ...], ...]] = [EVERY_DAY]
    if load.days >= WEEKS_TO_TELL_WEEKENDS * 7:
        layouts.append(WORKDAYS)
    periods = [minutes for minutes in PERIODS_MINUTES if minutes * 60 >= load.step_s]
    return [
        TimetableSpec(groups, period, quantile)
        for groups in layouts
        for period in periods
        for quantile in QUANTILES
    ]


def _static_numbers(load: Load, setting: Setting) -> list[int]:
    known = load.values[np.isfinite(load.values)]
    shares = [0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 1.0]
    needs = np.ceil(np.quantile(known, shares, method="higher") / setting.usable - 1e-9)
    top = int(needs[-1])
    near = {*needs.astype(int), *range(int(needs[2]), top + 1)} if top <= 200 else set(needs)
    numbers = {min(max(int(value), setting.least, 1), setting.most) for value in near}
    return sorted({*numbers, setting.most})
