"""Looks at two slots behind HAProxy: from its answers, its log and the Docker engine's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, StackError, TelemetryError
from rightsizing.model.rollout import Slot
from rightsizing.rollout.containerusage import (
    ContainerReading,
    ContainerUsage,
    parse_reading,
    usage_between,
)
from rightsizing.rollout.haproxycounters import ServerCounters, read_counters
from rightsizing.rollout.haproxylog import HaproxyLog, LatencyTally, parse_line
from rightsizing.rollout.haproxysocket import HaproxySocket
from rightsizing.rollout.proxylooks import ProxiedArm, ProxyLooks
from rightsizing.stack.livefacts import Scope

# Columns and rows as HAProxy 2.6.12 gives them for `show stat`, those that are read.
COLUMNS = (
    "pxname,svname,status,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,eresp,econ,"
    "wredis,chkdown"
)


@dataclass
class Proxy:
    """HAProxy's runtime API, one answer a connection."""

    path: Path
    rows: dict[str, str]
    pid: int = 7

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with closing(connection):
                command = connection.recv(1000).decode().strip()
                connection.sendall(self.answer(command).encode())

    def answer(self, command: str) -> str:
        if command == "show info":
            return f"Name: HAProxy\nPid: {self.pid}\nUptime_sec: 4\n\n"
        assert command == "show stat"
        lines = [f"web,{name},{rest}" for name, rest in self.rows.items()]
        return "\n".join([f"# {COLUMNS}", "front,FRONTEND,OPEN,,,,,,,,,,", *lines, "", ""])


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A stand-in for HAProxy with two idle servers."""
    idle = "UP,0,0,0,0,0,0,0,0,0,0"
    found = Proxy(tmp_path / "admin.sock", {"web-a": idle, "web-b": idle})
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(found.path))
    listener.listen()
    thread = threading.Thread(target=found.serve, args=(listener,), daemon=True)
    thread.start()
    yield found
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@dataclass
class Clock:
    """Time that a test sets."""

    seconds: float = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def looks_of(proxy: Proxy, clock: Clock, **more: Any) -> ProxyLooks:
    return ProxyLooks(
        api=HaproxySocket(str(proxy.path)),
        backend="web",
        workload="shop",
        baseline=ProxiedArm(Slot.A, "web-a"),
        canary=ProxiedArm(Slot.B, "web-b"),
        clock=clock,
        **more,
    )


def test_counters_are_what_a_client_got(proxy: Proxy) -> None:
    """Answers of every class, broken answers and refused connections; failed ones among them.

    1 + 90 + 2 + 3 + 4 = 100 answers, 5 broken, 6 refused, 7 sent on: 118; failed 4 + 5 + 6 + 7.
    """
    proxy.rows["web-b"] = "DOWN,1,90,2,3,4,0,5,6,7,8"
    servers = read_counters(HaproxySocket(str(proxy.path)), "web", ["web-a", "web-b"]).servers
    assert servers["web-b"] == ServerCounters(118, 22, False, redispatched=7, downs=8)
    assert servers["web-a"] == ServerCounters(0, 0, True)


def test_an_unknown_server_is_named_with_those_there_are(proxy: Proxy) -> None:
    """A misspelt server is the stack file's mistake."""
    with pytest.raises(TelemetryError, match="has no server web-c; it has web-a, web-b"):
        read_counters(HaproxySocket(str(proxy.path)), "web", ["web-c"])


def test_a_silent_socket_is_one_sentence(tmp_path: Path) -> None:
    """Where it should be, and what to check."""
    with pytest.raises(StackError, match="does not answer"):
        HaproxySocket(str(tmp_path / "none")).ask("show stat")


def test_a_look_is_what_was_added(proxy: Proxy) -> None:
    """Two seconds after the first reading, with the share that was set."""
    clock = Clock()
    looks = looks_of(proxy, clock)
    proxy.rows |= {"web-a": "UP,0,50,0,0,0,0,0,0,0,0"}
    began = looks.server_now_ms()
    proxy.rows |= {"web-a": "UP,0,80,0,0,1,0,0,0,0,0", "web-b": "UP,0,8,0,0,0,0,2,0,0,0"}
    clock.seconds += 2
    read = looks.read(began, canary_weight=0.25)
    (look,) = read.looks
    assert (look.start_ms, look.length_s, look.canary_weight) == (began, 2, 0.25)
    assert (look.baseline.requests, look.baseline.errors) == (31, 1)
    assert (look.canary.requests, look.canary.errors) == (10, 2)
    assert (look.canary.slow, look.canary.latency_p99_ms, look.canary.cpu_share) == (None,) * 3
    assert (look.canary.healthy_targets, look.canary.expected_targets) == (1, 1)
    assert read.now_ms == look.end_ms


def test_no_look_before_its_time_and_none_twice(proxy: Proxy) -> None:
    """Asked too soon it waits, and what was read once is not read again."""
    clock = Clock()
    looks = looks_of(proxy, clock, least_s=2)
    began = looks.server_now_ms()
    clock.seconds += 1
    assert looks.read(began, canary_weight=0.5).waiting
    clock.seconds += 1
    proxy.rows["web-a"] = "UP,0,9,0,0,0,0,0,0,0,0"
    (first,) = looks.read(began, canary_weight=0.5).looks
    clock.seconds += 2
    (second,) = looks.read(first.end_ms, canary_weight=0.5).looks
    assert (first.baseline.requests, second.baseline.requests) == (9, 0)
    assert second.start_ms == first.end_ms


def test_a_restarted_proxy_gives_no_look(proxy: Proxy) -> None:
    """Its counters began anew, so nothing can be subtracted; the next look is whole again."""
    clock = Clock()
    looks = looks_of(proxy, clock)
    began = looks.server_now_ms()
    proxy.pid = 8
    clock.seconds += 1
    read = looks.read(began, canary_weight=0.5)
    assert (read.looks, "restarted" in read.waiting) == ((), True)
    clock.seconds += 1
    assert len(looks.read(began, canary_weight=0.5).looks) == 1


def test_a_server_that_was_down_meanwhile_is_not_healthy(proxy: Proxy) -> None:
    """It may be up again by now: the health check counted one failure."""
    clock = Clock()
    looks = looks_of(proxy, clock)
    began = looks.server_now_ms()
    proxy.rows["web-b"] = "UP,0,5,0,0,0,0,0,0,0,1"
    clock.seconds += 1
    (look,) = looks.read(began, canary_weight=0.5).looks
    assert (look.baseline.healthy_targets, look.canary.healthy_targets) == (1, 0)


def test_a_redispatched_request_belongs_to_the_server_it_left(proxy: Proxy) -> None:
    """Ten each; four of the canary's were passed on and answered by the baseline (14 answers)."""
    clock = Clock()
    looks = looks_of(proxy, clock)
    began = looks.server_now_ms()
    proxy.rows |= {"web-a": "UP,0,14,0,0,0,0,0,0,0,0", "web-b": "UP,0,6,0,0,0,0,0,0,4,0"}
    clock.seconds += 1
    (look,) = looks.read(began, canary_weight=0.5).looks
    assert (look.baseline.requests, look.baseline.errors) == (10, 0)
    assert (look.canary.requests, look.canary.errors) == (10, 4)


def test_latencies_come_from_the_log(proxy: Proxy, tmp_path: Path) -> None:
    """99 requests of 10 ms and one of 500 among the canary's; HAProxy rounds down by half a ms.

    The 99th of 100 is 10 ms; the mean is (99 x 10.5 + 500.5) / 100 = 15.4; one is over 100 ms.
    """
    clock = Clock()
    log = HaproxyLog(str(tmp_path / "log.sock"), "web", latency_bound_ms=100.0)
    looks = looks_of(proxy, clock, log=log)
    began = looks.server_now_ms()
    for time_ms in [*[10] * 99, 500]:
        log.count(f"web web-b 200 {time_ms} 0\n".encode())
    proxy.rows["web-b"] = "UP,0,100,0,0,0,0,0,0,0,0"
    clock.seconds += 1
    (look,) = looks.read(began, canary_weight=0.5).looks
    assert (look.canary.latency_p99_ms, look.canary.slow) == (10.5, 1)
    assert look.canary.latency_mean_ms == pytest.approx(15.4)
    assert (look.baseline.latency_p99_ms, look.baseline.slow) == (None, 0)


def test_a_log_that_lost_lines_is_not_believed(proxy: Proxy, tmp_path: Path) -> None:
    """70 lines of 100 requests: requests are known, their latencies are not."""
    clock = Clock()
    log = HaproxyLog(str(tmp_path / "log.sock"), "web", latency_bound_ms=100.0)
    looks = looks_of(proxy, clock, log=log)
    began = looks.server_now_ms()
    for _ in range(70):
        log.count(b"web web-b 200 10 0")
    proxy.rows["web-b"] = "UP,0,100,0,0,0,0,0,0,0,0"
    clock.seconds += 1
    (look,) = looks.read(began, canary_weight=0.5).looks
    assert (look.canary.requests, look.canary.latency_p99_ms, look.canary.slow) == (100, None, None)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"web web-b 200 12 0\n", ("web-b", 12)),
        (b"<134>Nov 23 host haproxy[7]: web web-b 502 3 1", ("web-b", 3)),
        (b"web web-b 200 12 +1", None),  # redispatched
        (b"other web-b 200 12 0", None),
        (b"web <NOSRV> 503 -1 0", None),
        (b"", None),
        (b"\xff\xfe \xff 200 12 0", None),
    ],
)
def test_lines_of_the_log(line: bytes, found: tuple[str, int] | None) -> None:
    """Ours, with or without a syslog header; anything else is passed over."""
    assert parse_line(line, "web") == found


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=300), st.floats(0.01, 1.0))
def test_quantiles_are_those_of_all_times(times: list[int], share: float) -> None:
    """Against numpy's nearest rank: exact up to a second, within 1 % above."""
    tally = LatencyTally()
    for time_ms in times:
        tally.add(time_ms, 100.0)
    wanted = float(np.quantile(times, share, method="inverted_cdf"))
    found = tally.quantile_ms(share)
    assert found is not None
    assert found == pytest.approx(wanted + 0.5, rel=0.01)
    assert tally.slow == sum(time_ms >= 100 for time_ms in times)
    assert tally.mean_ms() == pytest.approx(float(np.mean(times)) + 0.5)


@pytest.mark.parametrize("udp", [True, False])
def test_the_log_is_received(tmp_path: Path, udp: bool) -> None:
    """A datagram by UDP or by a UNIX socket is counted; the socket's file goes at the end."""
    if udp:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
    else:
        address = str(tmp_path / "log.sock")
    counted = threading.Event()

    class Watched(HaproxyLog):
        def count(self, line: bytes) -> None:
            super().count(line)
            counted.set()

    with Watched(address, "web", latency_bound_ms=None) as log:
        family = socket.AF_INET if udp else socket.AF_UNIX
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as sender:
            to: Any = ("127.0.0.1", int(address.rpartition(":")[2])) if udp else address
            sender.sendto(b"web web-a 200 5 0", to)
        assert counted.wait(10)
        assert log.take()["web-a"].requests == 1
        assert log.take() == {}
    assert not (tmp_path / "log.sock").exists()


def test_an_address_in_use_is_one_sentence(tmp_path: Path) -> None:
    """Another rollout has it, or the stack file is wrong."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        log = HaproxyLog(f"127.0.0.1:{taken.getsockname()[1]}", "web", latency_bound_ms=None)
        with pytest.raises(ConfigError, match=r"check `proxy\.log`"), log:
            pass


# As Docker 20.10 answers (API 1.41, cgroup v1), what is read of it.
DETAILS: dict[str, Any] = {
    "State": {"Running": True, "OOMKilled": False, "StartedAt": "2026-11-23T21:26:54.1Z"},
    "RestartCount": 0,
    "HostConfig": {"NanoCpus": 500_000_000, "Memory": 64 * 2**20},
}
STATS: dict[str, Any] = {
    "cpu_stats": {"cpu_usage": {"total_usage": 3_000_000_000}},
    "memory_stats": {"usage": 40 * 2**20, "stats": {"total_inactive_file": 8 * 2**20}},
}


def reading(**changes: Any) -> ContainerReading:
    values = {
        "life": "1",
        "cpu_seconds": 1.0,
        "memory_bytes": 100.0,
        "limit_cores": 0.5,
        "limit_bytes": 200.0,
        "restarts": 0,
        "out_of_memory": False,
        "running": True,
    }
    return ContainerReading(**{**values, **changes})


def test_usage_is_a_share_of_the_containers_own_limit() -> None:
    """1 CPU second in 4 s of half a core is a half; 32 of 64 MiB without page cache too."""
    later = parse_reading(DETAILS, STATS)
    usage = usage_between({"c": reading(life=later.life, cpu_seconds=2.0)}, {"c": later}, 4.0)
    assert (usage.cpu_share, usage.memory_share, usage.capacity_cores) == (0.5, 0.5, 0.5)
    assert (usage.restarts, usage.oom_kills, usage.running) == (0, 0, 1)


def test_a_restart_and_a_kill_are_counted_once() -> None:
    """Started again by the engine after a kill; the new life's CPU counts from nothing."""
    before = {"c": reading(cpu_seconds=9.0)}
    killed = {"c": reading(life="2", cpu_seconds=0.5, restarts=1, out_of_memory=True)}
    usage = usage_between(before, killed, 1.0)
    assert (usage.restarts, usage.oom_kills, usage.cpu_share) == (1, 1, 1.0)
    again = usage_between(killed, killed, 1.0)
    assert (again.restarts, again.oom_kills, again.cpu_share) == (0, 0, 0.0)


def test_a_container_seen_for_the_first_time_has_no_share() -> None:
    """Its total is of its whole life, not of the look."""
    usage = usage_between({}, {"c": reading(out_of_memory=True)}, 1.0)
    assert (usage.cpu_share, usage.oom_kills, usage.memory_share) == (None, 0, 0.5)


@dataclass
class FakeEngine:
    """The Docker API's three calls; ``api`` is itself."""

    containers_by_slot: Mapping[str, int] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    @property
    def api(self) -> FakeEngine:
        return self

    def containers(self, *, filters: Mapping[str, Any], **_: Any) -> list[dict[str, str]]:
        self.asked.append(filters["label"])
        return [{"Id": "one"}]

    def inspect_container(self, container: str) -> dict[str, Any]:
        return DETAILS

    def stats(self, container: str, *, stream: bool, one_shot: bool) -> dict[str, Any]:
        raise ValueError("no JSON")  # what a container that dies meanwhile is answered with


def test_a_container_that_dies_meanwhile_is_left_out() -> None:
    """Only containers of this stack, workload and slot are asked for."""
    engine = FakeEngine()
    assert ContainerUsage(engine, Scope("proj", "dev")).read("shop", Slot.B) == {}
    assert set(engine.asked[0]) == {
        "rightsizing:project=proj",
        "rightsizing:stack=dev",
        "rightsizing:workload=shop",
        "rightsizing:slot=b",
    }
