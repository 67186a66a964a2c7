"""What EC2 types would have cost had each week's CPU been known: a bound on any weekly rule.

For each workload and week the type is chosen that minimises price plus a multiplier times the steps
that are short, among those with the memory. The multiplier is the same for all, and such that the
pooled shortage is a given peer's; so no choice of one type a week is cheaper at that shortage.
Memory comes from hindsight too, or from a rule, which does not know the week's peak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.schedule import DAYS_PER_WEEK
from rightsizing.backtest.series import FloatArray
from rightsizing.backtest.trial import Trial

HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Bound:
    """Cost of the peer's at the peer's shortage, with memory as the rule named gives it."""

    memory_by: str
    quotient: float


@dataclass(frozen=True, slots=True)
class _Weeks:
    """Workload-weeks N and types C of all traces."""

    hours: FloatArray  # (N,) measured
    short: FloatArray  # (N, C) steps above each type's cores
    memory_bytes: FloatArray  # (N,) that the type must have

    def priced(self, types: TypeTable, multiplier: float) -> tuple[float, float]:
        """Dollars and short steps of the best choice."""
        dollars = types.usd_per_hour[None, :] * self.hours[:, None]
        holds = types.memory_bytes[None, :] >= self.memory_bytes[:, None] * (1 - 1e-9)
        chosen = np.argmin(np.where(holds, dollars + multiplier * self.short, np.inf), axis=1)
        rows = np.arange(len(chosen))
        return float(dollars[rows, chosen].sum()), float(self.short[rows, chosen].sum())


def bounds(trials: Iterable[Trial], types: TypeTable, peer: str, ours: str) -> Iterator[Bound]:
    """The bound with memory by hindsight, by our rule, and by the peer's.

    ``trials`` hold continuous limits; the peer's are priced as types here.
    """
    every = list(trials)
    dollars = exceeded = 0.0
    for trial in every:
        outcome = replace(trial, types=types).outcome(peer)
        dollars += float(outcome.cost.sum())
        exceeded += float(outcome.exceeded.sum())
    for memory_by in ("hindsight", ours, peer):
        weeks = _weeks(every, types, memory_by)
        low, high = 1e-9, 1e6
        for _ in range(HALVINGS):
            middle = float(np.sqrt(low * high))
            low, high = (
                (middle, high) if weeks.priced(types, middle)[1] > exceeded else (low, middle)
            )
        yield Bound(memory_by, weeks.priced(types, high)[0] / dollars)


def _weeks(trials: list[Trial], types: TypeTable, memory_by: str) -> _Weeks:
    hours, short, memory = [], [], []
    for trial in trials:
        held = None if memory_by == "hindsight" else trial.held_by(memory_by).memory_bytes
        for block in trial.blocks:
            cpu = block.by_week(block.cpu)
            hours.append((~np.isnan(cpu)).sum(axis=2).ravel() * block.step_s / 3600)
            cores, place = np.unique(types.cores, return_inverse=True)
            above = np.stack([(cpu > level).sum(axis=2).ravel() for level in cores], axis=1)
            short.append(above[:, place].astype(np.float64))
            needed = (
                block.oracle_memory
                if held is None
                else np.fmax.reduce(
                    held[block.rows].reshape(len(block.rows), -1, DAYS_PER_WEEK), axis=2
                )
            )
            memory.append(np.nan_to_num(needed, nan=0.0).ravel())
    return _Weeks(np.concatenate(hours), np.concatenate(short), np.concatenate(memory))
