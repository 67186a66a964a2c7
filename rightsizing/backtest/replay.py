"""Walk-forward replay: every rule reviews on the past alone, and what it accepts is held.

On each review day a rule is shown the series up to the start of that day, its own ``accept``
decides whether the proposal is taken, and the result is in force until its next review. All rules
see the same objects on the same day. Where a rule abstains the size in force stays: its own, or at
first the current one, which is the capacity measured, or where that is unknown the maximum so far.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.forecast import ForecastingRule, WeekForecast, predicted
from rightsizing.backtest.rule import HindsightRule, Limits, Rule, proposed_or_kept
from rightsizing.backtest.schedule import DAYS_PER_WEEK, Schedule
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData
from rightsizing.profile.daytable import DayTable, cpu_days_of

# (what is done, steps done, steps in all); may raise KeyboardInterrupt to cancel
ReplayListener = Callable[[str, int, int], None]
_NO_CPU = NoData("CPU was not measured")
_NO_MEMORY = NoData("memory was not measured")


@runtime_checkable
class FleetRule(Protocol):
    """A rule that decides for a fleet from its day table instead of from series."""

    def propose_from(self, past: DayTable) -> tuple[Limits, ...]:
        """Limits for every workload of the table, in its order, from the past alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The limits of one rule on every scored day; arrays (W, D), NaN where nothing is known.

    ``cpu_abstained`` and ``memory_abstained`` mark days on which the size in force stayed because
    the rule said nothing.
    """

    rule: str
    cpu_cores: FloatArray
    memory_bytes: FloatArray
    cpu_abstained: NDArray[np.bool_]
    memory_abstained: NDArray[np.bool_]
    forecasts: tuple[WeekForecast, ...] = ()


class Past:
    """What was known when a day began; the same object for every rule that reviews on it."""

    def __init__(self, series: Sequence[DemandSeries], table: Callable[[], DayTable]) -> None:
        self.series = tuple(series)
        self._make_table = table

    @cached_property
    def table(self) -> DayTable:
        """The day table of these series."""
        return self._make_table()


def replay(
    series: Sequence[DemandSeries],
    rules: Sequence[Rule | HindsightRule],
    schedule: Schedule,
    *,
    predict_for: Collection[str] = (),
    progress: ReplayListener | None = None,
) -> tuple[Held, ...]:
    """Replay every rule over the schedule; one ``Held`` a rule, in the order given.

    Args:
        series: sorted by workload.
        rules: walked forward; a ``HindsightRule`` is shown each week itself.
        schedule: when to review and score.
        predict_for: names of rules whose limits are predicted by the toolkit at each week's start,
            unless they forecast for themselves.
        progress: told after every day.
    """
    joins = schedule.joins(series)
    # Built once: what a rule is shown of it is cut at the day of its review.
    needs_table = bool(predict_for) or any(isinstance(rule, FleetRule) for rule in rules)
    whole = day_table_of(series) if needs_table else None
    runs = [
        _Run(rule, len(series), schedule.days, predict=rule.name in predict_for)
        for rule in rules
        if not isinstance(rule, HindsightRule)
    ]
    for day in range(schedule.days):
        week = day // DAYS_PER_WEEK
        active = np.flatnonzero(joins <= week)
        if active.size and any(run.due(day, active) for run in runs):
            past = _past(series, active, schedule, schedule.start + day, whole)
            for run in runs:
                run.review(day, active, past)
        for run in runs:
            run.record(day)
        if progress is not None:
            progress("replaying", day + 1, schedule.days)
    walked = iter(runs)
    return tuple(
        _hindsight(rule, series, schedule, joins)
        if isinstance(rule, HindsightRule)
        else next(walked).held()
        for rule in rules
    )


def _past(
    series: Sequence[DemandSeries],
    active: NDArray[np.int64],
    schedule: Schedule,
    day_index: int,
    whole: DayTable | None,
) -> Past:
    """Series and table of the active workloads, ending where ``day_index`` begins."""

    def table() -> DayTable:
        assert whole is not None
        then = whole.until(day_index)
        return then if len(active) == len(series) else then.take(active)

    shown = [
        series[row].until(day_index - (series[row].first_day - schedule.first_day))
        for row in active
    ]
    return Past(shown, table)


class _Run:
    """One rule on its way through the schedule: the limits now in force, by workload."""

    def __init__(self, rule: Rule, workloads: int, days: int, *, predict: bool) -> None:
        self.rule = rule
        self._predict = predict
        self._in_force: list[Limits | None] = [None] * workloads
        self._abstained = np.zeros((2, workloads), dtype=bool)
        self._limits = np.full((2, workloads, days), np.nan)
        self._abstained_days = np.zeros((2, workloads, days), dtype=bool)
        self._forecasts: list[WeekForecast] = []

    def held(self) -> Held:
        """What was recorded."""
        cpu, memory = self._limits
        cpu_abstained, memory_abstained = self._abstained_days
        return Held(
            self.rule.name, cpu, memory, cpu_abstained, memory_abstained, tuple(self._forecasts)
        )

    def due(self, day: int, active: NDArray[np.int64]) -> bool:
        """Whether the rule looks on this day: its own rhythm, or a workload that just joined."""
        return day % self.rule.review_days == 0 or any(
            self._in_force[row] is None for row in active
        )

    def review(self, day: int, active: NDArray[np.int64], past: Past) -> None:
        """Let the rule look, if it is due."""
        if not self.due(day, active):
            return
        on_time = day % self.rule.review_days == 0
        if isinstance(self.rule, FleetRule):
            proposals = self.rule.propose_from(past.table)
        else:
            proposals = self.rule.propose(past.series)
        for row, shown, proposed in zip(active, past.series, proposals, strict=True):
            before = self._in_force[row]
            if before is not None and not on_time:
                continue
            current = before or current_limits(shown)
            self._in_force[row] = _kept_whole(current, self.rule.accept(current, proposed))
            self._abstained[0, row] = isinstance(proposed.cpu_cores, NoData)
            self._abstained[1, row] = isinstance(proposed.memory_bytes, NoData)
        self._forecast(day, active, past)

    def record(self, day: int) -> None:
        """Write what is in force on this day."""
        for row, limits in enumerate(self._in_force):
            if limits is not None:
                self._limits[0, row, day] = _number(limits.cpu_cores)
                self._limits[1, row, day] = _number(limits.memory_bytes)
        self._abstained_days[:, :, day] = self._abstained

    def _forecast(self, day: int, active: NDArray[np.int64], past: Past) -> None:
        if day % DAYS_PER_WEEK:
            return
        known = [limits for row in active if (limits := self._in_force[row]) is not None]
        if isinstance(self.rule, ForecastingRule):
            found = self.rule.forecast(past.table, known)
        elif self._predict:
            limits = np.array([_number(item.cpu_cores) for item in known])
            found = predicted(cpu_days_of(past.table), limits)
        else:
            return
        self._forecasts.append(WeekForecast(day // DAYS_PER_WEEK, active, found))


def _kept_whole(current: Limits, accepted: Limits) -> Limits:
    """What was accepted, without losing a size that was in force."""
    said = (accepted.cpu_cores, accepted.memory_bytes)
    return proposed_or_kept(current, accepted) if any(_missing(item) for item in said) else accepted


def _missing(limit: float | NoData) -> bool:
    return isinstance(limit, NoData)


def current_limits(past: DemandSeries) -> Limits:
    """The size a workload has: its latest capacity, else the maximum measured so far."""
    return Limits(
        cpu_cores=_known(past.latest_capacity_cores, past.cpu_cores, _NO_CPU),
        memory_bytes=_known(past.latest_capacity_memory_bytes, past.memory_bytes, _NO_MEMORY),
    )


def _known(capacity: float, measured: FloatArray, missing: NoData) -> float | NoData:
    if not np.isnan(capacity):
        return capacity
    highest = float(np.fmax.reduce(measured, initial=np.nan))
    return missing if np.isnan(highest) else highest


def _number(limit: float | NoData) -> float:
    return np.nan if isinstance(limit, NoData) else limit


def _hindsight(
    rule: HindsightRule,
    series: Sequence[DemandSeries],
    schedule: Schedule,
    joins: NDArray[np.int64],
) -> Held:
    """Limits of a rule that is shown each scored week; a dimension it leaves out is unknown."""
    shape = (len(series), schedule.days)
    cpu, memory = np.full(shape, np.nan), np.full(shape, np.nan)
    for week in range(schedule.weeks):
        active = np.flatnonzero(joins <= week)
        first = schedule.start + week * DAYS_PER_WEEK
        offsets = [item.first_day - schedule.first_day for item in series]
        period = [
            series[row].between(first - offsets[row], first - offsets[row] + DAYS_PER_WEEK)
            for row in active.tolist()
        ]
        days = slice(week * DAYS_PER_WEEK, (week + 1) * DAYS_PER_WEEK)
        for row, limits in zip(active, rule.propose_for(period), strict=True):
            cpu[row, days] = _number(limits.cpu_cores)
            memory[row, days] = _number(limits.memory_bytes)
    nothing = np.zeros(shape, dtype=bool)
    return Held(rule.name, cpu, memory, np.isnan(cpu) & ~nothing, np.isnan(memory) & ~nothing)
