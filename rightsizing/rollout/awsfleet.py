"""A fleet's slots as AWS has them: groups, target groups, listener, and the metrics of each.

Found by tags and never from state, like live facts, so that it is right in the middle of an update
that was killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rightsizing.errors import StackError
from rightsizing.model.rollout import Slot
from rightsizing.model.verdict import ArmLook
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.rollout.capacity import GroupInstances
from rightsizing.rollout.looks import ArmMetrics, LookReader, LooksRead
from rightsizing.rollout.run import LookSource, WatchedFleet
from rightsizing.rollout.traffic import AwsControl, find_alb_traffic
from rightsizing.stack.livefacts import SLOT_TAG, Scope


@dataclass(frozen=True, slots=True)
class FleetPlace:
    """How to read a fleet. ``cores``: vCPU by instance type; ``kills``: as of ``ArmMetrics``."""

    aws: AwsControl
    scope: Scope
    workload: str
    cores: Mapping[str, float]
    latency_bound_s: float | None = None
    kills: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SlotPlace:
    """One slot's group and target group."""

    group_name: str
    target_group_arn: str
    load_balancer: str  # as CloudWatch's dimension
    min_instances: int
    instance_types: tuple[str, ...]  # of the group's instances


def find_slots(place: FleetPlace) -> Mapping[Slot, SlotPlace]:
    """Slots that exist behind a load balancer. Raises RightsizingError when AWS cannot be read."""
    tags = place.scope.tags
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    groups = []
    for group in place.aws.pages(
        "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", Filters=filters
    ):
        own = {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}
        if own.get(WORKLOAD_TAG) != place.workload or not place.scope.holds(own):
            continue
        if own.get(SLOT_TAG) in set(Slot) and group.get("TargetGroupARNs"):
            groups.append((Slot(own[SLOT_TAG]), group))
    arns = {group["TargetGroupARNs"][0] for _, group in groups}
    # all of them, since one that is gone would have a question for these alone refused
    balancers = {
        item["TargetGroupArn"]: (item.get("LoadBalancerArns") or [""])[0]
        for item in place.aws.pages("elbv2", "describe_target_groups", "TargetGroups")
        if item["TargetGroupArn"] in arns
    }
    found = {}
    for slot, group in groups:
        arn = group["TargetGroupARNs"][0]
        if arn not in balancers:
            continue
        kinds = {item.get("InstanceType", "") for item in group.get("Instances", ())}
        found[slot] = SlotPlace(
            group["AutoScalingGroupName"],
            arn,
            balancers.get(arn, "").split(":loadbalancer/")[-1],
            int(group["MinSize"]),
            tuple(sorted(kind for kind in kinds if kind)),
        )
    return found


def watched_fleet(place: FleetPlace, live: Slot) -> WatchedFleet:
    """Traffic, looks and instances of a fleet whose slot ``live`` holds the new size.

    Raises StackError when one of the slots does not exist, RightsizingError when AWS does not
    answer.
    """
    slots = find_slots(place)
    if live not in slots:
        raise StackError(
            f"{place.workload}: slot {live.value} does not exist behind a load balancer; run "
            "`rightsize status`"
        )
    traffic = find_alb_traffic(place.aws, place.scope, place.workload)
    instances = GroupInstances(
        place.aws,
        {slot: item.group_name for slot, item in slots.items()},
        {slot: item.target_group_arn for slot, item in slots.items()},
    )
    return WatchedFleet(traffic, _looks(place, slots, live), instances)


def lone_fleet(place: FleetPlace, live: Slot) -> LookSource | None:
    """Looks at the serving slot alone; None: it is behind no load balancer."""
    slots = find_slots(place)
    if live not in slots:
        return None
    own = arm_metrics(place, live, slots[live])
    return LoneLooks(LookReader(place.aws, own, own, place.latency_bound_s))


def arm_metrics(place: FleetPlace, slot: Slot, found: SlotPlace) -> ArmMetrics:
    """Where one slot's metrics are."""
    cores = [place.cores[kind] for kind in found.instance_types if kind in place.cores]
    return ArmMetrics(
        slot=slot,
        load_balancer=found.load_balancer,
        target_group=found.target_group_arn.split(":")[-1],
        group_name=found.group_name,
        cores_an_instance=min(cores, default=None),
        expected_targets=found.min_instances,
        kills=place.kills,
    )


@dataclass(frozen=True, slots=True)
class LoneLooks:
    """Looks whose baseline is empty: nothing else serves."""

    reader: LookReader

    def server_now_ms(self) -> int:
        """The metrics' own clock."""
        return self.reader.server_now_ms()

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        """New looks since ``after_ms``."""
        found = self.reader.read(after_ms, canary_weight=canary_weight)
        alone = (look.model_copy(update={"baseline": ArmLook()}) for look in found.looks)
        return replace(found, looks=tuple(alone))


def _looks(place: FleetPlace, slots: Mapping[Slot, SlotPlace], live: Slot) -> LookSource:
    canary = arm_metrics(place, live, slots[live])
    if live.other not in slots:
        return LoneLooks(LookReader(place.aws, canary, canary, place.latency_bound_s))
    baseline = arm_metrics(place, live.other, slots[live.other])
    return LookReader(place.aws, baseline, canary, place.latency_bound_s)
