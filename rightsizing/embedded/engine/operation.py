"""Preview, up, refresh and destroy of one stack: lock, state, program, deletes, history.

The order matters: lock, then state, then the cloud, then state, then history, then unlock. A kill
in between leaves what it would leave with the real engine.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from pathlib import Path
from types import FrameType

from pulumi._version import version as sdk_version

from rightsizing.embedded.engine.deployment import Deployment
from rightsizing.embedded.engine.events import DiagnosticEvent, Event, SummaryEvent
from rightsizing.embedded.engine.goal import StackName
from rightsizing.embedded.engine.history import FinishedUpdate, append_history, git_environment
from rightsizing.embedded.engine.lock import StackLock
from rightsizing.embedded.engine.monitor import EngineLog, Monitor
from rightsizing.embedded.engine.program import ProgramRun
from rightsizing.embedded.engine.project import Project, load_project
from rightsizing.embedded.engine.properties import has_unknown, masked
from rightsizing.embedded.engine.providers import ProviderTable
from rightsizing.embedded.engine.snapshot import Snapshot
from rightsizing.embedded.engine.state import STACK_TYPE, StateFile
from rightsizing.errors import ConfigError, EmbeddedError
from rightsizing.model.update import UpdateKind, UpdateStatus

TERMINATED_EXIT_CODE = 130


@unique
class OperationKind(StrEnum):
    """What the engine can do."""

    PREVIEW = "preview"
    UP = "up"
    REFRESH = "refresh"
    DESTROY = "destroy"


_HISTORY_KINDS = {
    OperationKind.UP: UpdateKind.UPDATE,
    OperationKind.REFRESH: UpdateKind.REFRESH,
    OperationKind.DESTROY: UpdateKind.DESTROY,
}


@dataclass(frozen=True, slots=True)
class StackFiles:
    """Where one stack's files are, below the backend folder."""

    folder: Path

    @classmethod
    def of(cls, backend: Path, project: str, stack: str) -> StackFiles:
        """Files of one stack."""
        return cls(backend / project / stack)

    @property
    def state(self) -> Path:
        """The state file; the stack exists when it does."""
        return self.folder / "state.json"

    @property
    def lock(self) -> Path:
        """The lock file, there only while an update runs (or was killed)."""
        return self.folder / "lock.json"

    @property
    def history(self) -> Path:
        """Folder of history entries."""
        return self.folder / "history"


class Operation:
    """One run of the engine. ``emit`` gets every event."""

    def __init__(
        self,
        kind: OperationKind,
        emit: Callable[[Event], None],
        *,
        project_dir: Path,
        stack: str,
        backend: Path,
        providers: ProviderTable,
        refresh: bool = False,
        message: str = "",
    ) -> None:
        self._kind = kind
        self._project_dir = project_dir
        self._stack = stack
        self._backend = backend
        self._providers = providers
        self._emit = emit
        self._refresh = refresh or kind is OperationKind.REFRESH
        self._message = message
        self._deployment: Deployment | None = None
        self._interrupted = False
        self._wake = threading.Event()

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Signal handler: the first ends politely, the second at once, as with the Pulumi CLI."""
        if self._interrupted:
            os._exit(TERMINATED_EXIT_CODE)
        self._interrupted = True
        if self._deployment is not None:
            self._deployment.cancelled = True
        self._wake.set()

    def run(self) -> UpdateStatus:
        """Do it. Raises ConfigError, StackMissing, StackLocked or EmbeddedError when it cannot."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.interrupt)
        project = load_project(self._project_dir, self._stack)
        project.refuse_unless_embedded(self._stack)
        files = StackFiles.of(self._backend, project.name, self._stack)
        state = StateFile(files.state, _passphrase(), project.salt)
        state.load()  # a missing stack is said before a lock is made
        dry_run = self._kind is OperationKind.PREVIEW
        with nullcontext() if dry_run else StackLock(files.lock):
            start = datetime.now(UTC)
            snapshot = Snapshot(state.load(), None if dry_run else state)
            deployment = Deployment(snapshot, self._providers, self._emit, dry_run=dry_run)
            self._deployment = deployment
            deployment.cancelled = self._interrupted
            status = self._perform(deployment, project, state)
            if not dry_run:
                snapshot.save()
                update = FinishedUpdate(
                    kind=_HISTORY_KINDS[self._kind],
                    start=start,
                    end=datetime.now(UTC),
                    message=self._message,
                    environment=self._environment(),
                    config=project.history_config(),
                    result=status,
                    resource_changes=dict(sorted(deployment.changes.items())),
                )
                append_history(files.history, update)
        self._summarise(deployment, status)
        return status

    def _perform(self, deployment: Deployment, project: Project, state: StateFile) -> UpdateStatus:
        pending = deployment.snapshot.found_pending
        if pending and not self._refresh:
            listed = "; ".join(f"{item.urn}, interrupted while {item.kind}" for item in pending)
            self._emit(
                DiagnosticEvent(
                    "warning",
                    f"the stack has {len(pending)} pending operations from a previous deployment: "
                    f"{listed}; their outcome is unknown, so look at the cloud and refresh",
                )
            )
        if self._refresh:
            deployment.refresh(as_operation=self._kind is OperationKind.REFRESH)
        if self._kind in (OperationKind.PREVIEW, OperationKind.UP) and not deployment.stopped:
            self._run_program(deployment, project, state)
        if self._kind is not OperationKind.REFRESH:
            deployment.delete_gone()
        if self._interrupted:
            deployment.fail(EmbeddedError("the update was interrupted"))
        failed = deployment.failure is not None
        return UpdateStatus.FAILED if failed else UpdateStatus.SUCCEEDED

    def _run_program(self, deployment: Deployment, project: Project, state: StateFile) -> None:
        name = StackName(project.name, self._stack)
        config = project.clear_config(state.cipher)
        hidden = [key for key, value in project.config.items() if value.secret]
        dry_run = self._kind is OperationKind.PREVIEW
        run = ProgramRun(project.program, name, config, hidden, dry_run=dry_run)
        run.start(Monitor(deployment, name), EngineLog(self._emit))
        threading.Thread(target=self._wake_when, args=(run.finished,), daemon=True).start()
        self._wake.wait()
        if self._interrupted:
            deployment.wait_for_operation()
        elif run.error is not None:
            deployment.fail(run.error)
        run.stop()

    def _wake_when(self, finished: threading.Event) -> None:
        finished.wait()
        self._wake.set()

    def _environment(self) -> dict[str, str]:
        return {
            "exec.kind": "rightsizing.embedded",
            "pulumi.version": f"v{sdk_version}",
            "rightsizing.refresh": "true" if self._refresh else "false",
            **git_environment(self._project_dir),
        }

    def _summarise(self, deployment: Deployment, status: UpdateStatus) -> None:
        checkpoint = deployment.snapshot.checkpoint
        stack = next((item for item in checkpoint.resources if item.type == STACK_TYPE), None)
        outputs = stack.outputs if stack else {}
        known = {key: masked(value) for key, value in outputs.items() if not has_unknown(value)}
        changes = dict(sorted(deployment.changes.items()))
        self._emit(SummaryEvent(status.value, known, changes, len(checkpoint.pending)))


def _passphrase() -> str | None:
    path = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    given = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    if given is not None or not path:
        return given
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"PULUMI_CONFIG_PASSPHRASE_FILE names {path}, which cannot be read ({error.strerror})"
        ) from error
