"""Live facts of EC2 fleets: every Auto Scaling group of the stack, by its tags.

Types are those of the instances that run, since a group keeps its instances when its template
changes. Weights are those of the listener that serves. A slot with two groups (left by a killed
replacement) is two ``SlotFacts``; groups of workloads nobody declares are read too, since they
cost money as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from rightsizing.model.facts import FleetFacts, SlotFacts
from rightsizing.model.rollout import Slot
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.stack.livefacts import SLOT_TAG, AwsReader, Scope

# The second listener of infra's fleets only keeps health checks going; its weights say nothing.
PROBING_PORT = 8999
INSTANCES_PER_CALL = 200  # EC2: "up to 200 filter values" a DescribeInstances call
_UP = ("InService", "Pending")  # lifecycle states of a group's instance that serves or will
_DEFAULT_WEIGHT = 1  # of a target group in a forward action that names no weights


def read_fleets(aws: AwsReader, scope: Scope) -> tuple[FleetFacts, ...]:
    """Every fleet of the stack, declared or not, sorted by workload.

    Raises RightsizingError when the cloud cannot be read.
    """
    groups = list(_groups(aws, scope))
    types = _instance_types(aws, groups)
    weights = _weights(aws, {arn for group in groups for arn in group["TargetGroupARNs"]})
    slots: defaultdict[str, list[SlotFacts]] = defaultdict(list)
    for group in groups:
        tags = _tags(group)
        slots[tags[WORKLOAD_TAG]].append(_slot_facts(group, tags, types, weights))
    return tuple(
        FleetFacts(workload, tuple(sorted(found, key=lambda facts: (facts.slot, facts.group_name))))
        for workload, found in sorted(slots.items())
    )


def _groups(aws: AwsReader, scope: Scope) -> Iterator[Json]:
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in scope.tags.items()]
    found = aws.pages(
        "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", Filters=filters
    )
    for group in found:
        tags = _tags(group)
        # a server that ignores filters must not show us another stack's groups
        if scope.holds(tags) and tags.get(SLOT_TAG) in set(Slot):
            yield {"TargetGroupARNs": [], "Instances": [], **group}


def _slot_facts(
    group: Json, tags: Mapping[str, str], types: Mapping[str, str], weights: Mapping[str, int]
) -> SlotFacts:
    running = Counter(
        types[instance["InstanceId"]]
        for instance in group["Instances"]
        if instance["InstanceId"] in types
    )
    return SlotFacts(
        slot=Slot(tags[SLOT_TAG]),
        group_name=group["AutoScalingGroupName"],
        min_instances=group["MinSize"],
        max_instances=group["MaxSize"],
        desired_instances=group["DesiredCapacity"],
        running_types=tuple(sorted(running.items())),
        weight=max((weights.get(arn, 0) for arn in group["TargetGroupARNs"]), default=0),
    )


def _instance_types(aws: AwsReader, groups: Sequence[Json]) -> dict[str, str]:
    """Type of every instance that is up, by id."""
    ids = [
        instance["InstanceId"]
        for group in groups
        for instance in group["Instances"]
        if str(instance["LifecycleState"]).startswith(_UP)
    ]
    types: dict[str, str] = {}
    for batch in _batches(sorted(ids), INSTANCES_PER_CALL):
        # a filter, since InstanceIds would refuse the whole call for one that is gone by now
        filters = [
            {"Name": "instance-id", "Values": batch},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        for reservation in aws.pages("ec2", "describe_instances", "Reservations", Filters=filters):
            for instance in reservation["Instances"]:
                types[instance["InstanceId"]] = instance["InstanceType"]
    return types


def _weights(aws: AwsReader, target_groups: Iterable[str]) -> dict[str, int]:
    """Weight of each target group in the listeners that serve; absent when none forwards to it."""
    wanted = set(target_groups)
    balancers: set[str] = set()
    if wanted:
        # all of them, since one that is gone (its group was left by a killed update) would have
        # a question for these alone refused
        for group in aws.pages("elbv2", "describe_target_groups", "TargetGroups"):
            if group["TargetGroupArn"] in wanted:
                balancers.update(group.get("LoadBalancerArns", ()))
    weights: dict[str, int] = {}
    for balancer in sorted(balancers):
        for listener in aws.pages(
            "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer
        ):
            if listener.get("Port") != PROBING_PORT:
                for arn, weight in _forwarded(listener.get("DefaultActions", ())):
                    weights[arn] = max(weight, weights.get(arn, 0))
    return weights


def _forwarded(actions: Iterable[Json]) -> Iterator[tuple[str, int]]:
    for action in actions:
        named = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
        if not named and action.get("TargetGroupArn"):
            named = [{"TargetGroupArn": action["TargetGroupArn"]}]
        for target in named:
            yield target["TargetGroupArn"], int(target.get("Weight", _DEFAULT_WEIGHT))


def _tags(group: Json) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
