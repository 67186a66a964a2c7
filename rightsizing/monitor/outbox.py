"""Messages on their way: one thread and one bounded queue a receiver, so that none can block.

A receiver that hangs delays its own messages only. When its queue is full the oldest message makes
way and is counted; what was given up is said in the next report, never silently lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from rightsizing.errors import RightsizingError
from rightsizing.monitor.notification import Notification

QUEUE_LENGTH = 1000
ATTEMPTS = 4
FIRST_WAIT_S = 1.0  # doubled after each attempt


class Receiver(Protocol):
    """Someone who is told."""

    @property
    def name(self) -> str:
        """For people, without secrets."""
        ...

    def send(self, message: Notification) -> None:
        """Tell. Returns when it was taken; raises RightsizingError when it was not."""
        ...


class Outbox:
    """Sends to one receiver in the background.

    Args:
        receiver: whom.
        report: told of every message that was given up, from the outbox's thread.
        wait: waits between attempts; returns True when the outbox is to end.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        report: Callable[[str], None],
        queue_length: int = QUEUE_LENGTH,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.receiver = receiver
        self._report = report
        self._queue: deque[Notification] = deque(maxlen=queue_length)
        self._changed = threading.Condition()
        self._is_sending = False
        self._closing = threading.Event()
        self._wait = wait
        self.sent = self.given_up = 0
        self._thread = threading.Thread(
            target=self._run, name=f"outbox {receiver.name}", daemon=True
        )
        self._thread.start()

    def put(self, message: Notification) -> None:
        """Queue a message; returns at once."""
        with self._changed:
            if len(self._queue) == self._queue.maxlen:
                self._queue.popleft()
                self._give_up("it is too slow, its queue is full")
            self._queue.append(message)
            self._changed.notify_all()

    def drained(self, within_s: float) -> bool:
        """Wait until everything was sent or given up; False when that took longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._queue and not self._is_sending, timeout=within_s
            )

    def close(self, within_s: float) -> None:
        """Send what is left for as long as allowed, then end; what is left then is reported."""
        self.drained(within_s)
        self._closing.set()
        with self._changed:
            left = len(self._queue) + self._is_sending
            self._queue.clear()
            self._changed.notify_all()
        if left:
            self.given_up += left
            self._report(f"{self.receiver.name}: {left} messages were not sent before the end")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._closing.is_set())
                if self._closing.is_set():
                    return
                message = self._queue.popleft()
                self._is_sending = True
            try:
                self._send(message)
            finally:
                with self._changed:
                    self._is_sending = False
                    self._changed.notify_all()

    def _send(self, message: Notification) -> None:
        wait_s = FIRST_WAIT_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.receiver.send(message)
            except (RightsizingError, OSError, ValueError) as error:  # else the thread would end
                if attempt == ATTEMPTS:
                    self._give_up(str(error))
                elif self._wait(self._closing, wait_s):
                    return
                wait_s *= 2
            else:
                self.sent += 1
                return

    def _give_up(self, reason: str) -> None:
        self.given_up += 1
        with suppress(OSError):  # a closed terminal must not end the thread
            self._report(f"{self.receiver.name}: a message was given up; {reason}")
