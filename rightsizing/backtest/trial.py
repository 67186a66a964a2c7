"""One trace replayed through all rules: what they held, ready to be scored in either mode.

A trial keeps the scored demand and the limits, so that a subset of workloads, or a rule whose
limits are scaled, is scored again without replaying.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.demand import DemandBlock, demand_blocks
from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.replay import Held, ReplayListener, replay
from rightsizing.backtest.rule import HindsightRule, Rule
from rightsizing.backtest.schedule import DAYS_PER_WEEK, Schedule
from rightsizing.backtest.scores import Outcome, Supply, score
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.profile.demandclass import DemandClass, classify


@unique
class Mode(StrEnum):
    """What a limit costs."""

    LIMITS = "limits"  # any number of cores and bytes, as a container's limits; cost in core-hours
    EC2 = "ec2"  # the cheapest type that holds them; cost in dollars


@dataclass(frozen=True, eq=False)
class Trial:
    """The limits of every rule on one trace, with the demand they are scored against."""

    keys: tuple[str, ...]
    classes: tuple[DemandClass, ...]  # of the whole history: for reports, never for decisions
    schedule: Schedule
    blocks: tuple[DemandBlock, ...]
    held: tuple[Held, ...]
    types: TypeTable | None  # None: the mode of continuous limits

    @classmethod
    def run(
        cls,
        series: Sequence[DemandSeries],
        rules: Sequence[Rule | HindsightRule],
        schedule: Schedule,
        *,
        types: TypeTable | None = None,
        predict_for: Collection[str] = (),
        progress: ReplayListener | None = None,
    ) -> Self:
        """Replay ``rules`` over ``series`` (sorted by workload), which have CPU measurements.

        ``predict_for`` names the rules whose limits are predicted, as in ``replay``.
        """
        return cls(
            keys=tuple(item.workload for item in series),
            classes=classify(day_table_of(series)),
            schedule=schedule,
            blocks=demand_blocks(series, schedule),
            held=replay(series, rules, schedule, predict_for=predict_for, progress=progress),
            types=types,
        )

    @property
    def mode(self) -> Mode:
        """What a limit costs."""
        return Mode.LIMITS if self.types is None else Mode.EC2

    def held_by(self, rule: str) -> Held:
        """What one rule held. KeyError when it was not replayed."""
        for held in self.held:
            if held.rule == rule:
                return held
        raise KeyError(rule)

    def supply(self, rule: str, factor: float = 1.0) -> Supply:
        """What the workloads have on each day under a rule whose CPU limits are multiplied."""
        held = self.held_by(rule)
        return self._priced(held.cpu_cores * factor, held.memory_bytes)

    def outcome(self, rule: str, factor: float = 1.0) -> Outcome:
        """The scored result of a rule whose CPU limits are multiplied by ``factor``."""
        return score(self.blocks, self.held_by(rule), self.supply(rule, factor), self.oracle)

    @cached_property
    def oracle(self) -> Supply:
        """Each scored week's own 99.9th percentile of CPU and peak of memory.

        With EC2 types, memory that was not measured must be as large as the current capacity.
        """
        shape = (len(self.keys), self.schedule.days)
        cpu, memory = np.full(shape, np.nan), np.full(shape, np.nan)
        for block in self.blocks:
            cpu[block.rows] = np.repeat(block.oracle_cpu, DAYS_PER_WEEK, axis=1)
            peak = np.repeat(block.oracle_memory, DAYS_PER_WEEK, axis=1)
            kept = block.memory_capacity if self.types is not None else np.nan
            memory[block.rows] = np.where(np.isnan(peak), kept, peak)
        return self._priced(cpu, memory)

    def ratios(self, rule: str, rows: NDArray[np.bool_]) -> FloatArray:
        """(N,) demand over limit of every measured step of these workloads (a mask)."""
        limits = self.held_by(rule).cpu_cores
        found = []
        for block in self.blocks:
            chosen = rows[block.rows]
            # A limit of 0 gives infinity, and nothing over nothing is not short.
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = block.cpu[chosen] / limits[block.rows[chosen]][:, :, None]
            known = ~np.isnan(block.cpu[chosen]) & ~np.isnan(limits[block.rows[chosen]])[:, :, None]
            found.append(np.nan_to_num(ratio[known], nan=0.0, posinf=np.inf))
        return np.concatenate(found) if found else np.zeros(0)

    def exceeded(self, rule: str, factor: float, rows: NDArray[np.bool_]) -> tuple[int, int]:
        """Exceeded and measured steps of these workloads under scaled limits."""
        limits = self.supply(rule, factor).cpu_cores
        exceeded = steps = 0
        for block in self.blocks:
            chosen = rows[block.rows]
            limit = limits[block.rows[chosen]][:, :, None]
            exceeded += int((block.cpu[chosen] > limit).sum())
            steps += int((~np.isnan(block.cpu[chosen]) & ~np.isnan(limit)).sum())
        return exceeded, steps

    def _priced(self, cpu_cores: FloatArray, memory_bytes: FloatArray) -> Supply:
        if self.types is None:
            return Supply.continuous(cpu_cores, memory_bytes)
        return self.types.cheapest(cpu_cores, memory_bytes)
