"""Metric history in bulk: whole series, for filling the local cloud with days of data at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rightsizing.embedded.cloud.metricstore import SeriesKey


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One period of one series, as a statistic set."""

    time_s: int  # start of the period, seconds since 1970
    sample_count: float
    total: float  # sum of the samples
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class HistorySeries:
    """One series as CloudWatch names it."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    unit: str
    points: Sequence[HistoryPoint]
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class ReceivedSeries:
    """A series as the server stores it."""

    key: SeriesKey
    unit: str
    points: list[list[float]]


def format_history(series: Iterable[HistorySeries]) -> bytes:
    """One JSON line a series."""
    lines = [
        json.dumps(
            {
                "region": item.region,
                "namespace": item.namespace,
                "name": item.name,
                "dimensions": sorted(item.dimensions.items()),
                "unit": item.unit,
                "points": [
                    [point.time_s, point.sample_count, point.total, point.minimum, point.maximum]
                    for point in item.points
                ],
            },
            separators=(",", ":"),
        )
        for item in series
    ]
    return "\n".join(lines).encode()


def parse_history(body: bytes) -> Iterator[ReceivedSeries]:
    """The series of a request."""
    for line in body.splitlines():
        entry = json.loads(line)
        pairs = tuple((name, value) for name, value in entry["dimensions"])
        key = SeriesKey(entry["region"], entry["namespace"], entry["name"], pairs)
        yield ReceivedSeries(key, entry["unit"], entry["points"])
