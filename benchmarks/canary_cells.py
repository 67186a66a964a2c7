"""What the judges' benchmark counts: one cell is one rule on one world, traffic and true ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from canary_streams import LOOKS

from rightsizing.rollout.judge.peers.run import Answer

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Cell:
    """One rule on one world, traffic and ratio. Minutes: undetected runs count with 120."""

    world: str
    errors_per_minute: float
    ratio: float
    rule: str
    runs: int
    alarms: int  # runs in which the alarm would sound within 120 looks
    median_minutes: float | None
    mean_minutes: float
    rolled_back: int  # runs that stop there, before any promotion
    promoted: int

    @classmethod
    def of(cls, world: str, traffic: float, ratio: float, rule: str, answer: Answer) -> Self:
        """Count one rule's answers."""
        alarm = answer.rolled_back
        median = float(np.median(alarm))
        return cls(
            world=world,
            errors_per_minute=traffic,
            ratio=ratio,
            rule=rule,
            runs=len(alarm),
            alarms=int(np.isfinite(alarm).sum()),
            median_minutes=median if np.isfinite(median) else None,
            mean_minutes=float(np.minimum(alarm, LOOKS).mean()),
            rolled_back=int((np.isfinite(alarm) & (alarm <= answer.promoted)).sum()),
            promoted=int((np.isfinite(answer.promoted) & (answer.promoted < alarm)).sum()),
        )


@dataclass(frozen=True, slots=True)
class Service:
    """What ours was told of one world and traffic."""

    world: str
    errors_per_minute: float
    spread: float
    persistence: float
    harm_evidence: float
    replayed_alarms: int
    replayed: int
    automatic: bool
    promote_median: float | None
    promote_most: float | None
