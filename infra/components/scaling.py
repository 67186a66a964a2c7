"""Scaling of a fleet's group and of a service: target tracking, minima by the clock, forecasts.

A size without a policy of its own is scaled as it always was: target tracking on mean CPU at the
stack's target. This module decides nothing; it makes what a size says.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from rightsizing.model.scaling import Predictive, ScalingPolicy, ScheduledMinimum

UNCHANGED = -1  # how aws.autoscaling.Schedule says that a figure stays as it is
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PREDICTIVE_MODES = {"forecast_only": "ForecastOnly", "forecast_and_scale": "ForecastAndScale"}


def scale_group(
    stem: str,
    group: aws.autoscaling.Group,
    policy: ScalingPolicy | None,
    target_cpu_pct: int,
    opts: pulumi.ResourceOptions,
) -> None:
    """Policies and scheduled actions of an Auto Scaling group.

    ``target_cpu_pct`` is the stack's, for a size without a policy.
    """
    policy = policy or ScalingPolicy(target_cpu_pct=target_cpu_pct)
    if policy.target_cpu_pct is not None:
        _track_group(stem, group, policy.target_cpu_pct, opts)
    if policy.predictive is not None:
        _predict_group(stem, group, policy.predictive, opts)
    by_clock_alone = policy.target_cpu_pct is None
    for number, entry in enumerate(policy.schedule):
        aws.autoscaling.Schedule(
            f"{stem}-{number}",
            autoscaling_group_name=group.name,
            scheduled_action_name=f"minimum-{number}",
            recurrence=entry.cron,
            time_zone="Etc/UTC",
            min_size=entry.minimum,
            max_size=UNCHANGED,
            # Without dynamic scaling nothing else would ever end an instance.
            desired_capacity=entry.minimum if by_clock_alone else UNCHANGED,
            opts=opts,
        )


def _track_group(
    stem: str, group: aws.autoscaling.Group, target_cpu_pct: int, opts: pulumi.ResourceOptions
) -> None:
    aws.autoscaling.Policy(
        stem,
        autoscaling_group_name=group.name,
        policy_type="TargetTrackingScaling",
        target_tracking_configuration=aws.autoscaling.PolicyTargetTrackingConfigurationArgs(
            predefined_metric_specification=(
                aws.autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs(
                    predefined_metric_type="ASGAverageCPUUtilization"
                )
            ),
            target_value=float(target_cpu_pct),
        ),
        opts=opts,
    )


def _predict_group(
    stem: str, group: aws.autoscaling.Group, predictive: Predictive, opts: pulumi.ResourceOptions
) -> None:
    # One name of a generated class is longer than a line.
    pair = aws.autoscaling.PolicyPredictiveScalingConfigurationMetricSpecificationPredefinedMetricPairSpecificationArgs(  # noqa: E501
        predefined_metric_type="ASGCPUUtilization"
    )
    aws.autoscaling.Policy(
        f"{stem}-predictive",
        autoscaling_group_name=group.name,
        policy_type="PredictiveScaling",
        predictive_scaling_configuration=aws.autoscaling.PolicyPredictiveScalingConfigurationArgs(
            metric_specification=(
                aws.autoscaling.PolicyPredictiveScalingConfigurationMetricSpecificationArgs(
                    target_value=float(predictive.target_cpu_pct),
                    predefined_metric_pair_specification=pair,
                )
            ),
            mode=_PREDICTIVE_MODES[predictive.mode],
            scheduling_buffer_time=str(predictive.buffer_seconds),
        ),
        opts=opts,
    )


def schedule_service(
    stem: str,
    target: aws.appautoscaling.Target,
    policy: ScalingPolicy,
    opts: pulumi.ResourceOptions,
) -> None:
    """Scheduled actions of a service. By the clock alone the range is one number."""
    by_clock_alone = policy.target_cpu_pct is None
    for number, entry in enumerate(policy.schedule):
        aws.appautoscaling.ScheduledAction(
            f"{stem}-{number}",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            schedule=service_cron(entry),
            timezone="UTC",
            scalable_target_action=aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                min_capacity=entry.minimum,
                max_capacity=entry.minimum if by_clock_alone else None,
            ),
            opts=opts,
        )


def service_cron(entry: ScheduledMinimum) -> str:
    """The cron of Application Auto Scaling: six fields, ``?`` for the day that is not asked for.

    Its weekdays count from 1 for Sunday, so they are written by name.
    """
    minute, hour, day, month, weekday = entry.cron.split()
    if weekday == "*":
        return f"cron({minute} {hour} {day} {month} ? *)"
    names = ",".join(
        _WEEKDAYS[int(item) % 7] if item.isdigit() else item for item in weekday.split(",")
    )
    return f"cron({minute} {hour} ? {month} {names} *)"
