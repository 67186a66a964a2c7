"""Measuring from CloudWatch into the store: what is missing, resource by resource.

On AWS a call covers up to 15 days, since every metric asked for is billed each time. A local server
costs nothing and may be slow on long spans, so it is asked for a day at a time. Rows are stored
after each span, and spans that were stored are not asked for again: a run that is interrupted or
throttled goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.coverage import Coverage
from rightsizing.measure.inventory import DiscoveredWorkload, MeasuredResource
from rightsizing.measure.metricdata import QUERIES_A_CALL, Query, fetch
from rightsizing.measure.metricrows import MetricRows
from rightsizing.measure.metrics import metrics_of
from rightsizing.measure.progress import Progress, ProgressListener, Window, ignore_progress
from rightsizing.measure.store import Store
from rightsizing.measure.tally import Tally
from rightsizing.model.base import NoData
from rightsizing.model.measurement import MeasureReport
from rightsizing.model.workload import WorkloadKind
from rightsizing.units import MILLISECONDS_PER_DAY

SOURCE = "cloudwatch"
AWS_SPAN_MS = 15 * MILLISECONDS_PER_DAY  # 500 queries of 15 days are 2 million points in memory
SETTLING_MS = 3 * 3_600_000  # later points are possible; such spans are asked for again


@dataclass(frozen=True, slots=True)
class _Target:
    """One resource and the workload its rows belong to."""

    key: str
    resource: MeasuredResource

    @property
    def name(self) -> str:
        return f"{self.key} ({self.resource.resource_id})"


@dataclass(slots=True)
class _Outcome:
    """What the run did so far."""

    observed: int = 0
    new: int = 0
    skipped: Tally = field(default_factory=Tally)
    notes: Tally = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)


def measure_cloudwatch(
    clients: AwsClients,
    workloads: Sequence[DiscoveredWorkload],
    store: Store,
    window: Window,
    progress: ProgressListener = ignore_progress,
) -> MeasureReport:
    """Read fleets and services over a window into the store (other kinds are not in CloudWatch).

    Returns:
        Rows observed and new in this run, what was left out and why, and a sentence for each
        resource whose answer stayed incomplete.

    Raises:
        CredentialsError, Throttled, TelemetryError: CloudWatch cannot be asked; rows read before
            are stored.
        StoreError: the store cannot be written.
    """
    outcome = _Outcome()
    targets = [
        _Target(found.key, resource)
        for found in workloads
        for resource in found.resources
        if resource.kind in (WorkloadKind.FLEET, WorkloadKind.SERVICE)
    ]
    for target in targets:
        _note_limits(target, outcome)
    coverage = Coverage(store.root / "asked" / f"{SOURCE}-{clients.region}.json")
    work = list(_plan(clients, targets, coverage, window))
    for done, (group, span) in enumerate(work):
        progress(Progress(f"reading {span}", done, len(work)))
        rows = _read(clients, group, span, outcome, settled_ms=window.end_ms - SETTLING_MS)
        if rows.table.num_rows:
            appended = store.append(rows.table, SOURCE)
            outcome.observed += appended.observed
            outcome.new += appended.new
        for target, covered in rows.complete:
            coverage.add(_coverage_name(target), covered)
        coverage.save()
    progress(Progress("reading CloudWatch", len(work), len(work)))
    return MeasureReport(
        source=SOURCE,
        workloads=len({target.key for target in targets}),
        observed=outcome.observed,
        new=outcome.new,
        skipped=outcome.skipped.skips(),
        failures=tuple(outcome.failures),
        notes=outcome.notes.skips(),
    )


def _coverage_name(target: _Target) -> str:
    return f"{target.key} {target.resource.resource_id}"


def _note_limits(target: _Target, outcome: _Outcome) -> None:
    """Say what of this resource cannot be stored, whatever CloudWatch answers."""
    resource = target.resource
    for what, capacity in (
        ("CPU", resource.capacity_cores),
        ("memory", resource.capacity_memory_bytes),
    ):
        if isinstance(capacity, NoData):
            outcome.skipped.add(f"{target.name}: {what} percentages, since {capacity.reason}", 1)


def _plan(
    clients: AwsClients, targets: Sequence[_Target], coverage: Coverage, window: Window
) -> Iterator[tuple[list[_Target], Window]]:
    """Groups of resources that lack the same spans, each group within one call's queries."""
    lacking: dict[tuple[Window, ...], list[_Target]] = {}
    for target in targets:
        missing = tuple(coverage.missing(_coverage_name(target), window))
        lacking.setdefault(missing, []).append(target)
    for gaps, group in lacking.items():
        for part in _within_one_call(group):
            for gap in gaps:
                spans = gap.days() if clients.is_local else _cut(gap, AWS_SPAN_MS)
                yield from ((part, span) for span in spans)


def _within_one_call(group: Sequence[_Target]) -> Iterator[list[_Target]]:
    part: list[_Target] = []
    queries = 0
    for target in group:
        needed = len(metrics_of(target.resource))
        if part and queries + needed > QUERIES_A_CALL:
            yield part
            part, queries = [], 0
        part.append(target)
        queries += needed
    if part:
        yield part


def _cut(window: Window, span_ms: int) -> Iterator[Window]:
    for start_ms in range(window.start_ms, window.end_ms, span_ms):
        yield Window(start_ms, min(start_ms + span_ms, window.end_ms))


@dataclass(frozen=True, slots=True)
class _Rows:
    table: pa.Table
    complete: list[tuple[_Target, Window]]  # spans that need not be asked for again


def _read(
    clients: AwsClients, group: Sequence[_Target], span: Window, outcome: _Outcome, settled_ms: int
) -> _Rows:
    queries = [
        Query(target.resource, metric) for target in group for metric in metrics_of(target.resource)
    ]
    fetched = fetch(clients, queries, span)
    for message in fetched.messages:
        outcome.notes.add(f"CloudWatch says: {message}", 1)
    tables, complete = [], []
    for target in group:
        own = {
            query.metric: answer
            for query, answer in zip(queries, fetched.answers, strict=True)
            if query.resource is target.resource
        }
        for metric, answer in own.items():
            if answer.problem:
                outcome.failures.append(
                    f"{target.name}: {metric} from {span} is incomplete ({answer.problem})"
                )
        table = MetricRows(outcome.skipped, outcome.notes).table(target.key, target.resource, own)
        tables.append(table)
        if not any(answer.problem for answer in own.values()) and _capacity_known(target):
            complete += [(target, part) for part in _covered(table, span, settled_ms)]
    return _Rows(pa.concat_tables(tables), complete)


def _capacity_known(target: _Target) -> bool:
    resource = target.resource
    capacities = (resource.capacity_cores, resource.capacity_memory_bytes)
    return not any(isinstance(capacity, NoData) for capacity in capacities)


def _covered(table: pa.Table, span: Window, settled_ms: int) -> Iterator[Window]:
    """Days of the span that gave rows and can get no more."""
    times = table.column("timestamp_ms").to_numpy()
    for day in span.days():
        end_ms = min(day.end_ms, settled_ms)
        if end_ms > day.start_ms and ((times >= day.start_ms) & (times < end_ms)).any():
            yield Window(day.start_ms, end_ms)
