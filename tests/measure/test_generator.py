"""The example's history: exactly the published averages, the same for the same seed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import boto3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from rightsizing.errors import ConfigError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.cloudwatch import measure_cloudwatch
from rightsizing.measure.inventory import DiscoveredWorkload, MeasuredResource
from rightsizing.measure.progress import Window
from rightsizing.model.workload import Workload, WorkloadKind

ROOT = Path(__file__).resolve().parents[2]
END_MS = 1_790_000_100_000  # a 5-minute border
GIB = 1024**3


def load_generator() -> ModuleType:
    """The example is no package, so it is loaded from its file."""
    path = ROOT / "examples" / "trading" / "generator.py"
    spec = importlib.util.spec_from_file_location("trading_generator", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generator = load_generator()
FLEET = generator.FleetNames("news-a", "app/news/1", "targetgroup/news/2", instances=2)
SERVICE = generator.ServiceNames("main", "report-service", tasks=1)


@pytest.fixture(scope="module")
def series() -> dict[tuple[str, str], object]:
    """All 14 days of CloudWatch series by namespace and metric."""
    found = generator.datapoints(FLEET, SERVICE, end_ms=END_MS)
    return {(one.namespace, one.metric): one for one in found}


def test_the_trader_has_the_published_figures():
    """7.2 % of 16 cores is 1.152 on average, 8.6 % is 1.376 at the peak; memory 85.4 %."""
    table = generator.trader_history(end_ms=END_MS)
    cpu, peak = table["cpu_cores_mean"].to_numpy(), table["cpu_cores_max"].to_numpy()
    assert table.num_rows == 14 * 288
    assert cpu.mean() == pytest.approx(1.152, rel=1e-12)
    assert peak.max() == pytest.approx(1.376, rel=1e-12)
    assert np.all(peak >= cpu)
    memory = table["memory_bytes_mean"].to_numpy() / table["capacity_memory_bytes"].to_numpy()
    assert memory.mean() == pytest.approx(0.854, rel=1e-12)
    assert table["memory_bytes_max"].to_numpy().max() < 0.856 * 15_667 * 1024**2
    # 85.4 % of 15,667 MiB is 13,379.6 MiB, the review's 13.07 GiB.
    assert table["memory_bytes_mean"].to_numpy().mean() / GIB == pytest.approx(13.066, abs=0.001)


def test_the_trader_history_is_store_ready(store):
    """It is appended as the recorder's rows are."""
    appended = store.append(generator.trader_history(end_ms=END_MS, days=2), "docker")
    assert (appended.observed, appended.new) == (576, 576)


@pytest.mark.parametrize(
    ("metric", "mean", "peak"),
    [
        (("AWS/EC2", "CPUUtilization"), "cpu_mean_pct", "cpu_peak_pct"),
        (("CWAgent", "mem_used_percent"), "memory_mean_pct", "memory_peak_pct"),
    ],
)
def test_the_fleet_has_its_assumed_load(series, metric, mean, peak):
    """Mean over the fleet and peak of one instance equal the assumptions exactly."""
    one = series[metric]
    assert one.sums.sum() / one.sample_counts.sum() == pytest.approx(
        getattr(generator.NEWS_API, mean), rel=1e-12
    )
    assert one.maxima.max() == pytest.approx(getattr(generator.NEWS_API, peak), rel=1e-12)


def test_the_service_has_its_assumed_load(series):
    """The same for the report service."""
    one = series["AWS/ECS", "CPUUtilization"]
    assert one.sums.sum() / one.sample_counts.sum() == pytest.approx(6.0, rel=1e-12)
    assert one.maxima.max() == pytest.approx(38.0, rel=1e-12)


def test_every_statistic_set_is_possible(series):
    """Minimum <= mean <= maximum, at least one sample, 5-minute steps, nothing negative."""
    for one in series.values():
        mean = one.sums / one.sample_counts
        assert np.all(one.sample_counts >= 1)
        assert np.all(one.minima >= 0)
        assert np.all(one.maxima + 1e-9 >= mean)
        assert np.all(mean + 1e-9 >= one.minima)
        assert set(np.diff(one.timestamps_ms)) == {300_000}
        assert one.timestamps_ms[-1] == END_MS - 300_000


def test_every_metric_that_is_read_is_made(series):
    """Measuring asks for nothing of the example that the generator leaves out."""
    from rightsizing.measure.metrics import metrics_of

    fleet = MeasuredResource("news-a", WorkloadKind.FLEET, 8.0, 32.0 * GIB, 2, "lb", "tg")
    service = MeasuredResource("main/r", WorkloadKind.SERVICE, 2.0, 8.0 * GIB, 1)
    asked = {(metric.namespace, metric.name) for metric in metrics_of(fleet)}
    asked |= {(metric.namespace, metric.name) for metric in metrics_of(service)}
    assert asked == set(series)


def test_the_same_seed_gives_the_same_history():
    """Reproducible, and different for another seed."""
    one, same, other = (
        generator.trader_history(end_ms=END_MS, days=1, seed=seed) for seed in (7, 7, 8)
    )
    assert one.equals(same)
    assert not one.equals(other)


def test_there_is_a_day_and_a_night(series):
    """The fleet is busier in the afternoon than before dawn."""
    one = series["AWS/EC2", "CPUUtilization"]
    hour = one.timestamps_ms // 3_600_000 % 24
    assert (
        one.sums[(hour >= 13) & (hour < 17)].mean() > 2 * one.sums[(hour >= 1) & (hour < 5)].mean()
    )


@given(
    shape=st.lists(st.floats(0, 1), min_size=5, max_size=50).filter(
        lambda v: max(v) - min(v) > 0.1
    ),
    mean=st.floats(10, 50),
)
def test_scaling_is_exact(shape, mean):
    """Any shape gets the mean and the peak asked for, or is refused when it would go negative."""
    try:
        values = generator.scaled(np.array(shape), mean, mean * 1.3)
    except ConfigError:
        return
    assert values.mean() == pytest.approx(mean, rel=1e-9)
    assert values.max() == pytest.approx(mean * 1.3, rel=1e-9)
    assert values.min() >= 0


@mock_aws
def test_loaded_history_is_measured_back(aws_credentials, store):
    """Through PutMetricData and GetMetricData: percent of 8 cores becomes cores."""
    wanted = {"CPUUtilization", "GroupInServiceInstances"}
    series = [
        one
        for one in generator.datapoints(FLEET, None, end_ms=END_MS, days=1)
        if one.metric in wanted
    ]
    written = generator.load(boto3.client("cloudwatch", "us-east-1"), series)
    assert written == 2 * 288
    # Without a balancer: moto cannot answer a percentile.
    fleet = MeasuredResource("news-a", WorkloadKind.FLEET, 8.0, 32.0 * GIB, 2)
    found = DiscoveredWorkload(Workload(key="news-api", kind=WorkloadKind.FLEET), (fleet,))
    window = Window(END_MS - 3 * 3_600_000, END_MS)
    report = measure_cloudwatch(AwsClients("us-east-1"), [found], store, window)
    rows = store.measurements().order_by("timestamp_ms").to_pyarrow()
    assert report.complete
    assert report.observed == 36
    expected = (series[0].sums / series[0].sample_counts / 100 * 8)[-36:]
    assert rows["cpu_cores_mean"].to_pylist() == pytest.approx(expected.tolist())
    assert set(rows["instances"].to_pylist()) == {2.0}
