"""CloudWatch's points of one resource turned into rows of the store.

A percentage becomes an amount by the resource's capacity; where that is unknown the percentage is
left out, and said so. A value that cannot be a measurement (negative, not finite) is left out too.
A load balancer reports errors only where there are some: requests without a count of them had none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from rightsizing.measure.inventory import FormerCapacity, MeasuredResource
from rightsizing.measure.metricdata import Answer
from rightsizing.measure.metrics import PERIOD_SECONDS, Conversion, Metric
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.measure.tally import Tally
from rightsizing.model.base import NoData

_COLUMNS = tuple(field for field in STORE_SCHEMA if field.name != "source")


@dataclass(frozen=True, slots=True)
class MetricRows:
    """Makes rows; ``skipped`` counts what is left out, ``notes`` what is kept but worth knowing."""

    skipped: Tally
    notes: Tally

    def table(
        self, workload: str, resource: MeasuredResource, answers: Mapping[Metric, Answer]
    ) -> pa.Table:
        """One row a timestamp that any metric has."""
        name = f"{workload} ({resource.resource_id})"
        times = sorted({time for answer in answers.values() for time in answer.points})
        self.notes.add(
            f"{name}: older than the resource itself; its present capacity is assumed",
            sum(time < (resource.created_ms or 0) for time in times),
        )
        instances = _instances(answers)
        columns: dict[str, Sequence[object]] = {
            "workload": [workload] * len(times),
            "resource_id": [resource.resource_id] * len(times),
            "timestamp_ms": times,
            "interval_s": [PERIOD_SECONDS] * len(times),
            "capacity_cores": [_known(resource.capacity_at(time).capacity_cores) for time in times],
            "capacity_memory_bytes": [
                _known(resource.capacity_at(time).capacity_memory_bytes) for time in times
            ],
        }
        for metric, answer in answers.items():
            if metric.absence and times and not answer.points:
                self.skipped.add(f"{name}: no {metric.name} in CloudWatch; {metric.absence}", 1)
            columns[metric.column] = [
                self._value(
                    metric,
                    answer.points.get(time),
                    _capacity(resource.capacity_at(time), metric),
                    instances.get(time),
                )
                for time in times
            ]
        columns |= _no_errors(columns, answers)
        nothing = [None] * len(times)
        arrays = [pa.array(columns.get(field.name, nothing), field.type) for field in _COLUMNS]
        return pa.table(arrays, names=[field.name for field in _COLUMNS])

    def _value(
        self, metric: Metric, value: float | None, capacity: float | None, instances: float | None
    ) -> float | None:
        if value is None or capacity is None:
            return None
        if not (math.isfinite(value) and value >= 0):
            self.skipped.add(f"{metric} is {value:g}, which is no measurement", 1)
            return None
        if metric.conversion is Conversion.RATE_PER_INSTANCE and not instances:
            self.skipped.add(f"{metric} without the number of instances in service", 1)
            return None
        return metric.conversion.apply(value, capacity, instances or math.nan)


def _no_errors(
    columns: Mapping[str, Sequence[object]], answers: Mapping[Metric, Answer]
) -> dict[str, list[object]]:
    """The errors column with 0 where requests were counted and CloudWatch has told all it knows."""
    asked = [answer for metric, answer in answers.items() if metric.column == "errors"]
    if not asked or asked[0].problem:
        return {}
    pairs = zip(columns["errors"], columns["requests"], strict=True)
    return {"errors": [0.0 if error is None and count else error for error, count in pairs]}


def _capacity(resource: MeasuredResource | FormerCapacity, metric: Metric) -> float | None:
    """What the metric's percentages are of; None: unknown, so it cannot be converted."""
    if metric.conversion is Conversion.PERCENT_OF_CORES:
        return _known(resource.capacity_cores)
    if metric.conversion is Conversion.PERCENT_OF_MEMORY:
        return _known(resource.capacity_memory_bytes)
    return math.nan  # not needed


def _known(capacity: float | NoData) -> float | None:
    return None if isinstance(capacity, NoData) else capacity


def _instances(answers: Mapping[Metric, Answer]) -> dict[int, float]:
    for metric, answer in answers.items():
        if metric.column == "instances":
            return answer.points
    return {}
