"""A service's past from CloudWatch: whole where zones have no figures, by zone where they do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import numpy as np
import pytest

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Noise, Scenario
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import CallMatch, MetricGap, MetricMatch, Throttled
from rightsizing.errors import ConfigError
from rightsizing.errors import Throttled as ThrottledError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.minutemetrics import measured_minutes
from rightsizing.measure.progress import Window
from rightsizing.rollout.judge.past import arms_of

MINUTES = 20


@pytest.fixture
def clients(api: AwsApi) -> AwsClients:
    """As the commands make them."""
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    return AwsClients("us-east-1", endpoint_url=api.endpoint_url, session=session)


def served(plane: DataPlane, workload: str) -> Window:
    """Twenty minutes of 40 requests a second, of which 2 % fail; their window."""
    demand = Demand(
        rate=ConstantRate(requests_per_s=40),
        service_core_s=0.02,
        error_ratio=0.02,
        rate_noise=Noise(),
        warmup_ratio=1.0,
    )
    plane.load(Scenario(workloads={workload: demand}, seed=7))
    now = plane.advance(MINUTES) // 60_000 * 60_000
    return Window(now - MINUTES * 60_000, now)


def test_a_target_group_as_a_whole(
    plane: DataPlane, faults: FaultClient, fleet_of: Any, clients: AwsClients
) -> None:
    """2,400 requests a minute on two m5.large; a gap stays a gap; one resource is no two arms."""
    fleet_of("minutes", a="m5.large")
    window = served(plane, "minutes")
    faults.add(MetricGap(metric=MetricMatch(name="RequestCount"), from_minute=-5, minutes=2))
    past = measured_minutes(clients, "minutes", window, latency_bound_s=0.1)
    assert (past.resources, past.steps, past.step_s) == (("minutes-a",), MINUTES, 60)
    assert int(np.isnan(past.requests).sum()) == 2
    assert float(np.nansum(past.requests)) == pytest.approx(18 * 2400, rel=0.05)
    assert float(np.nansum(past.errors) / np.nansum(past.requests)) == pytest.approx(
        0.02, abs=0.005
    )
    assert past.measured("slow")
    # 40 a second on 2 instances of 2 vCPUs
    assert float(np.nanmedian(past.requests_per_core_s())) == pytest.approx(10, rel=0.1)
    assert past.notes == ("CloudWatch has no figures by availability zone",)
    assert not arms_of(past).is_real


def test_zones_are_two_arms(
    plane: DataPlane, fleet_of: Any, clients: AwsClients, api: AwsApi
) -> None:
    """As AWS reports them: the same metrics with the zone as a further dimension."""
    fleet = fleet_of("zoned", a="m5.large")
    window = served(plane, "zoned")
    start = datetime.fromtimestamp(window.start_ms / 1000, UTC)
    for zone, failed in (("us-east-1a", 10), ("us-east-1b", 20)):
        where = {**fleet.dimensions("a"), "AvailabilityZone": zone}
        for name, value in (("RequestCount", 1000), ("HTTPCode_Target_5XX_Count", failed)):
            api.client("cloudwatch").put_metric_data(
                Namespace="AWS/ApplicationELB",
                MetricData=[
                    {
                        "MetricName": name,
                        "Dimensions": [{"Name": key, "Value": is_} for key, is_ in where.items()],
                        "Timestamp": start + timedelta(minutes=minute),
                        "Value": value,
                    }
                    for minute in range(MINUTES)
                ],
            )
    past = measured_minutes(clients, "zoned", window)
    assert past.resources == ("zoned-a us-east-1a", "zoned-a us-east-1b")
    np.testing.assert_array_equal(past.errors, [[10] * MINUTES, [20] * MINUTES])
    assert arms_of(past).is_real


def test_what_is_not_there_is_said(
    plane: DataPlane, faults: FaultClient, fleet_of: Any, clients: AwsClients
) -> None:
    """An unknown workload, and a source that keeps refusing: the throttling is no zero."""
    fleet_of("refused-minutes", a="m5.large")
    window = served(plane, "refused-minutes")
    with pytest.raises(ConfigError, match="workload 'nobody' is not in us-east-1"):
        measured_minutes(clients, "nobody", window)
    faults.add(Throttled(call=CallMatch(operation="GetMetricData"), times=None))
    with pytest.raises(ThrottledError):
        measured_minutes(clients, "refused-minutes", window)
