"""Stack operations as values: steps of a preview, results of an update, entries of history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

# JSON as it comes out of Pulumi state; only ever inspected key by key at this boundary.
Json = Any

RELEASE_KEY = "rightsizing:release"
PHASE_KEY = "rightsizing:phase"
ROLLOUT_KEY = "rightsizing:rollout"
SIZING_KEYS = (RELEASE_KEY, PHASE_KEY, ROLLOUT_KEY)


@unique
class StepOp(StrEnum):
    """What happens to one resource, in Pulumi's words."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    READ = "read"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One changed input property; secrets are shown as ``[secret]``, unknowns as ``[unknown]``."""

    path: str
    before: Json
    after: Json
    forces_replacement: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One resource's part of an operation."""

    op: StepOp
    urn: str
    type: str  # e.g. aws:autoscaling/group:Group
    changes: tuple[PropertyChange, ...] = ()

    @property
    def name(self) -> str:
        """Logical name: the last part of the URN."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def changed_keys(self) -> tuple[str, ...]:
        """Sorted top-level property names that change."""
        return tuple(sorted({change.path.split(".")[0].split("[")[0] for change in self.changes}))


@unique
class UpdateKind(StrEnum):
    """Kind of a history entry."""

    UPDATE = "update"
    REFRESH = "refresh"
    DESTROY = "destroy"


@unique
class UpdateStatus(StrEnum):
    """How an operation ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_PROGRESS = "in-progress"


@dataclass(frozen=True, slots=True)
class OperationResult:
    """A finished preview, up, refresh or destroy. Previews leave ``outputs`` empty of unknowns."""

    status: UpdateStatus
    steps: tuple[Step, ...]
    outputs: Mapping[str, Json] = field(default_factory=dict)
    diagnostics: tuple[str, ...] = ()  # warnings and errors, ANSI stripped
    pending_operations: int = 0

    @property
    def changes(self) -> tuple[Step, ...]:
        """Steps that change something."""
        return tuple(step for step in self.steps if step.op not in (StepOp.SAME, StepOp.READ))


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One entry of stack history, with the configuration as applied (secrets stay ciphertext).

    ``sequence`` counts from 1, oldest first; a file or S3 backend has no version numbers.
    """

    sequence: int
    kind: UpdateKind
    status: UpdateStatus
    start: datetime
    end: datetime
    message: str
    config: Mapping[str, str]  # key -> raw string; structured values are JSON text
    secret_keys: frozenset[str]
    environment: Mapping[str, str]
    resource_changes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ResourceState:
    """One resource as the stack's state knows it: last known, not live."""

    urn: str
    type: str
    id: str
    inputs: Mapping[str, Json]
    outputs: Mapping[str, Json]
    protect: bool = False

    @property
    def name(self) -> str:
        """Logical name: the last part of the URN."""
        return self.urn.rsplit("::", 1)[-1]
