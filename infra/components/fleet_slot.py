"""One half of a fleet: launch template, Auto Scaling group and scaling policy of one size.

The group names its launch template version by number, so the same release always starts the same
instances. A new version leaves running instances as they were, so a change of the template
replaces the group: the new one is created and healthy before the old one is deleted. Desired
capacity is the autoscaler's; only its range is set.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.components.naming import resource_stem
from infra.components.scaling import scale_group
from infra.images import image_for
from infra.tags import TEMPLATE_RESOURCES, workload_tags
from rightsizing.model.rollout import Slot, SlotState
from rightsizing.model.scaling import ScalingPolicy
from rightsizing.model.workload import Architecture

# Seconds before a new instance counts in scaling metrics. Chosen by us: start-up of a small web
# service plus two health checks; Amazon EC2 Auto Scaling itself defaults to 0.
INSTANCE_WARMUP_SECONDS = 120
HEALTH_CHECK_GRACE_SECONDS = 300  # the service's own default, written down so that it is seen


@dataclass(frozen=True)
class FleetSlotArgs:
    """What one slot runs and where.

    ``listener`` already forwards to ``target_group``. The group is created after it: targets that
    no listener refers to are never health-checked, so waiting for healthy ones would not end.
    """

    workload: str
    slot: Slot
    state: SlotState
    ami: Mapping[Architecture, str]
    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_id: pulumi.Input[str]
    target_group: aws.lb.TargetGroup
    listener: aws.lb.Listener
    target_cpu_pct: int
    user_data: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False


class FleetSlot(pulumi.ComponentResource):
    """The instances of one slot, serving behind ``target_group`` once they are healthy."""

    group: aws.autoscaling.Group

    def __init__(
        self, name: str, args: FleetSlotArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:FleetSlot", name, None, opts)
        self._args = args
        self._stem = f"{resource_stem(args.workload)}-{args.slot.value}"
        self._tags = workload_tags(args.workload, args.slot.value, args.tags)
        self.group = self._make_group(self._make_template())
        self._make_scaling_policy()
        self.register_outputs({"group_name": self.group.name})

    def _make_template(self) -> aws.ec2.LaunchTemplate:
        args = self._args
        size = args.state.fleet_size
        script = None
        if args.user_data is not None:
            script = base64.b64encode(args.user_data.encode("utf-8")).decode("ascii")
        return aws.ec2.LaunchTemplate(
            self._stem,
            image_id=image_for(args.workload, size.instance_type, args.ami),
            instance_type=size.instance_type,
            vpc_security_group_ids=[args.security_group_id],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens="required"),
            user_data=pulumi.Output.secret(script) if args.secret and script else script,
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=self._tags)
                for kind in TEMPLATE_RESOURCES
            ],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _make_group(self, template: aws.ec2.LaunchTemplate) -> aws.autoscaling.Group:
        size = self._args.state.fleet_size
        return aws.autoscaling.Group(
            self._stem,
            min_size=size.min_instances,
            max_size=size.max_instances,
            # Creation waits for this many healthy targets; traffic moves only after that.
            min_elb_capacity=size.min_instances,
            launch_template=aws.autoscaling.GroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            vpc_zone_identifiers=self._args.subnet_ids,
            target_group_arns=[self._args.target_group.arn],
            health_check_type="ELB",
            health_check_grace_period=HEALTH_CHECK_GRACE_SECONDS,
            default_instance_warmup=_warmup_seconds(size.scaling),
            tags=[
                aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=True)
                for key, value in sorted(self._tags.items())
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[self._args.listener],
                ignore_changes=_moved_by_the_cloud(size.scaling),
                replace_on_changes=["launchTemplate"],
            ),
        )

    def _make_scaling_policy(self) -> None:
        scale_group(
            self._stem,
            self.group,
            self._args.state.fleet_size.scaling,
            self._args.target_cpu_pct,
            pulumi.ResourceOptions(parent=self),
        )


def _warmup_seconds(policy: ScalingPolicy | None) -> int:
    given = None if policy is None else policy.warmup_seconds
    return INSTANCE_WARMUP_SECONDS if given is None else given


def _moved_by_the_cloud(policy: ScalingPolicy | None) -> list[str]:
    # Scheduled actions move the minimum; a later update must not put it back.
    scheduled = policy is not None and bool(policy.schedule)
    return ["desiredCapacity", "minSize"] if scheduled else ["desiredCapacity"]
