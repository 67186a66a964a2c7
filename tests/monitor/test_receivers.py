"""What each receiver is sent, by recorded calls and a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.model.alerting import AlertRule, Indicator, Severity
from rightsizing.monitor.alertstate import Phase
from rightsizing.monitor.notification import AlertNews, Notification
from rightsizing.monitor.receivers import (
    AlertmanagerReceiver,
    LogReceiver,
    SnsReceiver,
    WebhookReceiver,
)

RULE = AlertRule(
    name="CpuHigh",
    indicator=Indicator.CPU_RATIO,
    above=0.9,
    severity=Severity.PAGE,
    meaning="CPU is high",
)
MESSAGE = Notification(
    RULE,
    (AlertNews("a", Phase.FIRING, 0.95, 60_000), AlertNews("b", Phase.INACTIVE, 0.2, 90_000)),
    90_000,
)


@dataclass
class Server:
    """A server on loopback that keeps what it was sent."""

    url: str
    status: int = 200
    got: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """Running for one test."""
    found = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, json.loads(body)))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield found
        listening.shutdown()
        thread.join()


def test_the_log_is_one_line_of_json() -> None:
    """Readable by a log collector."""
    lines: list[str] = []
    LogReceiver(lines.append).send(MESSAGE)
    (line,) = lines
    found = json.loads(line)
    assert found["rule"] == "CpuHigh"
    assert found["alerts"][0] == {
        "workload": "a",
        "state": "firing",
        "value": 0.95,
        "since": "1970-01-01T00:01:00.000+00:00",
    }


def test_a_webhook_gets_the_message(server: Server) -> None:
    """Posted as JSON to the path it was given."""
    WebhookReceiver(f"{server.url}/hook").send(MESSAGE)
    ((path, body),) = server.got
    assert path == "/hook"
    assert body["status"] == "firing"
    assert [item["workload"] for item in body["alerts"]] == ["a", "b"]


def test_a_refusal_is_an_error_without_the_token(server: Server) -> None:
    """The address may hold a secret; only the host is said."""
    server.status = 503
    with pytest.raises(TelemetryError, match=r"^webhook 127\.0\.0\.1 answered 503$") as caught:
        WebhookReceiver(f"{server.url}/hook?token=secret").send(MESSAGE)
    assert "secret" not in str(caught.value)


def test_nobody_there_is_an_error_without_the_token() -> None:
    """Port 9 of loopback is closed."""
    with pytest.raises(TelemetryError, match="does not answer") as caught:
        WebhookReceiver("http://127.0.0.1:9/secret").send(MESSAGE)
    assert "secret" not in str(caught.value)


def test_alertmanager_gets_labels_and_an_end(server: Server) -> None:
    """A resolved alert ends now; a firing one when no repeat came for five hours."""
    AlertmanagerReceiver(server.url).send(MESSAGE)
    ((path, body),) = server.got
    assert path == "/api/v2/alerts"
    assert body[0]["labels"] == {"alertname": "CpuHigh", "workload": "a", "severity": "page"}
    assert body[0]["endsAt"] == "1970-01-01T05:01:30.000+00:00"
    assert body[1]["endsAt"] == "1970-01-01T00:01:30.000+00:00"


def test_sns_is_published_to_the_topic() -> None:
    """Subject for mail, the sentence first in the body."""
    calls: list[tuple[str, str, dict[str, Any]]] = []

    class Caller:
        def call(self, service: str, operation: str, **parameters: Any) -> None:
            calls.append((service, operation, parameters))

    SnsReceiver(Caller(), "arn:aws:sns:us-east-1:123456789012:alerts").send(MESSAGE)
    ((service, operation, parameters),) = calls
    assert (service, operation) == ("sns", "publish")
    assert parameters["Subject"] == "[FIRING] CpuHigh: 2 workloads"
    assert parameters["Message"].startswith(MESSAGE.sentence)


@pytest.mark.parametrize("url", ["example.com/hook", "ftp://example.com", "http://"])
def test_an_address_must_be_http(url: str) -> None:
    """Anything else is refused before the first message."""
    with pytest.raises(ConfigError, match="must begin with http"):
        WebhookReceiver(url)


def test_a_topic_must_be_an_arn() -> None:
    """A bare name would fail only at the first alert."""
    with pytest.raises(ConfigError, match="no topic's ARN"):
        SnsReceiver(object(), "alerts")  # type: ignore[arg-type]
