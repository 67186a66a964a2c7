"""CloudWatch into the store: conversion, paging, partial answers, throttling, resuming.

Replies have the shape GetMetricData really gives; ``FakeCloudWatch`` serves them from a function of
time, so every stored value can be worked out by hand. One test runs against moto.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rightsizing.errors import Throttled
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.cloudwatch import measure_cloudwatch
from rightsizing.measure.coverage import Coverage
from rightsizing.measure.inventory import DiscoveredWorkload, FormerCapacity, MeasuredResource
from rightsizing.measure.metrics import metrics_of
from rightsizing.measure.progress import Progress, Window
from rightsizing.model.base import NoData
from rightsizing.model.workload import Workload, WorkloadKind

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
START_MS = 20_000 * DAY_MS  # a midnight
GIB = 1024**3

FLEET = MeasuredResource(
    resource_id="web-a",
    kind=WorkloadKind.FLEET,
    capacity_cores=4.0,
    capacity_memory_bytes=16.0 * GIB,
    running=2,
    load_balancer="app/web/1",
    target_group="targetgroup/web/2",
)
SERVICE = MeasuredResource(
    resource_id="main/report",
    kind=WorkloadKind.SERVICE,
    capacity_cores=0.5,
    capacity_memory_bytes=1.0 * GIB,
    running=3,
)
# What each metric and statistic answers at every time, unless a test says otherwise.
VALUES: dict[tuple[str, str], float] = {
    ("CPUUtilization", "Average"): 25.0,
    ("CPUUtilization", "Maximum"): 75.0,
    ("CPUUtilization", "SampleCount"): 15.0,
    ("mem_used_percent", "Average"): 50.0,
    ("mem_used_percent", "Maximum"): 62.5,
    ("MemoryUtilization", "Average"): 40.0,
    ("MemoryUtilization", "Maximum"): 80.0,
    ("GroupInServiceInstances", "Average"): 2.0,
    ("NetworkIn", "Sum"): 600_000.0,
    ("NetworkOut", "Sum"): 1_200_000.0,
    ("EBSReadBytes", "Sum"): 6_000.0,
    ("EBSWriteBytes", "Sum"): 12_000.0,
    ("EBSReadOps", "Sum"): 60.0,
    ("EBSWriteOps", "Sum"): 120.0,
    ("RequestCount", "Sum"): 900.0,
    ("HTTPCode_Target_5XX_Count", "Sum"): 3.0,
    ("TargetResponseTime", "Average"): 0.045,
    ("TargetResponseTime", "Maximum"): 1.5,
    ("TargetResponseTime", "p99"): 0.4,
}
Answer = Callable[[str, str, int], float | None]


def constant(name: str, statistic: str, time_ms: int) -> float | None:
    """The same value at every time."""
    return VALUES.get((name, statistic))


@dataclass
class FakeCloudWatch:
    """Stands where AwsClients does; remembers what it was asked."""

    answer: Answer = constant
    page_points: int = 10_000
    status: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    messages: list[dict[str, str]] = field(default_factory=list)
    fail_on_request: int | None = None
    is_local: bool = False
    region: str = "us-east-1"
    requests: list[dict[str, Any]] = field(default_factory=list)

    def call(self, service: str, operation: str, **request: Any) -> Any:
        """Answer GetMetricData, a page of ``page_points`` points a metric at a time."""
        assert (service, operation) == ("cloudwatch", "get_metric_data")
        self.requests.append(request)
        if self.fail_on_request == len(self.requests):
            raise Throttled("AWS still throttles cloudwatch get_metric_data")
        page = int(request.get("NextToken", 0))
        start_ms = int(request["StartTime"].timestamp() * 1000)
        end_ms = int(request["EndTime"].timestamp() * 1000)
        times = range(start_ms, end_ms, 300_000)
        shown = times[page * self.page_points : (page + 1) * self.page_points]
        last = (page + 1) * self.page_points >= len(times)
        results = []
        for query in request["MetricDataQueries"]:
            stat = query["MetricStat"]
            key = (stat["Metric"]["MetricName"], stat["Stat"])
            points = [(time, self.answer(*key, time)) for time in shown]
            known = [(time, value) for time, value in points if value is not None]
            status = "Complete" if last else "PartialData"
            if last and self.status.get(key):
                status = self.status[key].pop(0)
            results.append(
                {
                    "Id": query["Id"],
                    "Label": key[0],
                    "Timestamps": [datetime.fromtimestamp(time / 1000, UTC) for time, _ in known],
                    "Values": [value for _, value in known],
                    "StatusCode": status,
                }
            )
        reply: dict[str, Any] = {"MetricDataResults": results, "Messages": self.messages}
        return reply if last else {**reply, "NextToken": str(page + 1)}


def workload(key: str, *resources: MeasuredResource) -> DiscoveredWorkload:
    """A discovered workload of these resources."""
    return DiscoveredWorkload(Workload(key=key, kind=resources[0].kind), resources)


def hours(count: float, start_ms: int = START_MS) -> Window:
    """A window of so many hours."""
    return Window(start_ms, start_ms + int(count * HOUR_MS))


def asked_spans(cloud: FakeCloudWatch) -> list[tuple[float, float]]:
    """Spans that were asked for, in hours from the start."""
    return [
        (
            (request["StartTime"].timestamp() * 1000 - START_MS) / HOUR_MS,
            (request["EndTime"].timestamp() * 1000 - START_MS) / HOUR_MS,
        )
        for request in cloud.requests
    ]


def test_a_fleet_is_converted_to_amounts(store, content):
    """Percentages times capacity; sums per second and instance; seconds to milliseconds."""
    report = measure_cloudwatch(FakeCloudWatch(), [workload("web", FLEET)], store, hours(1 / 12))
    (row,) = content(store)
    assert (report.observed, report.new, report.complete) == (1, 1, True)
    assert row["cpu_cores_mean"] == 1.0  # 25 % of 4
    assert row["cpu_cores_max"] == 3.0  # 75 % of 4
    assert row["memory_bytes_mean"] == 8 * GIB  # 50 % of 16 GiB
    assert row["memory_bytes_max"] == 10 * GIB  # 62.5 % of 16 GiB
    assert row["network_in_bytes_per_s"] == 1_000.0  # 600,000 B / 300 s / 2 instances
    assert row["disk_write_ops_per_s"] == 0.2  # 120 / 300 s / 2 instances
    assert (row["requests"], row["errors"], row["instances"]) == (900.0, 3.0, 2.0)
    assert row["latency_mean_ms"] == pytest.approx(45.0)
    assert (row["latency_max_ms"], row["latency_p99_ms"]) == (1500.0, 400.0)
    assert (row["resource_id"], row["source"], row["interval_s"]) == ("web-a", "cloudwatch", 300)


def test_a_service_counts_its_tasks_by_samples(store, content):
    """ECS publishes one CPU sample a task and minute: 15 in 5 minutes are 3 tasks."""
    measure_cloudwatch(FakeCloudWatch(), [workload("report", SERVICE)], store, hours(1 / 12))
    (row,) = content(store)
    assert row["instances"] == 3.0
    assert row["cpu_cores_mean"] == 0.125  # 25 % of 0.5
    assert row["memory_bytes_max"] == 0.8 * GIB


def test_all_pages_are_read(store):
    """NextToken is followed to the end; PartialData on the way is no fault."""
    cloud = FakeCloudWatch(page_points=5)
    report = measure_cloudwatch(cloud, [workload("web", FLEET)], store, hours(1))
    assert (report.observed, report.failures) == (12, ())
    assert [request.get("NextToken") for request in cloud.requests] == [None, "1", "2"]


def test_calls_hold_at_most_500_queries(store):
    """Forty fleets of 16 metrics are 640 queries: two calls."""
    fleets = [
        workload(f"web{number}", FLEET.__class__(**{**_fields(FLEET), "resource_id": f"g{number}"}))
        for number in range(40)
    ]
    cloud = FakeCloudWatch()
    measure_cloudwatch(cloud, fleets, store, hours(1 / 12))
    sizes = [len(request["MetricDataQueries"]) for request in cloud.requests]
    assert sum(sizes) == 40 * len(metrics_of(FLEET))
    assert max(sizes) <= 500
    assert len(sizes) == 2


def _fields(resource: MeasuredResource) -> dict[str, Any]:
    return {name: getattr(resource, name) for name in resource.__slots__}


def test_aws_is_asked_widely_and_a_local_server_narrowly(store):
    """Every metric in a call is billed on AWS; the local server slows down with the span."""
    aws, local = FakeCloudWatch(), FakeCloudWatch(is_local=True)
    measure_cloudwatch(aws, [workload("report", SERVICE)], store, hours(14 * 24))
    measure_cloudwatch(local, [workload("web", FLEET)], store, hours(48))
    assert asked_spans(aws) == [(0.0, 336.0)]
    assert asked_spans(local) == [(0.0, 24.0), (24.0, 48.0)]


def test_an_internal_error_is_asked_again(store):
    """One InternalError is repeated and forgotten when the second answer is complete."""
    cloud = FakeCloudWatch(status={("CPUUtilization", "Average"): ["InternalError"]})
    report = measure_cloudwatch(cloud, [workload("web", FLEET)], store, hours(1))
    assert report.complete
    assert [len(request["MetricDataQueries"]) for request in cloud.requests] == [
        len(metrics_of(FLEET)),
        1,
    ]


def test_what_stays_incomplete_is_reported_and_asked_next_time(store):
    """Rows that came are stored, the failure is named, and the span is not taken as done."""
    partial = {("CPUUtilization", "Average"): ["PartialData", "PartialData"]}
    report = measure_cloudwatch(
        FakeCloudWatch(status=partial), [workload("web", FLEET)], store, hours(24)
    )
    assert report.observed == 288
    assert len(report.failures) == 1
    assert report.failures[0].startswith("web (web-a): CPUUtilization Average from 2024-10-04")
    assert "incomplete (PartialData)" in report.failures[0]
    again = FakeCloudWatch()
    measure_cloudwatch(again, [workload("web", FLEET)], store, hours(24))
    assert asked_spans(again) == [(0.0, 24.0)]


def test_messages_of_cloudwatch_are_passed_on(store):
    """What CloudWatch says about the request reaches the report."""
    cloud = FakeCloudWatch(messages=[{"Code": "MaxMetricsExceeded", "Value": "too many"}])
    report = measure_cloudwatch(cloud, [workload("report", SERVICE)], store, hours(1))
    assert [note.reason for note in report.notes] == [
        "CloudWatch says: MaxMetricsExceeded: too many"
    ]


def test_missing_memory_says_what_to_install(store, content):
    """Without the agent CPU is stored, memory is null, and the report says why."""
    cloud = FakeCloudWatch(
        answer=lambda name, stat, _: None if "mem" in name else VALUES.get((name, stat))
    )
    report = measure_cloudwatch(cloud, [workload("web", FLEET)], store, hours(1))
    assert content(store)[0]["memory_bytes_mean"] is None
    (skip,) = report.skipped
    assert skip.reason.startswith("web (web-a): no mem_used_percent in CloudWatch; install the")


def test_rates_need_the_number_of_instances(store, content):
    """Sums over a group of unknown size are not stored as rates of one instance."""
    cloud = FakeCloudWatch(
        answer=lambda name, stat, _: None if "InService" in name else VALUES.get((name, stat))
    )
    report = measure_cloudwatch(cloud, [workload("web", FLEET)], store, hours(1 / 12))
    assert content(store)[0]["network_in_bytes_per_s"] is None
    reasons = [skip.reason for skip in report.skipped]
    assert "NetworkIn Sum without the number of instances in service" in reasons


def test_unknown_capacity_keeps_percentages_out(store, content):
    """Requests are stored, CPU is not, and the reason is given."""
    mixed = FLEET.__class__(
        **{
            **_fields(FLEET),
            "capacity_cores": NoData("instances of different sizes run"),
            "capacity_memory_bytes": NoData("instances of different sizes run"),
        }
    )
    report = measure_cloudwatch(FakeCloudWatch(), [workload("web", mixed)], store, hours(1 / 12))
    (row,) = content(store)
    assert (row["cpu_cores_mean"], row["requests"]) == (None, 900.0)
    assert report.skipped[0].reason == (
        "web (web-a): CPU percentages, since instances of different sizes run"
    )


def test_values_that_are_no_measurement_are_left_out(store, content):
    """NaN and negatives are counted and not stored."""

    def odd(name: str, stat: str, time_ms: int) -> float | None:
        return float("nan") if name == "RequestCount" else VALUES.get((name, stat))

    report = measure_cloudwatch(
        FakeCloudWatch(answer=odd), [workload("web", FLEET)], store, hours(1 / 12)
    )
    assert content(store)[0]["requests"] is None
    assert report.skipped[0].reason == "RequestCount Sum is nan, which is no measurement"


def test_gaps_stay_gaps(store):
    """Times without any point give no row."""

    def nightly(name: str, stat: str, time_ms: int) -> float | None:
        return VALUES.get((name, stat)) if time_ms < START_MS + 2 * HOUR_MS else None

    report = measure_cloudwatch(
        FakeCloudWatch(answer=nightly), [workload("web", FLEET)], store, hours(24)
    )
    assert report.observed == 24


def test_only_missing_days_are_asked_for(store):
    """A second run over a longer window asks for what is new and what may still settle."""
    found = [workload("web", FLEET)]
    measure_cloudwatch(FakeCloudWatch(), found, store, hours(48))
    cloud = FakeCloudWatch()
    report = measure_cloudwatch(cloud, found, store, hours(72))
    assert asked_spans(cloud) == [(45.0, 72.0)]  # the last 3 hours may have got late points
    assert (report.observed, report.new) == (27 * 12, 24 * 12)


def test_days_without_rows_are_asked_again(store):
    """Nothing yet is not the same as nothing ever."""
    found = [workload("web", FLEET)]
    measure_cloudwatch(FakeCloudWatch(answer=lambda *_: None), found, store, hours(48))
    cloud = FakeCloudWatch()
    measure_cloudwatch(cloud, found, store, hours(48))
    assert asked_spans(cloud) == [(0.0, 48.0)]


def test_throttling_keeps_what_was_read(store):
    """The error passes through; the next run goes on after the stored days."""
    found = [workload("web", FLEET)]
    cloud = FakeCloudWatch(is_local=True, fail_on_request=3)
    with pytest.raises(Throttled):
        measure_cloudwatch(cloud, found, store, hours(72))
    again = FakeCloudWatch(is_local=True)
    report = measure_cloudwatch(again, found, store, hours(72))
    assert asked_spans(again)[0] == (48.0, 72.0)
    assert report.new == 24 * 12  # two of three days were stored


def test_an_interrupt_resumes(store):
    """Ctrl-C between spans leaves whole days; the next run asks for the others."""
    found = [workload("web", FLEET)]

    def interrupt(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_cloudwatch(FakeCloudWatch(is_local=True), found, store, hours(96), interrupt)
    again = FakeCloudWatch(is_local=True)
    report = measure_cloudwatch(again, found, store, hours(96))
    assert asked_spans(again)[0] == (48.0, 72.0)
    assert report.new == 48 * 12


def test_progress_reaches_its_end(store):
    """The listener is told every step, the last one complete."""
    seen: list[Progress] = []
    measure_cloudwatch(
        FakeCloudWatch(is_local=True), [workload("web", FLEET)], store, hours(72), seen.append
    )
    steps = [(step.done, step.total) for step in seen]
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_rows_older_than_the_group_are_noted(store):
    """Today's capacity is assumed for them, which the reader should know."""
    young = FLEET.__class__(**{**_fields(FLEET), "created_ms": START_MS + HOUR_MS})
    report = measure_cloudwatch(FakeCloudWatch(), [workload("web", young)], store, hours(2))
    assert [(note.count, note.reason) for note in report.notes] == [
        (12, "web (web-a): older than the resource itself; its present capacity is assumed")
    ]


def test_coverage_merges_and_survives(tmp_path):
    """Spans that touch become one; an unreadable file means nothing is covered."""
    path = tmp_path / "asked.json"
    coverage = Coverage(path)
    coverage.add("web", Window(0, 10))
    coverage.add("web", Window(20, 30))
    coverage.add("web", Window(10, 15))
    coverage.save()
    assert Coverage(path).missing("web", Window(0, 40)) == [Window(15, 20), Window(30, 40)]
    assert Coverage(path).missing("api", Window(0, 40)) == [Window(0, 40)]
    path.write_text("{ not json")
    assert Coverage(path).missing("web", Window(0, 40)) == [Window(0, 40)]


@mock_aws
def test_the_requests_are_what_cloudwatch_understands(aws_credentials, store, content):
    """Against moto: one statistic set comes back as mean and peak of the right resource."""
    client = boto3.client("cloudwatch", "us-east-1")
    for group, total in (("web-a", 60.0), ("other", 199.0)):
        client.put_metric_data(
            Namespace="AWS/EC2",
            MetricData=[
                {
                    "MetricName": "CPUUtilization",
                    "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group}],
                    "Timestamp": datetime.fromtimestamp(START_MS / 1000, UTC),
                    "StatisticValues": {
                        "SampleCount": 2,
                        "Sum": total,
                        "Minimum": 10,
                        "Maximum": 50,
                    },
                }
            ],
        )
    clients = AwsClients("us-east-1")
    fleet = FLEET.__class__(**{**_fields(FLEET), "target_group": None})
    report = measure_cloudwatch(clients, [workload("web", fleet)], store, hours(1))
    (row,) = content(store)
    assert report.complete
    assert row["cpu_cores_mean"] == pytest.approx(1.2)  # 60 / 2 = 30 % of 4
    assert row["cpu_cores_max"] == 2.0  # 50 % of 4


def test_requests_without_a_count_of_errors_had_none(store, content):
    """A load balancer publishes errors only where there are some; no requests stay unknown."""

    def answer(name: str, statistic: str, time_ms: int) -> float | None:
        if name == "HTTPCode_Target_5XX_Count" or (name == "RequestCount" and time_ms > START_MS):
            return None
        return constant(name, statistic, time_ms)

    measure_cloudwatch(FakeCloudWatch(answer), [workload("web", FLEET)], store, hours(2 / 12))
    rows = sorted(content(store), key=lambda row: row["timestamp_ms"])
    assert [(row["requests"], row["errors"]) for row in rows] == [(900.0, 0.0), (None, None)]


def test_percentages_are_of_the_size_in_force_then(store, content):
    """A service of 2 cores and 4 GiB until the second interval, of 0.5 and 1 GiB from then on."""
    resized = SERVICE.__class__(
        **{
            **_fields(SERVICE),
            "capacity_cores": 0.5,
            "capacity_memory_bytes": 1.0 * GIB,
            "former": FormerCapacity(START_MS + 300_000, 2.0, 4.0 * GIB),
        }
    )
    measure_cloudwatch(FakeCloudWatch(), [workload("api", resized)], store, hours(2 / 12))
    rows = sorted(content(store), key=lambda row: row["timestamp_ms"])
    assert [row["capacity_cores"] for row in rows] == [2.0, 0.5]
    assert [row["cpu_cores_max"] for row in rows] == [1.5, 0.375]  # 75 % of either
    assert rows[0]["capacity_memory_bytes"] == 4 * GIB
