"""A release record: what one update applied, by which program, and how it turned out.

Records stand beside the backend and add to stack history what that does not keep. They are never
changed: a later record about the same update supersedes an earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum, unique
from typing import Literal

from pydantic import Field, TypeAdapter

from rightsizing.model.base import FrozenModel, NoData
from rightsizing.model.facts import FactsReport, Mismatch, WorkloadFacts
from rightsizing.model.rollout import RolloutState
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, ResourceState
from rightsizing.stack.provenance import ProgramVersion

NOT_READ = NoData("live facts were not read")


@unique
class Verdict(StrEnum):
    """How an update turned out."""

    GOOD = "good"  # completed, and live facts equal what it says
    UNVERIFIED = "unverified"  # completed, and nobody compared live facts
    FAILED = "failed"  # did not complete: anything between before and after may be live
    BAD = "bad"  # completed, but live facts differ or cannot be read
    ROLLED_BACK = "rolled_back"  # was live until a rollback went away from it


@unique
class Origin(StrEnum):
    """Who wrote the record."""

    APPLY = "apply"
    ROLLBACK = "rollback"
    ADOPTED = "adopted"  # found in history: someone typed `pulumi up`


class UpdateRef(FrozenModel):
    """The history entry a record is about. Backends without versions are counted by position,
    so the times decide and the sequence only tells equal times apart."""

    sequence: int
    start: datetime
    end: datetime

    @classmethod
    def of(cls, entry: HistoryEntry) -> UpdateRef:
        """The reference to this entry."""
        return cls(sequence=entry.sequence, start=entry.start, end=entry.end)

    def same_times(self, entry: HistoryEntry) -> bool:
        """True when the entry ran at the same time."""
        return (self.start, self.end) == (entry.start, entry.end)


class RecordedResource(FrozenModel):
    """Identity of a resource after the update, with what was resolved for it (image, version)."""

    urn: str
    type: str
    id: str
    resolved: dict[str, str] = Field(default_factory=dict)


class RecordedFacts(FrozenModel):
    """Live facts after the update: their digest, and what differed, in sentences."""

    digest: str
    matches: bool
    differences: tuple[str, ...] = ()


class ReleaseRecord(FrozenModel):
    """One record. ``update`` is None for an update that was killed: history has no entry then."""

    version: Literal[1] = 1
    number: int
    at: datetime
    origin: Origin
    update: UpdateRef | None
    release: str | None
    phase: int
    rollout: RolloutState
    verdict: Verdict
    reason: str
    program: ProgramVersion | NoData
    versions: dict[str, str] = Field(default_factory=dict)
    resources: tuple[RecordedResource, ...] = ()
    pending: tuple[str, ...] = ()  # operations of a killed update that were still in state
    facts: RecordedFacts | NoData = NOT_READ
    parent: int | None = None
    supersedes: int | None = None

    @property
    def name(self) -> str:
        """``release@phase`` for people, or ``declared``."""
        return "declared" if self.release is None else f"{self.release[:12]}@{self.phase}"


# Properties that say which image and which numbered template or task definition was resolved.
_RESOLVED: Mapping[str, tuple[str, ...]] = {
    "aws:ec2/launchTemplate:LaunchTemplate": ("imageId", "instanceType", "latestVersion"),
    "aws:ecs/taskDefinition:TaskDefinition": ("arn", "revision", "cpu", "memory"),
    "aws:ecs/service:Service": ("taskDefinition",),
    "docker:index/container:Container": ("image",),
}
_FACTS = TypeAdapter(tuple[WorkloadFacts, ...])


def recorded_resources(resources: Sequence[ResourceState]) -> tuple[RecordedResource, ...]:
    """Ids and resolved numbers of a stack's resources; no other property, so no secret."""
    return tuple(
        RecordedResource(
            urn=resource.urn,
            type=resource.type,
            id=resource.id,
            resolved={
                key: str(resource.outputs[key])
                for key in _RESOLVED.get(resource.type, ())
                if isinstance(resource.outputs.get(key), str | int | float)
            },
        )
        for resource in sorted(resources, key=lambda resource: resource.urn)
        if resource.id
    )


def recorded_facts(report: FactsReport) -> RecordedFacts:
    """Digest of the facts and a sentence a difference."""
    return RecordedFacts(
        digest=hashlib.sha256(_FACTS.dump_json(report.facts)).hexdigest(),
        matches=report.matches,
        differences=difference_sentences(report),
    )


def difference_sentences(report: FactsReport) -> tuple[str, ...]:
    """Every mismatch and unreadable fact as one sentence."""
    return (
        *(mismatch_sentence(mismatch) for mismatch in report.mismatches),
        *(f"{workload}: {why.reason}" for workload, why in report.unreadable),
    )


def mismatch_sentence(mismatch: Mismatch) -> str:
    """``web: slot b running instances should be 2 x m7g.large, found 2 x m5.large``."""
    return (
        f"{mismatch.workload}: {mismatch.fact} should be {mismatch.expected}, "
        f"found {mismatch.found}"
    )


def sizing_fields(sizing: StackSizing) -> dict[str, object]:
    """The fields of a record that name a sizing."""
    return {
        "release": None if sizing.release is None else sizing.release.id,
        "phase": sizing.phase,
        "rollout": sizing.rollout,
    }
