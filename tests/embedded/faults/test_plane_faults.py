"""Faults of the data plane and of its metrics, as CloudWatch, ELB and Docker show them."""

from __future__ import annotations

from typing import Any

import pytest

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Noise, Scenario
from rightsizing.embedded.cloud.status import LocalEndpoints
from rightsizing.embedded.docker.connection import open_engine
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import (
    Degraded,
    MetricDelay,
    MetricGap,
    MetricMatch,
    MetricSkew,
    OomKills,
    UnhealthyTargets,
)


def _scenario(workload: str, requests_per_s: float = 40.0) -> Scenario:
    demand = Demand(
        rate=ConstantRate(requests_per_s=requests_per_s),
        service_core_s=0.02,
        rate_noise=Noise(),
        shared_noise=Noise(),
        arm_noise=Noise(),
        idle_cpu_ratio=0.0,
        warmup_ratio=1.0,
    )
    return Scenario(workloads={workload: demand}, seed=3)


def test_a_gap_hides_its_minutes_alone(
    faults: FaultClient, plane: DataPlane, fleet_of: Any
) -> None:
    """Minutes 2 to 4 of ten are missing; another metric has them all."""
    fleet = fleet_of("gap", a="m5.large")
    plane.load(_scenario("gap"))
    faults.add(MetricGap(metric=MetricMatch(name="RequestCount"), from_minute=2, minutes=3))
    now = plane.advance(10)
    # By minutes before the end: minute 0 is 10, minutes 2, 3 and 4 are 8, 7 and 6.
    assert sorted(fleet.values("RequestCount", "Sum", now, 10, slot="a")) == [1, 2, 3, 4, 5, 9, 10]
    assert len(fleet.values("TargetResponseTime", "p99", now, 10, slot="a")) == 10
    assert [item.kind for item in faults.injected()] == ["metric_gap"]
    faults.clear()  # what was hidden was never lost
    assert len(fleet.values("RequestCount", "Sum", now, 10, slot="a")) == 10


def test_late_metrics_come_later(faults: FaultClient, plane: DataPlane, fleet_of: Any) -> None:
    """Three minutes late: of five minutes two are seen, and all five three minutes on."""
    fleet = fleet_of("late", a="m5.large")
    plane.load(_scenario("late"))
    faults.add(MetricDelay(metric=MetricMatch(namespace="AWS/ApplicationELB"), seconds=180))
    now = plane.advance(5)
    assert sorted(fleet.values("RequestCount", "Sum", now, 5, slot="a")) == [4, 5]
    now = plane.advance(3)
    assert sorted(fleet.values("RequestCount", "Sum", now, 8, slot="a")) == [4, 5, 6, 7, 8]


def test_skewed_metrics_carry_a_wrong_time(
    faults: FaultClient, plane: DataPlane, fleet_of: Any
) -> None:
    """Ten minutes behind: the last data point seems to be of eleven minutes ago."""
    fleet = fleet_of("skew", a="m5.large")
    plane.load(_scenario("skew"))
    now = plane.advance(5)
    true = fleet.values("RequestCount", "Sum", now, 30, slot="a")
    faults.add(MetricSkew(metric=MetricMatch(dimension_contains="skew-a"), seconds=-600))
    seen = fleet.values("RequestCount", "Sum", now, 30, slot="a")
    assert seen == {minute + 10: value for minute, value in true.items()}


def test_unhealthy_targets_are_told_and_get_no_traffic(
    api: AwsApi, faults: FaultClient, plane: DataPlane, fleet_of: Any
) -> None:
    """One of two in slot b, for three minutes: the other carries all, then both again."""
    fleet = fleet_of("sick", a="m5.large", b="m5.large")
    plane.load(_scenario("sick"))
    faults.add(UnhealthyTargets(workload="sick", slot="b", count=1, minutes=3))

    def states(slot: str) -> list[str]:
        found = api.client("elbv2").describe_target_health(
            TargetGroupArn=fleet.target_groups[slot]
        )["TargetHealthDescriptions"]
        return sorted(item["TargetHealth"]["State"] for item in found)

    assert (states("a"), states("b")) == (["healthy", "healthy"], ["healthy", "unhealthy"])
    now = plane.advance(5)
    assert states("b") == ["healthy", "healthy"]
    hosts = fleet.values("UnHealthyHostCount", "Maximum", now, 5, slot="b")
    assert hosts == {5: 1, 4: 1, 3: 1, 2: 0, 1: 0}
    group = {"namespace": "AWS/EC2", "AutoScalingGroupName": fleet.groups["b"]}
    busiest = fleet.values("CPUUtilization", "Maximum", now, 5, **group)
    # 20 x 0.02 = 0.4 cores: on one instance of two vCPUs 20 %, on two 10 %.
    assert busiest == {
        5: pytest.approx(20),
        4: pytest.approx(20),
        3: pytest.approx(20),
        2: pytest.approx(10),
        1: pytest.approx(10),
    }


def test_all_targets_unhealthy_fails_the_slot(
    faults: FaultClient, plane: DataPlane, fleet_of: Any
) -> None:
    """Its requests are answered with 5xx; the other slot's are not."""
    fleet = fleet_of("dead", a="m5.large", b="m5.large")
    plane.load(_scenario("dead"))
    faults.add(UnhealthyTargets(target_group_contains="dead-b"))
    now = plane.advance(2)
    failed = fleet.values("HTTPCode_Target_5XX_Count", "Sum", now, 2, slot="b")
    assert failed == fleet.values("RequestCount", "Sum", now, 2, slot="b")
    assert fleet.values("HTTPCode_Target_5XX_Count", "Sum", now, 2, slot="a") == {}


def test_oom_kills_of_a_slot(faults: FaultClient, plane: DataPlane, fleet_of: Any) -> None:
    """From minute 2 on: both instances a minute, a third of the requests lost, hosts unhealthy."""
    fleet = fleet_of("killed", a="m5.large", b="m5.large")
    plane.load(_scenario("killed"))
    faults.add(OomKills(workload="killed", slot="b", from_minute=2))
    now = plane.advance(5)
    where = {"namespace": "Rightsizing/Simulated", "AutoScalingGroupName": fleet.groups["b"]}
    assert fleet.values("OomKills", "Sum", now, 5, **where) == {3: 2, 2: 2, 1: 2}
    assert fleet.values("UnHealthyHostCount", "Maximum", now, 1, slot="b") == {1: 2}
    failed = fleet.values("HTTPCode_Target_5XX_Count", "Sum", now, 5, slot="b")
    requests = fleet.values("RequestCount", "Sum", now, 3, slot="b")
    assert sorted(failed) == [1, 2, 3]
    assert sum(failed.values()) / sum(requests.values()) == pytest.approx(1 / 3, abs=0.05)
    assert fleet.values("HTTPCode_Target_5XX_Count", "Sum", now, 5, slot="a") == {}
    totals = {arm.slot: arm.oom_kills for arm in plane.status().arms.values()}
    assert totals == {"a": 0, "b": 6}


def test_a_container_shows_its_oom_kills(
    play: LocalEndpoints, faults: FaultClient, plane: DataPlane
) -> None:
    """`docker inspect` says OOMKilled and counts the restarts."""
    engine = open_engine(play.docker_host)
    made = engine.containers.run(
        "rightsizing/demo:1", name="leaky", detach=True, labels={"rightsizing:workload": "leaky"}
    )
    plane.load(_scenario("leaky"))
    faults.add(OomKills(workload="leaky", minutes=2))
    plane.advance(5)
    made.reload()
    assert made.attrs["State"]["OOMKilled"]
    assert made.attrs["RestartCount"] == 2
    assert made.attrs["State"]["Running"]
    made.remove(force=True)
    engine.close()


def test_a_degraded_slot_needs_more_and_fails_more(
    faults: FaultClient, plane: DataPlane, fleet_of: Any
) -> None:
    """Twice the CPU a request and 10 % errors in slot b; slot a as before."""
    fleet = fleet_of("worse", a="m5.large", b="m5.large")
    plane.load(_scenario("worse"))
    faults.add(Degraded(workload="worse", slot="b", work_ratio=2.0, error_ratio=0.1))
    now = plane.advance(5)
    used = {
        slot: fleet.values(
            "CPUUtilization",
            "Average",
            now,
            1,
            namespace="AWS/EC2",
            AutoScalingGroupName=fleet.groups[slot],
        )[1]
        for slot in "ab"
    }
    assert used == {"a": pytest.approx(10), "b": pytest.approx(20)}  # 0.4 and 0.8 of 4 vCPUs
    failed = sum(fleet.values("HTTPCode_Target_5XX_Count", "Sum", now, 5, slot="b").values())
    requests = sum(fleet.values("RequestCount", "Sum", now, 5, slot="b").values())
    assert failed / requests == pytest.approx(0.1, abs=0.02)
