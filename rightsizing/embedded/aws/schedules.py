"""Scheduled actions: of an Auto Scaling group, and of an Application Auto Scaling target.

Rules from hashicorp/terraform-provider-aws, internal/service: autoscaling/schedule.go (a figure of
-1 is not sent, and stays as it is), appautoscaling/scheduled_action.go.
"""

from __future__ import annotations

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import ignoring_absent
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

_SOURCE = "hashicorp/terraform-provider-aws internal/service/"
_UNCHANGED = -1
_RECURRING_ONLY = "the local cloud serves recurring actions only"


def _sent(value: Json) -> Json:
    return None if value is None or int(value) == _UNCHANGED else int(value)


def _put_schedule(api: AwsApi, inputs: Properties) -> str:
    api.client("autoscaling").put_scheduled_update_group_action(
        **given(
            AutoScalingGroupName=inputs["autoscalingGroupName"],
            ScheduledActionName=inputs["scheduledActionName"],
            Recurrence=inputs.get("recurrence"),
            TimeZone=inputs.get("timeZone"),
            MinSize=_sent(inputs.get("minSize")),
            MaxSize=_sent(inputs.get("maxSize")),
            DesiredCapacity=_sent(inputs.get("desiredCapacity")),
        )
    )
    return str(inputs["scheduledActionName"])


def _read_schedule(api: AwsApi, name: str, known: Properties) -> Properties | None:
    found = api.client("autoscaling").describe_scheduled_actions(
        AutoScalingGroupName=known["autoscalingGroupName"], ScheduledActionNames=[name]
    )["ScheduledUpdateGroupActions"]
    if not found:
        return None
    action = found[0]
    return given(
        # The local cloud gives a group's action no ARN; this has the service's form.
        arn=action.get("ScheduledActionARN")
        or f"arn:aws:autoscaling:{api.region}:123456789012:scheduledUpdateGroupAction:local:"
        f"autoScalingGroupName/{action['AutoScalingGroupName']}:scheduledActionName/{name}",
        autoscalingGroupName=action["AutoScalingGroupName"],
        scheduledActionName=action["ScheduledActionName"],
        recurrence=action.get("Recurrence"),
        timeZone=action.get("TimeZone", known.get("timeZone")),
        minSize=_figure(action.get("MinSize")),
        maxSize=_figure(action.get("MaxSize")),
        desiredCapacity=_figure(action.get("DesiredCapacity")),
    )


def _figure(value: Json) -> int:
    return _UNCHANGED if value is None else int(value)


def _update_schedule(api: AwsApi, _name: str, inputs: Properties, _changed: frozenset[str]) -> None:
    _put_schedule(api, inputs)


def _delete_schedule(api: AwsApi, name: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("autoscaling").delete_scheduled_action(
            AutoScalingGroupName=known["autoscalingGroupName"], ScheduledActionName=name
        )


def _scalable(known: Properties) -> Properties:
    return {
        "ServiceNamespace": known["serviceNamespace"],
        "ResourceId": known["resourceId"],
        "ScalableDimension": known["scalableDimension"],
    }


def _put_action(api: AwsApi, inputs: Properties) -> str:
    action = inputs["scalableTargetAction"]
    api.client("application-autoscaling").put_scheduled_action(
        ScheduledActionName=inputs["name"],
        Schedule=inputs["schedule"],
        Timezone=inputs.get("timezone", "UTC"),
        ScalableTargetAction=given(
            MinCapacity=_number(action.get("minCapacity")),
            MaxCapacity=_number(action.get("maxCapacity")),
        ),
        **_scalable(inputs),
    )
    return str(inputs["name"])


def _number(value: Json) -> Json:
    return None if value is None else int(value)


def _read_action(api: AwsApi, name: str, known: Properties) -> Properties | None:
    found = api.client("application-autoscaling").describe_scheduled_actions(
        ScheduledActionNames=[name], **_scalable(known)
    )["ScheduledActions"]
    if not found:
        return None
    action = found[0]
    figures = action.get("ScalableTargetAction", {})
    return given(
        arn=action.get("ScheduledActionARN"),
        name=action["ScheduledActionName"],
        schedule=action["Schedule"],
        timezone=action.get("Timezone", known.get("timezone")),
        resourceId=action["ResourceId"],
        scalableDimension=action["ScalableDimension"],
        serviceNamespace=action["ServiceNamespace"],
        scalableTargetAction=given(
            minCapacity=figures.get("MinCapacity"), maxCapacity=figures.get("MaxCapacity")
        ),
    )


def _update_action(api: AwsApi, _name: str, inputs: Properties, _changed: frozenset[str]) -> None:
    _put_action(api, inputs)


def _delete_action(api: AwsApi, name: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("application-autoscaling").delete_scheduled_action(
            ScheduledActionName=name, **_scalable(known)
        )


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:autoscaling/schedule:Schedule",
        source=_SOURCE + "autoscaling/schedule.go",
        properties={
            "autoscalingGroupName": Property(replaces=True, required=True),
            "scheduledActionName": Property(replaces=True, required=True),
            "recurrence": Property(computed=True),
            "timeZone": Property(computed=True),
            "minSize": Property(computed=True),
            "maxSize": Property(computed=True),
            "desiredCapacity": Property(computed=True),
        },
        outputs=("arn",),
        refused={"startTime": _RECURRING_ONLY, "endTime": _RECURRING_ONLY},
        create=_put_schedule,
        read=_read_schedule,
        update=_update_schedule,
        delete=_delete_schedule,
    ),
    ResourceType(
        pulumi_type="aws:appautoscaling/scheduledAction:ScheduledAction",
        source=_SOURCE + "appautoscaling/scheduled_action.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "resourceId": Property(replaces=True, required=True),
            "scalableDimension": Property(replaces=True, required=True),
            "serviceNamespace": Property(replaces=True, required=True),
            "schedule": Property(required=True),
            "timezone": Property(default="UTC"),
            "scalableTargetAction": Property(required=True),
        },
        outputs=("arn",),
        naming=Naming(),
        refused={"startTime": _RECURRING_ONLY, "endTime": _RECURRING_ONLY},
        create=_put_action,
        read=_read_action,
        update=_update_action,
        delete=_delete_action,
    ),
)
