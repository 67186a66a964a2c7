"""Docker stats: cgroup v1 and v2 replies, restarts, out-of-memory events, a real container."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests
from docker import errors as docker_sdk

from rightsizing.errors import TelemetryError
from rightsizing.measure.docker import DockerSource, connect, container_limits, working_set_bytes
from rightsizing.measure.recorder import Recorder

MIB = 1024**2
LABEL = "rightsizing:workload"
ENGINE = {"NCPU": 8, "MemTotal": 32 * 1024 * MIB}

# The fields that are read, from GET /containers/{id}/stats of Docker 20.10 (v1) and 28.2 (v2).
STATS_V1 = {
    "cpu_stats": {
        "cpu_usage": {"total_usage": 1_757_736_069},
        "throttling_data": {
            "periods": 35,
            "throttled_periods": 31,
            "throttled_time": 1_487_764_243,
        },
    },
    "memory_stats": {
        "usage": 80 * MIB,
        "stats": {"total_inactive_file": 30 * MIB, "inactive_file": 1, "cache": 35 * MIB},
        "limit": 64 * MIB,
    },
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "Read", "value": 4096},
            {"major": 8, "minor": 0, "op": "Write", "value": 8192},
            {"major": 8, "minor": 0, "op": "Total", "value": 12_288},
        ],
        "io_serviced_recursive": [{"major": 8, "minor": 0, "op": "Read", "value": 1}],
    },
}
STATS_V2 = {
    "cpu_stats": {
        "cpu_usage": {"total_usage": 2_000_000_000},
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    },
    "memory_stats": {
        "usage": 80 * MIB,
        "stats": {"inactive_file": 20 * MIB, "anon": 50 * MIB},
        "limit": 64 * MIB,
    },
    "networks": {
        "eth0": {"rx_bytes": 700, "tx_bytes": 300},
        "eth1": {"rx_bytes": 50, "tx_bytes": 20},
    },
    "blkio_stats": {
        "io_service_bytes_recursive": [{"major": 8, "minor": 0, "op": "read", "value": 100}],
        "io_serviced_recursive": None,
    },
}


class FakeEngine:
    """The five calls of the Docker API that are used."""

    def __init__(self, stats: dict[str, Any], **host: Any) -> None:
        self.stats_reply = stats
        self.host = host or {"NanoCpus": 500_000_000, "Memory": 64 * MIB}
        self.state = {"Running": True, "Status": "running", "StartedAt": "2026-07-01T00:00:00Z"}
        self.labels = {LABEL: "web"}
        self.oom_events: list[dict[str, Any]] = []
        self.gone = False
        self.dying = False
        self.api = self

    def info(self) -> dict[str, Any]:
        return ENGINE

    def containers(self, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        assert filters == {"label": [LABEL]}
        return [{"Id": "abc", "Names": ["/web-1"], "Labels": self.labels}]

    def inspect_container(self, container: str) -> dict[str, Any]:
        if self.gone:
            raise docker_sdk.NotFound("no such container")
        return {"Name": "/web-1", "State": self.state, "HostConfig": self.host}

    def stats(self, container: str, *, stream: bool, one_shot: bool) -> dict[str, Any]:
        assert (stream, one_shot) == (False, True)
        if self.dying:
            raise requests.exceptions.JSONDecodeError("Expecting value", "", 0)
        return self.stats_reply

    def events(self, **query: Any) -> list[dict[str, Any]]:
        return list(self.oom_events)


def source(engine: FakeEngine, clock: Any = None) -> DockerSource:
    """A source on a fake engine."""
    return DockerSource(engine, clock=clock)


def test_cgroup_v1_stats_are_read():
    """CPU time in seconds, working set without inactive cache, throttling, block IO."""
    (sample,) = source(FakeEngine(STATS_V1)).read().samples
    assert sample.cpu_seconds == pytest.approx(1.757736069)
    assert sample.memory_bytes == 50 * MIB  # 80 - 30 MiB
    assert (sample.cpu_periods, sample.cpu_throttled_periods) == (35, 31)
    assert (sample.disk_read_bytes, sample.disk_write_bytes) == (4096, 8192)
    assert sample.network_in_bytes is None  # network mode none
    assert (sample.capacity_cores, sample.capacity_memory_bytes) == (0.5, 64 * MIB)


def test_cgroup_v2_stats_are_read():
    """The same from the names of v2; networks add up, missing tables are not measured."""
    (sample,) = source(FakeEngine(STATS_V2)).read().samples
    assert sample.memory_bytes == 60 * MIB  # 80 - 20 MiB
    assert (sample.network_in_bytes, sample.network_out_bytes) == (750, 320)
    assert (sample.disk_read_bytes, sample.disk_read_ops) == (100, None)


def test_a_container_without_limit_has_the_host(request):
    """No --cpus and no --memory: the host is what it may use, and nothing throttles it."""
    (sample,) = source(FakeEngine(STATS_V1, Memory=0)).read().samples
    assert (sample.capacity_cores, sample.capacity_memory_bytes) == (8.0, ENGINE["MemTotal"])
    assert sample.cpu_periods is None


def test_limits_by_quota():
    """--cpu-quota 150000 in periods of 100000 is 1.5 cores; a quota of -1 is none."""
    limits = container_limits({"HostConfig": {"CpuQuota": 150_000, "CpuPeriod": 100_000}}, ENGINE)
    assert limits.cores == 1.5
    assert container_limits({"HostConfig": {"CpuQuota": -1}}, ENGINE).cores == 8.0


def test_memory_without_usage_is_not_measured():
    """A container that just stopped has empty statistics, which are not zero."""
    assert working_set_bytes({}) is None
    assert working_set_bytes({"usage": 5, "stats": {"inactive_file": 9}}) == 0.0


def test_what_is_not_running_is_said():
    """Restarting, gone, and no labelled container at all."""
    engine = FakeEngine(STATS_V1)
    engine.state = {"Running": True, "Restarting": True, "Status": "restarting"}
    assert source(engine).read().missing == ("web-1: not running (restarting)",)
    engine.gone = True
    assert source(engine).read().missing == ("web-1: gone while it was read",)
    filtered = DockerSource(engine, label_filters={"env": "prod"})
    assert filtered.read().missing == (f"no running container carries the label {LABEL}",)


def test_a_container_that_dies_during_the_call_costs_only_itself():
    """The engine (20.10) answers with an empty body then: missing, not a failed reading."""
    engine = FakeEngine(STATS_V1)
    engine.dying = True
    assert source(engine).read().missing == ("web-1: gone while it was read",)


def test_a_start_is_a_new_lifetime():
    """The same container started again has counters from zero."""
    engine = FakeEngine(STATS_V1)
    first = source(engine).read().samples[0].lifetime
    engine.state = {**engine.state, "StartedAt": "2026-07-01T01:00:00Z"}
    assert source(engine).read().samples[0].lifetime != first


def test_out_of_memory_events_are_counted_once():
    """Each event belongs to one reading, also when the engine tells it twice."""
    clock = SimpleNamespace(now=1_000_000)
    clock.wall_ms = lambda: clock.now
    engine = FakeEngine(STATS_V1)
    found = source(engine, clock)
    engine.oom_events = [{"Actor": {"ID": "abc"}, "timeNano": 1_005 * 10**9}]
    for seconds, expected in ((1_004, 0), (1_006, 1), (1_010, 1)):
        clock.now = seconds * 1000
        assert found.read().samples[0].oom_kills == expected


def test_an_engine_without_events_measures_no_kills():
    """Not measured is null, not zero."""
    clock = SimpleNamespace(now=1_000_000)
    clock.wall_ms = lambda: clock.now
    engine = FakeEngine(STATS_V1)
    found = source(engine, clock)
    clock.now += 5_000

    def absent(**query: Any) -> list[dict[str, Any]]:
        raise docker_sdk.NotFound("page not found")

    engine.events = absent
    assert found.read().samples[0].oom_kills is None


def test_an_engine_that_does_not_answer_is_one_sentence():
    """Connecting to nothing says what to do."""
    with pytest.raises(TelemetryError, match=r"the Docker engine does not answer .*start it"):
        connect("tcp://127.0.0.1:9")


@pytest.fixture
def burner() -> Iterator[tuple[docker.DockerClient, str]]:
    """A real container that burns CPU under a limit of half a core and 64 MiB."""
    busybox = next((path for path in map(Path, ("/bin/busybox",)) if path.exists()), None)
    try:
        client = connect()
        client.ping()
    except (TelemetryError, docker_sdk.DockerException):
        pytest.skip("no Docker engine")
    if busybox is None:
        client.close()
        pytest.skip("no static busybox to make an image of")
    image = f"rightsizing-test-{uuid.uuid4().hex[:8]}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(busybox.resolve(), "bin/busybox")
    client.api.import_image_from_data(content.getvalue(), repository=image, tag="1")
    container = client.containers.run(
        f"{image}:1",
        ["/bin/busybox", "sh", "-c", "while :; do :; done"],
        detach=True,
        network_mode="none",
        nano_cpus=500_000_000,
        mem_limit="64m",
        labels={LABEL: image},
    )
    try:
        yield client, image
    finally:
        container.remove(force=True)
        client.images.remove(f"{image}:1", force=True)
        client.close()


@pytest.mark.docker
@pytest.mark.slow
def test_a_real_container_is_recorded(burner, store, content):
    """Half a core of a busy loop is measured as half a core, throttled."""
    client, workload = burner
    own = DockerSource(client, label_filters={LABEL: workload})
    # The engine takes statistics once a second, so an interval needs a few seconds.
    recorder = Recorder(own, store, interval_s=3, sample_s=1)
    deadline = time.monotonic() + 6.5
    report = recorder.run(keep_on=lambda: time.monotonic() < deadline)
    rows = content(store)
    assert report.complete, report.failures
    assert {row["workload"] for row in rows} == {workload}
    # A quota is enforced in periods of 100 ms, and the machine may be busy with other tests.
    assert 0.05 <= max(row["cpu_cores_mean"] for row in rows) <= 0.7
    assert max(row["cpu_throttled_ratio"] for row in rows) > 0
    assert {row["capacity_cores"] for row in rows} == {0.5}
    assert {row["capacity_memory_bytes"] for row in rows} == {64 * MIB}
    assert 0 < max(row["memory_bytes_max"] for row in rows) < 64 * MIB
