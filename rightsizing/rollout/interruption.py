"""Ctrl-C and SIGTERM during a rollout: remembered, and obeyed between two steps.

The first one asks the rollout to pause where it is: an update in flight is finished or stopped
between two of its operations, the weights stay, the journal says so. A second one ends the process
at once, which a resumed rollout survives too.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from rightsizing.stack.clock import SystemClock

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Handlers for the block; outside the main thread it only remembers that nothing was asked."""

    def __init__(self) -> None:
        self.signal_name: str | None = None  # what asked first
        self._reading, self._writing = os.pipe()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:  # as under nohup
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait; ends early once something was asked."""
        select.select([self._reading], [], [], max(seconds, 0.0))

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_name is not None:
            raise KeyboardInterrupt
        self.signal_name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        os.write(self._writing, b"!")  # wakes a wait; a lock could not be taken here


class InterruptibleClock(SystemClock):
    """The machine's clock; its sleep ends early when an interruption is asked for."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def sleep(self, seconds: float) -> None:
        """Wait, or until interrupted."""
        self._interruption.wait(seconds)
