"""CloudWatch metric data in moto, answered from the MetricStore.

PutMetricData, GetMetricData, GetMetricStatistics and ListMetrics of moto's backend are replaced;
its parsing, protocols and validation stay. Percentiles and ratios work, which moto does not have; a
Metrics Insights query is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum

from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.cloud.metricmaths import calculate
from rightsizing.embedded.cloud.metricstore import MetricStore, SeriesKey, Statistic, Window
from rightsizing.embedded.cloud.metricview import MetricView

_SECONDS_A_MINUTE = 60  # CloudWatch rounds a start down to the minute


def serve_metric_data(store: MetricStore, view: MetricView, clock: Clock) -> None:
    """Put the store behind moto's CloudWatch; once a process. ``view`` is what readers see of it.

    The functions have the signatures of moto's own methods.
    """
    backend: Any = CloudWatchBackend

    def put_metric_data(self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        for number, datum in enumerate(metric_data, start=1):
            self._validate_parameters_put_metric_data(datum, number)
        now_s = clock.now_ms() // 1000
        store.put(
            (_key(self.region_name, namespace, datum), datum.get("Unit") or "", point)
            for datum in metric_data
            for point in _points(datum, now_s)
        )

    def get_metric_data(
        self: Any,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        start_s, end_s = _bounds(start_time, end_time)
        answers, shown = [], []
        for query in queries:
            if "MetricStat" not in query:
                continue
            window = Window(start_s, end_s, int(query["MetricStat"]["Period"]))
            answer = _answer(view, self.region_name, query, window)
            if scan_by == "TimestampDescending":
                answer["values"].reverse()
                answer["timestamps"].reverse()
            answers.append(answer)
            if query.get("ReturnData", True):
                shown.append(answer)
        return shown + [
            _calculated(query, answers, newest_first=scan_by == "TimestampDescending")
            for query in queries
            if query.get("Expression") and query.get("ReturnData", True)
        ]

    def get_metric_statistics(  # noqa: PLR0917 - moto calls it by position
        self: Any,
        namespace: str,
        metric_name: str,
        start_time: datetime,
        end_time: datetime,
        period: int,
        stats: list[str],
        dimensions: list[dict[str, str]],
        unit: str | None = None,
    ) -> list[_Datapoint]:
        window = Window(*_bounds(start_time, end_time), int(period))
        metric = {"MetricName": metric_name, "Dimensions": dimensions or []}
        key = _key(self.region_name, namespace, metric)
        found: dict[int, _Datapoint] = {}
        for name in stats or ():
            result = _statistic(view, key, name, window, unit)
            for moment, value in zip(result.period_starts_s, result.values, strict=True):
                entry = found.setdefault(moment, _Datapoint(moment, unit))
                setattr(entry, _FIELDS.get(name, name), value)
        return [found[moment] for moment in sorted(found)]

    def list_metrics(
        self: Any,
        next_token: str | None,
        namespace: str,
        metric_name: str,
        dimensions: list[dict[str, str]],
    ) -> Any:
        if next_token:
            if next_token not in self.paged_metric_data:
                raise InvalidParameterValue("Request parameter NextToken is invalid")
            return self._get_paginated(self.paged_metric_data.pop(next_token))
        return self._get_paginated(
            [
                _datum(key)
                for key in store.keys(self.region_name)
                if (not namespace or key.namespace == namespace)
                and (not metric_name or key.name == metric_name)
                and all(_has_dimension(key, wanted) for wanted in dimensions or ())
            ]
        )

    backend.put_metric_data = put_metric_data
    backend.get_metric_data = get_metric_data
    backend.get_metric_statistics = get_metric_statistics
    backend.list_metrics = list_metrics


_FIELDS = {
    "Average": "average",
    "Sum": "sum",
    "Minimum": "minimum",
    "Maximum": "maximum",
    "SampleCount": "sample_count",
}


class _Datapoint:
    """One item of GetMetricStatistics, with the attribute names moto serialises."""

    def __init__(self, moment_s: int, unit: str | None) -> None:
        self.timestamp = _naive(moment_s)
        self.unit = unit
        self.average: float | None = None
        self.sum: float | None = None
        self.minimum: float | None = None
        self.maximum: float | None = None
        self.sample_count: float | None = None


def _key(region: str, namespace: str, metric: dict[str, Any]) -> SeriesKey:
    pairs = sorted((item["Name"], item["Value"]) for item in metric.get("Dimensions") or ())
    return SeriesKey(region, namespace, metric["MetricName"], tuple(pairs))


def _points(datum: dict[str, Any], now_s: int) -> Iterator[tuple[float, ...]]:
    moment = datum.get("Timestamp")
    at = float(now_s if moment is None else _epoch_s(moment))
    if statistics := datum.get("StatisticValues"):
        yield (
            at,
            float(statistics["SampleCount"]),
            float(statistics["Sum"]),
            float(statistics["Minimum"]),
            float(statistics["Maximum"]),
        )
    elif values := datum.get("Values"):
        counts = datum.get("Counts") or [1.0] * len(values)
        for value, count in zip(values, counts, strict=True):
            yield (at, float(count), float(value) * float(count), float(value), float(value))
    else:
        value = float(datum.get("Value", 0))
        yield (at, 1.0, value, value, value)


def _epoch_s(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())


def _naive(moment_s: int) -> datetime:
    return datetime.fromtimestamp(moment_s, UTC).replace(tzinfo=None)


def _bounds(start: datetime, end: datetime) -> tuple[int, int]:
    start_s, end_s = _epoch_s(start), _epoch_s(end)
    if start_s >= end_s:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    return start_s - start_s % _SECONDS_A_MINUTE, end_s


def _statistic(
    view: MetricView, key: SeriesKey, name: str, window: Window, unit: str | None
) -> Statistic:
    try:
        return view.statistic(key, name, window, unit or "")
    except ValueError as error:
        raise InvalidParameterValue(str(error)) from error


def _answer(view: MetricView, region: str, query: dict[str, Any], window: Window) -> dict[str, Any]:
    stat = query["MetricStat"]
    metric = stat["Metric"]
    key = _key(region, metric["Namespace"], metric)
    result = _statistic(view, key, stat["Stat"], window, stat.get("Unit"))
    return {
        "id": query["Id"],
        "label": query.get("Label") or f"{metric['MetricName']} {stat['Stat']}",
        "values": list(result.values),
        "timestamps": [_naive(moment) for moment in result.period_starts_s],
        "status_code": "Complete",
    }


def _calculated(
    query: dict[str, Any], answers: list[dict[str, Any]], *, newest_first: bool
) -> dict[str, Any]:
    if query["Expression"].upper().startswith("SELECT"):
        raise InvalidParameterValue(
            f"Metrics Insights query {query['Expression']!r} is not served by the local cloud; "
            "name the metric in MetricStat"
        )
    series = {
        answer["id"]: dict(zip(answer["timestamps"], answer["values"], strict=True))
        for answer in answers
    }
    try:
        found = calculate(query["Expression"], series)
    except ValueError as error:
        raise InvalidParameterValue(str(error)) from error
    moments = sorted(found, reverse=newest_first)
    return {
        "id": query["Id"],
        "label": query.get("Label") or query["Id"],
        "values": [found[moment] for moment in moments],
        "timestamps": moments,
        "status_code": "Complete",
    }


def _datum(key: SeriesKey) -> MetricDatum:
    return MetricDatum(
        key.namespace,
        key.name,
        0.0,
        [{"Name": name, "Value": value} for name, value in key.dimensions],
        _naive(0),
    )


def _has_dimension(key: SeriesKey, wanted: dict[str, str]) -> bool:
    return any(
        name == wanted["Name"] and wanted.get("Value") in (None, value)
        for name, value in key.dimensions
    )
