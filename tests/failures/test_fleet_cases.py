"""One fleet of two m5.xlarge behind a load balancer, and one rollout to m7g.large under faults.

The rollout is started once, paused by each fault in turn, and taken back at the end: its tests are
in the order of its life. Time is the local cloud's simulated clock; facts are asked by boto3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rightsizing.embedded.cloud.dataplane import SimulatedClock
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Noise, Scenario
from rightsizing.embedded.faults.plan import (
    CallMatch,
    Degraded,
    MetricGap,
    MetricMatch,
    MetricSkew,
    NoCapacity,
    OomKills,
    Throttled,
)
from rightsizing.errors import PlanRejected, UpdateFailed
from rightsizing.model.rollout import Slot
from rightsizing.model.verdict import JudgePolicy, Metric
from rightsizing.rollout.awsfleet import FleetPlace, watched_fleet
from rightsizing.rollout.controller import resume_rollout, start_rollout
from rightsizing.rollout.journal import rollout_ids
from rightsizing.rollout.preflight import Preflight, check_alarms
from rightsizing.rollout.recomputation import recompute_run
from rightsizing.rollout.run import RolloutOutcome, RolloutResult, RolloutRun
from rightsizing.stack.livefacts import Scope
from rightsizing.stack.quarantine import Quarantine

pytestmark = pytest.mark.slow

CORES = {"m5.xlarge": 4.0, "m7g.large": 2.0}
HOLD_S = 300.0
POLICY = JudgePolicy(
    required=(Metric.ERRORS,),
    min_load_coverage=0,
    warm_up_looks=0,
    horizon_looks=25,
    max_error_ratio=0.1,
)
SCALED_OUT = 4


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., Any], parts: dict[str, Any]) -> Any:
    """The fleet at its declared size, all traffic on slot a."""
    return make_stack("fleets", parts["FLEET"])


@dataclass
class Ride:
    """The rollout: how it is run, what it ended with last, and facts before it began."""

    stack: Any
    run: RolloutRun
    before: dict[str, Any]
    result: RolloutResult | None = None

    def go_on(self) -> RolloutResult:
        """Resume; the newest result."""
        (name,) = rollout_ids(self.stack.ref.record_dir)
        self.result = resume_rollout(self.run, name)
        return self.result

    def paused(self, words: str) -> None:
        """It held its weight and paused for this reason: exit code 10, traffic as it was."""
        assert self.result is not None
        assert self.result.outcome is RolloutOutcome.PAUSED, self.result.sentence
        assert self.result.exit_code == 10
        assert words in self.result.sentence
        # half of the cores' traffic: 2 x 4 cores against 2 x 2, two thirds and one third
        assert self.stack.weights() == {"a": 667, "b": 333}
        assert self.stack.types() == {"a": ["m5.xlarge"] * SCALED_OUT, "b": ["m7g.large"] * 2}


def test_no_capacity_for_the_new_type(stack: Any, parts: dict[str, Any]) -> None:
    """The update fails (exit code 4), the old slot serves on, nothing of the new one is left."""
    stack.plan(parts["WEB_PHASE1"])
    stack.faults.add(NoCapacity(instance_type="m7g.large", times=None))
    with pytest.raises(UpdateFailed, match=r"m7g\.large capacity") as failed:
        stack.apply()
    assert failed.value.exit_code == 4
    assert stack.types()["a"] == ["m5.xlarge"] * 2
    assert stack.weights().get("a") == 100
    stack.faults.clear()
    assert stack.rollback().exit_code == 0
    assert stack.types() == {"a": ["m5.xlarge"] * 2}
    Quarantine(stack.ref.record_dir).lift(parts["WEB_RELEASE"].id, 1)


def test_an_alarm_that_is_red_already(stack: Any) -> None:
    """A rollout does not begin (exit code 3): a red alarm could not tell its harm."""
    cloudwatch = stack.api("cloudwatch")
    group = stack.groups()["a"]["AutoScalingGroupName"]
    alarms = [
        alarm
        for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        if group in str(alarm["Dimensions"]) and not alarm["AlarmName"].startswith("TargetTracking")
    ]
    assert alarms
    for alarm in alarms:
        cloudwatch.set_alarm_state(
            AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="by hand"
        )
    check = check_alarms(stack.aws, frozenset({group}))
    with pytest.raises(PlanRejected, match="is red") as refused:
        Preflight((check,)).require()
    assert refused.value.exit_code == 3
    assert stack.types() == {"a": ["m5.xlarge"] * 2}


def test_what_infra_makes_can_be_taken_back(stack: Any) -> None:
    """No resource is protected or refreshes its instances by itself; clients stick to no slot."""
    state = stack.ref.project_dir / ".rightsizing/embedded/rightsizing/fleets/state.json"
    text = state.read_text()
    assert '"protect": true' not in text
    assert "instanceRefresh" not in text
    listeners = [
        listener
        for balancer in stack.api("elbv2").describe_load_balancers()["LoadBalancers"]
        for listener in stack.api("elbv2").describe_listeners(
            LoadBalancerArn=balancer["LoadBalancerArn"]
        )["Listeners"]
    ]
    for listener in listeners:
        forward = listener["DefaultActions"][0]["ForwardConfig"]
        assert not forward.get("TargetGroupStickinessConfig", {}).get("Enabled", False)


@pytest.fixture(scope="module")
def ride(stack: Any, parts: dict[str, Any]) -> Iterator[Ride]:
    """Begun when the autoscaler runs four instances; 20 requests a second, of which 1 % fail."""
    group = stack.groups()["a"]["AutoScalingGroupName"]
    stack.api("autoscaling").set_desired_capacity(
        AutoScalingGroupName=group, DesiredCapacity=SCALED_OUT
    )
    demand = Demand(
        rate=ConstantRate(requests_per_s=20),
        service_core_s=0.02,
        error_ratio=0.01,
        rate_noise=Noise(),
        shared_noise=Noise(),
        arm_noise=Noise(),
        warmup_ratio=1.0,
    )
    stack.plane.load(Scenario(workloads={"web": demand}, seed=11))
    scope = Scope(stack.ref.project, stack.ref.name)
    place = FleetPlace(stack.aws, scope, "web", CORES, kills=("Rightsizing/Simulated", "OomKills"))
    run = RolloutRun(
        driver=stack.driver,
        stack=stack.ref,
        read=stack.read,
        watch=lambda _key: watched_fleet(place, Slot.B),
        clock=SimulatedClock(stack.plane),
        policy=POLICY,
        shares=(50.0, 100.0),
        cores=CORES,
        settle_s=0.0,
        hold_s=HOLD_S,
    )
    found = Ride(stack, run, dict(stack.groups()["a"]))
    stack.faults.add(
        MetricGap(metric=MetricMatch(namespace="AWS/ApplicationELB", dimension_contains="-b"))
    )
    found.result = start_rollout(run, parts["WEB_RELEASE"], 1)
    yield found
    stack.faults.clear()
    stack.plane.stop()


@pytest.fixture
def faults(ride: Ride) -> Iterator[Any]:
    """The book, cleared afterwards."""
    yield ride.stack.faults
    ride.stack.faults.clear()


def test_a_canary_that_never_reports(ride: Ride, faults: Any) -> None:
    """No metric of slot b from the first minute on: no data holds, then pauses; never promotes."""
    assert [item.kind for item in faults.injected()][-1] == "metric_gap"
    ride.paused("no_data")


def test_metrics_that_are_throttled(ride: Ride, faults: Any) -> None:
    """Throttled is not green: held and paused."""
    faults.add(Throttled(call=CallMatch(operation="GetMetricData"), after=1, times=None))
    ride.run = replace(ride.run, hold_s=0.0)  # boto3's own retries take seconds a poll
    ride.go_on()
    ride.run = replace(ride.run, hold_s=HOLD_S)
    ride.paused("hrottl")


def test_too_little_traffic_for_a_verdict(ride: Ride, faults: Any) -> None:
    """Six failures a minute of either arm: undecided at its horizon, a person decides."""
    assert faults.plan().faults == ()
    ride.go_on()
    ride.paused("inconclusive after")


def test_a_second_change_lands_meanwhile(ride: Ride) -> None:
    """Somebody edits the declared size: what is judged is no longer what was begun."""
    path = ride.stack.ref.config_path
    text = path.read_text()
    path.write_text(text.replace("max_instances: 6", "max_instances: 7", 1))
    try:
        ride.go_on()
        ride.paused("put it back and resume")
    finally:
        path.write_text(text)


def test_clocks_ten_minutes_apart(ride: Ride, faults: Any) -> None:
    """Metrics from the future: named, held, paused."""
    faults.add(MetricSkew(metric=MetricMatch(namespace="AWS/ApplicationELB"), seconds=600))
    ride.go_on()
    ride.paused("clock_skew")
    ride.stack.plane.advance(12)  # the looks from the future are of the past now


def test_both_arms_are_bad(ride: Ride, faults: Any) -> None:
    """Three in ten fail in either slot, over the absolute limit: an incident, not the canary."""
    faults.add(Degraded(workload="web", error_ratio=0.3))
    ride.go_on()
    ride.paused("baseline_bad")


def test_out_of_memory_takes_it_back(ride: Ride, faults: Any, parts: dict[str, Any]) -> None:
    """A tripwire acts on any data: exit code 9, traffic first, then the stack, as it was before.

    The old slot never stopped: the same group, the same four instances the load asked for.
    """
    faults.add(OomKills(workload="web", slot="b"))
    result = ride.go_on()
    assert (result.outcome, result.exit_code) == (RolloutOutcome.ROLLED_BACK, 9), result.sentence
    assert "out_of_memory" in result.sentence
    back = result.progress.rolled_back
    assert back is not None
    assert back.traffic_s is not None
    assert ride.stack.weights() == {"a": 100}
    assert ride.stack.types() == {"a": ["m5.xlarge"] * SCALED_OUT}
    after = ride.stack.groups()["a"]
    for key in ("AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity"):
        assert after[key] == ride.before[key], key
    names = [{item["InstanceId"] for item in group["Instances"]} for group in (after, ride.before)]
    assert names[0] == names[1]
    assert ride.stack.file().sizing().release is None
    assert Quarantine(ride.stack.ref.record_dir).find(parts["WEB_RELEASE"].id, 1) is not None


def test_every_verdict_of_it_is_computed_again(ride: Ride) -> None:
    """All of that is in the journal, and the judge says the same of it again."""
    assert ride.result is not None
    run = recompute_run(ride.stack.ref.record_dir, ride.result.rollout_id)
    assert run.verdicts > 20
    assert run.differing == ()
