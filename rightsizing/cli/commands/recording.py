"""``rightsize record``: sample containers and this host into the store."""

from __future__ import annotations

import time

import click

from rightsizing.cli.filters import parse_filters
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.measure.docker import DockerSource, connect
from rightsizing.measure.host import HostSource, ProcessGroup
from rightsizing.measure.recorder import (
    DEFAULT_INTERVAL_SECONDS,
    DEFAULT_SAMPLE_SECONDS,
    Recorder,
)
from rightsizing.measure.sampling import SampleSource
from rightsizing.report import jsonview, measurepage, terminal


@click.command(
    epilog="Example: rightsize record host --group 'trader=trader\\.py' --interval 300",
)
@click.argument("source", type=click.Choice(["docker", "host"]))
@click.option(
    "--interval",
    "interval_s",
    type=int,
    default=DEFAULT_INTERVAL_SECONDS,
    show_default=True,
    help="Length of a row, seconds.",
)
@click.option(
    "--sample",
    "sample_s",
    type=float,
    default=DEFAULT_SAMPLE_SECONDS,
    show_default=True,
    help="Time between samples, seconds.",
)
@click.option(
    "--for", "seconds", type=float, help="Stop after this many seconds.  [default: Ctrl-C]"
)
@click.option(
    "--group", "groups", multiple=True, help="Host processes: WORKLOAD=REGULAR_EXPRESSION."
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Only containers with this label: KEY or KEY=VALUE, e.g. rightsizing:stack=dev.",
)
@click.pass_obj
def record(
    session: Session,
    source: str,
    interval_s: int,
    sample_s: float,
    seconds: float | None,
    groups: tuple[str, ...],
    labels: tuple[str, ...],
) -> int:
    """Sample Docker containers or this host until Ctrl-C, into the store.

    Containers are those with a rightsizing:workload label. A recorder that is stopped or killed
    goes on where it was; no interval is stored twice.
    """
    found: SampleSource
    if source == "docker":
        if session.in_project:  # a recorder also runs where there is no project
            session.use_local_cloud()
        found = DockerSource(connect(), label_filters=parse_filters(labels, "--label"))
    else:
        found = HostSource([ProcessGroup.parse(text) for text in groups])
    end = None if seconds is None else time.monotonic() + seconds
    recorder = Recorder(found, session.store, interval_s=interval_s, sample_s=sample_s)
    with progress_bar(session) as listener:
        report = recorder.run(
            keep_on=lambda: end is None or time.monotonic() < end, progress=listener
        )
    session.show(terminal.renderable(measurepage.measure_page([report])), jsonview.plain(report))
    return 0 if report.complete else PARTIAL_DATA_EXIT_CODE
