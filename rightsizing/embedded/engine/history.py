"""History of finished updates, one file each, in the shape of ``pulumi stack history --json``.

Previews and killed updates leave no entry. Secret configuration values are kept as the ciphertext
they have in ``Pulumi.<stack>.yaml``. Entries are ordered by their file name, the
end in nanoseconds.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rightsizing.embedded.engine.durable import write_durably
from rightsizing.errors import EmbeddedError
from rightsizing.model.update import Json, UpdateKind, UpdateStatus


@dataclass(frozen=True, slots=True)
class FinishedUpdate:
    """What one entry says."""

    kind: UpdateKind
    start: datetime
    end: datetime
    message: str
    environment: Mapping[str, str]
    config: Mapping[str, Json]  # key -> {"value": ..., "secret": bool}
    result: UpdateStatus
    resource_changes: Mapping[str, int]


def append_history(folder: Path, update: FinishedUpdate) -> None:
    """Write one entry durably."""
    entry = {
        "version": 0,  # as a file backend has it: no numbers
        "kind": update.kind.value,
        "startTime": update.start.isoformat(),
        "message": update.message,
        "environment": dict(update.environment),
        "config": dict(update.config),
        "result": update.result.value,
        "endTime": update.end.isoformat(),
        "resourceChanges": dict(update.resource_changes),
    }
    write_durably(folder / f"{time.time_ns():020d}.json", json.dumps(entry, indent=1))


def read_history(folder: Path) -> list[Json]:
    """All entries as JSON objects, oldest first. Raises EmbeddedError naming a damaged one."""
    entries = []
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            entries.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise EmbeddedError(f"the history entry {path} cannot be read: {error}") from error
    return entries


def git_environment(folder: Path) -> dict[str, str]:
    """``git.head``, ``git.headName`` and ``git.dirty`` of a folder; empty outside a work tree."""

    def git(*arguments: str) -> str:
        # A look must not take the index lock from under whoever works there.
        command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        name = git("rev-parse", "--symbolic-full-name", "HEAD")
        dirty = "true" if git("status", "--porcelain") else "false"
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"git.head": head, "git.headName": name, "git.dirty": dirty}
