"""Whether a slot can carry the traffic it is about to get, and more instances where it cannot.

Before a weight rises, the cores in use are taken from the newest look at both arms. A slot that
lacks instances gets them first: its desired capacity, which belongs to the autoscaler and not to
the stack, is raised within the slot's own range. What that range cannot hold is too small, and that
is known before anybody is harmed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rightsizing.errors import RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.rollout import Slot
from rightsizing.model.verdict import ArmLook, Look
from rightsizing.rollout.traffic import AwsControl
from rightsizing.stack.clock import Clock

WAIT_S = 10.0  # between two looks at a slot that is getting more instances
LONGEST_WAIT_S = 600.0  # boot and health checks of a slow instance; chosen by us


class SlotInstances(Protocol):
    """The instances of one fleet's slots."""

    def healthy(self) -> Mapping[Slot, int]:
        """Targets that pass their health checks, by slot. Raises RightsizingError."""
        ...

    def raise_to(self, slot: Slot, instances: int) -> None:
        """Ask for at least so many instances; never for fewer. Raises RightsizingError."""
        ...


@dataclass(frozen=True, slots=True)
class GroupInstances:
    """Slots as Auto Scaling groups with their target groups."""

    aws: AwsControl
    groups: Mapping[Slot, str]  # names
    target_groups: Mapping[Slot, str]  # ARNs

    def healthy(self) -> Mapping[Slot, int]:
        """As the load balancer sees them."""
        found = {}
        for slot, arn in self.target_groups.items():
            page = self.aws.call("elbv2", "describe_target_health", TargetGroupArn=arn)
            states = [item["TargetHealth"]["State"] for item in page["TargetHealthDescriptions"]]
            found[slot] = states.count("healthy")
        return found

    def raise_to(self, slot: Slot, instances: int) -> None:
        """Set the desired capacity, unless it is that high already."""
        name = self.groups[slot]
        page = self.aws.call(
            "autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name]
        )
        for group in page["AutoScalingGroups"]:
            wanted = min(instances, int(group["MaxSize"]))
            if int(group["DesiredCapacity"]) < wanted:
                self.aws.call(
                    "autoscaling",
                    "set_desired_capacity",
                    AutoScalingGroupName=name,
                    DesiredCapacity=wanted,
                    HonorCooldown=False,
                )


@dataclass(frozen=True, slots=True)
class Need:
    """Instances a slot needs for its share of the load."""

    slot: Slot
    instances: int
    used_cores: float
    sentence: str


def cores_in_use(look: Look, canary_share: float) -> float | NoData:
    """Cores all traffic takes on the canary's size: the more of what both arms use, and of what the
    canary uses for its share of the requests (its cores may be slower).

    Args:
        canary_share: share (0-1) of the requests that the canary had.
    """
    canary, baseline = _cores(look.canary), _cores(look.baseline)
    if canary is None:
        return NoData("the CPU in use is not measured")
    together = canary + (baseline or 0.0)
    requests = (look.canary.requests or 0) + (look.baseline.requests or 0)
    share = (look.canary.requests or 0) / requests if requests else canary_share
    projected = canary / share if share > 0 else 0.0
    return max(together, projected)


def instances_needed(
    slot: Slot, used_cores: float, share: float, cores_an_instance: float, ceiling: float
) -> Need:
    """Instances that keep a slot at ``ceiling`` CPU (0-1) with ``share`` (0-1) of the load."""
    used = used_cores * share
    instances = max(math.ceil(used / (cores_an_instance * ceiling) - 1e-9), 1)
    sentence = (
        f"slot {slot.value} needs {instances} instances of {cores_an_instance:g} vCPU for "
        f"{used:.1f} cores in use at {ceiling:.0%} CPU"
    )
    return Need(slot, instances, used, sentence)


def supply(
    instances: SlotInstances, need: Need, *, clock: Clock, longest_s: float = LONGEST_WAIT_S
) -> str:
    """Bring a slot to what it needs and wait for the instances; empty, or what is still missing.

    Raises RightsizingError when the cloud cannot be asked.
    """
    deadline = clock.monotonic() + longest_s
    asked = False
    while True:
        healthy = instances.healthy().get(need.slot, 0)
        if healthy >= need.instances:
            return ""
        if not asked:
            instances.raise_to(need.slot, need.instances)
            asked = True
        if clock.monotonic() >= deadline:
            return f"{need.sentence}, {healthy} are healthy"
        clock.sleep(WAIT_S)


def prepare_return(instances: SlotInstances, slot: Slot, need: Need | None) -> str:
    """Before traffic goes back at once: ask the old slot for what the load needs, wait for nothing.

    Returns a sentence when the slot has no healthy instance at all; traffic must not go there.
    """
    healthy = instances.healthy().get(slot, 0)
    if healthy == 0:
        return f"slot {slot.value} has no healthy instance"
    if need is not None and healthy < need.instances:
        try:
            instances.raise_to(slot, need.instances)
        except RightsizingError as error:
            return "" if healthy else str(error)
    return ""


def _cores(arm: ArmLook) -> float | None:
    if arm.cpu_share is None or arm.capacity_cores is None:
        return None
    return arm.cpu_share * arm.capacity_cores
