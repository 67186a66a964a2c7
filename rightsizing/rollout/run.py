"""What a rollout is run with, and how a run ends.

The controller gets everything passed in: the engine, the reader of live facts, and for each fleet
its traffic and where looks come from. Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Protocol

from rightsizing.model.verdict import Calibration, JudgePolicy
from rightsizing.rollout.looks import LooksRead
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.stages import DEFAULT_SHARES, SlotCapacity
from rightsizing.rollout.traffic import Traffic
from rightsizing.stack.clock import Clock
from rightsizing.stack.driver import StackDriver, StackRef
from rightsizing.stack.facts import FactsReader
from rightsizing.stack.settling import SETTLE_SECONDS, Say

POLL_S = 60.0  # metrics are of whole minutes
HOLD_S = 900.0  # how long data may be unusable before the rollout pauses; chosen by us
SOAK_S = 3600.0


class LookSource(Protocol):
    """Where looks at one fleet come from; ``looks.LookReader`` is one."""

    def server_now_ms(self) -> int:
        """The source's clock. Raises RightsizingError."""
        ...

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        """New looks since ``after_ms``. Raises RightsizingError."""
        ...


@dataclass(frozen=True, slots=True)
class WatchedFleet:
    """What is needed of one fleet while its traffic moves."""

    traffic: Traffic
    looks: LookSource


@unique
class RolloutOutcome(StrEnum):
    """How a run of the controller ended."""

    FINISHED = "finished"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    NOT_RESTORED = "not_restored"


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """How it ended, in one sentence with what to do next, and the journal's last word."""

    rollout_id: str
    outcome: RolloutOutcome
    sentence: str
    progress: RolloutProgress


@dataclass(frozen=True, slots=True)
class RolloutRun:
    """What a rollout is done with. ``watch`` is asked for a fleet once its slots are filled."""

    driver: StackDriver
    stack: StackRef
    read: FactsReader
    watch: Callable[[str], WatchedFleet]
    clock: Clock
    policy: JudgePolicy = field(default_factory=JudgePolicy)
    calibration: Calibration = field(default_factory=Calibration)
    shares: Sequence[float] = DEFAULT_SHARES
    capacity: SlotCapacity | None = None
    soak_s: float = SOAK_S
    poll_s: float = POLL_S
    hold_s: float = HOLD_S
    settle_s: float = SETTLE_SECONDS
    say: Say | None = None
