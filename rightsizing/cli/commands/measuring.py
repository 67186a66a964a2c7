"""``rightsize discover``, ``measure`` and ``store``: from sources into the measurement store."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from rightsizing.cli.filters import parse_filters
from rightsizing.cli.live import aws_clients, now_ms
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.measure.cloudwatch import measure_cloudwatch
from rightsizing.measure.discovery import discover_aws, discover_docker
from rightsizing.measure.docker import connect
from rightsizing.measure.files import measure_file
from rightsizing.measure.inventory import DiscoveredWorkload, Discovery
from rightsizing.measure.metrics import PERIOD_SECONDS
from rightsizing.measure.progress import Window
from rightsizing.measure.prometheus import measure_prometheus
from rightsizing.measure.prometheusapi import PrometheusApi
from rightsizing.measure.promql import Exporter, RangeQuery, queries
from rightsizing.model.base import NoData
from rightsizing.model.measurement import MeasureReport
from rightsizing.report import jsonview, measurepage, terminal
from rightsizing.units import gib

PROMETHEUS_TOKEN_VARIABLE = "RIGHTSIZING_PROMETHEUS_TOKEN"  # noqa: S105 - a name, no token


def find_workloads(
    session: Session, tags: Sequence[str], *, include_untagged: bool
) -> tuple[Discovery, tuple[str, ...]]:
    """Workloads of AWS and of the Docker engine, and a sentence for each source not read."""
    filters = parse_filters(tags, "--tag")
    failures: list[str] = []
    parts: list[Discovery] = []
    clients = aws_clients(session)
    try:
        parts.append(discover_aws(clients, tag_filters=filters, name_untagged=include_untagged))
    except RightsizingError as error:
        failures.append(str(error))
    try:
        parts.append(
            discover_docker(connect(), label_filters=filters, name_untagged=include_untagged)
        )
    except RightsizingError as error:
        if session.declaration.containers:
            failures.append(str(error))  # without declared containers no engine is needed
    if not parts:
        raise RightsizingError("; ".join(failures))
    found = [item for part in parts for item in part.workloads]
    skipped = [item for part in parts for item in part.skipped]
    return Discovery(tuple(found), tuple(skipped)), tuple(failures)


@click.command(epilog="Example: rightsize discover --tag team=trading")
@click.option(
    "--tag", "tags", multiple=True, help="Only resources with this tag: KEY or KEY=VALUE."
)
@click.option("--include-untagged", is_flag=True, help="Name untagged resources after themselves.")
@click.pass_obj
def discover(session: Session, tags: tuple[str, ...], include_untagged: bool) -> int:
    """List workloads: Auto Scaling groups, ECS services and containers.

    The key of a workload is its rightsizing:workload tag.
    """
    found, failures = find_workloads(session, tags, include_untagged=include_untagged)
    page = measurepage.discovery_page(
        [_row(item) for item in found.workloads], found.skipped, failures
    )
    session.show(terminal.renderable(page), {**jsonview.plain(found), "failures": list(failures)})
    return PARTIAL_DATA_EXIT_CODE if failures else 0


def _row(item: DiscoveredWorkload) -> measurepage.WorkloadRow:
    cores, memory = item.resources[0].capacity_cores, item.resources[0].capacity_memory_bytes
    capacity = "unknown"
    if not isinstance(cores, NoData) and not isinstance(memory, NoData):
        capacity = f"{cores:g} cores, {gib(memory):.1f} GiB"
    return measurepage.WorkloadRow(
        key=item.key,
        kind=item.workload.kind.value,
        size=str(item.workload.size) if item.workload.size is not None else "unknown",
        resources=tuple(resource.resource_id for resource in item.resources),
        running=sum(resource.running for resource in item.resources),
        capacity=capacity,
    )


@click.command(epilog="Example: rightsize measure --days 14")
@click.option(
    "--days", type=int, help="Days of history to read.  [default: the setting lookback_days]"
)
@click.option(
    "--from-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Read a CSV or Parquet trace file instead of CloudWatch; may be repeated.",
)
@click.option("--prometheus", "prometheus_url", help="Read this Prometheus server instead.")
@click.option(
    "--exporter",
    type=click.Choice([item.value for item in Exporter]),
    default=Exporter.CADVISOR.value,
    show_default=True,
    help="Who measured, for --prometheus.",
)
@click.option(
    "--workload-label",
    help="Label with the workload key, for --prometheus.  [default: the exporter's]",
)
@click.option("--selector", default="", help='Further matchers for --prometheus: namespace="shop".')
@click.option("--prefix", default="", help="Put before the workload keys of a file.")
@click.option("--capacity-cores", type=float, help="Capacity of file rows that state none.")
@click.option("--capacity-gib", type=float, help="Memory capacity of file rows that state none.")
@click.option(
    "--tag", "tags", multiple=True, help="Only resources with this tag: KEY or KEY=VALUE."
)
@click.option("--include-untagged", is_flag=True, help="Name untagged resources after themselves.")
@click.pass_obj
def measure(
    session: Session,
    days: int | None,
    files: tuple[Path, ...],
    prometheus_url: str | None,
    exporter: str,
    workload_label: str | None,
    selector: str,
    prefix: str,
    capacity_cores: float | None,
    capacity_gib: float | None,
    tags: tuple[str, ...],
    include_untagged: bool,
) -> int:
    """Read utilisation into the store, from CloudWatch, Prometheus or files.

    Asks CloudWatch and Prometheus only for what the store does not hold yet, so an interrupted
    run goes on where it stopped and a second run reads nothing twice. Ctrl-C keeps what was read.
    Containers and hosts are read by `rightsize record`.
    """
    for option, value in (("--capacity-cores", capacity_cores), ("--capacity-gib", capacity_gib)):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{option} {value:g} must be above 0 and finite")
    if files and prometheus_url is not None:
        raise ConfigError("--from-file and --prometheus are two sources; measure one after another")
    if prometheus_url is not None:
        asked = queries(
            Exporter(exporter), PERIOD_SECONDS, workload_label=workload_label, selector=selector
        )
        reports = [_measure_prometheus(session, prometheus_url, asked, days)]
    elif files:
        reports = _measure_files(session, files, prefix, capacity_cores, capacity_gib)
    else:
        reports = [_measure_cloudwatch(session, days, tags, include_untagged=include_untagged)]
    session.show(
        terminal.renderable(measurepage.measure_page(reports)),
        {"reports": [jsonview.plain(report) for report in reports]},
    )
    return 0 if all(report.complete for report in reports) else PARTIAL_DATA_EXIT_CODE


def _measure_files(
    session: Session,
    files: Sequence[Path],
    prefix: str,
    capacity_cores: float | None,
    capacity_gib: float | None,
) -> list[MeasureReport]:
    reports = []
    for path in files:
        with progress_bar(session) as listener:
            report = measure_file(
                path,
                session.store,
                workload_prefix=prefix,
                capacity_cores=capacity_cores,
                capacity_memory_bytes=None if capacity_gib is None else capacity_gib * 1024**3,
                progress=listener,
            )
        reports.append(report)
    return reports


def _measure_prometheus(
    session: Session, url: str, asked: Sequence[RangeQuery], days: int | None
) -> MeasureReport:
    wanted = session.settings.lookback_days if days is None else days
    window = Window.last_days(wanted, now_ms())
    api = PrometheusApi(url, token=os.environ.get(PROMETHEUS_TOKEN_VARIABLE))
    with progress_bar(session) as listener:
        return measure_prometheus(
            api, asked, session.store, window, interval_s=PERIOD_SECONDS, progress=listener
        )


def _measure_cloudwatch(
    session: Session, days: int | None, tags: Sequence[str], *, include_untagged: bool
) -> MeasureReport:
    wanted = session.settings.lookback_days if days is None else days
    window = Window.last_days(wanted, now_ms())
    clients = aws_clients(session)
    found = discover_aws(
        clients, tag_filters=parse_filters(tags, "--tag"), name_untagged=include_untagged
    )
    if not found.workloads:
        passed_over = f" ({len(found.skipped)} without a workload tag)" if found.skipped else ""
        raise ConfigError(
            f"nothing to measure in {clients.region}{passed_over}; tag resources with "
            "rightsizing:workload, or give --include-untagged"
        )
    with progress_bar(session) as listener:
        return measure_cloudwatch(clients, found.workloads, session.store, window, listener)


@click.command(epilog="Example: rightsize store")
@click.pass_obj
def store(session: Session) -> None:
    """Show what the measurement store holds."""
    held = session.store.workloads()
    rows = [
        measurepage.StoreRow(
            key=item.key,
            source=item.source,
            rows=item.rows,
            start=datetime.fromtimestamp(item.start_ms / 1000, UTC),
            end=datetime.fromtimestamp(item.end_ms / 1000, UTC),
            cores=item.capacity_cores,
            memory_gib=None
            if item.capacity_memory_bytes is None
            else gib(item.capacity_memory_bytes),
        )
        for item in held
    ]
    session.show(
        terminal.renderable(measurepage.store_page(rows)),
        {"workloads": [jsonview.plain(item) for item in held]},
    )
