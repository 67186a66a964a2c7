"""A rollout's looks and weight moves on the local cloud, through the clients used for AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightsizing.embedded.aws.clients import AwsApi, local_session
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Noise, Scenario
from rightsizing.embedded.cloud.status import LocalEndpoints
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import (
    CallMatch,
    LostReply,
    MetricDelay,
    MetricGap,
    MetricMatch,
    MetricSkew,
    OomKills,
    Throttled,
    UnhealthyTargets,
)
from rightsizing.errors import RightsizingError, StackError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.model.rollout import Slot
from rightsizing.model.verdict import Decision, Evidence, JudgePolicy, Metric, Quality, Tripwire
from rightsizing.rollout.judge.judgement import judge
from rightsizing.rollout.looks import ArmMetrics, LookReader
from rightsizing.rollout.traffic import find_alb_traffic
from rightsizing.stack.livefacts import Scope

MINUTE_MS = 60_000
SCOPE = Scope("proj", "dev")
QUIET: dict[str, Any] = {
    "rate_noise": Noise(),
    "shared_noise": Noise(),
    "arm_noise": Noise(),
    "idle_cpu_ratio": 0.0,
    "warmup_ratio": 1.0,
}


@pytest.fixture
def aws(play: LocalEndpoints) -> AwsClients:
    """The toolkit's own clients on the playground."""
    region = "us-east-1"
    return AwsClients(region, endpoint_url=play.aws_url, session=local_session(region))


def scenario(workload: str, requests_per_s: float = 40.0, **more: Any) -> Scenario:
    """20 ms of CPU a request, without noise."""
    rate = ConstantRate(requests_per_s=requests_per_s)
    demand = Demand(rate=rate, **({"service_core_s": 0.02} | QUIET | more))
    return Scenario(workloads={workload: demand}, seed=7)


def arm(fleet: Any, slot: Slot, cores: float = 2.0) -> ArmMetrics:
    where = fleet.dimensions(slot.value)
    return ArmMetrics(
        slot=slot,
        load_balancer=where["LoadBalancer"],
        target_group=where["TargetGroup"],
        group_name=fleet.groups[slot.value],
        cores_an_instance=cores,
        expected_targets=2,
        kills=("Rightsizing/Simulated", "OomKills"),
    )


def reader(aws: AwsClients, fleet: Any, bound_s: float | None = 0.1) -> LookReader:
    return LookReader(aws, arm(fleet, Slot.A, 4.0), arm(fleet, Slot.B, 2.0), bound_s)


def test_a_look_is_what_the_plane_made(
    aws: AwsClients, plane: DataPlane, fleet_of: Callable[..., Any]
) -> None:
    """40 a second, 3 : 1: 1,800 and 600 a minute; CPU 30 x 0.02 / 8 and 10 x 0.02 / 4.

    Five standard deviations of a Poisson count of 600 are 123.
    """
    fleet = fleet_of("looks", a="m5.xlarge", b="m5.large")
    fleet.weigh(a=3, b=1)
    plane.load(scenario("looks", memory_base_mib=4096.0))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    now = plane.advance(5)
    read = looks_of.read(began, canary_weight=0.25)
    # the simulated minute in which the scenario began may lie before `began`
    assert 4 <= len(read.looks) <= 5
    assert abs(read.now_ms - now) < 1000  # the Date header has whole seconds
    for look in read.looks:
        assert look.start_ms % MINUTE_MS == 0
        assert look.end_ms <= now
        assert look.baseline.requests == pytest.approx(1800, abs=220)
        assert look.canary.requests == pytest.approx(600, abs=123)
        assert (look.canary.errors, look.baseline.errors) == (0, 0)
        assert look.baseline.cpu_share == pytest.approx(0.075, abs=0.01)
        assert look.canary.cpu_share == pytest.approx(0.05, abs=0.01)
        assert look.canary.memory_share == pytest.approx(0.5)  # 4 GiB of an m5.large's 8
        assert (look.canary.healthy_targets, look.canary.capacity_cores) == (2, 4.0)
        assert look.canary.latency_mean_ms is not None
        assert look.canary.latency_p99_ms is not None
        assert look.canary.latency_mean_ms < look.canary.latency_p99_ms
        assert look.canary.slow is not None
        assert 0 <= look.canary.slow < 0.05 * look.canary.requests


def test_minutes_come_once_and_only_when_over(
    aws: AwsClients, plane: DataPlane, fleet_of: Callable[..., Any]
) -> None:
    """Asking from the end of the newest look gives the next ones; half a minute gives none."""
    fleet = fleet_of("once", a="m5.large", b="m5.large")
    plane.load(scenario("once"))
    looks_of = reader(aws, fleet)
    plane.advance(3)
    first = looks_of.read(looks_of.server_now_ms() - 2 * MINUTE_MS, canary_weight=0.5)
    after = first.looks[-1].end_ms
    assert looks_of.read(after, canary_weight=0.5).looks == ()
    plane.advance(0.5)
    half = looks_of.read(after, canary_weight=0.5)
    plane.advance(2.5)
    later = looks_of.read(after, canary_weight=0.5)
    starts = [look.start_ms for look in later.looks]
    assert starts[0] == after
    assert starts == list(range(after, after + len(starts) * MINUTE_MS, MINUTE_MS))
    assert len(half.looks) <= 1  # a minute may have ended within the half


def test_no_weight_is_no_request_and_not_no_data(
    aws: AwsClients, plane: DataPlane, fleet_of: Callable[..., Any]
) -> None:
    """Healthy hosts are reported, requests are not: that is 0, and after three looks a tripwire."""
    fleet = fleet_of("starved", a="m5.large", b="m5.large")
    fleet.weigh(a=100, b=0)
    plane.load(scenario("starved"))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(8)
    read = looks_of.read(began, canary_weight=0.5)
    assert {look.canary.requests for look in read.looks} == {0}
    verdict = judge(Evidence(looks=read.looks, now_ms=read.now_ms))
    assert (verdict.decision, verdict.tripwires) == (Decision.ROLL_BACK, (Tripwire.NO_TRAFFIC,))


@pytest.mark.parametrize(
    ("name", "gone"),
    [("RequestCount", "requests"), ("CPUUtilization", "cpu_share"), ("mem_", "memory_share")],
)
def test_missing_metrics_stay_missing(
    aws: AwsClients,
    plane: DataPlane,
    faults: FaultClient,
    fleet_of: Callable[..., Any],
    name: str,
    gone: str,
) -> None:
    """A gap of one metric is None in that metric alone, never 0."""
    key = "gap-" + gone.replace("_", "-")
    fleet = fleet_of(key, a="m5.large", b="m5.large")
    plane.load(scenario(key))
    metric = "mem_used_percent" if name == "mem_" else name
    faults.add(
        MetricGap(metric=MetricMatch(name=metric, dimension_contains=f"{key}-b"), from_minute=0)
    )
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(8)
    read = looks_of.read(began, canary_weight=0.5)
    assert read.looks
    assert {getattr(look.canary, gone) for look in read.looks} == {None}
    assert None not in {getattr(look.baseline, gone) for look in read.looks}


def test_a_late_minute_is_waited_for_and_then_let_go(
    aws: AwsClients, plane: DataPlane, faults: FaultClient, fleet_of: Callable[..., Any]
) -> None:
    """Metrics two minutes late: newer minutes wait, nothing is guessed, none is lost."""
    fleet = fleet_of("late", a="m5.large", b="m5.large")
    plane.load(scenario("late"))
    faults.add(MetricDelay(metric=MetricMatch(), seconds=120))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(6)
    early = looks_of.read(began, canary_weight=0.5)
    assert "has not reported the minute" in early.waiting
    assert all(look.canary.requests for look in early.looks)
    plane.advance(4)
    rest = looks_of.read(early.looks[-1].end_ms, canary_weight=0.5)
    assert rest.looks[0].start_ms == early.looks[-1].end_ms
    assert all(look.canary.requests for look in rest.looks)


def test_silence_reaches_the_judge_as_no_data(
    aws: AwsClients, plane: DataPlane, faults: FaultClient, fleet_of: Callable[..., Any]
) -> None:
    """All of the canary's metrics stop: after the wait the looks say so, and the judge holds."""
    fleet = fleet_of("silent", a="m5.large", b="m5.large")
    plane.load(scenario("silent"))
    faults.add(MetricGap(metric=MetricMatch(dimension_contains="silent-b"), from_minute=0))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(9)
    read = looks_of.read(began, canary_weight=0.5)
    assert len(read.looks) >= 4
    verdict = judge(Evidence(looks=read.looks, now_ms=read.now_ms))
    assert (verdict.decision, verdict.quality) == (Decision.HOLD, Quality.NO_DATA)


def test_clocks_ten_minutes_ahead_are_seen(
    aws: AwsClients, plane: DataPlane, faults: FaultClient, fleet_of: Callable[..., Any]
) -> None:
    """Points from the future are shown to the judge, which names the skew and holds."""
    fleet = fleet_of("ahead", a="m5.large", b="m5.large")
    plane.load(scenario("ahead"))
    faults.add(MetricSkew(metric=MetricMatch(), seconds=600))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(12)
    read = looks_of.read(began, canary_weight=0.5)
    verdict = judge(Evidence(looks=read.looks, now_ms=read.now_ms))
    assert (verdict.decision, verdict.quality) == (Decision.HOLD, Quality.CLOCK_SKEW)


def test_harm_is_judged_and_traffic_is_back_at_once(
    aws: AwsClients, api: AwsApi, plane: DataPlane, fleet_of: Callable[..., Any]
) -> None:
    """Half of 500 a second is 125 % of an m5.large pair: rolled back, and its requests stop."""
    fleet = fleet_of("harm", a="m5.xlarge", b="m5.large")
    tag(api, fleet)
    plane.load(scenario("harm", requests_per_s=500.0))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(8)
    read = looks_of.read(began, canary_weight=0.5)
    policy = JudgePolicy(required=(Metric.ERRORS,))
    verdict = judge(Evidence(looks=read.looks, policy=policy, now_ms=read.now_ms))
    assert verdict.decision is Decision.ROLL_BACK
    traffic = find_alb_traffic(aws, SCOPE, "harm")
    assert traffic.weights() == {Slot.A: 1, Slot.B: 1}
    assert traffic.set_weights({Slot.A: 100, Slot.B: 0}).moved
    moved_at = looks_of.server_now_ms()
    plane.advance(4)
    after = looks_of.read(moved_at + MINUTE_MS, canary_weight=0.01)
    assert after.looks
    assert {look.canary.requests for look in after.looks} == {0}


@pytest.mark.parametrize("kind", ["oom", "unhealthy"])
def test_events_are_in_the_looks(
    aws: AwsClients,
    plane: DataPlane,
    faults: FaultClient,
    fleet_of: Callable[..., Any],
    kind: str,
) -> None:
    """Kills for want of memory and failing health checks trip their wires."""
    key = f"event-{kind}"
    fleet = fleet_of(key, a="m5.large", b="m5.large")
    plane.load(scenario(key))
    if kind == "oom":
        faults.add(OomKills(workload=key, slot="b"))
    else:
        faults.add(UnhealthyTargets(target_group_contains=f"{key}-b", count=1))
    looks_of = reader(aws, fleet)
    began = looks_of.server_now_ms()
    plane.advance(8)
    read = looks_of.read(began, canary_weight=0.5)
    verdict = judge(Evidence(looks=read.looks, now_ms=read.now_ms))
    wanted = Tripwire.OUT_OF_MEMORY if kind == "oom" else Tripwire.UNHEALTHY
    assert wanted in verdict.tripwires


def test_traffic_survives_throttling_and_a_lost_answer(
    aws: AwsClients, api: AwsApi, faults: FaultClient, fleet_of: Callable[..., Any]
) -> None:
    """The weights are as asked whatever the answers said; the listener tells."""
    fleet = fleet_of("rough", a="m5.large", b="m5.large")
    tag(api, fleet)
    call = CallMatch(service="elbv2", operation="ModifyListener")
    faults.add(Throttled(call=call, times=1), LostReply(call=call, times=1))
    traffic = find_alb_traffic(aws, SCOPE, "rough")
    traffic.set_weights({Slot.A: 100, Slot.B: 0})
    assert traffic.weights() == {Slot.A: 100, Slot.B: 0}
    assert {item.kind for item in faults.injected()} >= {"throttled", "lost_reply"}


def test_traffic_of_nothing_is_one_sentence(aws: AwsClients) -> None:
    """No group of the stack has that workload."""
    with pytest.raises(StackError, match="nobody: no Auto Scaling group of the stack"):
        find_alb_traffic(aws, SCOPE, "nobody")


def test_metrics_that_cannot_be_asked_are_one_sentence(
    aws: AwsClients, faults: FaultClient, fleet_of: Callable[..., Any]
) -> None:
    """Throttled for good: an error, not a look without data."""
    fleet = fleet_of("deaf", a="m5.large", b="m5.large")
    faults.add(Throttled(call=CallMatch(service="cloudwatch"), times=100))
    with pytest.raises(RightsizingError) as caught:
        reader(aws, fleet).server_now_ms()
    assert "\n" not in str(caught.value)


def tag(api: AwsApi, fleet: Any) -> None:
    """As infra tags a stack's groups."""
    api.client("autoscaling").create_or_update_tags(
        Tags=[
            {
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": True,
                "ResourceId": name,
                "ResourceType": "auto-scaling-group",
            }
            for name in fleet.groups.values()
            for key, value in SCOPE.tags.items()
        ]
    )
