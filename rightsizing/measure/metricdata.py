"""GetMetricData: batches of queries, all pages of the answer, and what CloudWatch says beside it.

A page may leave a query at ``PartialData`` and finish it on the next; only the last status counts.
Queries that end otherwise are asked once more before they are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.inventory import MeasuredResource
from rightsizing.measure.metrics import PERIOD_SECONDS, Metric, dimensions_of
from rightsizing.measure.progress import Window
from rightsizing.model.update import Json

QUERIES_A_CALL = 500  # GetMetricData's own limit
_COMPLETE = "Complete"


@dataclass(frozen=True, slots=True)
class Query:
    """One metric of one resource."""

    resource: MeasuredResource
    metric: Metric


@dataclass(slots=True)
class Answer:
    """Points of one query, by timestamp in ms; ``problem`` is empty when the answer is complete."""

    points: dict[int, float] = field(default_factory=dict)
    problem: str = ""


@dataclass(slots=True)
class Answers:
    """Answers in the order of the queries, and messages about the request as a whole."""

    answers: list[Answer]
    messages: list[str] = field(default_factory=list)


def fetch(clients: AwsClients, queries: Sequence[Query], window: Window) -> Answers:
    """Ask for all queries over one window. Raises what ``AwsClients.call`` raises."""
    result = Answers([Answer() for _ in queries])
    for start in range(0, len(queries), QUERIES_A_CALL):
        positions = list(range(start, min(start + QUERIES_A_CALL, len(queries))))
        _fetch_batch(clients, queries, positions, window, result)
        unfinished = [position for position in positions if result.answers[position].problem]
        if unfinished:
            _fetch_batch(clients, queries, unfinished, window, result)
    return result


def _fetch_batch(
    clients: AwsClients,
    queries: Sequence[Query],
    positions: Sequence[int],
    window: Window,
    result: Answers,
) -> None:
    request = {
        "MetricDataQueries": [_query(position, queries[position]) for position in positions],
        "StartTime": datetime.fromtimestamp(window.start_ms / 1000, UTC),
        "EndTime": datetime.fromtimestamp(window.end_ms / 1000, UTC),
        "ScanBy": "TimestampAscending",
    }
    for position in positions:
        result.answers[position].problem = "no answer"
    token: str | None = None
    while True:
        more = {} if token is None else {"NextToken": token}
        page = clients.call("cloudwatch", "get_metric_data", **request, **more)
        for item in page.get("MetricDataResults", ()):
            _take(result.answers[int(item["Id"][1:])], item)
        result.messages += [_message(item) for item in page.get("Messages", ())]
        token = page.get("NextToken")
        if not token:
            return


def _query(position: int, query: Query) -> Json:
    dimensions = dimensions_of(query.resource, query.metric)
    return {
        "Id": f"q{position}",
        "MetricStat": {
            "Metric": {
                "Namespace": query.metric.namespace,
                "MetricName": query.metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
            },
            "Period": PERIOD_SECONDS,
            "Stat": query.metric.statistic,
        },
    }


def _take(answer: Answer, item: Json) -> None:
    for timestamp, value in zip(item.get("Timestamps", ()), item.get("Values", ()), strict=False):
        answer.points[round(timestamp.timestamp() * 1000)] = value
    status = item.get("StatusCode", _COMPLETE)
    said = "; ".join(_message(message) for message in item.get("Messages", ()))
    answer.problem = "" if status == _COMPLETE else f"{status} {said}".strip()


def _message(item: Json) -> str:
    return f"{item.get('Code', '')}: {item.get('Value', '')}".strip(": ")
