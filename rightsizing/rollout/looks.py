"""Looks at both arms of a fleet, a minute each, through CloudWatch's GetMetricData.

What is missing stays missing; a count is 0 only where AWS leaves zeros out: no failed or slow
request beside measured ones, and no request at all of a target group that reports healthy hosts.
Times are the metrics' own and "now" is the server's, from the answer's Date, so this machine's
clock does not matter. Points with a time in the future are kept: the judge then sees the skew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rightsizing.errors import TelemetryError
from rightsizing.model.rollout import Slot
from rightsizing.model.update import Json
from rightsizing.model.verdict import ArmLook, Look
from rightsizing.stack.livefacts import AwsReader

MINUTE_S = 60
_MINUTE_MS = MINUTE_S * 1000
PATIENCE_S = 180  # how long a newest minute with a silent arm is waited for; the judge's staleness
SPAN_MINUTES = 180  # of one question, the future included: 10 metrics of 2 arms are 3,600 points
BALANCER, GROUPS, AGENT = "AWS/ApplicationELB", "AWS/EC2", "CWAgent"
SERVICES = "AWS/ECS"  # shares of what the service's tasks reserve
_QUERIES_A_CALL = 500  # GetMetricData's own limit


@dataclass(frozen=True, slots=True)
class ArmMetrics:
    """Where one arm's metrics are. ``load_balancer`` and ``target_group`` as in dimensions.

    ``kills``: namespace and name of a count of kills for want of memory by Auto Scaling group,
    where something reports one; AWS itself has none. ``service``: cluster and service name of an
    ECS service, which then is where CPU and memory come from; ``group_name`` means nothing then.
    """

    slot: Slot
    load_balancer: str
    target_group: str
    group_name: str
    cores_an_instance: float | None = None
    expected_targets: int | None = None
    kills: tuple[str, str] | None = None
    service: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class LooksRead:
    """New looks, oldest first. ``waiting``: why later minutes are not among them; empty: none."""

    looks: tuple[Look, ...]
    now_ms: int  # the server's clock
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class _Metric:
    """One query: which metric, and by which statistic."""

    name: str
    stat: str
    namespace: str = BALANCER
    of_group: bool = False


_REQUESTS = _Metric("RequestCount", "Sum")
_FAILED = _Metric("HTTPCode_Target_5XX_Count", "Sum")
_REFUSED = _Metric("TargetConnectionErrorCount", "Sum")
_TIMED = _Metric("TargetResponseTime", "SampleCount")
_P99 = _Metric("TargetResponseTime", "p99")
_MEAN = _Metric("TargetResponseTime", "Average")
_HEALTHY = _Metric("HealthyHostCount", "Minimum")
_CPU = _Metric("CPUUtilization", "Average", GROUPS, of_group=True)
_MEMORY = _Metric("mem_used_percent", "Maximum", AGENT, of_group=True)
_SERVICE_CPU = _Metric("CPUUtilization", "Average", SERVICES, of_group=True)
_SERVICE_MEMORY = _Metric("MemoryUtilization", "Maximum", SERVICES, of_group=True)
_ALWAYS = (_REQUESTS, _FAILED, _REFUSED, _TIMED, _P99, _MEAN, _HEALTHY)


@dataclass(slots=True)
class _Series:
    """Points of one arm by metric, then minute in ms."""

    points: dict[_Metric, dict[int, float]] = field(default_factory=dict)

    def at(self, metric: _Metric | None, minute_ms: int) -> float | None:
        return None if metric is None else self.points.get(metric, {}).get(minute_ms)

    def minutes(self) -> Iterator[int]:
        for points in self.points.values():
            yield from points


@dataclass(frozen=True, slots=True)
class LookReader:
    """Reads looks at two arms of one fleet.

    ``latency_bound_s``: a request that takes longer is slow; None: slow requests are not counted.
    """

    aws: AwsReader
    baseline: ArmMetrics
    canary: ArmMetrics
    latency_bound_s: float | None = None

    def server_now_ms(self) -> int:
        """The server's clock, for the first ``after_ms``. Raises RightsizingError."""
        epoch = datetime.fromtimestamp(0, UTC)
        query = _query("q0", _REQUESTS, self.baseline)
        page = self.aws.call(
            "cloudwatch",
            "get_metric_data",
            MetricDataQueries=[query],
            StartTime=epoch,
            EndTime=epoch.replace(minute=1),
        )
        return _date_ms(page)

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        """Every whole minute that began at or after ``after_ms`` and is over by the server's clock.

        Args:
            after_ms: since 1970 UTC, by the server's clock: the end of the newest look so far.
            canary_weight: the canary's share (0-1) of both arms' traffic, as set.

        Raises:
            TelemetryError, Throttled, CredentialsError: CloudWatch cannot be asked.
        """
        start_ms = -(-after_ms // _MINUTE_MS) * _MINUTE_MS
        arms = (self.baseline, self.canary)
        (baseline, canary), now_ms = self._fetch(arms, start_ms)
        newest = max((*baseline.minutes(), *canary.minutes()), default=start_ms - _MINUTE_MS)
        last_over = now_ms // _MINUTE_MS * _MINUTE_MS - _MINUTE_MS
        looks: list[Look] = []
        waiting = ""
        for minute in range(start_ms, max(newest, last_over) + 1, _MINUTE_MS):
            if last_over < minute <= now_ms:  # not over yet
                continue
            look = Look(
                start_ms=minute,
                length_s=MINUTE_S,
                canary_weight=canary_weight,
                baseline=self._arm(self.baseline, baseline, minute),
                canary=self._arm(self.canary, canary, minute),
            )
            if minute > now_ms and _is_empty(look.baseline) and _is_empty(look.canary):
                continue  # the future is empty unless clocks differ
            silent = _silent(look)
            if silent and minute >= newest and now_ms - look.end_ms < PATIENCE_S * 1000:
                waiting = f"the {silent} has not reported the minute at {_clock(minute)} yet"
                break
            looks.append(look)
        return LooksRead(tuple(looks), now_ms, waiting)

    def _metrics(self, arm: ArmMetrics) -> tuple[_Metric, ...]:
        more = [metric for metric in (self._slow(), _kills(arm)) if metric is not None]
        return (*_ALWAYS, *_usage(arm), *more)

    def _slow(self) -> _Metric | None:
        if self.latency_bound_s is None:
            return None
        return _Metric("TargetResponseTime", f"TC({self.latency_bound_s:g}:)")

    def _fetch(self, arms: Sequence[ArmMetrics], start_ms: int) -> tuple[tuple[_Series, ...], int]:
        """Points of each arm from ``start_ms`` on, and the server's time."""
        asked = {
            f"q{number}": (index, metric)
            for number, (index, metric) in enumerate(
                (index, metric) for index, arm in enumerate(arms) for metric in self._metrics(arm)
            )
        }
        assert len(asked) <= _QUERIES_A_CALL
        queries = [_query(key, metric, arms[index]) for key, (index, metric) in asked.items()]
        series = tuple(_Series() for _ in arms)
        span_ms = SPAN_MINUTES * _MINUTE_MS
        now_ms = begin = start_ms
        while begin <= now_ms:  # a long absence takes several questions
            now_ms = self._fetch_span(queries, asked, series, begin, begin + span_ms)
            begin += span_ms
        return series, now_ms

    def _fetch_span(
        self,
        queries: Sequence[Json],
        asked: Mapping[str, tuple[int, _Metric]],
        series: Sequence[_Series],
        start_ms: int,
        end_ms: int,
    ) -> int:
        token: Json = {}
        while True:
            page = self.aws.call(
                "cloudwatch",
                "get_metric_data",
                MetricDataQueries=list(queries),
                StartTime=datetime.fromtimestamp(start_ms / 1000, UTC),
                EndTime=datetime.fromtimestamp(end_ms / 1000, UTC),
                ScanBy="TimestampAscending",
                **token,
            )
            for item in page.get("MetricDataResults", ()):
                index, metric = asked[item["Id"]]
                points = series[index].points.setdefault(metric, {})
                pairs = zip(item.get("Timestamps", ()), item.get("Values", ()), strict=False)
                points.update({round(at.timestamp() * 1000): value for at, value in pairs})
            if not page.get("NextToken"):
                return _date_ms(page)
            token = {"NextToken": page["NextToken"]}

    def _arm(self, arm: ArmMetrics, series: _Series, minute: int) -> ArmLook:
        healthy = series.at(_HEALTHY, minute)
        requests = series.at(_REQUESTS, minute)
        if requests is None and healthy is not None:
            told = [series.at(metric, minute) for metric in (_TIMED, _FAILED, _REFUSED)]
            requests = 0.0 if told == [None, None, None] else None
        errors = [series.at(metric, minute) for metric in (_FAILED, _REFUSED)]
        timed = series.at(_TIMED, minute)
        slow = self._slow()
        slow_count = series.at(slow, minute)
        kills = _kills(arm)
        cores = arm.cores_an_instance
        cpu, memory = _usage(arm)
        return ArmLook(
            requests=_count(requests),
            errors=None if requests is None else _count(sum(error or 0.0 for error in errors)),
            # without a timed request a slow one is not known, unless there was none at all
            slow=None
            if slow is None or (timed is None and requests != 0)
            else _count(slow_count or 0.0),
            latency_p99_ms=_ms(series.at(_P99, minute)),
            latency_mean_ms=_ms(series.at(_MEAN, minute)),
            cpu_share=_share(series.at(cpu, minute)),
            memory_share=_share(series.at(memory, minute)),
            capacity_cores=cores * healthy if cores is not None and healthy else None,
            oom_kills=_count(series.at(kills, minute)) or 0,
            healthy_targets=_count(healthy),
            expected_targets=arm.expected_targets,
        )


def _usage(arm: ArmMetrics) -> tuple[_Metric, _Metric]:
    """CPU and memory, of instances or of tasks."""
    return (_CPU, _MEMORY) if arm.service is None else (_SERVICE_CPU, _SERVICE_MEMORY)


def _kills(arm: ArmMetrics) -> _Metric | None:
    if arm.kills is None:
        return None
    namespace, name = arm.kills
    return _Metric(name, "Sum", namespace, of_group=True)


def _query(key: str, metric: _Metric, arm: ArmMetrics) -> Json:
    where = {"LoadBalancer": arm.load_balancer, "TargetGroup": arm.target_group}
    if metric.namespace == SERVICES and arm.service is not None:
        where = dict(zip(("ClusterName", "ServiceName"), arm.service, strict=True))
    elif metric.of_group:
        where = {"AutoScalingGroupName": arm.group_name}
    return {
        "Id": key,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in where.items()],
            },
            "Period": MINUTE_S,
            "Stat": metric.stat,
        },
    }


def _silent(look: Look) -> str:
    """The arm that reports nothing about requests; empty: none."""
    if look.baseline.requests is None:
        return "baseline"
    return "canary" if look.canary.requests is None else ""


def _is_empty(arm: ArmLook) -> bool:
    return arm.requests is None and arm.cpu_share is None and arm.healthy_targets is None


def _date_ms(page: Json) -> int:
    headers = page.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return round(parsedate_to_datetime(headers["date"]).timestamp() * 1000)
    except (KeyError, ValueError) as error:
        raise TelemetryError(
            "CloudWatch's answer has no usable Date, so it is not known which minutes are over; "
            "check the endpoint, a proxy may strip it"
        ) from error


def _count(value: float | None) -> int | None:
    return None if value is None else round(value)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None or seconds <= 0 else seconds * 1000


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _clock(minute_ms: int) -> str:
    return f"{datetime.fromtimestamp(minute_ms / 1000, UTC):%H:%M} UTC"
