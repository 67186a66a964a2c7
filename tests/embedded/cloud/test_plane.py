"""The data plane on the local cloud: what a client of CloudWatch sees of simulated traffic."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.dataplane import DataPlane, SimulatedClock
from rightsizing.embedded.cloud.plane.scenario import (
    ConstantRate,
    Demand,
    Noise,
    PlaneMode,
    Scenario,
    read_scenario,
)
from rightsizing.embedded.cloud.process import await_end
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.cloud.status import LocalEndpoints
from rightsizing.embedded.docker.connection import open_engine
from rightsizing.errors import ConfigError, EmbeddedError

MINUTE_MS = 60_000
STEADY: dict[str, Any] = {
    "rate_noise": Noise(),
    "shared_noise": Noise(),
    "arm_noise": Noise(),
    "idle_cpu_ratio": 0.0,
    "warmup_ratio": 1.0,
}


def scenario(workload: str, requests_per_s: float = 40.0, **more: Any) -> Scenario:
    """One workload of 20 ms a request, without noise."""
    rate = ConstantRate(requests_per_s=requests_per_s)
    demand = Demand(rate=rate, **({"service_core_s": 0.02} | STEADY | more))
    return Scenario(workloads={workload: demand}, seed=7)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    """A local cloud that a test may kill."""
    found = LocalCloud(tmp_path, simulate_docker=True)
    yield found
    found.forget()


def test_weights_and_sizes_show_in_the_metrics(
    api: AwsApi, plane: DataPlane, fleet_of: Any
) -> None:
    """40 requests a second, 3 : 1. Slot a: 30 x 0.02 / (2 x 4 vCPUs) = 7.5 %, b: 10 x 0.02 / 4."""
    fleet = fleet_of("weights", a="m5.xlarge", b="m5.large")
    fleet.weigh(a=3, b=1)
    plane.load(scenario("weights"))
    now = plane.advance(10)
    requests = {
        slot: sum(fleet.values("RequestCount", "Sum", now, 10, slot=slot).values()) for slot in "ab"
    }
    # 18,000 and 6,000 in ten minutes; five standard deviations are below 700.
    assert requests["a"] == pytest.approx(18_000, abs=700)
    assert requests["b"] == pytest.approx(6_000, abs=400)
    for slot, percent in (("a", 7.5), ("b", 5.0)):
        group = {"namespace": "AWS/EC2", "AutoScalingGroupName": fleet.groups[slot]}
        assert fleet.values("CPUUtilization", "Average", now, 1, **group) == {
            1: pytest.approx(percent)
        }
        assert fleet.values("HealthyHostCount", "Minimum", now, 1, slot=slot) == {1: 2.0}
        assert fleet.values("UnHealthyHostCount", "Maximum", now, 1, slot=slot) == {1: 0.0}


def test_memory_is_a_share_of_the_instances_own(plane: DataPlane, fleet_of: Any) -> None:
    """4 GiB on an m5.large (8 GiB) and an m5.xlarge (16 GiB)."""
    fleet = fleet_of("memory", a="m5.large", b="m5.xlarge")
    plane.load(scenario("memory", memory_base_mib=4096.0))
    now = plane.advance(1)
    for slot, percent in (("a", 50.0), ("b", 25.0)):
        where = {"namespace": "CWAgent", "AutoScalingGroupName": fleet.groups[slot]}
        found = fleet.values("mem_used_percent", "Average", now, 1, **where)
        assert found == {1: pytest.approx(percent)}


def test_statistics_of_latency_agree(plane: DataPlane, fleet_of: Any) -> None:
    """Percentiles are in order, and the share above the p90 is a tenth by both TC and PR."""
    fleet = fleet_of("latency", a="m5.large")
    plane.load(scenario("latency", requests_per_s=150.0))
    now = plane.advance(5)

    def read(stat: str) -> float:
        return fleet.values("TargetResponseTime", stat, now, 1, slot="a")[1]

    p50, p90, p99 = read("p50"), read("p90"), read("p99")
    assert p50 < read("Average") < p90 < p99 <= read("Maximum")
    requests = fleet.values("RequestCount", "Sum", now, 1, slot="a")[1]
    assert read("SampleCount") == requests
    above = read(f"TC({p90:.9f}:)")
    assert above / requests == pytest.approx(0.1, abs=0.04)  # a cell holds a few per cent
    assert read(f"PR(:{p90:.9f})") == pytest.approx(100 * (1 - above / requests), abs=1e-6)
    assert read(f"TC(:{p90:.9f})") == requests - above


def test_too_small_a_size_is_seen(plane: DataPlane, fleet_of: Any) -> None:
    """250 a second each: eight vCPUs carry it, four do not, and a fifth of the requests fails."""
    fleet = fleet_of("small", a="m5.xlarge", b="m5.large")
    plane.load(scenario("small", requests_per_s=500.0))
    now = plane.advance(20)
    # 250 x 0.02 = 5 cores wanted: 62.5 % of 8, and 125 % of 4, of which a fifth cannot be served.
    failed = {
        slot: fleet.values("HTTPCode_Target_5XX_Count", "Sum", now, 5, slot=slot) for slot in "ab"
    }
    assert failed["a"] == {}  # as on AWS, a count of zero is not reported
    requests = fleet.values("RequestCount", "Sum", now, 5, slot="b")
    share = sum(failed["b"].values()) / sum(requests.values())
    assert share == pytest.approx(0.2, abs=0.03)
    group = {"namespace": "AWS/EC2", "AutoScalingGroupName": fleet.groups["b"]}
    assert fleet.values("CPUUtilization", "Average", now, 1, **group)[1] == pytest.approx(100)


def test_a_slot_without_weight_reports_no_traffic(plane: DataPlane, fleet_of: Any) -> None:
    """No request counts at all, and its CPU idles."""
    fleet = fleet_of("unweighted", a="m5.large", b="m5.large")
    fleet.weigh(a=100, b=0)
    plane.load(scenario("unweighted"))
    now = plane.advance(3)
    assert fleet.values("RequestCount", "Sum", now, 3, slot="b") == {}
    assert len(fleet.values("RequestCount", "Sum", now, 3, slot="a")) == 3
    weights_moved_at = now
    fleet.weigh(a=0, b=100)
    now = plane.advance(2)
    assert sorted(fleet.values("RequestCount", "Sum", now, 2, slot="b")) == [1, 2]
    assert now - weights_moved_at == 2 * MINUTE_MS


def test_cutting_the_advance_changes_nothing(cloud: LocalCloud, fleet_in: Any) -> None:
    """7 + 1 + 4 minutes on one cloud and 12 on another of the same journal: the same metrics."""
    begun = 4_000_000_020_000  # well ahead of any wall clock, so both begin at the same moment
    noisy = {"rate_noise": Noise(sigma=0.2, correlation=0.8), "arm_noise": Noise(sigma=0.1)}

    def play(steps: tuple[int, ...]) -> dict[str, Any]:
        cloud.forget()
        api = AwsApi(cloud.start().aws_url, "us-east-1")
        fleet = fleet_in(api, "same", a="m5.large", b="m5.large")
        plane = DataPlane(api.endpoint_url)
        plane.load(scenario("same", **noisy).model_copy(update={"start_ms": begun}))
        for step in steps:
            now = plane.advance(step)
        return {
            f"{slot} {stat}": fleet.values(name, stat, now, 12, slot=slot)
            for slot in "ab"
            for name, stat in (("RequestCount", "Sum"), ("TargetResponseTime", "p99"))
        }

    first = play((7, 1, 4))
    assert first == play((12,))
    assert len(first["a p99"]) == 12


def test_a_restart_goes_on_where_it_was(cloud: LocalCloud, fleet_in: Any) -> None:
    """Killed between two advances: the clock, the totals and the metrics are there."""
    api = AwsApi(cloud.start().aws_url, "us-east-1")
    fleet = fleet_in(api, "kept", a="m5.large")
    plane = DataPlane(api.endpoint_url)
    plane.load(scenario("kept"))
    before = plane.advance(5)
    total = plane.status().arms
    report = cloud.status().report
    assert report is not None
    os.kill(report.pid, signal.SIGKILL)
    await_end(report.pid, 5)
    cloud.ensure()
    restored = cloud.status().report
    assert restored is not None
    assert restored.different_calls == 0
    status = plane.status()
    assert (status.now_ms, status.arms) == (before, total)
    now = plane.advance(5)
    assert now == before + 5 * MINUTE_MS
    assert len(fleet.values("RequestCount", "Sum", now, 10, slot="a")) == 10


def test_the_whole_cloud_goes_by_the_simulated_clock(api: AwsApi, plane: DataPlane) -> None:
    """Launch times and the Date of answers; afterwards the machine's clock again."""
    plane.load(scenario("none"))
    now = datetime.fromtimestamp(plane.advance(60 * 24) / 1000, UTC)
    ec2 = api.client("ec2")
    made = ec2.run_instances(
        ImageId="ami-12345678", InstanceType="m5.large", MinCount=1, MaxCount=1
    )
    assert abs((made["Instances"][0]["LaunchTime"] - now).total_seconds()) < 1
    date = made["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert parsedate_to_datetime(date).replace(tzinfo=UTC) == now
    status = plane.status()
    assert status.simulated
    assert status.mode is PlaneMode.SIMULATED
    assert status.ahead_ms > 23 * 60 * MINUTE_MS
    plane.stop()
    assert abs(plane.status().ahead_ms) < MINUTE_MS


def test_real_time_follows_the_wall(plane: DataPlane) -> None:
    """Nothing to advance; the clock is the machine's."""
    plane.load(scenario("none").model_copy(update={"mode": PlaneMode.REAL_TIME}))
    assert plane.status().mode is PlaneMode.REAL_TIME
    assert abs(plane.status().ahead_ms) < MINUTE_MS
    with pytest.raises(ConfigError, match="runs in real time; only a simulated clock advances"):
        plane.advance(1)


def test_mistakes_are_one_sentence(play: LocalEndpoints, plane: DataPlane) -> None:
    """No scenario, a step back, a start in the past, no local cloud."""
    with pytest.raises(ConfigError, match="no scenario is loaded"):
        plane.advance(1)
    plane.load(scenario("none"))
    with pytest.raises(ConfigError, match="cannot advance by -1 minutes; give 0 to 44640"):
        plane.advance(-1)
    with pytest.raises(ConfigError, match="start_ms 1 lies before the local cloud's clock"):
        plane.load(scenario("none").model_copy(update={"start_ms": 1}))
    with pytest.raises(EmbeddedError, match="only talk to 127"):
        DataPlane("http://example.com")
    with pytest.raises(EmbeddedError, match="did not answer"):
        DataPlane("http://127.0.0.1:9").advance(1)


def test_a_service_is_measured_by_its_tasks(api: AwsApi, plane: DataPlane) -> None:
    """50 x 0.02 = 1 core on four tasks of half a vCPU: 50 %; 256 of 512 MiB."""
    ecs = api.client("ecs")
    ecs.create_cluster(clusterName="tasks")
    ecs.register_task_definition(
        family="tasks",
        cpu="512",
        memory="512",
        containerDefinitions=[{"name": "main", "image": "app"}],
    )
    ecs.create_service(
        cluster="tasks",
        serviceName="tasks",
        taskDefinition="tasks",
        desiredCount=4,
        tags=[{"key": "rightsizing:workload", "value": "tasks"}],
    )
    plane.load(scenario("tasks", requests_per_s=50.0, memory_base_mib=256.0))
    now = plane.advance(3)
    where = [
        {"Name": "ClusterName", "Value": "tasks"},
        {"Name": "ServiceName", "Value": "tasks"},
    ]
    for name, percent in (("CPUUtilization", 50.0), ("MemoryUtilization", 50.0)):
        found = api.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ECS",
            MetricName=name,
            Dimensions=where,
            StartTime=datetime.fromtimestamp(now / 1000 - 180, UTC),
            EndTime=datetime.fromtimestamp(now / 1000, UTC),
            Period=60,
            Statistics=["Average", "SampleCount"],
        )["Datapoints"]
        assert found[-1]["Average"] == pytest.approx(percent, abs=0.5)
        assert found[-1]["SampleCount"] == 4


def test_a_container_is_held_by_its_limit(
    api: AwsApi, play: LocalEndpoints, plane: DataPlane
) -> None:
    """30 x 0.02 = 0.6 cores wanted of 0.5: throttled by a sixth, and requests fail."""
    engine = open_engine(play.docker_host)
    made = engine.containers.run(
        "rightsizing/demo:1",
        name="held",
        detach=True,
        nano_cpus=500_000_000,
        mem_limit="1g",
        labels={"rightsizing:workload": "held"},
    )
    plane.load(scenario("held", requests_per_s=30.0))
    now = plane.advance(10)
    end = datetime.fromtimestamp(now / 1000, UTC)

    def last(name: str, stat: str) -> float:
        metric = {
            "Namespace": "Rightsizing/Containers",
            "MetricName": name,
            "Dimensions": [{"Name": "ContainerName", "Value": "held"}],
        }
        query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
        values: list[float] = api.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query],
            StartTime=datetime.fromtimestamp(now / 1000 - 300, UTC),
            EndTime=end,
        )["MetricDataResults"][0]["Values"]
        return sum(values) / len(values)

    assert last("CPUUtilization", "Average") == pytest.approx(100)
    assert last("ThrottledRatio", "Average") == pytest.approx(1 / 6, abs=0.01)
    failed = last("HTTPCode_Target_5XX_Count", "Sum") / last("RequestCount", "Sum")
    assert failed == pytest.approx(1 / 6, abs=0.03)
    stats = made.stats(stream=False)
    used = (
        stats["cpu_stats"]["cpu_usage"]["total_usage"]
        - stats["precpu_stats"]["cpu_usage"]["total_usage"]
    )
    assert used == pytest.approx(0.5e9, rel=1e-3)  # half a core, in a second
    throttled = stats["cpu_stats"]["throttling_data"]["throttled_time"]
    plane.advance(1)
    later = made.stats(stream=False)["cpu_stats"]
    assert later["cpu_usage"]["total_usage"] > stats["cpu_stats"]["cpu_usage"]["total_usage"]
    assert (later["throttling_data"]["throttled_time"] - throttled) / 60e9 == pytest.approx(
        1 / 6, abs=0.01
    )
    assert stats["memory_stats"]["usage"] == 512 * 2**20
    made.remove(force=True)
    engine.close()


def test_history_is_made_by_what_runs_now(plane: DataPlane, fleet_of: Any) -> None:
    """An hour before the start, without warm-up; later it is too late for that."""
    fleet = fleet_of("history", a="m5.large")
    plane.load(scenario("history", warmup_ratio=2.0, warmup_s=600.0))
    plane.backfill(60)
    now = plane.advance(1)
    group = {"namespace": "AWS/EC2", "AutoScalingGroupName": fleet.groups["a"]}
    used = fleet.values("CPUUtilization", "Average", now, 61, **group)
    # 40 x 0.02 / 4 = 20 %; the minute after the start is the first of a warm-up.
    assert [used[minute] for minute in range(2, 62)] == pytest.approx([20.0] * 60)
    assert used[1] > 35
    assert sum(arm.requests for arm in plane.status().arms.values()) < 3000  # of one minute
    with pytest.raises(ConfigError, match="only be made before a loaded scenario's first minute"):
        plane.backfill(1)


def test_waiting_by_the_simulated_clock(plane: DataPlane) -> None:
    """Ninety seconds pass at once; half a minute is not a minute yet."""
    plane.load(scenario("none"))
    clock = SimulatedClock(plane)
    before = clock.monotonic()
    clock.sleep(90)
    assert clock.monotonic() - before == 90
    assert clock.now().timestamp() == clock.monotonic()
    assert plane.status().minutes == 1
    clock.sleep(30)
    assert plane.status().minutes == 2


def test_a_scenario_file_that_is_wrong(tmp_path: Path) -> None:
    """Named with its place; a good one is read as it was written."""
    path = tmp_path / "scenario.json"
    good = scenario("web")
    path.write_text(good.model_dump_json())
    assert read_scenario(path) == good
    path.write_text('{"workloads": {"web": {"rate": {"kind": "constant", "requests_per_s": -1}}}}')
    with pytest.raises(ConfigError, match=r"is wrong at workloads\.web\.rate"):
        read_scenario(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_scenario(tmp_path / "none.json")
