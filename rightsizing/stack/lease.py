"""One writer at a time: an apply and a rollback of the same stack never interleave their records.

The engine's own lock guards the update; this one guards what we keep around it. It is an advisory
file lock held by the process, so a killed holder leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rightsizing.errors import DriverMismatch, StackError, StackLocked, StackMissing
from rightsizing.stack.driver import StackDriver, StackRef

LEASE_FILE = "operation.lock"


@contextmanager
def hold_lease(record_dir: Path, operation: str) -> Iterator[None]:
    """Hold the stack's lease for the block.

    Raises:
        StackLocked: another process holds it; the message names its process id and operation.
    """
    record_dir.mkdir(parents=True, exist_ok=True)
    with (record_dir / LEASE_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise StackLocked(
                f"{holder} is working on this stack; wait for it, or stop it with Ctrl-C"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"rightsize {operation} (process {os.getpid()})")
        file.flush()
        yield


def lease_holder(record_dir: Path) -> str | None:
    """Who holds the lease now, as a sentence's subject; None: nobody. Takes nothing."""
    try:
        with (record_dir / LEASE_FILE).open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "another process"
    except OSError:
        return None
    return None


def break_dead_lock(driver: StackDriver, stack: StackRef) -> bool:
    """Break the engine's lock when its holder is dead; False when there is none, or none to see.

    A backend whose locks do not name their holder is left alone: the update itself will refuse.

    Raises:
        StackLocked: the holder is alive, or on another machine.
        StackMissing, DriverMismatch: as every operation of the driver.
    """
    try:
        return driver.cancel(stack)
    except (StackLocked, StackMissing, DriverMismatch):
        raise
    except StackError:
        return False
