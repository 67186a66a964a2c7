"""An engine's process, owned: started in its own session, read line by line, stopped politely.

While it runs, Ctrl-C and SIGTERM are passed on to it once, as SIGINT, and we go on reading until it
has finished the operation in flight and ended by itself. A second one kills it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
STDERR_BYTES = 64 * 1024  # the end of standard error that is kept for an error message


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How the process ended; ``code`` is negative for a signal. ``stderr`` has no ANSI codes."""

    code: int
    stderr: str
    interrupted: bool

    @property
    def killed(self) -> bool:
        """Whether a signal ended it before it could write its state."""
        return self.code < 0


class Child:
    """One process. Read ``lines`` to the end, then ``finish``."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed in finish
        self._process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,  # else the terminal sends our Ctrl-C to it as well
        )
        self._signals = 0
        self._ours: dict[int, Any] = {}  # what was told of signals before this child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Lines of standard output until its end, passing signals on meanwhile."""
        assert self._process.stdout is not None
        with self._passing_signals():
            for raw in iter(self._process.stdout.readline, b""):
                yield raw.decode("utf-8", "replace").rstrip("\n")
            self._process.wait()

    def finish(self) -> ChildExit:
        """Wait for the end, and leave nothing running that it started."""
        code = self._process.wait()
        if code >= 0:
            self._sweep()
        if self._process.stdout is not None:
            self._process.stdout.close()
        size = self._stderr.seek(0, 2)
        self._stderr.seek(max(0, size - STDERR_BYTES))
        text = self._stderr.read().decode("utf-8", "replace")
        self._stderr.close()
        return ChildExit(code, strip_ansi(text), self._signals > 0)

    def _sweep(self) -> None:
        # The Pulumi CLI forgets its language host when it refuses early. Whatever is left in our
        # child's session is its own. After a kill, a plugin may still be busy: leave it alone.
        for pid in psutil.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGTERM)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._process.poll() is None:
            if self._signals == 1:
                self._process.send_signal(signal.SIGINT)
            else:
                self._process.kill()
        earlier = self._ours.get(number)
        if callable(earlier) and earlier is not signal.default_int_handler:
            earlier(number, frame)  # who runs several operations has to know, too

    @contextlib.contextmanager
    def _passing_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread is told of signals
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._ours = {int(number): handler for number, handler in before.items()}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._forward)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def strip_ansi(text: str) -> str:
    """Text without terminal control sequences."""
    return _ANSI.sub("", text)
