"""Scaling policies: of an Auto Scaling group, and of Application Auto Scaling with its target.

Rules from hashicorp/terraform-provider-aws, internal/service: autoscaling/policy.go,
appautoscaling/target.go, appautoscaling/policy.go. Target tracking, simple and predictive scaling
(on a predefined pair of metrics) are served; a step policy is refused.
"""

from __future__ import annotations

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import ignoring_absent
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.aws.tags import TAG_MOVES, TAG_OUTPUTS, TAGS, tag_state, wanted_tags
from rightsizing.embedded.aws.tracking import read_tracking, tracking_arguments
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties

_SOURCE = "hashicorp/terraform-provider-aws internal/service/"
_NOT_SERVED = "the local cloud serves target tracking, simple and predictive scaling only"


def _put_policy(api: AwsApi, inputs: Properties) -> str:
    tracking = inputs.get("targetTrackingConfiguration")
    predictive = inputs.get("predictiveScalingConfiguration")
    api.client("autoscaling").put_scaling_policy(
        **given(
            AutoScalingGroupName=inputs["autoscalingGroupName"],
            PolicyName=inputs["name"],
            PolicyType=inputs["policyType"],
            AdjustmentType=inputs.get("adjustmentType"),
            ScalingAdjustment=inputs.get("scalingAdjustment"),
            Cooldown=inputs.get("cooldown"),
            EstimatedInstanceWarmup=inputs.get("estimatedInstanceWarmup"),
            TargetTrackingConfiguration=tracking and tracking_arguments(tracking),
            PredictiveScalingConfiguration=predictive and _predictive_arguments(predictive),
            Enabled=inputs.get("enabled"),
        )
    )
    return str(inputs["name"])


def _read_policy(api: AwsApi, name: str, known: Properties) -> Properties | None:
    found = api.client("autoscaling").describe_policies(
        AutoScalingGroupName=known["autoscalingGroupName"], PolicyNames=[name]
    )["ScalingPolicies"]
    if not found:
        return None
    policy = found[0]
    tracking = policy.get("TargetTrackingConfiguration")
    predictive = policy.get("PredictiveScalingConfiguration")
    return given(
        arn=policy["PolicyARN"],
        name=policy["PolicyName"],
        autoscalingGroupName=policy["AutoScalingGroupName"],
        policyType=policy["PolicyType"],
        adjustmentType=policy.get("AdjustmentType"),
        scalingAdjustment=policy.get("ScalingAdjustment"),
        cooldown=policy.get("Cooldown"),
        targetTrackingConfiguration=tracking and read_tracking(tracking),
        predictiveScalingConfiguration=predictive and _read_predictive(predictive),
    )


def _predictive_arguments(block: Properties) -> Properties:
    metric = block["metricSpecification"]
    pair = metric["predefinedMetricPairSpecification"]
    buffer = block.get("schedulingBufferTime")
    return given(
        MetricSpecifications=[
            {
                "TargetValue": float(metric["targetValue"]),
                "PredefinedMetricPairSpecification": given(
                    PredefinedMetricType=pair["predefinedMetricType"],
                    ResourceLabel=pair.get("resourceLabel"),
                ),
            }
        ],
        Mode=block.get("mode"),
        SchedulingBufferTime=None if buffer is None else int(buffer),
    )


def _read_predictive(found: Properties) -> Properties:
    metric = found["MetricSpecifications"][0]
    pair = metric["PredefinedMetricPairSpecification"]
    buffer = found.get("SchedulingBufferTime")
    return given(
        metricSpecification={
            "targetValue": metric["TargetValue"],
            "predefinedMetricPairSpecification": given(
                predefinedMetricType=pair["PredefinedMetricType"],
                resourceLabel=pair.get("ResourceLabel"),
            ),
        },
        mode=found.get("Mode"),
        schedulingBufferTime=None if buffer is None else str(int(buffer)),
    )


def _update_policy(api: AwsApi, _name: str, inputs: Properties, _changed: frozenset[str]) -> None:
    _put_policy(api, inputs)


def _delete_policy(api: AwsApi, name: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("autoscaling").delete_policy(
            AutoScalingGroupName=known["autoscalingGroupName"], PolicyName=name
        )


def _application_tracking(block: Properties) -> Properties:
    return {
        **tracking_arguments(block),
        **given(
            ScaleInCooldown=block.get("scaleInCooldown"),
            ScaleOutCooldown=block.get("scaleOutCooldown"),
        ),
    }


def _put_application_policy(api: AwsApi, inputs: Properties) -> str:
    api.client("application-autoscaling").put_scaling_policy(
        PolicyName=inputs["name"],
        PolicyType=inputs["policyType"],
        **_scalable(inputs),
        TargetTrackingScalingPolicyConfiguration=_application_tracking(
            inputs["targetTrackingScalingPolicyConfiguration"]
        ),
    )
    return str(inputs["name"])


def _scalable(known: Properties) -> Properties:
    return {
        "ServiceNamespace": known["serviceNamespace"],
        "ResourceId": known["resourceId"],
        "ScalableDimension": known["scalableDimension"],
    }


def _read_application_policy(api: AwsApi, name: str, known: Properties) -> Properties | None:
    found = api.client("application-autoscaling").describe_scaling_policies(
        PolicyNames=[name], **_scalable(known)
    )["ScalingPolicies"]
    if not found:
        return None
    policy = found[0]
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration")
    return given(
        arn=policy["PolicyARN"],
        name=policy["PolicyName"],
        policyType=policy["PolicyType"],
        resourceId=policy["ResourceId"],
        scalableDimension=policy["ScalableDimension"],
        serviceNamespace=policy["ServiceNamespace"],
        alarmArns=[alarm["AlarmARN"] for alarm in policy.get("Alarms", ())],
        targetTrackingScalingPolicyConfiguration=tracking
        and {
            **read_tracking(tracking, "dimensions"),
            **given(
                scaleInCooldown=tracking.get("ScaleInCooldown"),
                scaleOutCooldown=tracking.get("ScaleOutCooldown"),
            ),
        },
    )


def _update_application_policy(
    api: AwsApi, _name: str, inputs: Properties, _changed: frozenset[str]
) -> None:
    _put_application_policy(api, inputs)


def _delete_application_policy(api: AwsApi, name: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("application-autoscaling").delete_scaling_policy(
            PolicyName=name, **_scalable(known)
        )


def _register(api: AwsApi, inputs: Properties) -> str:
    api.client("application-autoscaling").register_scalable_target(
        **_scalable(inputs),
        **given(
            MinCapacity=inputs["minCapacity"],
            MaxCapacity=inputs["maxCapacity"],
            RoleARN=inputs.get("roleArn"),
        ),
        Tags=wanted_tags(api, inputs),
    )
    return str(inputs["resourceId"])


def _read_target(api: AwsApi, resource_id: str, known: Properties) -> Properties | None:
    found = api.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace=known["serviceNamespace"],
        ResourceIds=[resource_id],
        ScalableDimension=known["scalableDimension"],
    )["ScalableTargets"]
    if not found:
        return None
    target = found[0]
    return given(
        arn=target.get("ScalableTargetARN"),
        minCapacity=target["MinCapacity"],
        maxCapacity=target["MaxCapacity"],
        resourceId=target["ResourceId"],
        scalableDimension=target["ScalableDimension"],
        serviceNamespace=target["ServiceNamespace"],
        roleArn=target.get("RoleARN"),
        # The local cloud does not give a target's tags back, so they are as last written.
        **tag_state(api, known, wanted_tags(api, known)),
    )


def _update_target(
    api: AwsApi, _resource_id: str, inputs: Properties, _changed: frozenset[str]
) -> None:
    _register(api, inputs)


def _deregister(api: AwsApi, _resource_id: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("application-autoscaling").deregister_scalable_target(**_scalable(known))


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:autoscaling/policy:Policy",
        source=_SOURCE + "autoscaling/policy.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "autoscalingGroupName": Property(replaces=True, required=True),
            "policyType": Property(default="SimpleScaling"),
            "adjustmentType": Property(),
            "scalingAdjustment": Property(),
            "cooldown": Property(),
            "estimatedInstanceWarmup": Property(),
            "enabled": Property(default=True),
            "targetTrackingConfiguration": Property(nested_computed=frozenset({"disableScaleIn"})),
            "predictiveScalingConfiguration": Property(),
        },
        outputs=("arn",),
        naming=Naming(),
        refused={
            "stepAdjustments": _NOT_SERVED,
        },
        create=_put_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        pulumi_type="aws:appautoscaling/target:Target",
        source=_SOURCE + "appautoscaling/target.go",
        properties={
            "minCapacity": Property(required=True),
            "maxCapacity": Property(required=True),
            "resourceId": Property(replaces=True, required=True),
            "scalableDimension": Property(replaces=True, required=True),
            "serviceNamespace": Property(replaces=True, required=True),
            "roleArn": Property(replaces=True, computed=True),
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        moves=TAG_MOVES,
        create=_register,
        read=_read_target,
        update=_update_target,
        delete=_deregister,
    ),
    ResourceType(
        pulumi_type="aws:appautoscaling/policy:Policy",
        source=_SOURCE + "appautoscaling/policy.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "policyType": Property(default="StepScaling"),
            "resourceId": Property(replaces=True, required=True),
            "scalableDimension": Property(replaces=True, required=True),
            "serviceNamespace": Property(replaces=True, required=True),
            "targetTrackingScalingPolicyConfiguration": Property(
                required=True, nested_computed=frozenset({"disableScaleIn"})
            ),
        },
        outputs=("arn", "alarmArns"),
        naming=Naming(),
        refused={
            "stepScalingPolicyConfiguration": _NOT_SERVED,
            "predictiveScalingPolicyConfiguration": _NOT_SERVED,
        },
        create=_put_application_policy,
        read=_read_application_policy,
        update=_update_application_policy,
        delete=_delete_application_policy,
    ),
)
