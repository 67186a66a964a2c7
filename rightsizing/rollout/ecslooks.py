"""Looks at two ECS services behind one load balancer: the old size and the new one side by side.

Requests, failures and latency are the target groups' own, as of any fleet; CPU and memory are the
services' (``AWS/ECS``), shares of what their tasks reserve. A service without a target group has no
requests of its own to be judged by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightsizing.errors import StackError
from rightsizing.model.rollout import Slot
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.rollout.looks import ArmMetrics, LookReader
from rightsizing.stack.livefacts import SLOT_TAG, AwsReader, Scope
from rightsizing.stack.liveservice import live_services
from rightsizing.units import CPU_UNITS_PER_VCPU


@dataclass(frozen=True, slots=True)
class SlotService:
    """One slot's service as ECS describes it."""

    cluster: str
    service: str
    target_group_arn: str
    desired_tasks: int
    task_cores: float | None  # None: the task itself has no CPU reservation


def find_slot_services(aws: AwsReader, scope: Scope, workload: str) -> Mapping[Slot, SlotService]:
    """Services of a workload by slot, found by tags. Raises RightsizingError when AWS is silent."""
    found: dict[Slot, SlotService] = {}
    for cluster, service, tags in live_services(aws, scope):
        ours = tags.get(WORKLOAD_TAG) == workload and service.get("status") == "ACTIVE"
        if ours and tags.get(SLOT_TAG) in set(Slot):
            found[Slot(tags[SLOT_TAG])] = _slot_service(aws, cluster, service, workload)
    return found


def service_looks(
    aws: AwsReader,
    scope: Scope,
    workload: str,
    *,
    canary: Slot,
    latency_bound_s: float | None = None,
) -> LookReader:
    """A ``run.LookSource`` of the two services of a workload.

    Args:
        canary: the slot that holds the new size.
        latency_bound_s: a request that takes longer is slow; None: slow ones are not counted.

    Raises:
        StackError: a slot has no service, or it is behind no load balancer.
        RightsizingError: AWS cannot be read.
    """
    services = find_slot_services(aws, scope, workload)
    missing = [slot.value for slot in Slot if slot not in services]
    if missing:
        raise StackError(
            f"{workload}: no ECS service runs in slot {missing[0]}, so there is nothing to compare"
        )
    balancers = _balancers(aws, [item.target_group_arn for item in services.values()])
    arms = {
        slot: _arm(workload, slot, item, balancers.get(item.target_group_arn))
        for slot, item in services.items()
    }
    return LookReader(aws, arms[canary.other], arms[canary], latency_bound_s)


def _slot_service(aws: AwsReader, cluster: str, service: Json, workload: str) -> SlotService:
    groups = [item["targetGroupArn"] for item in service.get("loadBalancers", ())]
    if not groups:
        raise StackError(
            f"{workload}: service {service['serviceName']} is behind no load balancer, so its "
            "requests are not counted"
        )
    answer = aws.call("ecs", "describe_task_definition", taskDefinition=service["taskDefinition"])
    units = answer["taskDefinition"].get("cpu")
    return SlotService(
        cluster=cluster.rsplit("/", 1)[-1],
        service=service["serviceName"],
        target_group_arn=groups[0],
        desired_tasks=int(service.get("desiredCount", 0)),
        task_cores=int(units) / CPU_UNITS_PER_VCPU if units else None,
    )


def _balancers(aws: AwsReader, groups: list[str]) -> dict[str, str]:
    """Load balancer ARN by target group ARN."""
    pages = aws.pages(
        "elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=sorted(set(groups))
    )
    return {
        group["TargetGroupArn"]: group["LoadBalancerArns"][0]
        for group in pages
        if group.get("LoadBalancerArns")
    }


def _arm(workload: str, slot: Slot, item: SlotService, balancer: str | None) -> ArmMetrics:
    if balancer is None:
        raise StackError(
            f"{workload}: no listener forwards to the target group of slot {slot.value}; run "
            "`rightsize status`"
        )
    return ArmMetrics(
        slot=slot,
        load_balancer=balancer.split(":loadbalancer/", 1)[-1],
        target_group=item.target_group_arn.rsplit(":", 1)[-1],
        group_name="",
        cores_an_instance=item.task_cores,
        expected_targets=item.desired_tasks,
        service=(item.cluster, item.service),
    )
