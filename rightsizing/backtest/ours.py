"""Our own rule as the back-test replays it: reviewed every day, lowered on one weekday only.

A limit is raised the day after it was exceeded (or when it is below even the lower bound), and
lowered once a week when that frees at least ``MINIMUM_CHANGE_RATIO`` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import DemandSeries
from rightsizing.decide.cpu import CpuTargets, cpu_days_of, cpu_targets
from rightsizing.decide.risk import Risk
from rightsizing.model.base import NoData
from rightsizing.profile.daytable import DayTable

MINIMUM_CHANGE_RATIO = 0.10
LEAST_DAYS = 7
_DAYS_PER_WEEK = 7


@dataclass(frozen=True, slots=True)
class ReviewedLimits(Limits):
    """A proposal with what its hysteresis needs to know."""

    lower_cpu_cores: float = 0.0
    last_day_max_cores: float = 0.0
    may_lower: bool = True


class SeenDays:
    """Day tables of pasts already seen, shared by rules that differ in risk only.

    A shorter past of the same arrays is a cut of a longer one's table.
    """

    def __init__(self) -> None:
        self._longest: dict[tuple[int, ...], tuple[int, DayTable, list[object]]] = {}

    def table(self, past: Sequence[DemandSeries]) -> DayTable:
        """The day table of these pasts, in order of their keys."""
        owners = [_owner(series.cpu_cores) for series in past]
        identity = tuple(id(owner) for owner in owners)
        end = max(series.first_day + series.days for series in past)
        held = self._longest.get(identity)
        if held is None or held[0] < end:
            held = (end, day_table_of(past), owners)  # the owners are kept so that no id is reused
            self._longest[identity] = held
        table = held[1]
        return table if held[0] == end else table.until(end - table.first_day)


@dataclass(frozen=True, slots=True)
class RiskRule:
    """Sizes at one risk."""

    risk: Risk
    label: str = ""
    seen: SeenDays = field(default_factory=SeenDays, compare=False, repr=False)
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
        table = self.seen.table(past)
        row_of = {key: row for row, key in enumerate(table.workloads)}
        cpu = cpu_targets(cpu_days_of(table), self.risk)
        end = table.first_day + table.days
        days = np.count_nonzero(table.cpu_samples, axis=1)
        return tuple(
            self._limits(row_of[series.workload], cpu, days, may_lower=self._may_lower(end))
            for series in past
        )

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """Raise what was exceeded, lower what is worth lowering."""
        assert isinstance(proposed, ReviewedLimits)
        return Limits(
            cpu_cores=_accepted(current.cpu_cores, proposed),
            memory_bytes=(
                current.memory_bytes
                if isinstance(proposed.memory_bytes, NoData)
                else proposed.memory_bytes
            ),
        )

    def _may_lower(self, end_day: int) -> bool:
        return self.weekly_only or end_day % _DAYS_PER_WEEK == 0

    def _limits(self, row: int, cpu: CpuTargets, days: np.ndarray, *, may_lower: bool) -> Limits:
        target = float(cpu.target_cores[row])
        return ReviewedLimits(
            cpu_cores=(
                NoData(f"{days[row]} days of CPU; {LEAST_DAYS} are needed")
                if days[row] < LEAST_DAYS or np.isnan(target)
                else target
            ),
            memory_bytes=NoData("memory is not sized here yet"),
            lower_cpu_cores=float(cpu.lower_cores[row]),
            last_day_max_cores=float(cpu.last_day_max_cores[row]),
            may_lower=may_lower,
        )


def _accepted(current: float | NoData, proposed: ReviewedLimits) -> float | NoData:
    wanted = proposed.cpu_cores
    if isinstance(current, NoData) or isinstance(wanted, NoData):
        return current if isinstance(wanted, NoData) else wanted
    exceeded = proposed.last_day_max_cores > current or current < proposed.lower_cpu_cores
    if wanted > current and exceeded:
        return wanted
    if proposed.may_lower and wanted < current * (1 - MINIMUM_CHANGE_RATIO):
        return wanted
    return current


def _owner(values: np.ndarray) -> object:
    return values if values.base is None else values.base
