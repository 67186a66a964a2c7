"""Where moto 5.2 differs from AWS, or from itself, in ways this toolkit would notice.

Each repair says what is wrong and why it matters. They apply to the local cloud's own process only.
"""

from __future__ import annotations

from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState
from moto.core.base_backend import AccountSpecificBackend
from moto.core.types import Base64EncodedString
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ecs.models import EC2ContainerServiceBackend
from moto.elbv2.models import ELBv2Backend
from moto.moto_api._internal import mock_random

from rightsizing.embedded.cloud.clock import Clock

# The classes below are changed in place, which their types do not allow.
_Backends: Any = AccountSpecificBackend
_InstanceState: Any = InstanceState
_TemplateVersion: Any = LaunchTemplateVersion
_Group: Any = FakeAutoScalingGroup
_Template: Any = LaunchTemplate
_Balancing: Any = ELBv2Backend
_Services: Any = EC2ContainerServiceBackend

SEED = "rightsizing"  # any constant: ids are the same after every restart
_FIRST_MOMENT_MS = 1_767_225_600_000  # 2026-01-01, creation time of an account's default network


def apply_repairs(clock: Clock) -> None:
    """Install all of them; once a process."""
    _seed_default_resources(clock)
    _order_scale_in()
    _remember_launch_versions()
    _accept_user_data_in_new_versions()
    _date_groups_by_the_clock(clock)
    _show_current_template_tags()
    _tell_groups_of_their_balancers()
    _start_deployments(clock)


def _seed_default_resources(clock: Clock) -> None:
    """A region's default VPC is made by whichever request touches the region first, even a read.

    Reads are not recorded, so its ids have to depend on the region alone.
    """
    make = _Backends.__getitem__

    def seeded(self: Any, region_name: str) -> Any:
        key = "aws" if region_name == "global" else region_name
        if key in self.keys():
            return make(self, region_name)
        generator = mock_random.getstate()
        mock_random.seed(f"{SEED}:{self.service_name}:{self.account_id}:{key}")
        try:
            with clock.at(_FIRST_MOMENT_MS):
                return make(self, region_name)
        finally:
            mock_random.setstate(generator)

    _Backends.__getitem__ = seeded


def _order_scale_in() -> None:
    """Scaling in goes through a set ordered by memory address; a replay would end others.

    Hashing by instance id makes the order depend on the ids alone (PYTHONHASHSEED is fixed).
    """
    _InstanceState.__hash__ = lambda self: hash(self.instance.id)


def _remember_launch_versions() -> None:
    """Moto reports the template's default version for every instance; AWS the one it came from."""
    make = _InstanceState.__init__
    describe = _InstanceState.launch_template.fget

    def remembering(self: Any, instance: Any, *arguments: Any, **named: Any) -> None:
        make(self, instance, *arguments, **named)
        group = self.auto_scaling_group
        self.launched_version = (
            str(group.ec2_launch_template.get_version(group.launch_template_version).number)
            if group is not None and group.ec2_launch_template is not None
            else None
        )

    def described(self: Any) -> Any:
        template = describe(self)
        if template is not None and getattr(self, "launched_version", None) is not None:
            template = {**template, "Version": self.launched_version}
        return template

    _InstanceState.__init__ = remembering
    _InstanceState.launch_template = property(described)


def _accept_user_data_in_new_versions() -> None:
    """CreateLaunchTemplateVersion keeps user data as text, and launching from it fails."""
    make = _TemplateVersion.__init__

    def converting(self: Any, template: Any, number: int, data: Any, description: str) -> None:
        if isinstance(data.get("UserData"), str):
            data = {**data, "UserData": Base64EncodedString(data["UserData"])}
        make(self, template, number, data, description)

    _TemplateVersion.__init__ = converting


def _date_groups_by_the_clock(clock: Clock) -> None:
    """A group takes its creation time from the wall clock, past ``utcnow``."""
    make = _Group.__init__

    def dated(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        self.created_time = clock.utcnow().isoformat()

    _Group.__init__ = dated


def _show_current_template_tags() -> None:
    """A launch template is described with the tags of its creation, whatever became of them."""

    def keep_nothing(_self: Any, _tags: Any) -> None:
        return

    _Template.tags = property(lambda self: self.get_tags(), keep_nothing)


def _tell_groups_of_their_balancers() -> None:
    """A target group learns of its load balancer when a listener is made, not when one is changed.

    A slot filled later would then look as if no listener forwarded to it.
    """
    modify = _Balancing.modify_listener

    def telling(self: Any, *arguments: Any, **named: Any) -> Any:
        listener = modify(self, *arguments, **named)
        for action in listener.default_actions:
            if action.type != "forward":
                continue
            for arn in self._get_target_group_arns_from(action_data=action.data):
                known = self.target_groups[arn].load_balancer_arns
                if listener.load_balancer_arn not in known:
                    known.append(listener.load_balancer_arn)
        return listener

    _Balancing.modify_listener = telling


def _start_deployments(clock: Clock) -> None:
    """An ECS service keeps its first deployment for good, whatever it is updated to.

    On AWS a new task definition is a new deployment; who compares ids sees what really runs. It is
    complete at once: moto runs no tasks.
    """
    update = _Services.update_service

    def deploying(self: Any, service_properties: dict[str, Any]) -> Any:
        cluster = service_properties.get("cluster") or "default"
        name = service_properties["service"].split("/")[-1]
        before = self._get_service(cluster, name).task_definition
        service = update(self, service_properties)
        if service.task_definition != before and service.deployments:
            identity = f"ecs-svc/{mock_random.randint(0, 32**12)}"
            service.deployments[0].update(
                id=identity,
                taskDefinition=service.task_definition,
                createdAt=clock.utcnow(),
                updatedAt=clock.utcnow(),
                desiredCount=service.desired_count,
                runningCount=service.desired_count,
                pendingCount=0,
                rolloutState="COMPLETED",
                rolloutStateReason=f"ECS deployment {identity} completed.",
            )
        return service

    _Services.update_service = deploying
