"""Sending in the background: a slow receiver delays nobody, no loss is unsaid."""

from __future__ import annotations

import threading

from rightsizing.errors import TelemetryError
from rightsizing.model.alerting import AlertRule, Indicator
from rightsizing.monitor.notification import Notification
from rightsizing.monitor.outbox import ATTEMPTS, Outbox

RULE = AlertRule(name="CpuHigh", indicator=Indicator.CPU_RATIO, above=0.9)
PATIENCE_S = 10.0


def message(at_ms: int) -> Notification:
    """A message told apart by its time."""
    return Notification(RULE, (), at_ms)


class Recorded:
    """Takes messages; fails the first ``failures`` times; waits for ``gate`` where given."""

    name = "recorded"

    def __init__(self, *, failures: int = 0, gate: threading.Event | None = None) -> None:
        self.taken: list[int] = []
        self.asked = 0
        self._failures = failures
        self._gate = gate
        self.began = threading.Event()

    def send(self, message: Notification) -> None:
        """Take, fail or hang."""
        self.asked += 1
        self.began.set()
        if self._gate is not None:
            self._gate.wait(PATIENCE_S)
        if self.asked <= self._failures:
            raise TelemetryError("it answered 503")
        self.taken.append(message.at_ms)


def no_wait(_closing: threading.Event, _seconds: float) -> bool:
    """Attempts follow each other at once."""
    return False


def test_messages_arrive_in_order() -> None:
    """Twenty in, the same twenty out."""
    receiver = Recorded()
    outbox = Outbox(receiver, report=lambda _: None)
    for number in range(20):
        outbox.put(message(number))
    assert outbox.drained(PATIENCE_S)
    assert receiver.taken == list(range(20))


def test_a_foreign_error_does_not_end_the_sending() -> None:
    """A closed log raises ValueError, a closed terminal OSError: the next message still arrives."""
    log = Recorded()
    real, broken = log.send, [True] * ATTEMPTS

    def send(message: Notification) -> None:
        if broken:
            broken.pop()
            raise ValueError("I/O operation on closed file")
        real(message)

    def report(_sentence: str) -> None:
        raise BrokenPipeError

    log.send = send  # type: ignore[method-assign]
    outbox = Outbox(log, report=report, wait=no_wait)
    outbox.put(message(1))
    outbox.put(message(2))
    assert outbox.drained(PATIENCE_S)
    assert (log.taken, outbox.given_up) == ([2], 1)


def test_a_failure_is_tried_again() -> None:
    """Two refusals, then taken."""
    receiver = Recorded(failures=2)
    outbox = Outbox(receiver, report=lambda _: None, wait=no_wait)
    outbox.put(message(1))
    assert outbox.drained(PATIENCE_S)
    assert (receiver.taken, receiver.asked, outbox.given_up) == ([1], 3, 0)


def test_what_is_given_up_is_said() -> None:
    """After four attempts the next message has its turn."""
    told: list[str] = []
    receiver = Recorded(failures=ATTEMPTS)
    outbox = Outbox(receiver, report=told.append, wait=no_wait)
    outbox.put(message(1))
    outbox.put(message(2))
    assert outbox.drained(PATIENCE_S)
    assert receiver.taken == [2]
    assert told == ["recorded: a message was given up; it answered 503"]


def test_a_hanging_receiver_blocks_nobody() -> None:
    """One hangs for ever, the other gets everything; ``put`` returns at once."""
    gate = threading.Event()
    hanging, healthy = Recorded(gate=gate), Recorded()
    boxes = [Outbox(item, report=lambda _: None) for item in (hanging, healthy)]
    for number in range(5):
        for box in boxes:
            box.put(message(number))
    assert boxes[1].drained(PATIENCE_S)
    assert healthy.taken == [0, 1, 2, 3, 4]
    assert hanging.taken == []
    gate.set()


def test_a_full_queue_drops_the_oldest_and_says_so() -> None:
    """Three places, one being sent: of 0 to 5 the queue keeps 3, 4 and 5."""
    told: list[str] = []
    gate = threading.Event()
    receiver = Recorded(gate=gate)
    outbox = Outbox(receiver, report=told.append, queue_length=3)
    outbox.put(message(0))
    assert receiver.began.wait(PATIENCE_S)
    for number in range(1, 6):
        outbox.put(message(number))
    gate.set()
    assert outbox.drained(PATIENCE_S)
    assert receiver.taken == [0, 3, 4, 5]
    assert len(told) == outbox.given_up == 2


def test_closing_reports_what_was_not_sent() -> None:
    """One hangs, two wait: three messages were not sent."""
    told: list[str] = []
    gate = threading.Event()
    receiver = Recorded(gate=gate)
    outbox = Outbox(receiver, report=told.append)
    for number in range(3):
        outbox.put(message(number))
    assert receiver.began.wait(PATIENCE_S)
    outbox.close(0.0)
    gate.set()
    assert told == ["recorded: 3 messages were not sent before the end"]
