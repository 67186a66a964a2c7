"""Alarms that follow their metrics, which moto's never do.

Looked at when somebody asks for alarms, and only while the data plane has a scenario: an alarm's
state is then that of its last evaluation periods by the local cloud's clock. The rules are those of
CloudWatch's user guide, "Alarm evaluation" and "Configuring how alarms treat missing data", without
its search for older data points.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.cloud.inside import InsideApi

_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_DEFAULT_PERIOD_S = 60
_AUTOSCALERS = "TargetTracking-"  # alarms by which autoscaling acts; none runs here
_OK, _ALARM, _INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"


class AlarmWatch:
    """Sets alarm states by recorded calls, so that they survive a restart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def evaluate(self, api: InsideApi) -> None:
        """Bring every metric alarm of a region up to date."""
        cloudwatch = api.client("cloudwatch")
        now_s = self._clock.now_ms() // 1000
        for alarm in list(api.pages("cloudwatch", "describe_alarms", "MetricAlarms")):
            if alarm.get("ComparisonOperator") not in _BREACHES:
                continue  # anomaly detection
            if alarm["AlarmName"].startswith(_AUTOSCALERS):
                continue
            values = _values(cloudwatch, alarm, now_s)
            state = _state(alarm, values)
            if state != alarm["StateValue"]:
                cloudwatch.set_alarm_state(
                    AlarmName=alarm["AlarmName"],
                    StateValue=state,
                    StateReason=f"{sum(value is not None for value in values)} of {len(values)} "
                    f"periods have data, threshold {alarm['Threshold']:g}",
                )


def _values(cloudwatch: Any, alarm: Mapping[str, Any], now_s: int) -> list[float | None]:
    """The last evaluation periods, oldest first; None where there is no data point."""
    queries = [dict(query) for query in alarm.get("Metrics") or ()]
    if not queries:
        metric = {
            "Namespace": alarm["Namespace"],
            "MetricName": alarm["MetricName"],
            "Dimensions": alarm.get("Dimensions", []),
        }
        statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        stat = {"Metric": metric, "Period": alarm["Period"], "Stat": statistic}
        queries = [{"Id": "alarm", "MetricStat": stat}]
    for query in queries:
        query.pop("Label", None)
    periods = [query["MetricStat"]["Period"] for query in queries if query.get("MetricStat")]
    period_s = int(max(periods, default=_DEFAULT_PERIOD_S))
    count = int(alarm["EvaluationPeriods"])
    end_s = now_s // period_s * period_s
    start_s = end_s - count * period_s
    results = cloudwatch.get_metric_data(
        MetricDataQueries=queries,
        StartTime=datetime.fromtimestamp(start_s, UTC),
        EndTime=datetime.fromtimestamp(end_s, UTC),
    )["MetricDataResults"]
    shown = results[-1] if results else {"Timestamps": [], "Values": []}
    found = {
        (int(moment.timestamp()) - start_s) // period_s: value
        for moment, value in zip(shown["Timestamps"], shown["Values"], strict=True)
    }
    return [found.get(index) for index in range(count)]


def _state(alarm: Mapping[str, Any], values: Sequence[float | None]) -> str:
    missing = alarm.get("TreatMissingData") or "missing"
    if all(value is None for value in values):
        silent = {"breaching": _ALARM, "notBreaching": _OK, "ignore": str(alarm["StateValue"])}
        return silent.get(missing, _INSUFFICIENT)
    breaches = _BREACHES[alarm["ComparisonOperator"]]
    bad = sum(
        missing == "breaching" if value is None else breaches(value, float(alarm["Threshold"]))
        for value in values
    )
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    if missing == "missing":  # what is there decides
        needed = min(needed, sum(value is not None for value in values))
    return _ALARM if bad >= needed else _OK
