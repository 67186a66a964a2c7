"""Where a rollout stands, folded from its journal's entries. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum, unique

from rightsizing.errors import StackError
from rightsizing.model.verdict import Calibration, Evidence, JudgePolicy, Look
from rightsizing.rollout.events import (
    Aborted,
    Entry,
    Event,
    Finished,
    Judged,
    Looked,
    Paused,
    Promoted,
    Resumed,
    Retired,
    RolledBack,
    Started,
    StepApplied,
    StepIntended,
)

WEIGHT_STAGE = "weight-"  # begins the name of every stage in which both slots serve


@unique
class RolloutStatus(StrEnum):
    """What may happen next."""

    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"  # the way back is under way
    SOAKING = "soaking"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class RolloutProgress:
    """The fold of all entries so far.

    ``intended`` without the same ``applied`` is a step that may or may not have happened. Looks and
    verdicts are those of the stage last applied, or of the one that only watches now.
    ``watched_until`` is when that one ends. ``approved``: resumed since the newest verdict.
    """

    started: Started
    entries: int = 1
    intended: str | None = None
    applied: str | None = None
    looks: tuple[Looked, ...] = ()
    verdicts: tuple[Judged, ...] = ()
    paused: Paused | None = None
    aborted: Aborted | None = None
    rolled_back: RolledBack | None = None
    promoted: bool = False
    retired: bool = False
    finished: Finished | None = None
    watched_until: datetime | None = None
    approved: bool = False
    downtime_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> RolloutStatus:
        """What may happen next."""
        if self.finished is not None:
            return RolloutStatus.FINISHED
        if self.aborted is not None:
            return RolloutStatus.ABORTED
        if self.paused is not None:
            return RolloutStatus.PAUSED
        return RolloutStatus.SOAKING if self.promoted else RolloutStatus.RUNNING

    @property
    def unfinished_step(self) -> str | None:
        """The stage whose update may be half done."""
        return self.intended if self.intended != self.applied else None

    def looks_of(self, workload: str) -> tuple[Look, ...]:
        """Looks at a workload in the stage last applied, in the order of their arrival."""
        return tuple(item.look for item in self.looks if item.workload == workload)

    @property
    def verdict(self) -> Judged | None:
        """The newest verdict of the stage last applied."""
        return self.verdicts[-1] if self.verdicts else None

    def verdict_of(self, workload: str) -> Judged | None:
        """The newest verdict about a workload in the stage last applied."""
        own = [verdict for verdict in self.verdicts if verdict.workload == workload]
        return own[-1] if own else None

    @property
    def deciding_stage(self) -> str | None:
        """The last weight before everything: what is let in there has to be shown safe."""
        weights = [name for name in self.started.stages if name.startswith(WEIGHT_STAGE)]
        return weights[-1] if weights else None

    def policy_of(self, stage: str, workload: str = "") -> JudgePolicy:
        """What the judge holds at a stage, and of a workload that has its own policy.

        The load of busy hours is asked of the deciding stage alone: a smaller share of the traffic
        cannot have it.
        """
        policy = self.started.policies.get(workload, self.started.policy)
        if stage == self.deciding_stage:
            return policy
        return policy.model_copy(update={"min_load_coverage": 0.0})

    def calibration_of(self, workload: str) -> Calibration:
        """What was known of a workload before the rollout."""
        return self.started.calibrations.get(workload, self.started.calibration)

    def evidence_of(self, verdict: Judged) -> Evidence:
        """All the verdict was made of, to compute it again. Only of the present stage."""
        return Evidence(
            looks=self.looks_of(verdict.workload)[: verdict.looks],
            policy=self.policy_of(verdict.stage, verdict.workload),
            calibration=self.calibration_of(verdict.workload),
            now_ms=verdict.now_ms,
        )

    def __str__(self) -> str:
        stage = self.applied or "no stage"
        text = f"{self.status.value}, {stage} applied"
        if self.unfinished_step is not None:
            text += f", {self.unfinished_step} begun"
        return text


def fold(entries: Sequence[Entry]) -> RolloutProgress | None:
    """Where the rollout stands after these entries; None when there are none.

    Raises StackError when an event cannot follow those before it.
    """
    progress: RolloutProgress | None = None
    for entry in entries:
        progress = follow(progress, entry.event)
    return progress


def follow(progress: RolloutProgress | None, event: Event) -> RolloutProgress:
    """Where the rollout stands after one more event. Raises StackError as ``fold`` does."""
    if progress is None:
        if not isinstance(event, Started):
            raise StackError(f"a rollout begins with started, found {event.kind}")
        return RolloutProgress(event)
    _require_order(progress, event)
    found = replace(progress, entries=progress.entries + 1)
    match event:
        case StepIntended():
            until = found.watched_until or event.until  # done again, it ends as announced first
            found = replace(
                found,
                intended=event.stage,
                applied=_before(found, event),
                watched_until=None if event.until is None else until,
            )
        case StepApplied():
            found = replace(
                found,
                applied=event.stage,
                looks=(),
                verdicts=(),
                watched_until=None,
                approved=False,
                downtime_s={**found.downtime_s, **event.downtime_s},
            )
        case Looked():
            found = replace(found, looks=(*found.looks, event))
        case Judged():
            found = replace(found, verdicts=(*found.verdicts, event), approved=False)
        case Paused():
            found = replace(found, paused=event)
        case Resumed():
            found = replace(found, paused=None, approved=True)
        case Aborted():
            found = replace(found, aborted=found.aborted or event)
        case RolledBack():
            found = replace(found, rolled_back=event)
        case Promoted() | Retired():
            found = replace(found, promoted=True, retired=isinstance(event, Retired))
        case Finished():
            found = replace(found, finished=event)
    return found


def _before(progress: RolloutProgress, event: StepIntended) -> str | None:
    """What counts as applied while a step is under way; a step done again is not, meanwhile."""
    return None if progress.applied == event.stage else progress.applied


def _looked_at(progress: RolloutProgress) -> tuple[str | None, ...]:
    """The stage in force, and the one that only watches."""
    watched = progress.intended if progress.watched_until is not None else None
    return (progress.applied, watched)


def _require_order(progress: RolloutProgress, event: Event) -> None:
    problem = ""
    if progress.finished is not None:
        problem = "the rollout is finished"
    elif isinstance(event, Started):
        problem = "it has begun already"
    elif isinstance(event, StepIntended | Promoted | Retired) and progress.aborted is not None:
        problem = "it was aborted, and only the way back may follow"
    elif isinstance(event, StepIntended | StepApplied):
        if event.stage not in progress.started.stages:
            problem = f"it has no stage {event.stage}"
        elif isinstance(event, StepApplied) and event.stage != progress.intended:
            problem = f"{event.stage} was not the step intended last"
    elif isinstance(event, Looked | Judged) and event.stage not in _looked_at(progress):
        problem = f"{event.stage} is not the stage applied last"
    elif isinstance(event, RolledBack) and progress.aborted is None:
        problem = "it was not aborted"
    elif isinstance(event, Retired) and not progress.promoted:
        problem = "it was not promoted"
    if problem:
        raise StackError(f"{event.kind} cannot be noted: {problem}")
