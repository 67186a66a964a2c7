"""Our own rule for EC2 types as the back-test replays it: reviewed every day, moved when it pays.

The rule chooses among the types themselves (``decide.typesteps``) instead of rounding a limit up to
one. What it proposes is a type for each type that may be in force, so hysteresis is a look-up: a
type that is tolerated stays until another saves ``MINIMUM_SAVING_RATIO`` of its cost, shortage
included; one that was exceeded, or that memory came near to filling, is left the next day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.ours import LEAST_DAYS, Reading, Readings
from rightsizing.backtest.rule import Limits, proposed_or_kept
from rightsizing.backtest.series import DemandSeries
from rightsizing.decide.cpu import targets_of
from rightsizing.decide.memory import ALARM_RATIO, MINIMUM_DAYS
from rightsizing.decide.policy import SizingPolicy
from rightsizing.decide.risk import Risk
from rightsizing.decide.typesteps import (
    PricedShortage,
    StepNeeds,
    best_steps,
    next_steps,
    step_costs,
)
from rightsizing.model.base import NoData
from rightsizing.model.cpudays import IntArray
from rightsizing.profile.daytable import DayTable

MINIMUM_SAVING_RATIO = SizingPolicy().minimum_saving_ratio


@dataclass(frozen=True, slots=True)
class ProposedType(Limits):
    """The type to start with, as limits, and what follows each type of the table."""

    following: tuple[int, ...] = ()  # by place of the type in force; empty: nothing is proposed


@dataclass(frozen=True, slots=True)
class TypeRule:
    """Types at one risk."""

    risk: Risk
    types: TypeTable
    label: str = ""
    readings: Readings = field(default_factory=Readings, compare=False, repr=False)

    @property
    def name(self) -> str:
        """``ours-`` and the preset's name or the percentage of time."""
        return f"ours-{self.label or f'{self.risk.short_ratio * 100:g}pct'}"

    @property
    def description(self) -> str:
        """What the rule computes."""
        return (
            f"cheapest type by price and priced shortage, short at most "
            f"{self.risk.short_ratio:.2%} of time"
        )

    @property
    def source(self) -> str:
        """Where the rule is published."""
        return "rightsizing.decide.typesteps"

    @property
    def review_days(self) -> int:
        """Daily, as an exceeded type is left the next day."""
        return 1

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Types from the past alone, in the order given."""
        table = day_table_of(past)
        row_of = {key: row for row, key in enumerate(table.workloads)}
        found = self.propose_from(table)
        return tuple(found[row_of[series.workload]] for series in past)

    def propose_from(self, past: DayTable) -> tuple[Limits, ...]:
        """Types of every workload of the table, in its order."""
        reading, steps = self.readings.of(past), self.types.steps
        needs = self._needs(reading, past)
        costs = step_costs(PricedShortage.of(reading.demand, self.risk), steps)
        first = best_steps(costs, steps, needs)
        following: IntArray = next_steps(
            costs, steps, needs, minimum_saving_ratio=MINIMUM_SAVING_RATIO
        )
        measured = np.count_nonzero(past.cpu_samples, axis=1)
        return tuple(
            self._proposed(int(first[row]), following[row])
            if measured[row] >= LEAST_DAYS
            else _abstained(int(measured[row]))
            for row in range(len(past.workloads))
        )

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Look up what follows the type in force; the first type where none is."""
        if not isinstance(proposed, ProposedType) or not proposed.following:
            return proposed_or_kept(current, proposed)
        cores, memory = current.cpu_cores, current.memory_bytes
        if isinstance(cores, NoData) or isinstance(memory, NoData):
            return proposed
        place = self.types.place_of(cores, memory)
        return proposed if place is None else self._sized(proposed.following[place])

    def _needs(self, reading: Reading, past: DayTable) -> StepNeeds:
        cpu = targets_of(reading.demand, reading.cpu, self.risk)
        memory = reading.memory_targets(self.risk)
        is_measured = np.isfinite(memory.target_bytes)
        # Memory that was not measured must stay as large as it is.
        capacity = np.nan_to_num(past.memory_capacity_bytes, nan=0.0)
        tolerated = np.fmin(memory.target_bytes, memory.last_day_max_bytes / ALARM_RATIO)
        return StepNeeds(
            least_cores=PricedShortage.of(reading.demand, self.risk).least_cores,
            tolerated_cores=np.fmax(
                cpu.lower_cores, np.fmin(cpu.last_day_max_cores, cpu.target_cores)
            ),
            memory_bytes=np.where(is_measured, memory.target_bytes, capacity),
            tolerated_bytes=np.where(is_measured, np.fmax(memory.lower_bytes, tolerated), capacity),
            may_lower_memory=~is_measured
            | ((memory.measured_days >= MINIMUM_DAYS) & ~memory.is_moving),
        )

    def _proposed(self, first: int, following: IntArray) -> ProposedType:
        start = self._sized(first)
        return ProposedType(start.cpu_cores, start.memory_bytes, tuple(following.tolist()))

    def _sized(self, place: int) -> Limits:
        return Limits(float(self.types.cores[place]), float(self.types.memory_bytes[place]))


def _abstained(days: int) -> Limits:
    missing = NoData(f"{days} days of CPU; {LEAST_DAYS} are needed")
    return Limits(missing, missing)
