"""What every process has: health, metrics, and an orderly end at SIGTERM.

``/health`` says ``starting``, ``up`` or ``stopping`` (503 unless up); ``/metrics`` is Prometheus'
text format. At SIGTERM the health check fails first, then the work ends, then the server.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import ValidationError

from tradingsystem.settings import Settings

# Bounds of the latency histogram, s; 0.05 and 0.1 are the KPI's target and its alert.
LATENCY_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
Work = Callable[[asyncio.Event], Awaitable[None]]


class LateGauge:
    """A gauge that is not on the page before it was first set: unknown is not 0."""

    def __init__(self, name: str, meaning: str, registry: CollectorRegistry) -> None:
        self._gauge = Gauge(name, meaning, registry=None)
        self._registry = registry
        self._is_known = False

    def set(self, value: float) -> None:
        """Set it."""
        self._gauge.set(value)
        if not self._is_known:
            self._registry.register(self._gauge)
            self._is_known = True


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latency_s = Histogram(
            "unit_latency_seconds",
            "time to place a trade",
            buckets=LATENCY_BOUNDS_S,
            registry=self.registry,
        )
        self.errors = Counter("unit_errors", "trades that failed", registry=self.registry)
        self.cost_usd = self._gauge("cost_per_unit_usd", "cost of a trade")
        self.scan_s = self._gauge("guardian_scan_seconds", "length of the last scan")
        self.cycle_s = self._gauge("cycle_seconds", "length of the last cycle")
        self.calls = Counter("ai_calls", "calls to the AI service", registry=self.registry)
        self.hit_ratio = self._gauge("cache_hit_ratio", "lookups without a call")
        self.cache_down = self._gauge("cache_down", "1: going on without Redis")

    def _gauge(self, name: str, meaning: str) -> LateGauge:
        return LateGauge(name, meaning, self.registry)

    def text(self) -> bytes:
        """The metrics page."""
        page: bytes = generate_latest(self.registry)
        return page


class Service:
    """One process: routes and, where it has any, work that goes on until it is to stop."""

    def __init__(self, name: str, settings: Settings, work: Work | None = None) -> None:
        self.name, self.settings, self.metrics = name, settings, Metrics()
        self.state = "starting"
        self.stop = asyncio.Event()
        self._work = work
        self.application = web.Application()
        self.application.router.add_get("/health", self._health)
        self.application.router.add_get("/metrics", self._metrics)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        runner = web.AppRunner(self.application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, self.settings.host, self.settings.port).start()
        logging.getLogger("trading").info(
            "%s serves on port %s", self.name, [address[1] for address in runner.addresses]
        )
        self.state = "up"
        try:
            await self._until_stopped()
        finally:
            self.state = "stopping"
            await runner.cleanup()

    async def _until_stopped(self) -> None:
        """Work until SIGTERM; afterwards it may end what it does, within ``grace_s``."""
        stopped = asyncio.ensure_future(self.stop.wait())
        work = stopped if self._work is None else asyncio.ensure_future(self._work(self.stop))
        try:
            await asyncio.wait({stopped, work}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                drained = asyncio.ensure_future(asyncio.sleep(self.settings.drain_s))
                await asyncio.wait({work}, timeout=self.settings.grace_s)
                work.cancel()
                await drained
            with suppress(asyncio.CancelledError):
                await work
        finally:
            stopped.cancel()
            work.cancel()

    async def _health(self, _: web.Request) -> web.Response:
        up = self.state == "up" and not self.stop.is_set()
        body = {"service": self.name, "status": self.state}
        return web.json_response(body, status=200 if up else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.metrics.text(), content_type="text/plain")


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; True when the service is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


def serve(build: Callable[[Settings], Service], refusals: tuple[type[Exception], ...] = ()) -> None:
    """Run a service as this process; ends with one sentence where it cannot start.

    ``refusals``: what its work may raise to say that it must not run.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        service = build(Settings.from_environment())
    except ValidationError as error:
        first = error.errors()[0]
        sys.exit(f"TRADING_{str(first['loc'][0]).upper()}: {first['msg']}")
    told: tuple[type[Exception], ...] = (OSError, *refusals)
    try:
        asyncio.run(service.run())
    except told as error:
        sys.exit(f"{service.name}: {error}")
