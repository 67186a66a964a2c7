"""What is known about a local cloud: its endpoints, its state, its own report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from rightsizing.embedded.cloud.history import HistorySeries, format_history
from rightsizing.embedded.cloud.paths import CLEAR_METRICS_PATH, HISTORY_PATH, STATUS_PATH
from rightsizing.errors import EmbeddedError

_ANSWER_TIMEOUT_S = 10.0  # it serves one call at a time, and a big one may be under way


@unique
class CloudState(StrEnum):
    """Whether the local cloud can be used."""

    ABSENT = "absent"  # never started
    RUNNING = "running"
    STOPPED = "stopped"  # on purpose; can be restored
    DEAD = "dead"  # should run and does not; can be restored


@dataclass(frozen=True, slots=True)
class LocalEndpoints:
    """Where the local cloud answers. ``docker_host`` is empty when no engine answers any more."""

    aws_url: str
    docker_host: str
    docker_simulated: bool
    docker_reason: str = ""  # why it is simulated
    notice: str | None = None  # one sentence when something was restored


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The server's own words."""

    directory: str
    pid: int
    calls: int
    restored_calls: int
    different_calls: int  # answered otherwise in the replay than when recorded
    metric_points: int


@dataclass(frozen=True, slots=True)
class CloudStatus:
    """State with its sentence. ``recorded_calls`` is what a restart would replay."""

    state: CloudState
    sentence: str
    endpoints: LocalEndpoints | None
    recorded_calls: int
    report: ServerReport | None


def ask(url: str) -> ServerReport | None:
    """The report of the server at ``url``, or None when none of ours answers there."""
    try:
        answer = _request(url, "GET", STATUS_PATH)
        fields = json.loads(answer)
        if fields.pop("simulated") is not True:
            return None
        return ServerReport(**fields)
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return None


def clear_metrics(url: str) -> None:
    """Make the server at ``url`` forget its metric data."""
    _tell(url, CLEAR_METRICS_PATH, b"")


def load_history(url: str, series: Iterable[HistorySeries]) -> None:
    """Set whole series in the server at ``url``."""
    _tell(url, HISTORY_PATH, format_history(series))


def _tell(url: str, path: str, body: bytes) -> None:
    try:
        _request(url, "POST", path, body)
    except (OSError, HTTPException) as error:
        raise EmbeddedError(f"the local cloud at {url} did not answer: {error}") from error


def _request(url: str, method: str, path: str, body: bytes = b"") -> bytes:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_ANSWER_TIMEOUT_S)
    try:
        connection.request(method, path, body)
        return connection.getresponse().read()
    finally:
        connection.close()
