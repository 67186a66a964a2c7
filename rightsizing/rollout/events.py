"""What happens in a rollout, as its journal keeps it: one type an event.

An intended step is written before the update it announces, an applied one after its live facts
agreed, so a crash between the two leaves a step that may have happened, which is done again. Looks
are kept whole, and a verdict says of how many it was made: it can be computed again from the
journal alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from rightsizing.model.base import FrozenModel
from rightsizing.model.rollout import RolloutState
from rightsizing.model.verdict import Calibration, Decision, JudgePolicy, Look, Quality, Tripwire
from rightsizing.stack.intent import IntendedSizing


class Started(FrozenModel):
    """The rollout's beginning: all that resuming needs.

    ``fingerprint`` identifies program and declaration, so that a change that lands meanwhile is
    seen; ``good_record`` is the number of the ledger's record to go back to, if there is one.
    ``cores`` (vCPU by instance type) and ``latency_bounds_s`` (by workload: a request that takes
    longer is slow) were read at the start, so that resuming does not depend on reading them again.
    """

    kind: Literal["started"] = "started"
    current: IntendedSizing
    target: IntendedSizing
    stages: tuple[str, ...] = Field(min_length=1)
    shares: tuple[float, ...] = ()
    full_load: bool = False
    policy: JudgePolicy = JudgePolicy()
    calibration: Calibration = Calibration()
    policies: dict[str, JudgePolicy] = Field(
        default_factory=dict, description="by workload, where it has its own"
    )
    calibrations: dict[str, Calibration] = Field(default_factory=dict)
    by_person: bool = Field(default=False, description="a person lets every step in")
    fingerprint: str = ""
    good_record: int | None = None
    cores: dict[str, float] = Field(default_factory=dict)
    latency_bounds_s: dict[str, float] = Field(default_factory=dict)
    bake_looks: int = Field(
        default=0,
        ge=0,
        description="looks without harm that let a step before the last one in; 0: shown safe",
    )


class StepIntended(FrozenModel):
    """The update to this stage begins now; of a stage that only watches, ``until`` is its end."""

    kind: Literal["step_intended"] = "step_intended"
    stage: str
    rollout: RolloutState
    until: datetime | None = None


class StepApplied(FrozenModel):
    """The stage's update completed and the live facts are as it says."""

    kind: Literal["step_applied"] = "step_applied"
    stage: str
    record: int | None = Field(default=None, description="number in the release ledger")
    downtime_s: dict[str, float] = Field(
        default_factory=dict, description="measured, by workload that was stopped to change it"
    )


class Looked(FrozenModel):
    """One minute of both arms of one workload."""

    kind: Literal["look"] = "look"
    stage: str
    workload: str
    look: Look


class Judged(FrozenModel):
    """What the judge made of the first ``looks`` looks of this stage and workload."""

    kind: Literal["verdict"] = "verdict"
    stage: str
    workload: str
    looks: int = Field(ge=0)
    now_ms: int
    decision: Decision
    quality: Quality
    tripwires: tuple[Tripwire, ...] = ()
    reason: str


class Paused(FrozenModel):
    """No step is taken until it is resumed."""

    kind: Literal["paused"] = "paused"
    reason: str


class Resumed(FrozenModel):
    """Goes on, after a pause or in a new process."""

    kind: Literal["resumed"] = "resumed"
    reason: str = ""


class Aborted(FrozenModel):
    """To be rolled back: by a person, or by a verdict. Nothing but the way back follows."""

    kind: Literal["aborted"] = "aborted"
    reason: str


class RolledBack(FrozenModel):
    """How the way back came out; seconds are counted from the abort, None: not reached."""

    kind: Literal["rolled_back"] = "rolled_back"
    outcome: str
    sentence: str
    traffic_s: float | None = Field(default=None, ge=0)
    configuration_s: float | None = Field(default=None, ge=0)


class Promoted(FrozenModel):
    """The new size serves everything; the soak begins."""

    kind: Literal["promoted"] = "promoted"


class Retired(FrozenModel):
    """The old slots are gone; going back takes minutes from here on."""

    kind: Literal["retired"] = "retired"


class Finished(FrozenModel):
    """Nothing more is written after this."""

    kind: Literal["finished"] = "finished"
    sentence: str


Event = Annotated[
    Started
    | StepIntended
    | StepApplied
    | Looked
    | Judged
    | Paused
    | Resumed
    | Aborted
    | RolledBack
    | Promoted
    | Retired
    | Finished,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Entry(FrozenModel):
    """One line of the journal. ``number`` counts from 1, ``token`` is its writer's."""

    number: int = Field(ge=1)
    token: int = Field(ge=1)
    at: datetime
    event: Event
