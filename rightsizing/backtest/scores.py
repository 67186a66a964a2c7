"""What held limits came to: exceedance, severity, cost, slack, memory failures, changes.

Scored by workload and week, arrays (W, K); everything pooled, by class or resampled is a sum over
them. A step counts where it was measured and its workload has joined. Cost is what was held over
measured time: core-hours in the mode of continuous limits, dollars in the mode of EC2 types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.demand import DemandBlock, quantile_of_sorted
from rightsizing.backtest.replay import Held
from rightsizing.backtest.schedule import DAYS_PER_WEEK
from rightsizing.backtest.series import FloatArray
from rightsizing.units import BYTES_PER_GIB

IntArray = NDArray[np.int64]
_SAME_LIMIT = 1e-9  # relative; a smaller difference is rounding, not a change
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One rule's results, (W, K) by workload and scored week; 0 where nothing was measured."""

    steps: IntArray  # measured CPU steps
    exceeded: IntArray  # of them, those with demand above the limit
    hours: FloatArray  # measured CPU time
    exceeded_minutes: FloatArray
    severity_core_minutes: FloatArray  # demand above the limit, integrated
    cost: FloatArray  # core-hours or dollars held over measured time
    oracle_cost: FloatArray  # the same for hindsight
    used_core_hours: FloatArray  # mean use, integrated
    held_core_hours: FloatArray  # cores held; the cost itself in the mode of continuous limits
    slack_p99: FloatArray  # 1 - (99th percentile of use / limit); NaN unmeasured
    memory_steps: IntArray
    memory_failed: IntArray  # steps whose peak is above the memory limit: the process would die
    memory_gib_hours: FloatArray
    oracle_memory_gib_hours: FloatArray
    changes: IntArray  # days on which the CPU or memory limit moved; the first move is not counted
    abstained: NDArray[np.bool_]  # the rule said nothing about CPU on a day of the week
    memory_abstained: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Workloads of several traces one after the other; weeks are padded with nothing."""
        weeks = max(part.steps.shape[1] for part in parts)

        def padded(values: NDArray[Any]) -> NDArray[Any]:
            missing = np.nan if values.dtype.kind == "f" else 0
            short = weeks - values.shape[1]
            return np.pad(values, ((0, 0), (0, short)), constant_values=missing)

        columns = {
            field.name: np.concatenate([padded(getattr(part, field.name)) for part in parts])
            for field in fields(cls)
        }
        # Only slack may be unmeasured; sums of nothing are 0.
        cleaned = {
            name: values
            if name == "slack_p99" or values.dtype.kind != "f"
            else np.nan_to_num(values)
            for name, values in columns.items()
        }
        return cls(**cleaned)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Outcome:
        """Only these workloads."""
        return Outcome(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """What a rule's limits are in the mode that is scored; arrays (W, D).

    ``price`` is what one hour costs: the limit itself in cores, or the type's dollars.
    """

    cpu_cores: FloatArray
    memory_bytes: FloatArray
    price: FloatArray

    @classmethod
    def continuous(cls, cpu_cores: FloatArray, memory_bytes: FloatArray) -> Self:
        """Limits as they are; an hour costs its cores."""
        return cls(cpu_cores, memory_bytes, cpu_cores)

    def at(self, rows: IntArray) -> Supply:
        """The rows of a block."""
        return Supply(self.cpu_cores[rows], self.memory_bytes[rows], self.price[rows])


def score(blocks: Sequence[DemandBlock], held: Held, supply: Supply, oracle: Supply) -> Outcome:
    """Score one rule on every block.

    Args:
        blocks: scored demand; together they hold every workload once.
        held: for abstentions; its limits may differ from what is supplied (a type, or a scale).
        supply: what the workloads have on each day.
        oracle: what hindsight would have given them on each day.
    """
    workloads = sum(len(block.rows) for block in blocks)
    parts = [_score_block(block, supply.at(block.rows), oracle.at(block.rows)) for block in blocks]
    order = np.concatenate([block.rows for block in blocks])
    place = np.empty(workloads, dtype=np.int64)
    place[order] = np.arange(workloads)
    outcome = Outcome.joined(parts).take(place)
    weekly = (workloads, -1, DAYS_PER_WEEK)
    measured = outcome.steps > 0
    outcome.abstained[:] = held.cpu_abstained.reshape(weekly).any(axis=2) & measured
    outcome.memory_abstained[:] = held.memory_abstained.reshape(weekly).any(axis=2) & (
        outcome.memory_steps > 0
    )
    return outcome


def _score_block(block: DemandBlock, supply: Supply, oracle: Supply) -> Outcome:
    hours_a_step = block.step_s / _SECONDS_PER_HOUR
    limit = supply.cpu_cores[:, :, None]
    measured = ~np.isnan(block.cpu) & ~np.isnan(limit)
    steps = measured.sum(axis=2)  # (W, D)
    above = block.cpu > limit
    shortage = np.where(above, block.cpu - limit, 0.0)
    memory_limit = supply.memory_bytes[:, :, None]
    memory_measured = ~np.isnan(block.memory) & ~np.isnan(memory_limit)
    memory_hours = memory_measured.sum(axis=2) * hours_a_step
    used = np.where(measured, block.cpu_mean, 0.0)
    changed = _moved(supply.cpu_cores) | _moved(supply.memory_bytes)
    day_hours = steps * hours_a_step
    exceeded = _weekly(above.sum(axis=2))
    return Outcome(
        steps=_weekly(steps),
        exceeded=exceeded,
        hours=_weekly(day_hours),
        exceeded_minutes=exceeded * (block.step_s / 60),
        severity_core_minutes=_weekly(shortage.sum(axis=2)) * (block.step_s / 60),
        cost=_weekly(_paid(supply.price, day_hours)),
        oracle_cost=_weekly(_paid(oracle.price, day_hours)),
        used_core_hours=_weekly(used.sum(axis=2)) * hours_a_step,
        held_core_hours=_weekly(_paid(supply.cpu_cores, day_hours)),
        slack_p99=_slack_p99(block, supply.cpu_cores),
        memory_steps=_weekly(memory_measured.sum(axis=2)),
        memory_failed=_weekly((block.memory > memory_limit).sum(axis=2)),
        memory_gib_hours=_weekly(_paid(supply.memory_bytes, memory_hours)) / BYTES_PER_GIB,
        oracle_memory_gib_hours=_weekly(_paid(oracle.memory_bytes, memory_hours)) / BYTES_PER_GIB,
        changes=_weekly((changed & (steps > 0)).astype(np.int64)),
        abstained=np.zeros((len(block.rows), block.weeks), dtype=bool),
        memory_abstained=np.zeros((len(block.rows), block.weeks), dtype=bool),
    )


def _paid(price: FloatArray, hours: FloatArray) -> FloatArray:
    """Price times hours; nothing is paid for what is unknown."""
    return np.where(hours > 0, np.nan_to_num(price) * hours, 0.0)


def _moved(limits: FloatArray) -> NDArray[np.bool_]:
    """(W, D) days on which a limit differs from the day before."""
    moved = np.zeros(limits.shape, dtype=bool)
    before, after = limits[:, :-1], limits[:, 1:]
    moved[:, 1:] = np.abs(after - before) > _SAME_LIMIT * np.abs(before)
    return moved


def _weekly(values: NDArray[Any]) -> NDArray[Any]:
    """(W, D) to (W, K) sums."""
    sums: NDArray[Any] = values.reshape(len(values), -1, DAYS_PER_WEEK).sum(axis=2)
    return sums


def _slack_p99(block: DemandBlock, limits: FloatArray) -> FloatArray:
    """(W, K) what is left of the limit at the 99th percentile of use over limit."""
    found = np.full((len(block.rows), block.weeks), np.nan)
    by_week = limits.reshape(len(limits), block.weeks, DAYS_PER_WEEK)
    steady = by_week.max(axis=2) == by_week.min(axis=2)
    # Where the limit stood still all week, the percentile of use says it without dividing.
    use = block.cpu_p99
    with np.errstate(divide="ignore", invalid="ignore"):
        found[steady] = 1 - use[steady] / by_week[:, :, 0][steady]
        moving = np.nonzero(~steady & ~np.isnan(by_week).any(axis=2))
        if moving[0].size:
            demand = block.cpu.reshape(len(limits), block.weeks, DAYS_PER_WEEK, -1)[moving]
            ratio = (demand / by_week[moving][:, :, None]).reshape(len(moving[0]), -1)
            found[moving] = 1 - quantile_of_sorted(np.sort(ratio, axis=1), 0.99)
    found[~np.isfinite(found)] = np.nan
    return found
