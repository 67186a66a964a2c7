"""An arm's minutes as CloudWatch data points, under the names AWS gives them.

Load balancers, instances, services and the CloudWatch agent have AWS's own namespaces and
dimensions. As there, a metric without traffic or without a count is not reported at all. What AWS
has no metric for is in namespaces of our own: ``Rightsizing/Containers`` (all of a container) and
``Rightsizing/Simulated`` (kills for want of memory, by Auto Scaling group or service).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.embedded.cloud.metricstore import SeriesKey
from rightsizing.embedded.cloud.plane.live import Arm
from rightsizing.embedded.cloud.plane.scenario import FloatArray, IntArray
from rightsizing.embedded.cloud.plane.traffic import ArmMinutes
from rightsizing.model.workload import WorkloadKind

BALANCER = "AWS/ApplicationELB"
INSTANCES = "AWS/EC2"
GROUPS = "AWS/AutoScaling"
SERVICES = "AWS/ECS"
AGENT = "CWAgent"
CONTAINERS = "Rightsizing/Containers"
SIMULATED = "Rightsizing/Simulated"
_MINUTE_S = 60

Point = tuple[float, float, float, float, float]  # time, count, sum, minimum, maximum
Row = tuple[SeriesKey, str, Point]
Counts = NDArray[np.int64]


def rows_of(arm: Arm, minutes: ArmMinutes, region: str) -> Iterator[Row]:
    """Every data point of one arm's minutes."""
    if arm.target_group and arm.balancer:
        yield from _balancer_rows(arm, minutes, region)
    if arm.kind is WorkloadKind.FLEET:
        for group in arm.groups:
            yield from _group_rows(arm, group, minutes, region)
    elif arm.kind is WorkloadKind.SERVICE:
        cluster, _, service = arm.name.partition("/")
        where = {"ClusterName": cluster, "ServiceName": service}
        yield from _usage(_Metrics.of(region, SERVICES, where, minutes), arm, minutes)
        kills = minutes.oom_kills.sum(axis=0)
        yield from _Metrics.of(region, SIMULATED, where, minutes).total("OomKills", kills)
    else:
        metrics = _Metrics.of(region, CONTAINERS, {"ContainerName": arm.name}, minutes)
        yield from _requests(metrics, minutes)
        yield from _usage(metrics, arm, minutes)
        yield from metrics.gauge("ThrottledRatio", "None", minutes.throttled_ratio)
        yield from metrics.total("OomKills", minutes.oom_kills.sum(axis=0))


@dataclass(frozen=True, slots=True)
class _Metrics:
    """Metrics of one namespace and set of dimensions, over some minutes."""

    region: str
    namespace: str
    dimensions: tuple[tuple[str, str], ...]
    minutes: IntArray

    @classmethod
    def of(
        cls, region: str, namespace: str, dimensions: Mapping[str, str], minutes: ArmMinutes
    ) -> _Metrics:
        return cls(region, namespace, tuple(sorted(dimensions.items())), minutes.minutes)

    def key(self, name: str) -> SeriesKey:
        """The series of a metric."""
        return SeriesKey(self.region, self.namespace, name, self.dimensions)

    def total(self, name: str, counts: Counts) -> Iterator[Row]:
        """A count a minute, one sample an event; nothing where it is zero."""
        key = self.key(name)
        for minute, count in zip(self.minutes.tolist(), counts.tolist(), strict=True):
            if count:
                yield key, "Count", (minute * _MINUTE_S, float(count), float(count), 1.0, 1.0)

    def gauge(
        self, name: str, unit: str, values: FloatArray, counts: Counts | None = None
    ) -> Iterator[Row]:
        """A statistic set a minute over the rows of ``values``, each of ``counts`` members."""
        weights = np.ones(len(values)) if counts is None else counts.astype(np.float64)
        members = float(weights.sum())
        if not members:
            return
        key = self.key(name)
        present = values[weights > 0]
        rows = zip(
            self.minutes.tolist(),
            (weights @ values).tolist(),
            present.min(axis=0).tolist(),
            present.max(axis=0).tolist(),
            strict=True,
        )
        for minute, total, low, high in rows:
            yield key, unit, (minute * _MINUTE_S, members, total, low, high)


def _balancer_rows(arm: Arm, minutes: ArmMinutes, region: str) -> Iterator[Row]:
    total = sum(cohort.count for cohort in arm.cohorts)
    if not total:  # no target to choose: the load balancer itself answers 503
        alone = _Metrics.of(region, BALANCER, {"LoadBalancer": arm.balancer}, minutes)
        yield from alone.total("HTTPCode_ELB_5XX_Count", minutes.failed)
        return
    both = {"LoadBalancer": arm.balancer, "TargetGroup": arm.target_group}
    metrics = _Metrics.of(region, BALANCER, both, minutes)
    yield from _requests(metrics, minutes)
    # One that is killed for want of memory in a minute is down in it.
    down = np.minimum(arm.unhealthy + minutes.oom_kills.sum(axis=0), total).astype(np.float64)
    yield from metrics.gauge("HealthyHostCount", "Count", (total - down)[None, :])
    yield from metrics.gauge("UnHealthyHostCount", "Count", down[None, :])


def _requests(metrics: _Metrics, minutes: ArmMinutes) -> Iterator[Row]:
    yield from metrics.total("RequestCount", minutes.requests)
    yield from metrics.total("HTTPCode_Target_5XX_Count", minutes.failed)
    yield from metrics.total("HTTPCode_Target_2XX_Count", minutes.served)
    key = metrics.key("TargetResponseTime")
    for row, minute in enumerate(minutes.minutes.tolist()):
        for cell in np.flatnonzero(minutes.latency_counts[row]):
            count = float(minutes.latency_counts[row, cell])
            value = float(minutes.latency_s[row, cell])
            yield key, "Seconds", (minute * _MINUTE_S, count, count * value, value, value)


def _group_rows(arm: Arm, group: str, minutes: ArmMinutes, region: str) -> Iterator[Row]:
    rows = [
        index for index, cohort in enumerate(arm.cohorts) if arm.group_of.get(cohort.name) == group
    ]
    if not rows:
        return
    counts = np.array([arm.cohorts[index].count for index in rows])
    where = {"AutoScalingGroupName": group}

    def metrics(namespace: str) -> _Metrics:
        return _Metrics.of(region, namespace, where, minutes)

    cpu, memory = 100 * minutes.cpu_ratio[rows], 100 * minutes.memory_ratio[rows]
    yield from metrics(INSTANCES).gauge("CPUUtilization", "Percent", cpu, counts)
    yield from metrics(AGENT).gauge("mem_used_percent", "Percent", memory, counts)
    members = np.full((1, len(minutes.minutes)), float(counts.sum()))
    yield from metrics(GROUPS).gauge("GroupInServiceInstances", "None", members)
    yield from metrics(SIMULATED).total("OomKills", minutes.oom_kills[rows].sum(axis=0))


def _usage(metrics: _Metrics, arm: Arm, minutes: ArmMinutes) -> Iterator[Row]:
    counts = np.array([cohort.count for cohort in arm.cohorts])
    yield from metrics.gauge("CPUUtilization", "Percent", 100 * minutes.cpu_ratio, counts)
    yield from metrics.gauge("MemoryUtilization", "Percent", 100 * minutes.memory_ratio, counts)
