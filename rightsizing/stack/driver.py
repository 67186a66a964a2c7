"""StackDriver: the one way the toolkit changes infrastructure.

Two implementations run the same program: ``cli`` (the Pulumi CLI through the Automation API's
workspace, owning its child process) and ``embedded`` (our small engine). Neither is kinder than
the other: the contract tests in ``tests/stack`` run on both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Protocol

from rightsizing.model.update import HistoryEntry, Json, OperationResult, ResourceState, Step


@unique
class DriverName(StrEnum):
    """Which engine a stack belongs to."""

    CLI = "cli"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class StackRef:
    """One stack of one project folder (the folder that holds Pulumi.yaml)."""

    project_dir: Path
    project: str
    name: str

    @property
    def config_path(self) -> Path:
        """``Pulumi.<stack>.yaml``."""
        return self.project_dir / f"Pulumi.{self.name}.yaml"

    @property
    def record_dir(self) -> Path:
        """Where records beside the backend live."""
        return self.project_dir / ".rightsizing" / self.project / self.name


# Called once a step as it finishes, for progress; must not raise.
StepListener = Callable[[Step], None]


class StackDriver(Protocol):
    """Operations on one stack. All raise StackMissing, StackLocked, DriverMismatch, UpdateFailed.

    A KeyboardInterrupt during ``up`` is passed on to the child once, as SIGINT; the child finishes
    the operation in flight, writes its state and history, and UpdateFailed says what was applied.
    """

    @property
    def name(self) -> DriverName:
        """Which engine this is."""
        ...

    def create(self, stack: StackRef) -> None:
        """Make the stack if it does not exist."""
        ...

    def exists(self, stack: StackRef) -> bool:
        """Whether the stack exists in this driver's backend."""
        ...

    def preview(
        self, stack: StackRef, *, refresh: bool = False, listener: StepListener | None = None
    ) -> OperationResult:
        """What ``up`` would do; changes nothing. ``refresh`` reads the live cloud first."""
        ...

    def up(
        self,
        stack: StackRef,
        *,
        message: str,
        refresh: bool = False,
        listener: StepListener | None = None,
    ) -> OperationResult:
        """Apply the stack's configuration file."""
        ...

    def refresh(self, stack: StackRef, *, message: str) -> OperationResult:
        """Bring state in line with the live cloud."""
        ...

    def destroy(self, stack: StackRef, *, message: str) -> OperationResult:
        """Delete every resource of the stack (protected ones make it fail)."""
        ...

    def history(self, stack: StackRef) -> tuple[HistoryEntry, ...]:
        """All finished updates, newest first."""
        ...

    def outputs(self, stack: StackRef) -> Mapping[str, Json]:
        """Stack outputs of the last update; secrets masked."""
        ...

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        """Resources as state knows them."""
        ...

    def pending_operations(self, stack: StackRef) -> tuple[str, ...]:
        """URNs left in flight by a killed update."""
        ...

    def cancel(self, stack: StackRef) -> bool:
        """Break a lock whose holder is dead; False when there was none. Refuses a live holder."""
        ...
