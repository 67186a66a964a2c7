"""Metric maths, and alarms that follow simulated metrics."""

from __future__ import annotations

from typing import Any

import pytest

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.metricmaths import calculate
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Scenario
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import Degraded

SERIES = {"errors": {1: 2.0, 3: 5.0}, "requests": {1: 100.0, 2: 50.0, 3: 0.0}}


def test_a_ratio_where_both_have_data() -> None:
    """At 2 there are no errors, at 3 no requests."""
    assert calculate("errors / requests", SERIES) == {1: 0.02}


def test_gaps_can_be_filled() -> None:
    """No errors are none."""
    assert calculate("100 * (FILL(errors, 0) / requests)", SERIES) == {1: 2.0, 2: 0.0}
    assert calculate("-requests + 1", SERIES) == {1: -99.0, 2: -49.0, 3: 1.0}


@pytest.mark.parametrize("expression", ["nothing", "ANOMALY_DETECTION_BAND(errors)", "errors **"])
def test_what_is_not_served_is_said(expression: str) -> None:
    """One sentence, and nothing is evaluated as Python."""
    with pytest.raises(ValueError, match="metric maths"):
        calculate(expression, SERIES)


def test_an_alarm_follows_its_metric(
    api: AwsApi, plane: DataPlane, faults: FaultClient, fleet_of: Any
) -> None:
    """Without traffic OK (missing is not breaching); red after five bad minutes; green again."""
    fleet = fleet_of("alarmed", a="m5.large")
    cloudwatch = api.client("cloudwatch")

    def total(query_id: str, metric: str) -> dict[str, Any]:
        dimensions = [{"Name": key, "Value": value} for key, value in fleet.dimensions("a").items()]
        named = {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions}
        stat = {"Metric": named, "Period": 60, "Stat": "Sum"}
        return {"Id": query_id, "MetricStat": stat, "ReturnData": False}

    cloudwatch.put_metric_alarm(
        AlarmName="alarmed-errors",
        Metrics=[
            {"Id": "ratio", "Expression": "errors / requests", "ReturnData": True},
            total("errors", "HTTPCode_Target_5XX_Count"),
            total("requests", "RequestCount"),
        ],
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0.05,
        EvaluationPeriods=5,
        TreatMissingData="notBreaching",
    )
    cloudwatch.put_metric_alarm(
        AlarmName="alarmed-silent",
        Namespace="Nobody",
        MetricName="Writes",
        Statistic="Average",
        Period=60,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1,
        EvaluationPeriods=1,
        TreatMissingData="missing",
    )

    def states() -> dict[str, str]:
        found = cloudwatch.describe_alarms(AlarmNamePrefix="alarmed")["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}

    demand = Demand(rate=ConstantRate(requests_per_s=40), service_core_s=0.02)
    plane.load(Scenario(workloads={"alarmed": demand}))
    plane.advance(5)
    assert states() == {"alarmed-errors": "OK", "alarmed-silent": "INSUFFICIENT_DATA"}
    faults.add(Degraded(workload="alarmed", error_ratio=0.2, minutes=5))
    plane.advance(4)
    assert states()["alarmed-errors"] == "OK"
    plane.advance(1)
    assert states()["alarmed-errors"] == "ALARM"
    plane.advance(1)
    assert states()["alarmed-errors"] == "OK"
