"""The lock of a stack: one file, made exclusively, naming its holder; left behind by a kill.

It has the content of a Pulumi file backend's lock (pkg/backend/diy/lock.go), has no lease and does
not expire: whoever breaks it must first see that its holder is dead.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from rightsizing.errors import EmbeddedError, StackLocked


class StackLock:
    """A context manager; raises StackLocked naming the holder when the lock is taken."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        content = {
            "pid": os.getpid(),
            "username": _username(),
            "hostname": socket.gethostname(),
            "timestamp": datetime.now(UTC).isoformat(),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("x", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise StackLocked(self._holder()) from None
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise EmbeddedError(
                f"the lock {self.path} could not be written ({error.strerror}); nothing was changed"
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.path.unlink(missing_ok=True)

    def _holder(self) -> str:
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
            who = f"{raw['username']}@{raw['hostname']} (pid {raw['pid']}) since {raw['timestamp']}"
        except (OSError, ValueError, KeyError):
            who = "an update that is just starting or ending"
        return (
            f"the stack is locked by {who}; wait for it to end, or cancel it if that process is "
            f"dead ({self.path})"
        )


def _username() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
