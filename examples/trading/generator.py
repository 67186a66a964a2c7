"""Synthetic history of the trading example: 14 days of 5-minute metrics from published averages.

The cost review behind this example publishes averages only: the trader uses 7.2 % (peak 8.6 %) of
16 cores and a steady 85.4 % of 15.3 GiB, in 720 cycles a month. For the news API and the report
service it publishes nothing, so their loads below are assumptions, named as such. The generator
gives these figures a shape in time (hourly cycles, day and night, noise from a fixed seed) whose
mean and peak equal them exactly. The shape is invented: it is evidence of nothing.

    eval "$(rightsize local env)" && python examples/trading/generator.py

finds the example's fleet and service by their tags and loads their metrics with PutMetricData; it
writes only to an endpoint on this machine, never into real CloudWatch.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.discovery import Discovery, discover_aws
from rightsizing.model.workload import WorkloadKind
from rightsizing.units import BYTES_PER_MIB, MILLISECONDS_PER_DAY

SYNTHETIC_NOTICE = "synthetic: made by examples/trading/generator.py from published averages"

DAYS = 14
PERIOD_SECONDS = 300
SEED = 20_260_701  # any fixed number; the same seed gives the same history
DATA_A_REQUEST = 1000  # PutMetricData's own limit

# Published by the review. 15.3 GiB is 15,667 MiB, the whole MiB that Docker accepts.
TRADER_CORES = 16
TRADER_MEMORY_MIB = 15_667
TRADER_CPU_MEAN_PCT = 7.2
TRADER_CPU_PEAK_PCT = 8.6
TRADER_MEMORY_MEAN_PCT = 85.4
# "Steady" in the review; a tenth of a percent of movement is assumed.
TRADER_MEMORY_PEAK_PCT = 85.5
# The highest 5-minute mean, assumed: below the published peak, which is of a shorter moment.
_TRADER_BUSIEST_MEAN_PCT = 8.3

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AssumedLoad:
    """Load of a workload the review gives no figures for: percent of one instance or task."""

    cpu_mean_pct: float
    cpu_busiest_mean_pct: float  # highest 5-minute mean over the fleet
    cpu_peak_pct: float  # highest single instance
    memory_mean_pct: float
    memory_peak_pct: float


# Assumed for m5.2xlarge (8 vCPU, 32 GiB): an API that mostly waits for the network.
NEWS_API = AssumedLoad(11.0, 21.0, 26.0, 27.0, 31.0)
NEWS_REQUESTS_PER_S = 40.0  # mean over the fleet
NEWS_LATENCY_MEAN_MS = 45.0
NEWS_LATENCY_PEAK_MS = 95.0
NEWS_ERROR_RATIO = 0.0004
# Assumed for 2 vCPU and 8 GiB: idle by day, reports at night.
REPORT_SERVICE = AssumedLoad(6.0, 33.0, 38.0, 22.0, 40.0)


@dataclass(frozen=True, slots=True)
class FleetNames:
    """CloudWatch dimensions of the news API: group, and its load balancer when it has one."""

    group_name: str
    load_balancer: str | None = None
    target_group: str | None = None
    instances: int = 2


@dataclass(frozen=True, slots=True)
class ServiceNames:
    """CloudWatch dimensions of the report service."""

    cluster: str
    service: str
    tasks: int = 1


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """One metric with one set of dimensions: a statistic set for every timestamp.

    All arrays have one length; ``timestamps_ms`` are starts of 5-minute periods, ascending.
    """

    namespace: str
    metric: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    timestamps_ms: npt.NDArray[np.int64]
    sample_counts: _Floats
    sums: _Floats
    minima: _Floats
    maxima: _Floats


def timestamps(end_ms: int, days: int = DAYS) -> npt.NDArray[np.int64]:
    """Starts of every 5-minute period of ``days`` days before ``end_ms``, ascending."""
    period_ms = PERIOD_SECONDS * 1000
    last = end_ms // period_ms * period_ms
    return np.arange(last - days * MILLISECONDS_PER_DAY, last, period_ms, dtype=np.int64)


def datapoints(
    fleet: FleetNames | None,
    service: ServiceNames | None,
    *,
    end_ms: int,
    days: int = DAYS,
    seed: int = SEED,
) -> Iterator[MetricSeries]:
    """Every CloudWatch series of the example; None leaves a workload out."""
    times = timestamps(end_ms, days)
    if fleet is not None:
        yield from _fleet_series(fleet, times, np.random.default_rng([seed, 1]))
    if service is not None:
        yield from _service_series(service, times, np.random.default_rng([seed, 2]))


def trader_history(
    *, end_ms: int, days: int = DAYS, seed: int = SEED, container: str = "trader"
) -> pa.Table:
    """The trader container's history, in the shape the recorder stores (``Store.append``)."""
    rng = np.random.default_rng([seed, 3])
    times = timestamps(end_ms, days)
    # A cycle starts every hour; the first five minutes of it are the busiest.
    in_cycle = times // 1000 % 3600 < PERIOD_SECONDS
    shape = 2.0 * in_cycle + 0.6 * _day_curve(times) + rng.normal(0, 0.15, len(times))
    cpu_mean = scaled(shape, TRADER_CPU_MEAN_PCT, _TRADER_BUSIEST_MEAN_PCT)
    cpu_max = bursts(cpu_mean, TRADER_CPU_PEAK_PCT, rng)
    drift = np.cumsum(rng.normal(0, 1, len(times)))
    memory_mean = scaled(
        drift - np.linspace(drift[0], drift[-1], len(times)),
        TRADER_MEMORY_MEAN_PCT,
        TRADER_MEMORY_PEAK_PCT - 0.01,
    )
    memory_max = bursts(memory_mean, TRADER_MEMORY_PEAK_PCT, rng)
    memory_bytes = TRADER_MEMORY_MIB * BYTES_PER_MIB
    count = len(times)
    return pa.table(
        {
            "workload": ["trader"] * count,
            "resource_id": [container] * count,
            "timestamp_ms": times,
            "interval_s": np.full(count, PERIOD_SECONDS),
            "cpu_cores_mean": cpu_mean / 100 * TRADER_CORES,
            "cpu_cores_max": cpu_max / 100 * TRADER_CORES,
            "capacity_cores": np.full(count, float(TRADER_CORES)),
            "memory_bytes_mean": memory_mean / 100 * memory_bytes,
            "memory_bytes_max": memory_max / 100 * memory_bytes,
            "capacity_memory_bytes": np.full(count, float(memory_bytes)),
            "instances": np.ones(count),
            "cpu_throttled_ratio": np.zeros(count),
            "oom_kills": np.zeros(count),
        }
    )


def trader_trace(*, end_ms: int, days: int = DAYS) -> pa.Table:
    """The same history in the trace schema that ``rightsize measure --from-file`` reads."""
    history = trader_history(end_ms=end_ms, days=days)
    names = {
        "workload": "resource_id",
        "timestamp_ms": "timestamp",
        "interval_s": "interval_s",
        "cpu_cores_mean": "cpu_cores",
        "capacity_cores": "capacity_cores",
        "memory_bytes_mean": "mem_bytes",
        "capacity_memory_bytes": "capacity_mem_bytes",
    }
    trace = history.select(list(names)).rename_columns(list(names.values()))
    peaks = {
        "cpu_pct_max": ("cpu_cores_max", "capacity_cores"),
        "mem_pct_max": ("memory_bytes_max", "capacity_memory_bytes"),
    }
    for name, (peak, capacity) in peaks.items():
        ratio = history[peak].to_numpy() / history[capacity].to_numpy()
        trace = trace.append_column(name, pa.array(100 * ratio))
    return trace


def load(cloudwatch: Any, series: Iterable[MetricSeries]) -> int:
    """Write series with PutMetricData through a boto3 CloudWatch client; returns points written."""
    written = 0
    for one in series:
        dimensions = [{"Name": name, "Value": value} for name, value in one.dimensions]
        for start in range(0, len(one.timestamps_ms), DATA_A_REQUEST):
            data = [
                {
                    "MetricName": one.metric,
                    "Dimensions": dimensions,
                    "Timestamp": datetime.fromtimestamp(int(one.timestamps_ms[i]) / 1000, UTC),
                    "StatisticValues": {
                        "SampleCount": float(one.sample_counts[i]),
                        "Sum": float(one.sums[i]),
                        "Minimum": float(one.minima[i]),
                        "Maximum": float(one.maxima[i]),
                    },
                    "Unit": one.unit,
                }
                for i in range(start, min(start + DATA_A_REQUEST, len(one.timestamps_ms)))
            ]
            cloudwatch.put_metric_data(Namespace=one.namespace, MetricData=data)
            written += len(data)
    return written


def names_from(discovery: Discovery) -> tuple[FleetNames | None, ServiceNames | None]:
    """Dimensions of the example's two workloads, as deployed; None for one that is not."""
    fleet: FleetNames | None = None
    service: ServiceNames | None = None
    for workload in discovery.workloads:
        # The slot that runs is the one whose history is made.
        resource = max(workload.resources, key=lambda item: item.running)
        if workload.key == "news-api" and resource.kind is WorkloadKind.FLEET:
            fleet = FleetNames(
                resource.resource_id,
                resource.load_balancer,
                resource.target_group,
                max(1, resource.running),
            )
        elif workload.key == "report-service" and resource.kind is WorkloadKind.SERVICE:
            cluster, _, name = resource.resource_id.partition("/")
            service = ServiceNames(cluster, name, max(1, resource.running))
    return fleet, service


def scaled(shape: _Floats, mean: float, peak: float) -> _Floats:
    """Stretch a shape so that its mean and its highest value are exactly these.

        mean + (peak - mean) x (shape - shape's mean) / (shape's peak - shape's mean)

    Raises ConfigError when that would go below zero.
    """
    centred = shape - shape.mean()
    values: _Floats = mean + (peak - mean) * centred / centred.max()
    if values.min() < 0:
        raise ConfigError(f"a mean of {mean:g} and a peak of {peak:g} need negative values")
    return values


def bursts(means: _Floats, peak: float, rng: np.random.Generator) -> _Floats:
    """Peaks within each period: above its mean, and exactly ``peak`` in the busiest one."""
    share = rng.beta(1.5, 6.0, len(means))
    share[np.argmax(means)] = 1.0
    return means + (peak - means) * share


def _day_curve(times: npt.NDArray[np.int64], peak_hour: float = 15.0) -> _Floats:
    """From -1 at night to 1 at ``peak_hour`` UTC."""
    hours = times / 3_600_000 % 24
    curve: _Floats = np.cos((hours - peak_hour) / 24 * 2 * np.pi)
    return curve


def _is_weekend(times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    weekday = (times // MILLISECONDS_PER_DAY + 3) % 7  # day 0, 1970-01-01, was a Thursday
    return weekday >= 5


def _fleet_series(
    fleet: FleetNames, times: npt.NDArray[np.int64], rng: np.random.Generator
) -> Iterator[MetricSeries]:
    count, period_s = fleet.instances, PERIOD_SECONDS
    day = np.where(_is_weekend(times), 0.55, 1.0) * (1.3 + _day_curve(times))
    shape = day + rng.normal(0, 0.12, len(times))
    group = (("AutoScalingGroupName", fleet.group_name),)

    def gauge(namespace: str, metric: str, mean: _Floats, peak: _Floats) -> MetricSeries:
        low = np.maximum(0, 2 * mean - peak)  # as far below the mean as the peak is above
        points = np.full(len(times), float(count))
        return MetricSeries(
            namespace, metric, "Percent", group, times, points, mean * count, low, peak
        )

    def total(metric: str, per_second: _Floats, unit: str) -> MetricSeries:
        each = per_second * period_s  # of one instance in one period
        points = np.full(len(times), float(count))
        return MetricSeries("AWS/EC2", metric, unit, group, times, points, each * count, each, each)

    cpu = scaled(shape, NEWS_API.cpu_mean_pct, NEWS_API.cpu_busiest_mean_pct)
    yield gauge("AWS/EC2", "CPUUtilization", cpu, bursts(cpu, NEWS_API.cpu_peak_pct, rng))
    memory = scaled(
        day + rng.normal(0, 0.3, len(times)),
        NEWS_API.memory_mean_pct,
        NEWS_API.memory_peak_pct - 1,
    )
    memory_peak = bursts(memory, NEWS_API.memory_peak_pct, rng)
    yield gauge("CWAgent", "mem_used_percent", memory, memory_peak)
    constant = np.full(len(times), float(count))
    minutes = np.full(len(times), period_s / 60)
    yield MetricSeries(
        "AWS/AutoScaling",
        "GroupInServiceInstances",
        "None",
        group,
        times,
        minutes,
        constant * minutes,
        constant,
        constant,
    )
    requests_per_s = NEWS_REQUESTS_PER_S * cpu / NEWS_API.cpu_mean_pct
    each = requests_per_s / count
    # Assumed: 2 kB in and 18 kB out a request, one 16 kB write in four requests.
    yield total("NetworkIn", each * 2_000, "Bytes")
    yield total("NetworkOut", each * 18_000, "Bytes")
    yield total("EBSReadBytes", each * 400, "Bytes")
    yield total("EBSWriteBytes", each * 4_000, "Bytes")
    yield total("EBSReadOps", each * 0.05, "Count")
    yield total("EBSWriteOps", each * 0.25, "Count")
    if fleet.load_balancer and fleet.target_group:
        yield from _balancer_series(fleet, times, requests_per_s, rng)


def _balancer_series(
    fleet: FleetNames,
    times: npt.NDArray[np.int64],
    requests_per_s: _Floats,
    rng: np.random.Generator,
) -> Iterator[MetricSeries]:
    dimensions = (
        ("TargetGroup", fleet.target_group or ""),
        ("LoadBalancer", fleet.load_balancer or ""),
    )
    requests = np.round(requests_per_s * PERIOD_SECONDS)
    one, zero = np.ones(len(times)), np.zeros(len(times))

    def series(metric: str, unit: str, *statistics: _Floats) -> MetricSeries:
        return MetricSeries("AWS/ApplicationELB", metric, unit, dimensions, times, *statistics)

    yield series("RequestCount", "Count", requests, requests, one, one)
    latency = scaled(
        requests_per_s + rng.normal(0, 2, len(times)),
        NEWS_LATENCY_MEAN_MS / 1000,
        NEWS_LATENCY_PEAK_MS / 1000,
    )
    slowest = latency * rng.uniform(4, 9, len(times))
    yield series(
        "TargetResponseTime", "Seconds", requests, latency * requests, latency / 3, slowest
    )
    errors = rng.binomial(requests.astype(np.int64), NEWS_ERROR_RATIO).astype(np.float64)
    yield series("HTTPCode_Target_5XX_Count", "Count", np.maximum(errors, 1), errors, zero, one)


def _service_series(
    service: ServiceNames, times: npt.NDArray[np.int64], rng: np.random.Generator
) -> Iterator[MetricSeries]:
    dimensions = (("ClusterName", service.cluster), ("ServiceName", service.service))
    hour = times // 3_600_000 % 24
    at_work = (hour >= 2) & (hour < 4)  # assumed: reports are made from 2 to 4 UTC
    noise = rng.normal(0, 0.04, len(times))
    points = np.full(len(times), float(service.tasks * PERIOD_SECONDS // 60))
    busy = at_work * (1 + 0.12 * rng.normal(0, 1, len(times)))
    for metric, mean, busiest, peak in (
        (
            "CPUUtilization",
            REPORT_SERVICE.cpu_mean_pct,
            REPORT_SERVICE.cpu_busiest_mean_pct,
            REPORT_SERVICE.cpu_peak_pct,
        ),
        (
            "MemoryUtilization",
            REPORT_SERVICE.memory_mean_pct,
            REPORT_SERVICE.memory_peak_pct - 1,
            REPORT_SERVICE.memory_peak_pct,
        ),
    ):
        values = scaled(np.maximum(busy, 0) + noise, mean, busiest)
        peaks = bursts(values, peak, rng)
        low = np.maximum(0, 2 * values - peaks)
        yield MetricSeries(
            "AWS/ECS", metric, "Percent", dimensions, times, points, values * points, low, peaks
        )


def main() -> int:
    """Load the example's history into a local CloudWatch."""
    parser = argparse.ArgumentParser(description=SYNTHETIC_NOTICE)
    parser.add_argument(
        "--endpoint",
        default=os.environ.get("AWS_ENDPOINT_URL", ""),
        help="local server, http://127.0.0.1:<port>  [default: AWS_ENDPOINT_URL]",
    )
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument(
        "--trader-file", type=Path, help="also write the trader's history as a Parquet trace"
    )
    arguments = parser.parse_args()
    clients = AwsClients(arguments.region, endpoint_url=arguments.endpoint)
    try:
        if not clients.is_local:
            raise ConfigError(f"{arguments.endpoint} is not on this machine; nothing was written")
        end_ms = time.time_ns() // 10**6
        if arguments.trader_file is not None:
            trace = trader_trace(end_ms=end_ms, days=arguments.days)
            pq.write_table(trace, arguments.trader_file)
            print(f"{trace.num_rows} rows of the trader in {arguments.trader_file}")
        fleet, service = names_from(discover_aws(clients))
        series = datapoints(fleet, service, end_ms=end_ms, days=arguments.days)
        cloudwatch = boto3.client(
            "cloudwatch", region_name=arguments.region, endpoint_url=arguments.endpoint
        )
        written = load(cloudwatch, series)
    except RightsizingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{written} points written ({SYNTHETIC_NOTICE})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
