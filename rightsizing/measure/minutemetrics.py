"""A service's past from CloudWatch, minute by minute and availability zone by zone.

A load balancer reports requests, failures and response times by zone: zones of one target group
serve the same traffic on the same size, so how they differ is how two equal arms differ. Minutes
are kept for 15 days (CloudWatch user guide, "Metrics retention").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.discovery import discover_aws
from rightsizing.measure.inventory import MeasuredResource
from rightsizing.measure.progress import Progress, ProgressListener, Window, ignore_progress
from rightsizing.model.base import NoData
from rightsizing.model.servicepast import PastRow, ServicePast, past_of
from rightsizing.model.update import Json
from rightsizing.model.workload import WorkloadKind

SOURCE = "cloudwatch"
MINUTE_S = 60
MOST_DAYS = 15  # of minutes
SPAN_MS = 6 * 3_600_000  # 360 minutes of 7 metrics in 3 zones and the group: 10,080 points a call
BALANCER = "AWS/ApplicationELB"


@dataclass(frozen=True, slots=True)
class _Figure:
    """A column, and the metric and statistic it comes from."""

    column: str
    metric: str
    stat: str
    factor: float = 1.0


_FIGURES = (
    _Figure("requests", "RequestCount", "Sum"),
    _Figure("failed", "HTTPCode_Target_5XX_Count", "Sum"),
    _Figure("refused", "TargetConnectionErrorCount", "Sum"),
    _Figure("latency_p99_ms", "TargetResponseTime", "p99", 1000.0),
    _Figure("latency_mean_ms", "TargetResponseTime", "Average", 1000.0),
    _Figure("healthy", "HealthyHostCount", "Minimum"),
)


@dataclass(frozen=True, slots=True)
class _Series:
    """One resource of the past: a target group, or a zone of it."""

    name: str
    dimensions: Mapping[str, str]
    cores_an_instance: float | None


def measured_minutes(
    clients: AwsClients,
    workload: str,
    window: Window,
    *,
    latency_bound_s: float | None = None,
    progress: ProgressListener = ignore_progress,
) -> ServicePast:
    """Read the minutes of a fleet or service behind a load balancer.

    Args:
        window: at most 15 days.
        latency_bound_s: a request that takes longer is slow; None: those are not counted.

    Raises:
        ConfigError: the workload is not found, or has no load balancer.
        TelemetryError: it had no requests in the window; or what ``AwsClients.call`` raises.
    """
    resources = _behind_balancer(clients, workload)
    figures: tuple[_Figure, ...] = _FIGURES
    if latency_bound_s is not None:
        slow = _Figure("slow", "TargetResponseTime", f"TC({latency_bound_s:g}:)")
        figures = (*figures, slow)
    whole = [_series(resource, "") for resource in resources]
    by_zone = [
        _series(resource, zone) for resource in resources for zone in _zones(clients, resource)
    ]
    rows = list(_read(clients, by_zone, figures, window, progress)) if by_zone else []
    notes: tuple[str, ...] = ()
    if len({row.resource for row in rows}) < 2:
        rows = list(_read(clients, whole, figures, window, progress))
        notes = ("CloudWatch has no figures by availability zone",)
    if not rows:
        raise TelemetryError(
            f"{workload} had no requests in {window}; check that traffic reaches its target group"
        )
    return past_of(rows, SOURCE, notes)


def _behind_balancer(clients: AwsClients, workload: str) -> list[MeasuredResource]:
    found = {item.key: item for item in discover_aws(clients).workloads}
    if workload not in found:
        raise ConfigError(
            f"workload {workload!r} is not in {clients.region}; `rightsize discover` lists "
            f"{', '.join(sorted(found)) or 'none'}"
        )
    resources = [item for item in found[workload].resources if item.target_group is not None]
    if not resources:
        raise ConfigError(
            f"workload {workload!r} is behind no load balancer, which is what counts requests; "
            "give a file of minutes"
        )
    return resources


def _zones(clients: AwsClients, resource: MeasuredResource) -> Sequence[str]:
    if resource.kind is not WorkloadKind.FLEET:
        return ()
    groups = clients.pages(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        AutoScalingGroupNames=[resource.resource_id],
    )
    return sorted({zone for group in groups for zone in group.get("AvailabilityZones", ())})


def _series(resource: MeasuredResource, zone: str) -> _Series:
    dimensions = {
        "LoadBalancer": resource.load_balancer or "",
        "TargetGroup": resource.target_group or "",
    }
    if zone:
        dimensions["AvailabilityZone"] = zone
    cores = resource.capacity_cores
    name = f"{resource.resource_id} {zone}".strip()
    return _Series(name, dimensions, None if isinstance(cores, NoData) else cores)


def _read(
    clients: AwsClients,
    series: Sequence[_Series],
    figures: Sequence[_Figure],
    window: Window,
    progress: ProgressListener,
) -> Iterator[PastRow]:
    queries = {
        f"q{number}": (item, figure)
        for number, (item, figure) in enumerate((item, one) for item in series for one in figures)
    }
    spans = range(window.start_ms, window.end_ms, SPAN_MS)
    for done, start_ms in enumerate(spans):
        progress(Progress("reading minutes", done, len(spans)))
        cells: dict[tuple[str, int], dict[str, float]] = {}
        for answer in clients.pages(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=[_query(key, *asked) for key, asked in queries.items()],
            StartTime=datetime.fromtimestamp(start_ms / 1000, UTC),
            EndTime=datetime.fromtimestamp(min(start_ms + SPAN_MS, window.end_ms) / 1000, UTC),
            ScanBy="TimestampAscending",
        ):
            item, figure = queries[answer["Id"]]
            for at, value in zip(answer["Timestamps"], answer["Values"], strict=True):
                cell = cells.setdefault((item.name, round(at.timestamp() * 1000)), {})
                cell[figure.column] = value * figure.factor
        cores = {item.name: item.cores_an_instance for item in series}
        for (name, minute), cell in sorted(cells.items()):
            if "requests" in cell:
                yield _row(
                    name, minute, cell, cores[name], slow="slow" in {f.column for f in figures}
                )


def _row(
    name: str, minute_ms: int, cell: Mapping[str, float], cores: float | None, *, slow: bool
) -> PastRow:
    """A row of one series' minute: with requests, what is not reported of failures is zero."""
    healthy = cell.get("healthy")
    return PastRow(
        resource=name,
        start_ms=minute_ms,
        requests=cell["requests"],
        errors=min(cell.get("failed", 0.0) + cell.get("refused", 0.0), cell["requests"]),
        slow=min(cell.get("slow", 0.0), cell["requests"]) if slow else None,
        latency_p99_ms=cell.get("latency_p99_ms") or None,
        latency_mean_ms=cell.get("latency_mean_ms") or None,
        capacity_cores=cores * healthy if cores and healthy else None,
    )


def _query(key: str, series: _Series, figure: _Figure) -> Json:
    return {
        "Id": key,
        "MetricStat": {
            "Metric": {
                "Namespace": BALANCER,
                "MetricName": figure.metric,
                "Dimensions": [
                    {"Name": name, "Value": value} for name, value in series.dimensions.items()
                ],
            },
            "Period": MINUTE_S,
            "Stat": figure.stat,
        },
    }
