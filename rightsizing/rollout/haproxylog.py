"""Latencies from HAProxy's log: its counters have averages only, so quantiles need every request.

HAProxy sends a datagram for each request that has ended, with

    log 127.0.0.1:5140 format raw local0
    log-format "%b %s %ST %Ta %rc"

backend, server, status, the time the client waited in whole milliseconds, and retries. A thread
counts them by server and time; what is kept does not grow with the number of requests. A request
that was redispatched (``+`` before its retries) waited for another server too, so its time is
nobody's. Datagrams may be lost, so counts of requests and errors never come from here.
"""

from __future__ import annotations

import math
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rightsizing.errors import ConfigError

LOG_FORMAT = "%b %s %ST %Ta %rc"
_FIELDS = 5
_BUFFER_BYTES = 4 * 1024 * 1024  # of the socket: some 50,000 lines while this process is busy
_LINE_BYTES = 2048
_WAKE_S = 0.2  # how soon the thread sees that it is to end
_EXACT_MS = 1000  # longer times are counted to three digits, so that their number is bounded
_HALF_MS = 0.5  # HAProxy rounds down
_LONGEST_MS = 86_400_000


@dataclass(slots=True)
class LatencyTally:
    """Times of one server's requests, ms. Up to a second exact, then to 0.1-1 %."""

    times: Counter[int] = field(default_factory=Counter)
    total_ms: float = 0.0
    slow: int = 0

    def add(self, time_ms: int, bound_ms: float | None) -> None:
        """Count one request; it is slow when it took longer than the bound."""
        self.total_ms += time_ms + _HALF_MS
        self.slow += bound_ms is not None and time_ms >= bound_ms
        self.times[_rounded(time_ms)] += 1

    @property
    def requests(self) -> int:
        """How many were counted."""
        return self.times.total()

    def mean_ms(self) -> float | None:
        """None when there was no request."""
        return self.total_ms / self.requests if self.requests else None

    def quantile_ms(self, share: float) -> float | None:
        """The least time that this share (0-1) of requests did not exceed (nearest rank)."""
        rank = math.ceil(share * self.requests)
        seen = 0
        for time_ms in sorted(self.times):
            seen += self.times[time_ms]
            if seen >= rank:
                return time_ms + _HALF_MS
        return None


def parse_line(line: bytes, backend: str) -> tuple[str, int] | None:
    """Server and time in ms of one log line; None when it is nobody's, or of something else."""
    parts = line.split()
    if len(parts) < _FIELDS:
        return None
    own, server, _, time, retries = parts[-_FIELDS:]
    if own.decode("utf-8", "replace") != backend or not time.isdigit() or retries[:1] == b"+":
        return None
    return server.decode("utf-8", "replace"), min(int(time), _LONGEST_MS)


class HaproxyLog:
    """Receives the log of one backend while it is open; use as a context manager.

    Args:
        address: ``host:port`` for UDP, else a path for UNIX datagrams.
        latency_bound_ms: from where on a request is slow; None: slow ones are not counted.

    Raises:
        ConfigError: on entering, when the address cannot be bound.
    """

    def __init__(self, address: str, backend: str, *, latency_bound_ms: float | None) -> None:
        self.address = address
        self.backend = backend
        self.latency_bound_ms = latency_bound_ms
        self._tallies: dict[str, LatencyTally] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._socket = self._bound()
        self._thread = threading.Thread(target=self._receive, args=(self._socket,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        if self._socket is not None:
            self._socket.close()
        path = _path(self.address)
        if path is not None:
            path.unlink(missing_ok=True)

    def take(self) -> dict[str, LatencyTally]:
        """Everything counted since the last call, by server."""
        with self._lock:
            taken, self._tallies = self._tallies, {}
        return taken

    def count(self, line: bytes) -> None:
        """Count one line; a line of something else is passed over."""
        found = parse_line(line, self.backend)
        if found is None:
            return
        server, time_ms = found
        with self._lock:
            self._tallies.setdefault(server, LatencyTally()).add(time_ms, self.latency_bound_ms)

    def _receive(self, source: socket.socket) -> None:
        while not self._done.is_set():
            with suppress(TimeoutError):
                self.count(source.recv(_LINE_BYTES))

    def _bound(self) -> socket.socket:
        path = _path(self.address)
        if path is None:
            host, _, port = self.address.rpartition(":")
            family, where = socket.AF_INET, (host, int(port))
        else:
            family, where = socket.AF_UNIX, str(path)  # type: ignore[assignment]
            if path.is_socket():
                path.unlink()  # left by a process that was killed
        source = socket.socket(family, socket.SOCK_DGRAM)
        source.settimeout(_WAKE_S)
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        try:
            source.bind(where)
        except (OSError, OverflowError) as error:
            source.close()
            raise ConfigError(
                f"HAProxy's log cannot be received at {self.address} ({error}); check `proxy.log` "
                "in the stack file, and that no other rollout runs"
            ) from error
        return source


def _path(address: str) -> Path | None:
    host, _, port = address.rpartition(":")
    return None if host and port.isdigit() else Path(address)


def _rounded(time_ms: int) -> int:
    if time_ms < _EXACT_MS:
        return time_ms
    step = int(10 ** (len(str(time_ms)) - 3))
    return time_ms // step * step
