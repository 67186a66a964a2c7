"""A small web server on loopback: pages by path, and events that are pushed (server-sent events).

Only 127.0.0.1 is listened on, and only requests whose ``Host`` says so are answered, so that a page
from elsewhere cannot read it through a name that was pointed here. GET only; nothing is changed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from rightsizing.errors import ConfigError

LOOPBACK = "127.0.0.1"
MOST_LISTENERS = 16  # a thread each
_KEEP_ALIVE_S = 15.0
_TIMEOUT_S = 30.0
_QUEUE_LENGTH = 8
_HOSTS = frozenset({LOOPBACK, "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    content: bytes
    content_type: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Route = Callable[[Mapping[str, str]], Page]  # query -> page


class EventStream:
    """Events for whoever listens; a listener that does not keep up misses the oldest."""

    def __init__(self) -> None:
        self._listeners: set[queue.Queue[bytes | None]] = set()
        self._lock = threading.Lock()

    def publish(self, event: str, data: str) -> None:
        """Send to every listener; returns at once. ``data`` has no line ends."""
        content = f"event: {event}\ndata: {data}\n\n".encode()
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            _put(listener, content)

    @property
    def has_listeners(self) -> bool:
        """Whether anybody would see an event."""
        return bool(self._listeners)

    def open(self) -> queue.Queue[bytes | None] | None:
        """A new listener's queue; None: there are too many already."""
        with self._lock:
            if len(self._listeners) >= MOST_LISTENERS:
                return None
            listener: queue.Queue[bytes | None] = queue.Queue(_QUEUE_LENGTH)
            self._listeners.add(listener)
            return listener

    def leave(self, listener: queue.Queue[bytes | None]) -> None:
        """Forget a listener."""
        with self._lock:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every listener's answer."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            _put(listener, None)


class LocalServer:
    """Serves ``routes``, and ``events`` at ``/events``, in threads of its own.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(
        self, routes: Mapping[str, Route], *, port: int, events: EventStream | None = None
    ) -> None:
        handler = type("_Handler", (_Handler,), {"routes": routes, "events": events})
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"port {port} of {LOOPBACK} cannot be served on ({reason}); give another, 0 takes "
                "a free one"
            ) from error
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._events = events
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="local server", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        if self._events is not None:
            self._events.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    routes: Mapping[str, Route]
    events: EventStream | None
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    server_version, sys_version = "rightsizing", ""

    def do_GET(self) -> None:
        """Answer from the routes."""
        parts = urlsplit(self.path)
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in _HOSTS:
            self._answer(Page(b"only for this machine\n", "text/plain", 403))
        elif parts.path == "/events" and self.events is not None:
            self._stream(self.events)
        elif parts.path in self.routes:
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            self._answer(self.routes[parts.path](query))
        else:
            self._answer(Page(b"there is no such page\n", "text/plain", 404))

    def _answer(self, page: Page) -> None:
        self.send_response(page.status)
        self._common_headers(page.content_type)
        for name, value in page.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page.content)))
        self.end_headers()
        self.wfile.write(page.content)

    def _stream(self, events: EventStream) -> None:
        listener = events.open()
        if listener is None:
            self._answer(Page(b"too many listeners\n", "text/plain", 503))
            return
        self.close_connection = True
        try:
            self.send_response(200)
            self._common_headers("text/event-stream")
            self.end_headers()
            while True:
                try:
                    content = listener.get(timeout=_KEEP_ALIVE_S)
                except queue.Empty:
                    content = b": still here\n\n"  # notices a listener that went away
                if content is None:
                    return
                self.wfile.write(content)
                self.wfile.flush()
        except OSError:
            return
        finally:
            events.leave(listener)

    def _common_headers(self, content_type: str) -> None:
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Requests are nobody's news."""


def _put(listener: queue.Queue[bytes | None], content: bytes | None) -> None:
    while True:
        try:
            listener.put_nowait(content)
        except queue.Full:
            try:
                listener.get_nowait()
            except queue.Empty:
                continue
        else:
            return
