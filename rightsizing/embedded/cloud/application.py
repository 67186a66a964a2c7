"""The local cloud's web application: moto's, with a journal and a status page around it.

Requests are served one at a time, so that the journal's order is the order of effects. A call that
may change something is run at a fixed moment with a random seed made of its number, then written to
the journal with a fingerprint of its answer; a restart replays the journal and compares.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from rightsizing.embedded.cloud.alarms import AlarmWatch
from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.cloud.drift import Drifter
from rightsizing.embedded.cloud.history import parse_history
from rightsizing.embedded.cloud.inside import Answer, InsideApi
from rightsizing.embedded.cloud.journal import Journal, RecordedCall, digest_of, kept_headers
from rightsizing.embedded.cloud.metricstore import MetricStore
from rightsizing.embedded.cloud.pages import OwnPages
from rightsizing.embedded.cloud.paths import (
    CLEAR_METRICS_PATH,
    HISTORY_PATH,
    OWN_PREFIX,
    STATUS_PATH,
)
from rightsizing.embedded.cloud.plane.host import ContainerHost
from rightsizing.embedded.cloud.plane.plane import Plane
from rightsizing.embedded.cloud.repairs import SEED
from rightsizing.embedded.faults.book import FaultBook
from rightsizing.embedded.faults.launches import Launches
from rightsizing.embedded.faults.wire import Wire, break_connection, call_of

# Names of operations that change nothing, in every service this toolkit calls.
_READING = ("Describe", "Get", "List", "BatchGet", "Simulate", "Search", "Lookup", "Filter", "Test")
# Kept in the metric store's own file, not in the journal.
_METRIC_DATA = frozenset({"PutMetricData"})

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a replay did. ``different`` calls were answered otherwise than when recorded."""

    calls: int
    different: int


_REMEMBERED = 64  # answers; a client retries at once or not at all


class LocalApplication:
    """WSGI application of the local cloud."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        metrics: MetricStore,
        *,
        book: FaultBook,
        launches: Launches,
        host: ContainerHost | None = None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._launches = launches
        self._journal = Journal(directory / "calls.jsonl")
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._calls = 0
        self._restored = Restored(0, 0)
        self._inside: dict[str, InsideApi] = {}
        self._sent: dict[str, Answer] = {}  # by the client's invocation id, oldest first
        self._wire = Wire(book)
        self._drifter = Drifter(book, self.inside)
        self._alarms = AlarmWatch(clock)
        self._plane = Plane(
            directory / "plane.json",
            self.inside,
            metrics=metrics,
            clock=clock,
            book=book,
            host=host,
        )
        self._pages = OwnPages(self._plane, book, self._drifter)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        path, body = str(environ.get("PATH_INFO", "")), _take_body(environ)
        if path.startswith(OWN_PREFIX):
            with self._lock:
                return self._own_page(environ, path, body, start_response)
        call = call_of(environ, _operation(environ, body), body)
        repeated = self._sent.get(_invocation(environ) or "") if _is_retry(environ) else None
        if repeated is not None:
            start_response(repeated[0], repeated[1])
            return [repeated[2]]
        refusal = self._wire.before(call)
        if refusal is not None:
            start_response(f"{refusal.status} Planned", refusal.headers)
            return [refusal.body]
        with self._lock:
            self._plane.catch_up()
            self._drifter.before(call)
            if call.operation == "DescribeAlarms" and self._plane.region is not None:
                self._alarms.evaluate(self.inside(self._plane.region))
            old_definition = self._drifter.old_definition(call)
            status, headers, answer = self._serve(environ, body)
            self._drifter.after(call, old_definition)
        if self._wire.loses_reply(call):
            with suppress(OSError):
                break_connection(environ)
        else:
            self._remember(environ, (status, headers, answer))
        start_response(status, headers)
        return [answer]

    def _remember(self, environ: Environ, answer: Answer) -> None:
        """Keep an answer for the client that gives up waiting and asks again (a busy machine): what
        was done must not be done twice. A reply that a fault plan loses is not kept."""
        invocation = _invocation(environ)
        if invocation is None or int(answer[0].split(" ", 1)[0]) >= HTTPStatus.BAD_REQUEST:
            return
        with self._lock:
            self._sent[invocation] = answer
            while len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]

    def inside(self, region: str) -> InsideApi:
        """boto3 clients of this application, for use while it serves a request."""
        found = self._inside.get(region)
        if found is None:
            found = self._inside[region] = InsideApi(self._serve, region)
        return found

    def _own_page(
        self, environ: Environ, path: str, body: bytes, start_response: StartResponse
    ) -> list[bytes]:
        method = str(environ["REQUEST_METHOD"])
        if self._pages.serves(method, path):
            self._plane.catch_up()
            status, content = self._pages.answer(method, path, body)
            return _json(start_response, content, status)
        if path == CLEAR_METRICS_PATH:
            self._metrics.clear()
        elif path == HISTORY_PATH:
            for series in parse_history(body):
                self._metrics.replace(series.key, series.unit, series.points)
        elif path != STATUS_PATH:
            return _json(start_response, {"error": f"there is no page {path}"}, 404)
        return _json(start_response, self._status())

    def _serve(self, environ: Environ, body: bytes) -> Answer:
        if _changes_nothing(environ, body):
            return self._run(environ)
        return self._run_recorded(environ, body)

    def finish(self) -> None:
        """Wait for the call under way, and take no more."""
        self._lock.acquire()

    def replay(self) -> Restored:
        """Run the journal from the start. Called once, before the first request."""
        different = 0
        for call in self._journal.calls():
            builder = EnvironBuilder(
                path=call.path,
                query_string=call.query,
                method=call.method,
                headers=Headers(list(call.headers.items())),
                data=call.body,
                base_url="http://127.0.0.1",
            )
            environ = builder.get_environ()
            builder.close()
            with self._clock.at(call.moment_ms):
                mock_random.seed(f"{SEED}:{call.number}")
                self._launches.begin(call.launches)
                _, _, answer = self._run(environ)
            different += digest_of(answer) != call.digest
            self._calls = call.number
        self._restored = Restored(self._calls, different)
        return self._restored

    def _run_recorded(self, environ: Environ, body: bytes) -> Answer:
        number, moment_ms = self._calls + 1, self._clock.now_ms()
        with self._clock.at(moment_ms):
            mock_random.seed(f"{SEED}:{number}")
            self._launches.begin()
            status, headers, answer = self._run(environ)
        self._journal.append(
            RecordedCall(
                number=number,
                moment_ms=moment_ms,
                method=environ["REQUEST_METHOD"],
                path=environ.get("PATH_INFO", "/"),
                query=environ.get("QUERY_STRING", ""),
                headers=kept_headers(_headers(environ)),
                body=body,
                status=int(status.split(" ", 1)[0]),
                digest=digest_of(answer),
                launches=self._launches.made,
            )
        )
        self._calls = number
        return status, headers, answer

    def _run(self, environ: Environ) -> Answer:
        started: list[Any] = []

        def start_response(status: str, headers: list[Any], *_: Any) -> None:
            started[:] = [status, headers]

        chunks = self._moto(environ, start_response)
        try:
            answer = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return started[0], started[1], answer

    def _status(self) -> dict[str, Any]:
        return {
            "simulated": True,
            "directory": str(self._directory),
            "pid": os.getpid(),
            "calls": self._calls,
            "restored_calls": self._restored.calls,
            "different_calls": self._restored.different,
            "metric_points": self._metrics.count(),
        }


def _json(start_response: StartResponse, value: Any, status: int = 200) -> list[bytes]:
    start_response(f"{status} Own", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


def _invocation(environ: Environ) -> str | None:
    """The id that the SDK gives a call and all of its retries."""
    found = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
    return None if found is None else str(found)


def _is_retry(environ: Environ) -> bool:
    said = str(environ.get("HTTP_AMZ_SDK_REQUEST", ""))
    return "attempt=" in said and "attempt=1;" not in f"{said};"


def _take_body(environ: Environ) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _headers(environ: Environ) -> dict[str, str]:
    found = {
        key[5:].replace("_", "-").title(): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    return found | {"Content-Type": environ.get("CONTENT_TYPE", "")}


def _changes_nothing(environ: Environ, body: bytes) -> bool:
    operation = _operation(environ, body)
    if operation is None:  # a REST service
        return str(environ["REQUEST_METHOD"]) in {"GET", "HEAD", "OPTIONS"}
    return operation.startswith(_READING) or operation in _METRIC_DATA


def _operation(environ: Environ, body: bytes) -> str | None:
    """Name of the API operation: in a header (JSON), the path (CBOR) or the form (query, EC2)."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rsplit(".", 1)[-1]
    path = str(environ.get("PATH_INFO", ""))
    if "/operation/" in path:
        return path.rsplit("/", 1)[-1]
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        actions = parse_qs(body.decode("utf-8", "replace")).get("Action")
        return actions[0] if actions else None
    return None
