"""StackDriver over the embedded engine: one child process an operation, state read from its files.

Everything of ``rightsizing.embedded`` is imported inside methods, so that this module can be
imported where nothing embedded may run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rightsizing import errors
from rightsizing.errors import EmbeddedError, RightsizingError, StackMissing, UpdateFailed
from rightsizing.model.update import (
    HistoryEntry,
    Json,
    OperationResult,
    ResourceState,
    Step,
    StepOp,
    UpdateStatus,
)
from rightsizing.stack.child import Child, ChildExit
from rightsizing.stack.driver import DriverName, StackRef, StepListener
from rightsizing.stack.history import parse_history
from rightsizing.stack.holder import break_locks
from rightsizing.stack.ownership import check_owner, claim
from rightsizing.stack.steps import describe_applied, make_step

if TYPE_CHECKING:
    from rightsizing.embedded.engine.events import RefusalEvent, SummaryEvent
    from rightsizing.embedded.engine.operation import StackFiles
    from rightsizing.embedded.engine.state import Checkpoint


class EmbeddedDriver:
    """Operations through the embedded engine.

    Args:
        backend: folder of all state and history; by default ``.rightsizing/embedded`` of the
            stack's project folder.
        providers: ``module:attribute`` of another provider table, for tests.
        environment: environment of the child instead of ours.
    """

    def __init__(
        self,
        *,
        backend: Path | None = None,
        providers: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._backend = backend
        self._providers = providers
        self._environment = environment

    @property
    def name(self) -> DriverName:
        """Which engine this is."""
        return DriverName.EMBEDDED

    def create(self, stack: StackRef) -> None:
        """Make the stack if it does not exist. Raises EmbeddedError unless it may be served."""
        from rightsizing.embedded.engine.project import load_project
        from rightsizing.embedded.engine.state import Checkpoint, StateFile

        load_project(stack.project_dir, stack.name).refuse_unless_embedded(stack.name)
        claim(stack, self.name)
        path = self._files(stack).state
        if not path.exists():
            StateFile(path, None, None).save(Checkpoint())

    def exists(self, stack: StackRef) -> bool:
        """Whether the stack has a state file."""
        return self._files(stack).state.exists()

    def preview(
        self, stack: StackRef, *, refresh: bool = False, listener: StepListener | None = None
    ) -> OperationResult:
        """What ``up`` would do; changes nothing and takes no lock."""
        return self._run(stack, "preview", _refresh_flag(refresh), listener)

    def up(
        self,
        stack: StackRef,
        *,
        message: str,
        refresh: bool = False,
        listener: StepListener | None = None,
    ) -> OperationResult:
        """Apply the stack's configuration file."""
        arguments = ["--message", message, *_refresh_flag(refresh)]
        return self._run(stack, "up", arguments, listener)

    def refresh(self, stack: StackRef, *, message: str) -> OperationResult:
        """Bring state in line with the live cloud."""
        return self._run(stack, "refresh", ["--message", message], None)

    def destroy(self, stack: StackRef, *, message: str) -> OperationResult:
        """Delete every resource of the stack."""
        return self._run(stack, "destroy", ["--message", message], None)

    def history(self, stack: StackRef) -> tuple[HistoryEntry, ...]:
        """All finished updates, newest first."""
        from rightsizing.embedded.engine.history import read_history

        self._require(stack)
        return parse_history(read_history(self._files(stack).history))

    def outputs(self, stack: StackRef) -> Mapping[str, Json]:
        """Stack outputs of the last update; secrets masked."""
        from rightsizing.embedded.engine.state import STACK_TYPE

        records = self._checkpoint(stack).resources
        return next((item.outputs for item in records if item.type == STACK_TYPE), {})

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        """Resources as state knows them; secrets masked, originals that await deletion left out."""
        return tuple(
            ResourceState(item.urn, item.type, item.id, item.inputs, item.outputs, item.protect)
            for item in self._checkpoint(stack).resources
            if not item.delete
        )

    def pending_operations(self, stack: StackRef) -> tuple[str, ...]:
        """URNs left in flight by a killed update."""
        return tuple(item.urn for item in self._checkpoint(stack).pending)

    def cancel(self, stack: StackRef) -> bool:
        """Break a lock whose holder is dead; False when there was none. Refuses a live holder."""
        self._require(stack)
        return break_locks([self._files(stack).lock])

    def _files(self, stack: StackRef) -> StackFiles:
        from rightsizing.embedded.engine.operation import StackFiles

        backend = self._backend or stack.project_dir / ".rightsizing" / "embedded"
        return StackFiles.of(backend, stack.project, stack.name)

    def _checkpoint(self, stack: StackRef) -> Checkpoint:
        from rightsizing.embedded.engine.state import StateFile

        self._require(stack)
        return StateFile(self._files(stack).state, None, None).load_masked()

    def _require(self, stack: StackRef) -> None:
        check_owner(stack, self.name)
        if not self.exists(stack):
            raise StackMissing(
                f"the embedded engine has no stack {stack.project}/{stack.name}; make it with "
                "`rightsize local up`"
            )

    def _run(
        self, stack: StackRef, operation: str, arguments: list[str], listener: StepListener | None
    ) -> OperationResult:
        from rightsizing.embedded.engine.events import (
            DiagnosticEvent,
            RefusalEvent,
            StepEvent,
            from_line,
        )

        self._require(stack)
        if operation != "preview":
            claim(stack, self.name)
        folder = stack.project_dir.resolve()
        # -P: the program must not find modules merely because of our working directory.
        command = [sys.executable, "-P", "-m", "rightsizing.embedded.engine", operation]
        command += ["--project-dir", str(folder), "--stack", stack.name, *arguments]
        command += ["--backend", str(self._files(stack).folder.parent.parent.resolve())]
        command += ["--providers", self._providers] if self._providers else []
        child = Child(command, folder, self._environment or os.environ)
        steps: list[Step] = []
        diagnostics: list[str] = []
        problem = ""
        end: SummaryEvent | RefusalEvent | None = None
        for line in child.lines():
            event = from_line(line)
            if isinstance(event, StepEvent):
                step = make_step(
                    StepOp(event.op),
                    event.urn,
                    event.type,
                    before=event.before,
                    after=event.after,
                    changed=event.diffs,
                    replaces=event.replaces,
                )
                steps.append(step)
                if listener is not None:
                    listener(step)
            elif isinstance(event, DiagnosticEvent):
                diagnostics.append(event.message)
                problem = problem or (event.message if event.severity == "error" else "")
            else:
                end = event
        gone = child.finish()
        if end is None:
            raise _broken_off(stack, operation, gone, steps)
        if isinstance(end, RefusalEvent):
            raise _named_error(end.error, end.message)
        if end.result != UpdateStatus.SUCCEEDED.value:
            done = "" if operation == "preview" else f"; {describe_applied(steps)}"
            raise UpdateFailed(
                f"{operation} of {stack.project}/{stack.name} failed: {problem}{done}"
            )
        return OperationResult(
            UpdateStatus.SUCCEEDED,
            tuple(steps),
            end.outputs,
            tuple(diagnostics),
            end.pending_operations,
        )


def _refresh_flag(refresh: bool) -> list[str]:
    return ["--refresh"] if refresh else []


def _named_error(name: str, message: str) -> RightsizingError:
    kind = getattr(errors, name, EmbeddedError)
    error = kind(message)
    assert isinstance(error, RightsizingError)
    return error


def _broken_off(
    stack: StackRef, operation: str, gone: ChildExit, steps: list[Step]
) -> RightsizingError:
    if gone.killed:
        return UpdateFailed(
            f"{operation} of {stack.project}/{stack.name} was killed (signal {-gone.code}); "
            f"{describe_applied(steps)} for certain, what was in flight is unknown: break the "
            "lock, then run it again with refresh"
        )
    lines = gone.stderr.strip().splitlines()
    said = lines[-1] if lines else f"exit code {gone.code}"
    return EmbeddedError(f"the embedded engine stopped unexpectedly: {said}")
