"""Who holds a stack's lock, and whether that process still lives.

Both drivers' lock files have the same content (pid, username, hostname, timestamp). A lock does not
expire, and breaking one whose holder lives lets two updates run at once, so only a holder that is
known to be dead loses its lock.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from rightsizing.errors import StackLocked

CLOCK_STEP_SECONDS = 2.0  # chosen by us: rounding of process start times


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that made a lock."""

    pid: int
    username: str
    hostname: str
    since: datetime

    def __str__(self) -> str:
        when = self.since.isoformat(timespec="seconds")
        return f"{self.username}@{self.hostname} (pid {self.pid}) since {when}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether the holder runs on another machine, where we cannot look."""
        return self.hostname != socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether the holder still runs here; a later process with its pid does not count."""
        try:
            process = psutil.Process(self.pid)
            started = float(process.create_time())
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True
        return started <= self.since.timestamp() + CLOCK_STEP_SECONDS


def break_locks(paths: list[Path]) -> bool:
    """Remove lock files whose holders are dead; False when there is none.

    Raises StackLocked, and removes nothing, when a holder lives, runs on another machine, or a
    lock cannot be read.
    """
    held = [(path, path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    for path, text in held:
        holder = parse_holder(text)
        if holder is None:
            raise StackLocked(f"the lock {path} names no holder; remove it yourself if it is stale")
        if holder.is_elsewhere:
            raise StackLocked(
                f"the stack is locked by {holder}, on another machine, where it cannot be seen "
                f"whether it still runs; make sure there, then remove {path}"
            )
        if holder.is_alive:
            raise StackLocked(f"the stack is locked by {holder}, which still runs; stop it first")
    for path, text in held:
        if path.read_text(encoding="utf-8") != text:  # somebody else was quicker
            raise StackLocked(f"the lock {path} changed hands just now; try again")
        path.unlink()
    return bool(held)


def parse_holder(text: str) -> LockHolder | None:
    """The holder a lock file names; None for a foreign or half-written file."""
    try:
        raw = json.loads(text)
        since = datetime.fromisoformat(raw["timestamp"])
        return LockHolder(int(raw["pid"]), raw["username"], raw["hostname"], since)
    except (ValueError, KeyError, TypeError):
        return None
