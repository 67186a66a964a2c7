"""A canary of real containers behind a real weighted proxy, under a real load.

HAProxy from the distribution, two busybox containers with a port each, requests that cost CPU, and
the rollout's own controller over the embedded engine and the real Docker engine. Looks are of a
second or two instead of a minute, so that a rollout takes seconds; nothing else is different.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rightsizing.cli.live import facts_reader
from rightsizing.cli.session import Session
from rightsizing.load.arrivals import Schedule, schedule
from rightsizing.load.generator import Request, drive
from rightsizing.load.samples import Samples
from rightsizing.measure.docker import connect
from rightsizing.model.release import Release
from rightsizing.model.rollout import Slot
from rightsizing.model.size import ContainerSize
from rightsizing.model.verdict import JudgePolicy, Look, Metric
from rightsizing.rollout.controller import start_rollout
from rightsizing.rollout.events import Looked
from rightsizing.rollout.haproxy import HaproxyTraffic
from rightsizing.rollout.haproxycounters import ServerCounters, read_counters
from rightsizing.rollout.haproxysocket import HaproxySocket
from rightsizing.rollout.journal import read_journal
from rightsizing.rollout.proxied import ProxiedContainers
from rightsizing.rollout.run import RolloutOutcome, RolloutResult, RolloutRun
from rightsizing.stack.clock import SystemClock

pytestmark = [pytest.mark.docker, pytest.mark.slow]

RATE_RPS = 40.0
OLD = ContainerSize(cpu_millicores=1000, memory_mib=128)
ENOUGH = ContainerSize(cpu_millicores=700, memory_mib=128)
TOO_LITTLE = ContainerSize(cpu_millicores=50, memory_mib=128)
SLOW_MS = 60.0
# Seconds of a busy machine can show no narrow margin; a starved canary is ten times as slow.
POLICY = JudgePolicy(
    required=(Metric.LATENCY_MEAN,),
    min_load_coverage=0,
    warm_up_looks=1,
    margin=4.0,
    min_requests=50,
    horizon_looks=60,
    alpha_promote=0.05,
)
# A request forks a shell that counts: some milliseconds of CPU.
WORK = """\
#!/bin/sh
n=0
while [ $n -lt 3000 ]; do n=$((n+1)); done
echo "Content-Type: text/plain"
echo
echo $n
"""
SERVE = "trap 'exit 0' TERM; httpd -f -p $PORT -h /srv & wait $!"
PROXY = """\
global
  stats socket {socket} level admin
  log 127.0.0.1:{log} format raw local0
defaults
  mode http
  retries 1
  timeout connect 8s
  timeout client 20s
  timeout server 8s
  timeout queue 8s
frontend front
  bind 127.0.0.1:{front}
  log global
  log-format "%b %s %ST %Ta %rc"
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /up
  default-server check inter 500ms rise 1 fall 10
  server web-a 127.0.0.1:{a} weight 256
  server web-b 127.0.0.1:{b} weight 0
"""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [int(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()


@dataclass
class Front:
    """The proxy and the stack behind it."""

    site: Any
    session: Session
    proxies: ProxiedContainers
    api: HaproxySocket
    url: str
    key: str
    loads: list[Samples] = field(default_factory=list)

    def counters(self) -> dict[str, ServerCounters]:
        return dict(read_counters(self.api, "web", ["web-a", "web-b"]).servers)

    def run(self) -> RolloutRun:
        return RolloutRun(
            driver=self.session.driver,
            stack=self.session.stack,
            read=facts_reader(self.session),
            watch=self.proxies.watch,
            clock=SystemClock(),
            policy=POLICY,
            shares=(50.0, 100.0),
            poll_s=1.0,
            soak_s=1.0,
            settle_s=5.0,
        )

    def roll_out(self, size: ContainerSize) -> RolloutResult:
        """Roll the service out at a size, from what runs."""
        self.session.reread()
        release = Release(baseline={self.key: OLD}, phases={"1": {self.key: size}})
        return start_rollout(self.run(), release, 1)

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Requests all the while, whatever becomes of them."""
        rng = np.random.default_rng(5)
        plan: Schedule = schedule(
            RATE_RPS, targets=1, blocks=300, block_s=1.0, warm_up_s=0.0, rng=rng
        )
        stop = threading.Event()

        def send() -> None:
            self.loads.append(drive(Request([self.url], timeout_s=30), plan, stop=stop))

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def front(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Any
) -> Iterator[Front]:
    """HAProxy in front of the old size, applied."""
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("there is no haproxy on this machine; apt-get install haproxy")
    served = tmp_path / "srv"
    (served / "cgi-bin").mkdir(parents=True)
    (served / "up").write_text("up\n")
    (served / "cgi-bin" / "work").write_text(WORK)
    (served / "cgi-bin" / "work").chmod(0o755)
    a, b, entry, log = free_ports(4)
    runtime = tmp_path / "haproxy.sock"
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(PROXY.format(socket=runtime, log=log, front=entry, a=a, b=b))
    site.declare(
        web={
            "size": {"cpu_millicores": OLD.cpu_millicores, "memory_mib": OLD.memory_mib},
            "command": ["sh", "-c", SERVE],
            "network_mode": "host",
            "may_run_twice": True,
            "mounts": {str(served): "/srv"},
            "slos": {"latency_p99_max_ms": SLOW_MS},
            "proxy": {
                "socket": str(runtime),
                "backend": "web",
                "log": f"127.0.0.1:{log}",
                "a": {"server": "web-a", "port": a},
                "b": {"server": "web-b", "port": b},
            },
        }
    )
    for name in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", site.environment["DOCKER_HOST"])
    proxy = subprocess.Popen(
        [program, "-db", "-f", str(configuration)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(runtime.exists, "starting HAProxy")
        site.rightsize("--driver", "embedded", "local", "up")
        site.rightsize("apply", "--yes")
        session = Session(str(site.folder), site.stack, "embedded", True, True, stack_given=True)
        with ProxiedContainers(session.stack, connect) as proxies:
            found = Front(
                site,
                session,
                proxies,
                HaproxySocket(str(runtime)),
                f"http://127.0.0.1:{entry}/cgi-bin/work",
                site.name("web"),
            )
            wait_for(lambda: found.counters()["web-a"].healthy, "serving")
            yield found
    finally:
        proxy.terminate()
        proxy.wait()


def running(front: Front) -> dict[Slot | None, ContainerSize]:
    """Limits of the containers that run, by slot, as the engine has them."""
    workloads = front.session.declaration.workloads()
    facts = [fact for fact in facts_reader(front.session)(workloads) if fact.running]
    return {fact.slot: fact.size for fact in facts}


def weights(front: Front) -> dict[Slot, int]:
    """HAProxy's own."""
    servers = {Slot.A: "web-a", Slot.B: "web-b"}
    return HaproxyTraffic(front.api.address, "web", servers).weights()


def failures(samples: Samples) -> int:
    """Requests that failed for the client; every one of them has an HTTP answer."""
    statuses = samples.status[samples.measured]
    assert (statuses > 0).all()
    return int((statuses >= 400).sum())


def looks_of(front: Front, result: RolloutResult) -> list[Look]:
    """What was judged, from the journal."""
    journal = read_journal(front.session.stack.record_dir, result.rollout_id)
    return [entry.event.look for entry in journal.entries if isinstance(entry.event, Looked)]


@pytest.mark.proof
def test_too_little_is_rolled_back_and_enough_promoted(front: Front) -> None:
    """A canary that starves is rolled back, one that does not is promoted, both under load.

    At 50 % of 40 requests a second of some 5 ms of CPU the canary needs a tenth of a core.
    """
    before = front.counters()
    with front.under_load():
        bad = front.roll_out(TOO_LITTLE)
    assert bad.outcome is RolloutOutcome.ROLLED_BACK, bad.sentence
    assert "weight-50" in bad.sentence  # caught while half of the requests were safe
    assert (running(front), weights(front)) == ({Slot.A: OLD}, {Slot.A: 256, Slot.B: 0})
    back = bad.progress.rolled_back
    assert back is not None
    assert back.traffic_s is not None
    assert back.configuration_s is not None
    assert back.traffic_s < back.configuration_s
    starved = looks_of(front, bad)[-1]
    assert starved.canary.cpu_share is not None
    assert starved.canary.cpu_share > 0.8  # of a twentieth of a core
    counted = front.counters()
    assert counted["web-a"].errors == before["web-a"].errors
    assert failures(front.loads[0]) <= counted["web-b"].errors - before["web-b"].errors

    with front.under_load():
        good = front.roll_out(ENOUGH)
    assert good.outcome is RolloutOutcome.FINISHED, good.sentence
    assert (running(front), weights(front)) == ({Slot.B: ENOUGH}, {Slot.A: 0, Slot.B: 256})
    assert failures(front.loads[1]) == 0
    for look in looks_of(front, good):
        assert look.canary.latency_p99_ms is not None
        assert look.canary.latency_mean_ms is not None
        assert look.canary.latency_mean_ms <= look.canary.latency_p99_ms
