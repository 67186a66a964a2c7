"""Sends requests when they are due, whatever became of earlier ones (asyncio and aiohttp).

One process and one thread: good for some thousand requests a second. Connections are kept open, as
a proxy or a browser keeps them.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from rightsizing.errors import ConfigError
from rightsizing.load.arrivals import Schedule
from rightsizing.load.samples import (
    NOT_ANSWERED,
    NOT_SENT,
    TIMED_OUT,
    Samples,
    empty_samples,
)

TIMEOUT_S = 10.0
MOST_UNDER_WAY = 2000  # each one holds a socket of the generator
_TICK_S = 0.05  # how often an idle generator looks whether it is to end

# Called now and then with requests due so far and all of them.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the same request every time."""

    urls: Sequence[str]
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = TIMEOUT_S
    most_under_way: int = MOST_UNDER_WAY


def drive(
    request: Request,
    plan: Schedule,
    *,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Send every request of the plan and wait for the answers, at most the timeout.

    Args:
        stop: when set, nothing more is sent; what is known is returned, ``interrupted`` is true.

    Raises ConfigError for an address that is none. A target that does not answer is a result.
    """
    _check_urls(request.urls)
    return asyncio.run(_Drive(request, plan, stop or threading.Event(), progress).run())


@dataclass(slots=True)
class _Drive:
    request: Request
    plan: Schedule
    stop: threading.Event
    progress: Progress | None
    samples: Samples = field(init=False)
    began: float = field(init=False, default=0.0)

    async def run(self) -> Samples:
        self.samples = empty_samples(self.plan)
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=self.request.timeout_s)
        connector = aiohttp.TCPConnector(limit=0)
        under_way: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=dict(self.request.headers)
        ) as session:
            self.began = loop.time()
            sent = 0
            while sent < len(self.plan.due_s) and not self.stop.is_set():
                wait_s = self.began + self.plan.due_s[sent] - loop.time()
                if wait_s > 0:
                    if self.progress is not None:
                        self.progress(sent, len(self.plan.due_s))
                    await asyncio.sleep(min(wait_s, _TICK_S))
                    continue
                if len(under_way) >= self.request.most_under_way:
                    self._note(sent, NOT_SENT, math.nan, -wait_s)
                else:
                    task = asyncio.create_task(self._ask(session, sent))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                sent += 1
                if sent % 16 == 0:  # behind its time, it still lets answers in
                    await asyncio.sleep(0)
            elapsed = loop.time() - self.began
            stopped = self.stop.is_set()
            if stopped:
                for task in tuple(under_way):
                    task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        return replace(self.samples, elapsed_s=elapsed, interrupted=stopped)

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        loop = asyncio.get_running_loop()
        due = self.began + self.plan.due_s[number]
        late_s = loop.time() - due
        url = self.request.urls[self.plan.target[number]]
        try:
            async with session.request(
                self.request.method, url, data=self.request.body, allow_redirects=False
            ) as answer:
                await answer.read()
                status = answer.status
        except TimeoutError:
            status = TIMED_OUT
        except (aiohttp.ClientError, OSError, ValueError):
            status = NOT_ANSWERED
        latency_ms = (loop.time() - due) * 1000
        self._note(number, status, latency_ms, late_s)

    def _note(self, number: int, status: int, latency_ms: float, late_s: float) -> None:
        self.samples.status[number] = status
        self.samples.latency_ms[number] = latency_ms
        self.samples.late_ms[number] = max(late_s, 0.0) * 1000


def _check_urls(urls: Sequence[str]) -> None:
    for url in urls:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # of a port or an IPv6 address
            valid = False
        if not valid:
            raise ConfigError(
                f"{url!r} is no address to load, such as http://127.0.0.1:8080/health"
            )


def lateness_ms(samples: Samples) -> float:
    """99th percentile of how late the generator itself sent, ms; 0 when nothing was sent."""
    late = samples.late_ms[samples.measured]
    known = late[np.isfinite(late)]
    return float(np.quantile(known, 0.99)) if len(known) else 0.0
