"""``rightsize exporter``: our own figures for Prometheus."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import click

from rightsizing.cli.finite import FiniteRange
from rightsizing.cli.monitorpublishing import METRICS_PATH, METRICS_PORT, PORT
from rightsizing.cli.monitorsources import monitor_memory, reading_sources
from rightsizing.cli.session import Session
from rightsizing.cli.sizingfigures import figures_cache
from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.monitor.exporter import CONTENT_TYPE, ExportedState, metrics_page
from rightsizing.monitor.figures import FiguresCache
from rightsizing.monitor.localserver import LocalServer, Page
from rightsizing.monitor.memory import Memory
from rightsizing.monitor.reading import Readings, ReadingSource, merged

_POLL_S = 0.2
_PATIENCE_S = 600.0


@click.command(epilog="Example: rightsize exporter --docker --port 9191")
@click.option(
    "--port",
    type=PORT,
    default=METRICS_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--docker", "watch_docker", is_flag=True, help="Also look at this machine.")
@click.option(
    "--host", "groups", multiple=True, help="Also processes: WORKLOAD=REGULAR_EXPRESSION."
)
@click.option(
    "--page", "pages", multiple=True, help="Also a page: WORKLOAD=http://HOST:PORT/metrics."
)
@click.option("--once", is_flag=True, help="Print the metrics and end.")
@click.option(
    "--for",
    "seconds",
    type=FiniteRange(min=0),
    help="Stop after this many seconds.  [default: Ctrl-C]",
)
@click.pass_obj
def exporter(
    session: Session,
    port: int,
    watch_docker: bool,
    groups: tuple[str, ...],
    pages: tuple[str, ...],
    once: bool,
    seconds: float | None,
) -> int:
    """Serve sizes, recommendations, exceedance, savings and rollout state to Prometheus.

    Workloads are looked at whenever the page is asked for. `rightsize monitor --export PORT` serves
    the same from the monitor's own rounds. What is not known is left out of the page.
    """
    if once and session.as_json:
        raise ConfigError("--once prints the metrics in Prometheus' own format; leave out --json")
    sources = reading_sources(session, watch_docker, groups, pages)
    exported = _Exported(sources, figures_cache(session), monitor_memory(session))
    if once:
        exported.figures.figures()
        exported.figures.wait(_PATIENCE_S)
        click.echo(exported.page().content.decode(), nl=False)
        return 0
    with ExitStack() as stack:
        server = LocalServer({METRICS_PATH: lambda _: exported.page()}, port=port)
        stack.callback(server.close)
        exported.figures.figures()  # begins to read
        session.remark(f"metrics: {server.url}{METRICS_PATH}")
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while end is None or time.monotonic() < end:
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            pass  # the ordinary way to end it
    return 0


class _Exported:
    """The page, made when it is asked for."""

    def __init__(self, sources: list[ReadingSource], figures: FiguresCache, memory: Memory) -> None:
        self.figures = figures
        self._sources, self._memory = sources, memory
        self._looking = threading.Lock()  # sources remember their previous look

    def page(self) -> Page:
        """Look at everything and show it; a source that fails is left out."""
        looks: list[Readings] = []
        with self._looking:
            for source in self._sources:
                try:
                    looks.append(source.look())
                except RightsizingError:
                    continue  # absent: the rule for missing measurements tells of it
        state, _ = self._memory.state()
        shown = ExportedState(
            readings=tuple(merged(tuple(looks)).values()),
            figures=self.figures.figures(),
            observed=state.observed,
        )
        return Page(metrics_page(shown), CONTENT_TYPE)
