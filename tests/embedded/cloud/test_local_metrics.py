"""CloudWatch metric data through boto3 against the local cloud."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.history import HistoryPoint, HistorySeries
from rightsizing.embedded.cloud.status import load_history

START = datetime(2026, 1, 5, tzinfo=UTC)
GROUP = [{"Name": "AutoScalingGroupName", "Value": "web-a"}]


@pytest.fixture
def cloudwatch(endpoints: Any) -> Any:
    """A client."""
    return AwsApi(endpoints.aws_url, "us-east-1").client("cloudwatch")


def _query(name: str, stat: str, namespace: str, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": GROUP}
    return {
        "Id": stat.lower(),
        "MetricStat": {"Metric": metric, "Period": 300, "Stat": stat},
        **more,
    }


def _get(cloudwatch: Any, *queries: dict[str, Any], hours: int = 1, **more: Any) -> Any:
    found = cloudwatch.get_metric_data(
        MetricDataQueries=list(queries),
        StartTime=START,
        EndTime=START + timedelta(hours=hours),
        **more,
    )
    return {result["Id"]: result for result in found["MetricDataResults"]}


def test_statistic_sets_come_back(cloudwatch: Any) -> None:
    """Two periods; newest first unless asked otherwise, as CloudWatch orders them."""
    cloudwatch.put_metric_data(
        Namespace="Sets",
        MetricData=[
            {
                "MetricName": "CPUUtilization",
                "Dimensions": GROUP,
                "Timestamp": START + timedelta(minutes=5 * index),
                "StatisticValues": {
                    "SampleCount": 5,
                    "Sum": 50.0 + index,
                    "Minimum": 2.0,
                    "Maximum": 30.0 + index,
                },
            }
            for index in range(2)
        ],
    )
    queries = (
        _query("CPUUtilization", "Average", "Sets"),
        _query("CPUUtilization", "Maximum", "Sets"),
    )
    found = _get(cloudwatch, *queries, ScanBy="TimestampAscending")
    assert found["average"]["Values"] == [10.0, 10.2]  # 50 / 5, 51 / 5
    assert found["maximum"]["Values"] == [30.0, 31.0]
    assert found["average"]["Timestamps"] == [START, START + timedelta(minutes=5)]
    assert _get(cloudwatch, *queries)["average"]["Values"] == [10.2, 10.0]


def test_values_and_counts_give_percentiles(cloudwatch: Any) -> None:
    """99 fast answers and one slow: the median is fast, p99 too, p100 is the slow one."""
    cloudwatch.put_metric_data(
        Namespace="Latency",
        MetricData=[
            {
                "MetricName": "TargetResponseTime",
                "Dimensions": GROUP,
                "Timestamp": START,
                "Values": [0.02, 0.9],
                "Counts": [99.0, 1.0],
            }
        ],
    )
    found = _get(
        cloudwatch,
        *(_query("TargetResponseTime", stat, "Latency") for stat in ("p50", "p99", "p100")),
    )
    assert {key: value["Values"] for key, value in found.items()} == {
        "p50": [0.02],
        "p99": [0.02],
        "p100": [0.9],
    }


def test_namespaces_do_not_mix(cloudwatch: Any) -> None:
    """The same metric name and dimensions in two namespaces."""
    for namespace, value in (("One", 1.0), ("Two", 2.0)):
        datum = {"MetricName": "Same", "Dimensions": GROUP, "Timestamp": START, "Value": value}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])
    assert _get(cloudwatch, _query("Same", "Average", "One"))["average"]["Values"] == [1.0]


def test_metrics_are_listed_once_a_series(cloudwatch: Any) -> None:
    """Two points of one series are one metric."""
    for minute in range(2):
        datum = {
            "MetricName": "Listed",
            "Dimensions": GROUP,
            "Timestamp": START + timedelta(minutes=minute),
            "Value": 1.0,
        }
        cloudwatch.put_metric_data(Namespace="Lists", MetricData=[datum])
    found = cloudwatch.list_metrics(Namespace="Lists")["Metrics"]
    assert found == [{"Namespace": "Lists", "MetricName": "Listed", "Dimensions": GROUP}]
    filtered = cloudwatch.list_metrics(Namespace="Lists", Dimensions=[{"Name": "Other"}])
    assert filtered["Metrics"] == []


def test_statistics_call(cloudwatch: Any) -> None:
    """GetMetricStatistics gives the statistics asked for."""
    datum = {"MetricName": "Old", "Timestamp": START, "Value": 3.0, "Unit": "Count"}
    cloudwatch.put_metric_data(Namespace="Older", MetricData=[datum])
    found = cloudwatch.get_metric_statistics(
        Namespace="Older",
        MetricName="Old",
        StartTime=START,
        EndTime=START + timedelta(minutes=5),
        Period=300,
        Statistics=["Average", "SampleCount"],
    )["Datapoints"]
    assert [(item["Average"], item["SampleCount"]) for item in found] == [(3.0, 1.0)]


def test_insights_queries_are_refused(cloudwatch: Any) -> None:
    """Rather than answered wrongly."""
    query = {"Id": "q", "Expression": 'SELECT AVG(CPUUtilization) FROM "AWS/EC2"', "Period": 300}
    with pytest.raises(ClientError, match="not served by the local cloud"):
        _get(cloudwatch, query)


def test_fourteen_days_loaded_at_once(endpoints: Any, cloudwatch: Any) -> None:
    """14 x 288 five-minute points of one series in one call, and read back in one."""
    count = 14 * 288
    begin = int(START.timestamp())
    points = [
        HistoryPoint(begin + 300 * index, 5, 5.0 * index, float(index), float(index))
        for index in range(count)
    ]
    series = HistorySeries("AWS/EC2", "CPU", {"AutoScalingGroupName": "web-a"}, "Percent", points)
    for _ in range(2):  # loading again replaces
        load_history(endpoints.aws_url, [series])
    found = _get(
        cloudwatch,
        _query("CPU", "Sum", "AWS/EC2"),
        _query("CPU", "Average", "AWS/EC2"),
        hours=14 * 24,
        ScanBy="TimestampAscending",
    )
    assert found["average"]["Values"] == [float(index) for index in range(count)]
    assert found["sum"]["Values"][-1] == 5.0 * (count - 1)
