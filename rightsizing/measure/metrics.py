"""The CloudWatch metrics that are read, and how each becomes a column of the store.

Sources: the CloudWatch user guide's metric lists of Amazon EC2, EC2 Auto Scaling, Amazon ECS and
Application Load Balancers. EC2 metrics aggregated over an Auto Scaling group give the mean over
its instances as Average and the busiest one as Maximum; sums are over the whole group, so rates
per instance need ``GroupInServiceInstances``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.measure.inventory import MeasuredResource
from rightsizing.model.workload import WorkloadKind

PERIOD_SECONDS = 300  # finest that basic monitoring has, kept for 63 days
_ECS_POINTS_PER_PERIOD = PERIOD_SECONDS // 60  # ECS publishes one point a task and minute


@unique
class Conversion(StrEnum):
    """From a metric's value to the column's unit."""

    AS_IS = "as is"
    PERCENT_OF_CORES = "percent of cores"
    PERCENT_OF_MEMORY = "percent of memory"
    RATE_PER_INSTANCE = "rate per instance"
    SECONDS_TO_MS = "seconds to ms"
    POINTS_TO_TASKS = "points to tasks"

    def apply(self, value: float, capacity: float, instances: float) -> float:
        """The column's value; ``capacity`` in cores or bytes where the conversion needs it."""
        if self in (Conversion.PERCENT_OF_CORES, Conversion.PERCENT_OF_MEMORY):
            return value / 100 * capacity
        if self is Conversion.RATE_PER_INSTANCE:
            return value / PERIOD_SECONDS / instances
        if self is Conversion.SECONDS_TO_MS:
            return value * 1000
        if self is Conversion.POINTS_TO_TASKS:
            return value / _ECS_POINTS_PER_PERIOD
        return value


@dataclass(frozen=True, slots=True)
class Metric:
    """One statistic of one CloudWatch metric, for one column."""

    column: str
    namespace: str
    name: str
    statistic: str
    conversion: Conversion = Conversion.AS_IS
    absence: str = ""  # what to do when a resource has none of it; empty: nothing to say

    def __str__(self) -> str:
        return f"{self.name} {self.statistic}"


_NO_GROUP_METRICS = "enable group metrics collection (GroupInServiceInstances)"
_NO_AGENT = "install the CloudWatch agent with aggregation by AutoScalingGroupName"

_FLEET = (
    Metric("cpu_cores_mean", "AWS/EC2", "CPUUtilization", "Average", Conversion.PERCENT_OF_CORES),
    Metric("cpu_cores_max", "AWS/EC2", "CPUUtilization", "Maximum", Conversion.PERCENT_OF_CORES),
    Metric(
        "memory_bytes_mean",
        "CWAgent",
        "mem_used_percent",
        "Average",
        Conversion.PERCENT_OF_MEMORY,
        _NO_AGENT,
    ),
    Metric(
        "memory_bytes_max",
        "CWAgent",
        "mem_used_percent",
        "Maximum",
        Conversion.PERCENT_OF_MEMORY,
    ),
    Metric(
        "instances",
        "AWS/AutoScaling",
        "GroupInServiceInstances",
        "Average",
        absence=_NO_GROUP_METRICS,
    ),
    *(
        Metric(column, "AWS/EC2", name, "Sum", Conversion.RATE_PER_INSTANCE)
        for column, name in (
            ("network_in_bytes_per_s", "NetworkIn"),
            ("network_out_bytes_per_s", "NetworkOut"),
            ("disk_read_bytes_per_s", "EBSReadBytes"),
            ("disk_write_bytes_per_s", "EBSWriteBytes"),
            ("disk_read_ops_per_s", "EBSReadOps"),
            ("disk_write_ops_per_s", "EBSWriteOps"),
        )
    ),
)
_CREDITS = Metric("cpu_credit_balance", "AWS/EC2", "CPUCreditBalance", "Minimum")
_SERVICE = (
    Metric("cpu_cores_mean", "AWS/ECS", "CPUUtilization", "Average", Conversion.PERCENT_OF_CORES),
    Metric("cpu_cores_max", "AWS/ECS", "CPUUtilization", "Maximum", Conversion.PERCENT_OF_CORES),
    Metric(
        "memory_bytes_mean",
        "AWS/ECS",
        "MemoryUtilization",
        "Average",
        Conversion.PERCENT_OF_MEMORY,
    ),
    Metric(
        "memory_bytes_max",
        "AWS/ECS",
        "MemoryUtilization",
        "Maximum",
        Conversion.PERCENT_OF_MEMORY,
    ),
    Metric("instances", "AWS/ECS", "CPUUtilization", "SampleCount", Conversion.POINTS_TO_TASKS),
)
_BALANCER_NAMESPACE = "AWS/ApplicationELB"
_BALANCER = (
    Metric("requests", _BALANCER_NAMESPACE, "RequestCount", "Sum"),
    Metric("errors", _BALANCER_NAMESPACE, "HTTPCode_Target_5XX_Count", "Sum"),
    *(
        Metric(
            column, _BALANCER_NAMESPACE, "TargetResponseTime", statistic, Conversion.SECONDS_TO_MS
        )
        for column, statistic in (
            ("latency_mean_ms", "Average"),
            ("latency_max_ms", "Maximum"),
            ("latency_p99_ms", "p99"),
        )
    ),
)


def metrics_of(resource: MeasuredResource) -> tuple[Metric, ...]:
    """Every metric worth asking for: each one asked for is billed."""
    own = _FLEET if resource.kind is WorkloadKind.FLEET else _SERVICE
    burst = (_CREDITS,) if resource.burstable else ()
    balancer = _BALANCER if resource.target_group and resource.load_balancer else ()
    return (*own, *burst, *balancer)


def dimensions_of(resource: MeasuredResource, metric: Metric) -> tuple[tuple[str, str], ...]:
    """CloudWatch dimensions (name, value) that select the metric of this resource."""
    if metric.namespace == _BALANCER_NAMESPACE:
        return (
            ("TargetGroup", resource.target_group or ""),
            ("LoadBalancer", resource.load_balancer or ""),
        )
    if resource.kind is WorkloadKind.FLEET:
        return (("AutoScalingGroupName", resource.resource_id),)
    cluster, _, service = resource.resource_id.partition("/")
    return (("ClusterName", cluster), ("ServiceName", service))
