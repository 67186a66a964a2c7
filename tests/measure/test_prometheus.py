"""A real Prometheus server with known samples, read into the store.

promtool writes the samples as blocks at fixed times, so no time has to pass. Every expected value
is the plain arithmetic of the counters below.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from rightsizing.errors import ConfigError, TelemetryError, Throttled
from rightsizing.measure.progress import Window
from rightsizing.measure.prometheus import measure_prometheus
from rightsizing.measure.prometheusapi import PrometheusApi, RangeAnswer, RangeSeries
from rightsizing.measure.promql import Exporter, RangeQuery, queries
from rightsizing.measure.store import Store

needs_server = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus and promtool are not installed",
)
DAY_S = 20_400 * 86_400  # a midnight UTC
SCRAPE_S, END_S = 15, 3600
INTERVAL_S = 300
LABEL = "container_label_rightsizing_workload"
WINDOW = Window(DAY_S * 1000, (DAY_S + END_S) * 1000)


@dataclass
class Server:
    """A running server."""

    url: str


def samples() -> str:
    """OpenMetrics text of an hour.

    web     0.5 cores, twice as much from 1,800 s on; restarts (counter at 0) at 2,400 s; limit 2
            cores and 1 GiB; exported by two jobs; 256 MiB in use, 512 MiB at 900 s; NaN once
    batch   1 core, no limits, not scraped from 600 to 1,500 s; its machine has 8 cores, 16 GiB
    """
    families: dict[str, list[str]] = {}

    def add(name: str, labels: str, at_s: int, value: float) -> None:
        kind = "counter" if name.endswith("_total") else "gauge"
        lines = families.setdefault(name, [f"# TYPE {name.removesuffix('_total')} {kind}"])
        lines.append(f"{name}{{{labels}}} {value} {DAY_S + at_s}")

    for at_s in range(0, END_S + 1, SCRAPE_S):
        used_s = 0.5 * min(at_s, 1800) + 1.0 * max(at_s - 1800, 0)
        if at_s >= 2400:
            used_s = 1.0 * (at_s - 2400)
        for job in ("cadvisor", "kubelet"):
            web = f'{LABEL}="web",id="/docker/w",job="{job}",instance="h1"'
            add("container_cpu_usage_seconds_total", f'{web},cpu="cpu0"', at_s, used_s / 2)
            add("container_cpu_usage_seconds_total", f'{web},cpu="cpu1"', at_s, used_s / 2)
            memory = float("nan") if at_s == 3000 else 2.0**28 * (2 if at_s == 900 else 1)
            add("container_memory_working_set_bytes", web, at_s, memory)
            add("container_spec_cpu_quota", web, at_s, 200_000)
            add("container_spec_cpu_period", web, at_s, 100_000)
            add("container_spec_cpu_shares", web, at_s, 1024)
            add("container_spec_memory_limit_bytes", web, at_s, 2.0**30)
            add("container_cpu_cfs_periods_total", web, at_s, 10 * at_s)
            add("container_cpu_cfs_throttled_periods_total", web, at_s, 2 * at_s)
        machine = 'job="cadvisor",instance="h2"'
        add("machine_cpu_cores", machine, at_s, 8)
        add("machine_memory_bytes", machine, at_s, 2.0**34)
        add("node_cpu_seconds_total", 'mode="user",cpu="0",job="node",instance="h2"', at_s, at_s)
        for cpu in "0123":
            idle = f'mode="idle",cpu="{cpu}",job="node",instance="h2"'
            add("node_cpu_seconds_total", idle, at_s, 0.5 * at_s)
        add("node_memory_MemTotal_bytes", 'job="node",instance="h2"', at_s, 2.0**34)
        add("node_memory_MemAvailable_bytes", 'job="node",instance="h2"', at_s, 2.0**33)
        if 600 <= at_s < 1500:
            continue
        batch = f'{LABEL}="batch",id="/docker/b",{machine}'
        add("container_cpu_usage_seconds_total", f'{batch},cpu="total"', at_s, 1.0 * at_s)
        add("container_memory_working_set_bytes", batch, at_s, 2.0**20)
        add("container_spec_cpu_shares", batch, at_s, 1024)
        add("container_spec_memory_limit_bytes", batch, at_s, 0)
    return "\n".join(line for lines in families.values() for line in lines) + "\n# EOF\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus server on loopback that holds the samples."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "samples.txt").write_text(samples())
    (folder / "empty.yaml").write_text("{}")
    make = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        "--config.file=empty.yaml",
        "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _wait(f"http://{address}/-/ready", process)
            yield Server(f"http://{address}")
        finally:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "prometheus ended"
        try:
            if requests.get(url, timeout=1).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)  # of a server that starts, not of the code under test
    raise AssertionError("prometheus did not become ready")


def rows_of(store: Store, workload: str) -> dict[int, dict[str, Any]]:
    """Rows by seconds since midnight of the interval's start."""
    found = store.measurements([workload]).to_pyarrow().to_pylist()
    return {row["timestamp_ms"] // 1000 - DAY_S: row for row in found}


@pytest.fixture(scope="module")
def read(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that holds the containers' hour."""
    store = Store(tmp_path_factory.mktemp("store"))
    wanted = queries(Exporter.CADVISOR, INTERVAL_S)
    report = measure_prometheus(
        PrometheusApi(server.url), wanted, store, WINDOW, interval_s=INTERVAL_S
    )
    assert report.complete, report.failures
    assert report.workloads == 2
    return store


@needs_server
def test_cpu_is_counted_once_though_two_jobs_export_it(read: Store) -> None:
    """0.5 cores over both CPUs in the first half hour, 1 core afterwards."""
    web = rows_of(read, "web")
    assert web[300]["cpu_cores_mean"] == pytest.approx(0.5)
    assert web[1800]["cpu_cores_mean"] == pytest.approx(1.0)
    assert web[1800]["cpu_cores_max"] == pytest.approx(1.0)


@needs_server
def test_a_counter_that_restarts_is_no_peak(read: Store) -> None:
    """Around 2,400 s the counter falls from 1,500 to 0; use stays 1 core."""
    web = rows_of(read, "web")
    for start_s in (2100, 2400, 2700):
        assert web[start_s]["cpu_cores_mean"] == pytest.approx(1.0, rel=0.06)
        assert web[start_s]["cpu_cores_max"] <= 1.4


@needs_server
def test_memory_has_its_peak_and_its_limit(read: Store) -> None:
    """512 MiB at 900 s belongs to the interval that ends there and to the next one."""
    web = rows_of(read, "web")
    assert web[600]["memory_bytes_max"] == 2.0**29
    assert web[0]["memory_bytes_max"] == 2.0**28
    assert web[0]["capacity_memory_bytes"] == 2.0**30
    assert web[0]["capacity_cores"] == 2.0


@needs_server
def test_throttling_is_a_share_of_periods(read: Store) -> None:
    """2 of 10 periods."""
    assert rows_of(read, "web")[300]["cpu_throttled_ratio"] == pytest.approx(0.2)


@needs_server
def test_without_limits_the_machine_is_the_capacity(read: Store) -> None:
    """8 cores and 16 GiB of the host that runs it."""
    batch = rows_of(read, "batch")
    assert batch[0]["capacity_cores"] == 8
    assert batch[0]["capacity_memory_bytes"] == 2.0**34


@needs_server
def test_a_gap_gives_no_rows(read: Store) -> None:
    """Nothing was scraped from 600 to 1,500 s: nothing is known of 900 to 1,200 s."""
    batch = rows_of(read, "batch")
    assert 900 not in batch or batch[900]["cpu_cores_mean"] is None
    assert batch[1800]["cpu_cores_mean"] == pytest.approx(1.0)


@needs_server
def test_nan_is_no_measurement(server: Server, tmp_path: Path) -> None:
    """One NaN sample at 3,000 s: left out and counted, the rest is kept."""
    store = Store(tmp_path / "store")
    wanted = [item for item in queries(Exporter.CADVISOR, INTERVAL_S) if "mean" in item.column]
    report = measure_prometheus(
        PrometheusApi(server.url), wanted, store, WINDOW, interval_s=INTERVAL_S
    )
    assert any("memory_bytes_mean is no measurement" in skip.reason for skip in report.skipped)
    web = rows_of(store, "web")
    assert web[2700]["memory_bytes_mean"] is None
    assert web[2700]["cpu_cores_mean"] == pytest.approx(1.0, rel=0.06)


@needs_server
def test_a_second_run_asks_only_for_what_is_new(server: Server, tmp_path: Path) -> None:
    """The settled part is covered; the last hour is asked for again and adds nothing."""
    store = Store(tmp_path / "store")
    wanted = queries(Exporter.CADVISOR, INTERVAL_S)[:1]
    api = PrometheusApi(server.url)
    first = measure_prometheus(api, wanted, store, WINDOW, interval_s=INTERVAL_S)
    again = measure_prometheus(api, wanted, store, WINDOW, interval_s=INTERVAL_S)
    assert first.new > 0
    assert again.new == 0


@needs_server
def test_a_node_is_a_workload_of_its_instance(server: Server, tmp_path: Path) -> None:
    """1 busy core of 4, half of 16 GiB."""
    store = Store(tmp_path / "store")
    wanted = queries(Exporter.NODE, INTERVAL_S)
    measure_prometheus(PrometheusApi(server.url), wanted, store, WINDOW, interval_s=INTERVAL_S)
    row = rows_of(store, "h2")[300]
    assert row["cpu_cores_mean"] == pytest.approx(1.0)
    assert row["capacity_cores"] == 4
    assert row["memory_bytes_max"] == 2.0**33
    assert row["capacity_memory_bytes"] == 2.0**34


@needs_server
def test_a_query_the_server_refuses_is_said(server: Server) -> None:
    """Its own words, and the host alone."""
    with pytest.raises(TelemetryError, match="parse error"):
        PrometheusApi(server.url).query_range("sum(", DAY_S, DAY_S + 60, 60)


class Told(PrometheusApi):
    """An API that answers what it is told, or fails."""

    def __init__(self, *answers: RangeAnswer | TelemetryError) -> None:
        super().__init__("http://127.0.0.1:1")
        self._answers = list(answers)

    def query_range(self, expression: str, start_s: int, end_s: int, step_s: int) -> RangeAnswer:
        """The next one."""
        found = self._answers.pop(0)
        if isinstance(found, TelemetryError):
            raise found
        return found


CPU = RangeQuery("cpu_cores_mean", "up", "w", "id")
MEMORY = RangeQuery("memory_bytes_max", "up", "w", "id")


def answer(workload: str, value: float) -> RangeAnswer:
    """One point at the end of the first interval."""
    point = (float(DAY_S + INTERVAL_S), value)
    return RangeAnswer((RangeSeries({"w": workload, "id": "1"}, [point]),))


def measured(store: Store, api: PrometheusApi, *wanted: RangeQuery) -> Any:
    """A report of the hour."""
    return measure_prometheus(api, wanted, store, WINDOW, interval_s=INTERVAL_S)


def test_one_failing_query_does_not_take_the_others_along(tmp_path: Path) -> None:
    """Memory is kept, CPU's failure is a sentence, and the day is asked for again."""
    store = Store(tmp_path)
    report = measured(store, Told(TelemetryError("too many samples"), answer("a", 5)), CPU, MEMORY)
    assert report.new == 1
    assert not report.complete
    assert "cpu_cores_mean on" in report.failures[0]
    again = measured(store, Told(answer("a", 1), answer("a", 5)), CPU, MEMORY)
    assert again.complete
    assert rows_of(store, "a")[0]["cpu_cores_mean"] == 1


def test_a_server_that_answers_nothing_is_an_error(tmp_path: Path) -> None:
    """Every query failed, so there is no partial result to report."""
    with pytest.raises(TelemetryError, match="down"):
        measured(Store(tmp_path), Told(TelemetryError("down"), TelemetryError("down")), CPU, MEMORY)


def test_throttling_stops_at_once(tmp_path: Path) -> None:
    """More questions would only make it worse."""
    api = Told(Throttled("429"), answer("a", 5))
    with pytest.raises(Throttled):
        measured(Store(tmp_path), api, CPU, MEMORY)


def test_hostile_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    """A workload label that is no key names no file and no workload."""
    report = measured(Store(tmp_path), Told(answer("../../etc", 1)), CPU)
    assert report.observed == 0
    assert "label w is no workload key" in report.skipped[0].reason


@pytest.mark.parametrize("value", [-1.0, float("inf")])
def test_what_cannot_be_measured_is_left_out(tmp_path: Path, value: float) -> None:
    """Less than nothing and infinity."""
    report = measured(Store(tmp_path), Told(answer("a", value)), CPU)
    assert report.observed == 0
    assert "no measurement" in report.skipped[0].reason


@pytest.mark.parametrize("interval_s", [30, 7 * 60, 90_000])
def test_an_interval_divides_a_day(tmp_path: Path, interval_s: int) -> None:
    """Else rows would cross midnight."""
    with pytest.raises(ConfigError, match="must divide a day"):
        measure_prometheus(Told(), [CPU], Store(tmp_path), WINDOW, interval_s=interval_s)


def test_nobody_there_is_said_without_the_password() -> None:
    """Port 1 of loopback is closed."""
    api = PrometheusApi("http://user:secret@127.0.0.1:1")
    with pytest.raises(
        TelemetryError, match=r"Prometheus at 127\.0\.0\.1:1 does not answer"
    ) as error:
        api.query_range("up", DAY_S, DAY_S + 60, 60)
    assert "secret" not in str(error.value)


def test_the_address_must_be_http() -> None:
    """Anything else is refused at once."""
    with pytest.raises(ConfigError, match="must begin with http"):
        PrometheusApi("localhost:9090")
