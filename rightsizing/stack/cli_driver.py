"""StackDriver over the real Pulumi CLI.

Short commands go through the Automation API's ``PulumiCommand``, which maps their errors; previews
and updates run in a child process of our own, because the Automation API gives no handle by which
an update could be interrupted. Engine events are read from ``--json`` as they happen. Secrets are
never asked for, so none can be logged.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rightsizing.errors import (
    ConfigError,
    RightsizingError,
    StackError,
    StackLocked,
    StackMissing,
    UpdateFailed,
)
from rightsizing.model.update import (
    HistoryEntry,
    Json,
    OperationResult,
    ResourceState,
    UpdateStatus,
)
from rightsizing.stack.child import Child, ChildExit, strip_ansi
from rightsizing.stack.cli_events import CliEvents, masked
from rightsizing.stack.driver import DriverName, StackRef, StepListener
from rightsizing.stack.history import parse_history
from rightsizing.stack.holder import break_locks
from rightsizing.stack.ownership import check_owner, claim
from rightsizing.stack.steps import describe_applied

if TYPE_CHECKING:
    from pulumi.automation import PulumiCommand

_LOCKED = re.compile(r"created by (\S+ \(pid \d+\)) at (\S+)")
_STACK_TYPE = "pulumi:pulumi:Stack"


class CliDriver:
    """Operations through a Pulumi CLI.

    Args:
        executable: the ``pulumi`` binary.
        environment: environment of the CLI instead of ours; backend, passphrase and cloud
            endpoints are taken from it.
    """

    def __init__(self, executable: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self._executable = executable
        self._given_environment = environment

    @property
    def name(self) -> DriverName:
        """Which engine this is."""
        return DriverName.CLI

    def create(self, stack: StackRef) -> None:
        """Make the stack if it does not exist; a file backend's folder is made too."""
        claim(stack, self.name)
        backend = self._environment.get("PULUMI_BACKEND_URL", "")
        if backend.startswith("file://"):
            _file_path(backend).mkdir(parents=True, exist_ok=True)
        if not self.exists(stack):
            self._short(stack, "stack", "init", "--no-select", "--stack", stack.name)

    def exists(self, stack: StackRef) -> bool:
        """Whether the backend has the stack."""
        listed = json.loads(self._short(stack, "stack", "ls", "--json") or "[]")
        return any(item["name"].rsplit("/", 1)[-1] == stack.name for item in listed)

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
        return self._run(stack, "up", [*_changing(message), *_refresh_flag(refresh)], listener)

    def refresh(self, stack: StackRef, *, message: str) -> OperationResult:
        """Bring state in line with the live cloud."""
        return self._run(stack, "refresh", _changing(message), None)

    def destroy(self, stack: StackRef, *, message: str) -> OperationResult:
        """Delete every resource of the stack."""
        return self._run(stack, "destroy", _changing(message), None)

    def history(self, stack: StackRef) -> tuple[HistoryEntry, ...]:
        """All finished updates, newest first."""
        check_owner(stack, self.name)
        text = self._short(
            stack, "stack", "history", "--json", "--page-size", "0", "--stack", stack.name
        )
        return parse_history(list(reversed(json.loads(text or "[]"))))

    def outputs(self, stack: StackRef) -> Mapping[str, Json]:
        """Stack outputs of the last update; secrets masked."""
        return _stack_outputs(self._deployment(stack))

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        """Resources as state knows them; secrets masked, originals that await deletion left out."""
        return tuple(
            ResourceState(
                item["urn"],
                item["type"],
                item.get("id", ""),
                masked(item.get("inputs", {})),
                masked(item.get("outputs", {})),
                item.get("protect", False),
            )
            for item in self._deployment(stack).get("resources") or []
            if not item.get("delete")
        )

    def pending_operations(self, stack: StackRef) -> tuple[str, ...]:
        """URNs left in flight by a killed update."""
        pending = self._deployment(stack).get("pending_operations") or []
        return tuple(item["resource"]["urn"] for item in pending)

    def cancel(self, stack: StackRef) -> bool:
        """Break a lock whose holder is dead; False when there was none. Refuses a live holder.

        Only for a file backend, where locks can be looked at: ``pulumi cancel`` there deletes locks
        blindly and lets two updates run at once.
        """
        check_owner(stack, self.name)
        if not self.exists(stack):
            raise StackMissing(f"there is no stack {stack.project}/{stack.name} in this backend")
        url = json.loads(self._short(stack, "whoami", "--json"))["url"]
        if not url.startswith("file://"):
            raise StackError(
                f"the lock of a stack in {url} does not say whether its holder still runs; make "
                "sure that it is dead, then run `pulumi cancel`"
            )
        folder = _file_path(url) / ".pulumi" / "locks" / "organization" / stack.project / stack.name
        return break_locks(sorted(folder.glob("*.json")))

    @cached_property
    def _environment(self) -> dict[str, str]:
        given = dict(os.environ if self._given_environment is None else self._given_environment)
        # The CLI finds its language host beside itself, and the program our Python, even when the
        # virtual environment was not activated.
        before = [str(self._executable.parent), str(Path(sys.executable).parent)]
        path = os.pathsep.join([*before, given.get("PATH", os.defpath)])
        return {
            **given,
            "PATH": path,
            "NO_COLOR": "1",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Else `preview --json` prints one digest at its end and no events.
            "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
            # Else every operation first fetches the plugin of each SDK that is installed, in use or
            # not: seconds lost offline, hundreds of MiB online. One in use is still fetched.
            "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
        }

    @cached_property
    def _command(self) -> PulumiCommand:
        from pulumi.automation import PulumiCommand

        # It wants the folder above bin/, else it takes the pulumi of PATH.
        folder = self._executable.parent
        return PulumiCommand(root=str(folder.parent) if folder.name == "bin" else None)

    def _short(self, stack: StackRef, *arguments: str) -> str:
        from pulumi.automation import CommandError

        try:
            result = self._command.run(
                [*arguments], str(stack.project_dir.resolve()), self._environment
            )
        except CommandError as error:
            raise _mapped(stack, arguments[0], strip_ansi(str(error))) from error
        return result.stdout

    def _deployment(self, stack: StackRef) -> dict[str, Json]:
        check_owner(stack, self.name)
        exported = json.loads(self._short(stack, "stack", "export", "--stack", stack.name))
        deployment = exported["deployment"] or {}
        assert isinstance(deployment, dict)
        return deployment

    def _run(
        self, stack: StackRef, operation: str, arguments: list[str], listener: StepListener | None
    ) -> OperationResult:
        check_owner(stack, self.name)
        if operation != "preview":
            claim(stack, self.name)
        command = [str(self._executable), operation, "--json", "--non-interactive"]
        command += ["--stack", stack.name, *arguments]
        child = Child(command, stack.project_dir.resolve(), self._environment)
        events = CliEvents(listener)
        for line in child.lines():
            events.read(line)
        gone = child.finish()
        if gone.code != 0:
            raise _failed(stack, operation, gone, events)
        if operation == "preview":
            return OperationResult(
                UpdateStatus.SUCCEEDED,
                tuple(events.steps),
                events.outputs,
                tuple(events.diagnostics),
                events.pending_operations,
            )
        deployment = self._deployment(stack)
        return OperationResult(
            UpdateStatus.SUCCEEDED,
            tuple(events.steps),
            _stack_outputs(deployment),
            tuple(events.diagnostics),
            len(deployment.get("pending_operations") or []),
        )


def _refresh_flag(refresh: bool) -> list[str]:
    return ["--refresh"] if refresh else []


def _changing(message: str) -> list[str]:
    return ["--yes", "--skip-preview", "--message", message]


def _stack_outputs(deployment: Mapping[str, Json]) -> Mapping[str, Json]:
    for item in deployment.get("resources") or []:
        if item["type"] == _STACK_TYPE:
            outputs = masked(item.get("outputs", {}))
            assert isinstance(outputs, dict)
            return outputs
    return {}


def _file_path(url: str) -> Path:
    # file:///a/b?no_tmp_dir=true and file://~/a/b are both accepted by the CLI.
    parts = urlsplit(url)
    return Path(unquote(parts.netloc + parts.path)).expanduser()


def _failed(
    stack: StackRef, operation: str, gone: ChildExit, events: CliEvents
) -> RightsizingError:
    which = f"{operation} of {stack.project}/{stack.name}"
    applied = describe_applied(events.steps)
    if gone.killed:
        return UpdateFailed(
            f"{which} was killed (signal {-gone.code}); {applied} for certain, what was in flight "
            "is unknown: run it again, which reads the live cloud first"
        )
    if not events.began:
        return _mapped(stack, operation, gone.stderr)
    problem = "it was interrupted" if gone.interrupted else events.problem
    problem = problem or _first_error(gone.stderr)
    done = "" if operation == "preview" else f"; {applied}"
    return UpdateFailed(f"{which} failed: {problem}{done}")


def _mapped(stack: StackRef, operation: str, text: str) -> RightsizingError:
    """The error of a command that could not begin."""
    locked = _LOCKED.search(text)
    if locked is not None:
        return StackLocked(
            f"the stack is locked by {locked[1]} since {locked[2]}; wait for it to end, or cancel "
            "it if that process is dead"
        )
    said = _first_error(text)
    if "no stack named" in text or "no previous deployment" in text:
        return StackMissing(
            f"there is no stack {stack.project}/{stack.name} in this backend; make it with "
            "`rightsize local up` or `pulumi stack init`"
        )
    if "PULUMI_ACCESS_TOKEN" in text:
        return ConfigError(
            "the Pulumi CLI is logged in to no backend; run `pulumi login`, or set "
            "PULUMI_BACKEND_URL"
        )
    if "passphrase" in text.lower():
        return ConfigError(f"the Pulumi CLI cannot open this stack's secrets: {said}")
    return StackError(f"`pulumi {operation}` failed: {said}")


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = next((line for line in lines if line.startswith("error:")), lines[-1:] or ["unknown"])
    said = chosen if isinstance(chosen, str) else chosen[0]
    return said.removeprefix("error:").strip()
