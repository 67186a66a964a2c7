"""What a rollout is run with, and how a run ends.

The controller gets everything passed in: the engine, the reader of live facts, and for each fleet
its traffic and where looks come from. Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Protocol

from rightsizing.model.verdict import Calibration, JudgePolicy
from rightsizing.rollout.capacity import SlotInstances
from rightsizing.rollout.looks import LooksRead
from rightsizing.rollout.orphans import Sweep
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.stages import DEFAULT_SHARES
from rightsizing.rollout.traffic import Traffic
from rightsizing.stack.clock import Clock, SystemClock
from rightsizing.stack.driver import StackDriver, StackRef, StepListener
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
    """What is needed of one fleet while its traffic moves.

    ``instances``: how many serve and how to get more; None: not known (a proxied container).
    """

    traffic: Traffic
    looks: LookSource
    instances: SlotInstances | None = None


@unique
class RolloutOutcome(StrEnum):
    """How a run of the controller ended."""

    FINISHED = "finished"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    TRAFFIC_ONLY = "traffic_only"  # the old size serves; the stack is not as before
    NOT_RESTORED = "not_restored"


EXIT_CODES: Mapping[RolloutOutcome, int] = {
    RolloutOutcome.FINISHED: 0,
    RolloutOutcome.TRAFFIC_ONLY: 6,
    RolloutOutcome.NOT_RESTORED: 7,
    RolloutOutcome.ROLLED_BACK: 9,
    RolloutOutcome.PAUSED: 10,
}


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """How it ended, in one sentence with what to do next, and the journal's last word."""

    rollout_id: str
    outcome: RolloutOutcome
    sentence: str
    progress: RolloutProgress

    @property
    def exit_code(self) -> int:
        """Process exit code."""
        return EXIT_CODES[self.outcome]


@dataclass(frozen=True, slots=True)
class RolloutRun:
    """What a rollout is done with. ``watch`` is asked for a fleet once its slots are filled.

    Waiting goes by ``clock``, which may be a simulated one; durations of work and waiting for other
    processes by ``machine``, which never is. ``solo`` gives looks at a workload that serves alone
    (only their canary arm), None where nothing measures it. ``let_in`` is asked before a weight
    rises; None: nobody has to be. ``sweep`` finds and removes what a killed update left behind.
    ``interrupted`` names the signal that asked for a pause; empty: none did.
    """

    driver: StackDriver
    stack: StackRef
    read: FactsReader
    watch: Callable[[str], WatchedFleet]
    clock: Clock
    policy: JudgePolicy = field(default_factory=JudgePolicy)
    calibration: Calibration = field(default_factory=Calibration)
    policies: Mapping[str, JudgePolicy] = field(default_factory=dict)  # by workload
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    shares: Sequence[float] = DEFAULT_SHARES
    full_load: bool = False  # one more weight, at which a core has the load it will have alone
    cores: Mapping[str, float] = field(default_factory=dict)  # vCPU by instance type
    latency_bounds_s: Mapping[str, float] = field(default_factory=dict)  # by workload
    bake_looks: int = 0
    soak_s: float = SOAK_S
    poll_s: float = POLL_S
    hold_s: float = HOLD_S
    settle_s: float = SETTLE_SECONDS
    say: Say | None = None
    machine: Clock = field(default_factory=SystemClock)
    solo: Callable[[str], LookSource | None] = field(default=lambda _key: None)
    let_in: Callable[[str], bool] | None = None
    sweep: Sweep | None = None
    interrupted: Callable[[], str] = field(default=str)
    listener: StepListener | None = None
