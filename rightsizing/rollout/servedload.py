"""What a fleet serves before a rollout: traffic, errors, latency, and the load of its busy hours.

The newest three hours minute by minute tell what a verdict will be made of; two weeks of
five-minute means tell how much a core carries when the service is busy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from rightsizing.errors import TelemetryError
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.rollout.judge.calibration import busy_load
from rightsizing.rollout.looks import BALANCER, ArmMetrics
from rightsizing.stack.livefacts import AwsReader

RECENT = timedelta(hours=3)
PAST = timedelta(days=14)  # CloudWatch keeps 5-minute periods for 63 days
MINUTE_S, PERIOD_S = 60, 300
SLOW_QUANTILE = 0.95  # where no objective says what is slow: enough slow requests to compare
_CALL_POINTS = 100_800  # GetMetricData's limit of data points a call; two metrics fit well


@dataclass(frozen=True, slots=True)
class ServedLoad:
    """Means a minute over the newest three hours; latency is of all requests."""

    minutes: int  # that had requests
    requests_a_minute: float
    errors_a_minute: float
    latency_p95_s: float | NoData
    busy_requests_per_core_s: float | NoData


def read_served_load(aws: AwsReader, arm: ArmMetrics, now_ms: int) -> ServedLoad:
    """Read what ``arm`` served until ``now_ms`` (of the metrics' own clock).

    Raises:
        TelemetryError: it had no request in three hours; or what the reader raises.
    """
    end = datetime.fromtimestamp(now_ms // 60_000 * 60, UTC)
    recent = _series(
        aws,
        arm,
        (("RequestCount", "Sum"), ("HTTPCode_Target_5XX_Count", "Sum"), (_LATENCY, "p95")),
        (end - RECENT, end, MINUTE_S),
    )
    requests = recent["RequestCount", "Sum"]
    served = {at: count for at, count in requests.items() if count > 0}
    if not served:
        raise TelemetryError(
            f"slot {arm.slot.value} had no request in the last {RECENT.seconds // 3600} hours, so "
            "a canary beside it could not be judged; send traffic, or apply with `rightsize apply`"
        )
    errors = recent["HTTPCode_Target_5XX_Count", "Sum"]
    latency = list(recent[_LATENCY, "p95"].values())
    return ServedLoad(
        minutes=len(served),
        requests_a_minute=sum(served.values()) / len(served),
        errors_a_minute=sum(errors.values()) / len(served),
        latency_p95_s=float(np.median(latency)) if latency else NoData("no latency is measured"),
        busy_requests_per_core_s=_busy(aws, arm, end),
    )


_LATENCY = "TargetResponseTime"


def _busy(aws: AwsReader, arm: ArmMetrics, end: datetime) -> float | NoData:
    if arm.cores_an_instance is None:
        return NoData("the cores of its instances are not known")
    past = _series(
        aws,
        arm,
        (("RequestCount", "Sum"), ("HealthyHostCount", "Average")),
        (end - PAST, end, PERIOD_S),
    )
    hosts = past["HealthyHostCount", "Average"]
    loads = [
        count / PERIOD_S / (hosts[at] * arm.cores_an_instance)
        for at, count in past["RequestCount", "Sum"].items()
        if hosts.get(at)
    ]
    return busy_load(np.array(loads, dtype=np.float64))


def _series(
    aws: AwsReader,
    arm: ArmMetrics,
    metrics: Sequence[tuple[str, str]],
    span: tuple[datetime, datetime, int],
) -> Mapping[tuple[str, str], dict[datetime, float]]:
    start, end, period = span
    where = {"LoadBalancer": arm.load_balancer, "TargetGroup": arm.target_group}
    queries = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": BALANCER,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in where.items()],
                },
                "Period": period,
                "Stat": stat,
            },
        }
        for number, (name, stat) in enumerate(metrics)
    ]
    found: dict[tuple[str, str], dict[datetime, float]] = {item: {} for item in metrics}
    token: Json = {}
    while True:
        page = aws.call(
            "cloudwatch",
            "get_metric_data",
            MetricDataQueries=queries,
            StartTime=start,
            EndTime=end,
            MaxDatapoints=_CALL_POINTS,
            **token,
        )
        for item in page.get("MetricDataResults", ()):
            key = metrics[int(item["Id"][1:])]
            found[key].update(zip(item["Timestamps"], item["Values"], strict=True))
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}
