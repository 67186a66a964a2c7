"""Alarms and a dashboard for a fleet, slot by slot, so that a bad slot is told from a good one.

Thresholds are the workload's own objectives where it declares them; CPU and memory follow the alert
rules that the monitor watches by (``rulealarms``). A slot without traffic has no error ratio and no
latency: missing data there is no breach. Missing CPU data stays missing. Memory comes from the
CloudWatch agent, aggregated by Auto Scaling group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.components.naming import resource_stem, stack_scoped
from infra.components.rulealarms import RuleAlarm, rule_alarms
from infra.tags import workload_tags
from rightsizing.model.rollout import Slot
from rightsizing.model.workload import Slos

PERIOD_SECONDS = 60
PERIODS_TO_ALARM = 5
# Used when the workload declares no objective; chosen by us, generous for a web service.
DEFAULT_ERROR_RATIO = 0.01
DEFAULT_LATENCY_MS = 1000.0

_BALANCER = "AWS/ApplicationELB"


@dataclass(frozen=True)
class FleetObservabilityArgs:
    """What is watched: the load balancer, and for each slot its target group and its instances."""

    region: str
    load_balancer: aws.lb.LoadBalancer
    target_groups: Mapping[Slot, aws.lb.TargetGroup]
    groups: Mapping[Slot, aws.autoscaling.Group]
    slos: Slos = field(default_factory=Slos)
    tags: Mapping[str, str] = field(default_factory=dict)


class FleetObservability(pulumi.ComponentResource):
    """Alarms a slot (errors, latency, and those of the rules) and one dashboard.

    ``name`` is the workload.
    """

    def __init__(
        self, name: str, args: FleetObservabilityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:FleetObservability", name, None, opts)
        self._workload = name
        self._args = args
        self._own = pulumi.ResourceOptions(parent=self)
        for slot in args.groups:
            self._make_error_alarm(slot)
            self._make_latency_alarm(slot)
            for alarm in rule_alarms():
                self._make_rule_alarm(slot, alarm)
        self._make_dashboard()
        self.register_outputs({})

    def _alarm_name(self, slot: Slot, what: str) -> str:
        return f"{resource_stem(self._workload)}-{slot.value}-{what}"

    def _tags(self, slot: Slot) -> dict[str, str]:
        return workload_tags(self._workload, slot.value, self._args.tags)

    def _traffic(self, slot: Slot) -> dict[str, pulumi.Input[str]]:
        return {
            "LoadBalancer": self._args.load_balancer.arn_suffix,
            "TargetGroup": self._args.target_groups[slot].arn_suffix,
        }

    def _make_error_alarm(self, slot: Slot) -> None:
        limit = self._args.slos.error_max_ratio
        ratio = DEFAULT_ERROR_RATIO if limit is None else limit
        aws.cloudwatch.MetricAlarm(
            self._alarm_name(slot, "errors"),
            alarm_description=f"{self._workload} slot {slot.value}: 5xx above {ratio:.2%}",
            metric_queries=[
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="ratio",
                    expression="errors / requests",
                    label="5xx ratio",
                    return_data=True,
                ),
                self._sum(slot, "errors", "HTTPCode_Target_5XX_Count"),
                self._sum(slot, "requests", "RequestCount"),
            ],
            comparison_operator="GreaterThanThreshold",
            threshold=ratio,
            evaluation_periods=PERIODS_TO_ALARM,
            treat_missing_data="notBreaching",
            tags=self._tags(slot),
            opts=self._own,
        )

    def _sum(
        self, slot: Slot, query_id: str, metric: str
    ) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
        return aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=query_id,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=_BALANCER,
                metric_name=metric,
                period=PERIOD_SECONDS,
                stat="Sum",
                dimensions=self._traffic(slot),
            ),
        )

    def _make_latency_alarm(self, slot: Slot) -> None:
        slos = self._args.slos
        if slos.latency_p99_max_ms is None and slos.latency_mean_max_ms is not None:
            statistic, percentile, limit_ms = "Average", None, slos.latency_mean_max_ms
        else:
            statistic, percentile = None, "p99"
            limit_ms = slos.latency_p99_max_ms or DEFAULT_LATENCY_MS
        aws.cloudwatch.MetricAlarm(
            self._alarm_name(slot, "latency"),
            alarm_description=(
                f"{self._workload} slot {slot.value}: {percentile or 'mean'} latency above "
                f"{limit_ms:g} ms"
            ),
            namespace=_BALANCER,
            metric_name="TargetResponseTime",  # seconds
            dimensions=self._traffic(slot),
            statistic=statistic,
            extended_statistic=percentile,
            period=PERIOD_SECONDS,
            comparison_operator="GreaterThanThreshold",
            threshold=limit_ms / 1000,
            evaluation_periods=PERIODS_TO_ALARM,
            treat_missing_data="notBreaching",
            tags=self._tags(slot),
            opts=self._own,
        )

    def _make_rule_alarm(self, slot: Slot, alarm: RuleAlarm) -> None:
        aws.cloudwatch.MetricAlarm(
            self._alarm_name(slot, alarm.suffix),
            alarm_description=f"{self._workload} slot {slot.value}: {alarm.meaning}",
            namespace=alarm.namespace,
            metric_name=alarm.metric_name,
            dimensions={"AutoScalingGroupName": self._args.groups[slot].name},
            statistic=alarm.statistic,
            period=alarm.period_s,
            comparison_operator="GreaterThanThreshold",
            threshold=alarm.threshold,
            evaluation_periods=alarm.evaluation_periods,
            treat_missing_data=alarm.treat_missing_data,
            tags=self._tags(slot),
            opts=self._own,
        )

    def _make_dashboard(self) -> None:
        stem = resource_stem(self._workload)
        aws.cloudwatch.Dashboard(
            stem,
            dashboard_name=stack_scoped(stem, pulumi.get_project(), pulumi.get_stack()),
            dashboard_body=pulumi.Output.json_dumps({"widgets": self._widgets()}),
            opts=self._own,
        )

    def _widgets(self) -> list[dict[str, object]]:
        return [
            self._widget("Requests", "Sum", _BALANCER, "RequestCount"),
            self._widget("Latency p99 (s)", "p99", _BALANCER, "TargetResponseTime"),
            self._widget("5xx", "Sum", _BALANCER, "HTTPCode_Target_5XX_Count"),
            *(
                self._widget(alarm.title, alarm.statistic, alarm.namespace, alarm.metric_name)
                for alarm in rule_alarms()
            ),
        ]

    def _widget(self, title: str, stat: str, namespace: str, metric: str) -> dict[str, object]:
        return {
            "type": "metric",
            "width": 12,
            "height": 6,
            "properties": {
                "title": f"{self._workload}: {title}",
                "stat": stat,
                "period": PERIOD_SECONDS,
                "region": self._args.region,
                "metrics": [
                    [namespace, metric, *self._line(slot, namespace), {"label": slot.value}]
                    for slot in self._args.groups
                ],
            },
        }

    def _line(self, slot: Slot, namespace: str) -> list[pulumi.Input[str]]:
        if namespace != _BALANCER:
            return ["AutoScalingGroupName", self._args.groups[slot].name]
        return [part for pair in self._traffic(slot).items() for part in pair]
