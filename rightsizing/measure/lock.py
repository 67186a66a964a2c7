"""The store's writer lock: an advisory lock on a file, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rightsizing.errors import StoreError

_POLL_SECONDS = 0.05


@contextmanager
def writer_lock(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the lock; wait up to ``wait_seconds`` for another holder, then raise StoreError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, path, wait_seconds)
        # For people and for the sentence below only; the lock itself is the kernel's.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "unknown"
                raise StoreError(
                    f"another process ({holder}) is writing the store at {path.parent}; "
                    f"wait for it to finish or stop it"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
