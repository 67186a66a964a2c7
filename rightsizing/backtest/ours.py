"""Our own rule for limits as the back-test replays it: reviewed every day, lowered once a week.

CPU is raised the day after it was exceeded (or when it is below even the lower bound), memory the
day after a peak came near the limit. Both are lowered on review days only, and only when that frees
enough of the limit to be worth a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.forecast import Forecasts, predicted
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.decide.cpu import WeightedDemand, targets_of, weigh
from rightsizing.decide.memory import (
    ALARM_RATIO,
    HYSTERESIS_RATIO,
    MINIMUM_DAYS,
    MemoryOutlook,
    MemoryTargets,
    fleet_reference_bytes,
    memory_days_of,
)
from rightsizing.decide.regime import cpu_regime
from rightsizing.decide.risk import Risk
from rightsizing.model.base import NoData
from rightsizing.model.cpudays import CpuDays, IntArray
from rightsizing.profile.daytable import DayTable, cpu_days_of

MINIMUM_CHANGE_RATIO = 0.10  # of CPU; smallest reduction worth a change
LEAST_DAYS = 7
_DAYS_PER_WEEK = 7


@dataclass(frozen=True, slots=True)
class ReviewedLimits(Limits):
    """A proposal with what its hysteresis needs to know."""

    lower_cpu_cores: float = 0.0
    last_day_max_cores: float = 0.0
    last_day_max_bytes: float = 0.0
    is_review_day: bool = True
    may_lower_memory: bool = True  # enough days of a level that is not moving


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What all risks read of the same past."""

    cpu: CpuDays
    regime_start: IntArray  # (W,) first day whose CPU demand counts
    demand: WeightedDemand
    memory: MemoryOutlook
    memory_reference_bytes: float

    @classmethod
    def of(cls, past: DayTable) -> Self:
        """The reading of one table."""
        days, memory = cpu_days_of(past), memory_days_of(past)
        start = cpu_regime(days).start
        return cls(
            cpu=days,
            regime_start=start,
            demand=weigh(days, start),
            memory=MemoryOutlook.of(memory),
            memory_reference_bytes=fleet_reference_bytes(memory),
        )

    def memory_targets(self, risk: Risk) -> MemoryTargets:
        """Memory at the price that follows from a risk."""
        return self.memory.targets(
            price=risk.memory_price, reference_bytes=self.memory_reference_bytes
        )


class Readings:
    """The reading of the past seen last, shared by rules that differ in risk only."""

    def __init__(self) -> None:
        self._held: tuple[DayTable, Reading] | None = None

    def of(self, past: DayTable) -> Reading:
        """The reading of this very table."""
        if self._held is None or self._held[0] is not past:
            self._held = (past, Reading.of(past))
        return self._held[1]


@dataclass(frozen=True, slots=True)
class RiskRule:
    """Sizes at one risk."""

    risk: Risk
    label: str = ""
    readings: Readings = field(default_factory=Readings, compare=False, repr=False)
    weekly_only: bool = False  # no fast way up, for a comparison like for like

    @property
    def name(self) -> str:
        """``ours-`` and the preset's name or the percentage of time."""
        label = self.label or f"{self.risk.short_ratio * 100:g}pct"
        return f"ours-{label}{'-weekly' if self.weekly_only else ''}"

    @property
    def description(self) -> str:
        """What the rule computes."""
        return (
            f"cheapest level by priced shortage, short at most {self.risk.short_ratio:.2%} of time"
        )

    @property
    def source(self) -> str:
        """Where the rule is published."""
        return "rightsizing.decide.cpu"

    @property
    def review_days(self) -> int:
        """Daily, as an exceeded limit is raised the next day."""
        return _DAYS_PER_WEEK if self.weekly_only else 1

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """Limits from the past alone, in the order given."""
        table = day_table_of(past)
        row_of = {key: row for row, key in enumerate(table.workloads)}
        found = self.propose_from(table)
        return tuple(found[row_of[series.workload]] for series in past)

    def propose_from(self, past: DayTable) -> tuple[Limits, ...]:
        """Limits of every workload of the table, in its order."""
        reading = self.readings.of(past)
        cpu = targets_of(reading.demand, reading.cpu, self.risk)
        memory = reading.memory_targets(self.risk).clear_of_alarm()
        measured = np.count_nonzero(past.cpu_samples, axis=1)
        # Weeks are counted from the first day of history, so that scored weeks begin with a review.
        is_review_day = self.weekly_only or past.days % _DAYS_PER_WEEK == 0
        return tuple(
            ReviewedLimits(
                cpu_cores=_known(cpu.target_cores[row], int(measured[row]), LEAST_DAYS, "CPU"),
                memory_bytes=_known(
                    memory.target_bytes[row], int(memory.measured_days[row]), 1, "memory"
                ),
                lower_cpu_cores=float(cpu.lower_cores[row]),
                last_day_max_cores=float(cpu.last_day_max_cores[row]),
                last_day_max_bytes=float(memory.last_day_max_bytes[row]),
                is_review_day=is_review_day,
                may_lower_memory=bool(
                    memory.measured_days[row] >= MINIMUM_DAYS and not memory.is_moving[row]
                ),
            )
            for row in range(len(past.workloads))
        )

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Raise what was exceeded, lower what is worth lowering."""
        assert isinstance(proposed, ReviewedLimits)
        return Limits(
            cpu_cores=_held_cores(current.cpu_cores, proposed),
            memory_bytes=_held_bytes(current.memory_bytes, proposed),
        )

    def forecast(self, past: DayTable, limits: Sequence[Limits]) -> Forecasts:
        """Shortage of the coming week under these limits and the reviews within it."""
        cores: FloatArray = np.array(
            [np.nan if isinstance(item.cpu_cores, NoData) else item.cpu_cores for item in limits]
        )
        reading = self.readings.of(past)
        return predicted(
            reading.cpu,
            cores,
            regime_start=reading.regime_start,
            raised_daily=not self.weekly_only,
        )


def _known(target: np.float64, days: int, least: int, what: str) -> float | NoData:
    if days < least:
        return NoData(f"{days} days of {what}; {least} are needed")
    if np.isnan(target):
        return NoData(f"{what} was measured, but its capacity is unknown")
    return float(target)


def _held_cores(current: float | NoData, proposed: ReviewedLimits) -> float | NoData:
    wanted = proposed.cpu_cores
    if isinstance(current, NoData) or isinstance(wanted, NoData):
        return current if isinstance(wanted, NoData) else wanted
    exceeded = proposed.last_day_max_cores > current or current < proposed.lower_cpu_cores
    lowers = proposed.is_review_day and wanted < current * (1 - MINIMUM_CHANGE_RATIO)
    return wanted if lowers or (wanted > current and exceeded) else current


def _held_bytes(current: float | NoData, proposed: ReviewedLimits) -> float | NoData:
    """``decide.memory.held_bytes`` of one workload."""
    wanted = proposed.memory_bytes
    if isinstance(current, NoData) or isinstance(wanted, NoData):
        return current if isinstance(wanted, NoData) else wanted
    alarmed = proposed.last_day_max_bytes > ALARM_RATIO * current
    raises = wanted > current and (alarmed or proposed.is_review_day)
    lowers = (
        proposed.is_review_day
        and proposed.may_lower_memory
        and wanted <= current * (1 - HYSTERESIS_RATIO)
    )
    return wanted if raises or lowers else current
