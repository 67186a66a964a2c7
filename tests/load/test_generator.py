"""Requests that are really sent, to a server of the test's own."""

from __future__ import annotations

import socket
import threading
from typing import Any

import numpy as np
import pytest

from rightsizing.errors import ConfigError
from rightsizing.load.arrivals import Schedule
from rightsizing.load.generator import Request, drive, lateness_ms
from rightsizing.load.samples import NOT_ANSWERED, NOT_SENT, PENDING, TIMED_OUT


def due(*seconds: float, targets: tuple[int, ...] | None = None) -> Schedule:
    """Requests of one block."""
    count = len(seconds)
    asked = np.array(targets) if targets is not None else np.zeros(count, dtype=np.int64)
    return Schedule(np.array(seconds), asked, np.zeros(count, dtype=np.int64), 0.0, 1.0, 1)


def test_every_request_is_sent_once_to_its_target(server: Any) -> None:
    """With the method and headers asked for; an answer of 500 has failed."""
    request = Request(
        [server.url("/up"), server.url("/broken")], method="POST", headers={"x-who": "me"}
    )
    found = drive(request, due(0.0, 0.01, 0.02, 0.03, targets=(0, 1, 1, 0)))
    assert found.status.tolist() == [200, 500, 500, 200]
    assert found.failed.tolist() == [False, True, True, False]
    assert sorted(server.seen) == ["POST /broken me"] * 2 + ["POST /up me"] * 2
    assert (found.latency_ms > 0).all()


def test_nobody_waits_for_an_earlier_answer(server: Any) -> None:
    """The first ten get no answer, and the next ten are sent and answered all the same.

    A closed loop of ten users would have sent nothing more, and measured no slow request.
    """
    request = Request([server.url("/held"), server.url("/up")], timeout_s=0.5)
    found = drive(request, due(*np.arange(20) * 0.01, targets=(0,) * 10 + (1,) * 10))
    assert found.status.tolist() == [TIMED_OUT] * 10 + [200] * 10
    assert len(server.seen) == 20
    assert (found.latency_ms[:10] >= 490).all()  # from the moment they were due


def test_latency_counts_from_when_a_request_was_due(server: Any) -> None:
    """Due before the test began, it is late by its own figures."""
    found = drive(Request([server.url("/up")]), due(-0.2, 0.0))
    assert found.latency_ms[0] >= 200
    assert found.late_ms[0] >= 200
    assert lateness_ms(found) >= 190


def test_too_many_under_way_are_not_sent(server: Any) -> None:
    """And are said to be so, instead of piling up."""
    request = Request([server.url("/held")], timeout_s=0.3, most_under_way=2)
    found = drive(request, due(0.0, 0.0, 0.0, 0.0))
    assert found.status.tolist() == [TIMED_OUT, TIMED_OUT, NOT_SENT, NOT_SENT]


def test_a_target_that_is_not_there_is_a_result() -> None:
    """Refused connections are failed requests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = drive(Request([f"http://127.0.0.1:{port}/"]), due(0.0, 0.01))
    assert found.status.tolist() == [NOT_ANSWERED, NOT_ANSWERED]


def test_stopping_keeps_what_is_known(server: Any) -> None:
    """Two of an hour's requests were answered; the rest is pending, and nothing is waited for."""
    stop = threading.Event()

    def after_two(sent: int, total: int) -> None:
        if sent == 2 and len(server.seen) == 2:
            stop.set()

    found = drive(
        Request([server.url("/up")]), due(0.0, 0.01, 3600.0), stop=stop, progress=after_two
    )
    assert found.interrupted
    assert found.status.tolist() == [200, 200, PENDING]
    assert found.measured.tolist() == [True, True, False]


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://host/", "http://", "file:///etc"])
def test_no_address_is_refused(url: str) -> None:
    """With an example of one."""
    with pytest.raises(ConfigError, match=r"such as http://127\.0\.0\.1"):
        drive(Request([url]), due(0.0))
