"""What a running monitor shows to others: metrics for Prometheus, the live page."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import click

from rightsizing.monitor.alertstate import Phase
from rightsizing.monitor.exporter import CONTENT_TYPE, STALE_ROUNDS, ExportedState, metrics_page
from rightsizing.monitor.figures import FiguresCache
from rightsizing.monitor.livepage import page_routes
from rightsizing.monitor.livestate import LiveState
from rightsizing.monitor.localserver import EventStream, LocalServer, Page, Route
from rightsizing.monitor.monitor import Monitor, Round

PAGE_PORT = 9190
METRICS_PORT = 9191
METRICS_PATH = "/metrics"
PORT = click.IntRange(0, 65_535)


@dataclass
class Published:
    """Takes rounds and shows the newest one."""

    monitor: Monitor
    figures: FiguresCache
    live: LiveState
    events: EventStream = field(default_factory=EventStream)
    urls: list[str] = field(default_factory=list)
    _round: Round | None = None
    _taken_at_s: float = 0.0

    def take(self, found: Round) -> None:
        """A new round."""
        self._round, self._taken_at_s = found, time.monotonic()
        book = self.monitor.exceedance
        self.live.add(found, self.figures.figures(), {item.workload: item for item in book.kept()})
        if self.events.has_listeners:
            self.events.publish("round", self.live.page())

    def metrics(self, _: object = None) -> Page:
        """The metrics page; measurements that are too old are left out."""
        found, book = self._round, self.monitor.exceedance
        state = ExportedState(figures=self.figures.figures(), observed=book.kept())
        age_s = time.monotonic() - self._taken_at_s
        if found is not None and age_s <= STALE_ROUNDS * self.monitor.interval_s:
            state = ExportedState(
                readings=tuple(found.readings.values()),
                figures=state.figures,
                observed=state.observed,
                firing=tuple(
                    (alert.workload, alert.rule.name)
                    for alert in found.alerts
                    if alert.state.phase is Phase.FIRING
                ),
                rounds=found.number,
            )
        return Page(metrics_page(state), CONTENT_TYPE)


def publish(
    stack: ExitStack,
    monitor: Monitor,
    figures: FiguresCache,
    *,
    export_port: int | None,
    serve_port: int | None,
) -> Published:
    """Serve what is asked for until ``stack`` ends. Raises ConfigError when a port is taken."""
    published = Published(monitor, figures, LiveState(monitor.interval_s))
    if export_port is not None:
        routes: dict[str, Route] = {METRICS_PATH: published.metrics}
        server = LocalServer(routes, port=export_port)
        stack.callback(server.close)
        published.urls.append(f"metrics: {server.url}{METRICS_PATH}")
    if serve_port is not None:
        server = LocalServer(page_routes(published.live), port=serve_port, events=published.events)
        stack.callback(server.close)
        published.urls.append(f"live page: {server.url}/")
    return published
