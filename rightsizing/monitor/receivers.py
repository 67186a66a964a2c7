"""Who can be told: a log, a webhook, an Amazon SNS topic, an Alertmanager.

Every one answers within ``TIMEOUT_S`` or is taken for not having. Addresses may carry tokens, so
only their host is ever shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.model.update import Json
from rightsizing.monitor.alertstate import Phase
from rightsizing.monitor.notification import AlertNews, Notification

TIMEOUT_S = 10.0
_SUBJECT_LENGTH = 100  # of an SNS message, by its API reference
_ALERTMANAGER_PATH = "/api/v2/alerts"
# Alertmanager ends an alert that is not sent again within its resolve_timeout; a repeat comes
# every four hours, so the end is set beyond that.
_FIRING_FOR_MS = 5 * 3600 * 1000


class AwsCaller(Protocol):
    """What sends to SNS; ``measure.awsclients.AwsClients`` is one."""

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Make one API call. Raises RightsizingError."""
        ...


def message_json(message: Notification) -> dict[str, object]:
    """The message for programs; times are ISO 8601, UTC."""
    return {
        "rule": message.rule.name,
        "severity": message.severity.value,
        "meaning": message.rule.meaning,
        "status": "firing" if message.is_firing else "resolved",
        "at": _iso(message.at_ms),
        "text": message.sentence,
        "alerts": [
            {
                "workload": item.workload,
                "state": item.phase.value,
                "value": item.value,
                "since": _iso(item.since_ms),
            }
            for item in message.news
        ],
    }


class LogReceiver:
    """One line of JSON a message, for a log collector or a person."""

    name = "log"

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def send(self, message: Notification) -> None:
        """Write the line. Raises TelemetryError when it cannot be written."""
        try:
            self._write(json.dumps(message_json(message)))
        except OSError as error:
            raise TelemetryError(f"the log cannot be written ({error.strerror})") from error


class WebhookReceiver:
    """POSTs the message as JSON."""

    def __init__(self, url: str) -> None:
        self._url = _required_url(url, "webhook")
        self.name = f"webhook {urlsplit(url).hostname}"

    def send(self, message: Notification) -> None:
        """Post. Raises TelemetryError on anything but an answer below 300."""
        _post(self._url, message_json(message), self.name)


class AlertmanagerReceiver:
    """Hands alerts to an Alertmanager, which groups and routes them by its own rules."""

    def __init__(self, url: str) -> None:
        self._url = _required_url(url, "alertmanager").rstrip("/") + _ALERTMANAGER_PATH
        self.name = f"alertmanager {urlsplit(url).hostname}"

    def send(self, message: Notification) -> None:
        """Post every alert of the message. Raises TelemetryError as the webhook does."""
        alerts = [_for_alertmanager(message, item) for item in message.news]
        _post(self._url, alerts, self.name)


class SnsReceiver:
    """Publishes to a topic: a subject for mail, the sentence, the JSON behind it."""

    def __init__(self, aws: AwsCaller, topic_arn: str) -> None:
        if not topic_arn.startswith("arn:"):
            raise ConfigError(
                f"{topic_arn!r} is no topic's ARN; give arn:aws:sns:REGION:ACCOUNT:NAME"
            )
        self._aws = aws
        self._topic_arn = topic_arn
        self.name = f"sns {topic_arn.rpartition(':')[2]}"

    def send(self, message: Notification) -> None:
        """Publish. Raises what the caller raises."""
        status = "FIRING" if message.is_firing else "RESOLVED"
        subject = f"[{status}] {message.rule.name}: {len(message.news)} workloads"
        body = json.dumps(message_json(message), indent=2)
        self._aws.call(
            "sns",
            "publish",
            TopicArn=self._topic_arn,
            Subject=subject[:_SUBJECT_LENGTH],
            Message=f"{message.sentence}\n\n{body}",
        )


def _for_alertmanager(message: Notification, item: AlertNews) -> dict[str, object]:
    firing = item.phase is Phase.FIRING
    return {
        "labels": {
            "alertname": message.rule.name,
            "workload": item.workload,
            "severity": message.severity.value,
        },
        "annotations": {"summary": f"{item.workload}: {message.rule.meaning}"},
        "startsAt": _iso(item.since_ms),
        "endsAt": _iso(message.at_ms + (_FIRING_FOR_MS if firing else 0)),
    }


def _post(url: str, content: Json, name: str) -> None:
    try:
        answer = requests.post(url, json=content, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        # the exception's text holds the address with its token
        raise TelemetryError(f"{name} does not answer ({type(error).__name__})") from error
    if answer.status_code >= 300:
        raise TelemetryError(f"{name} answered {answer.status_code}")


def _required_url(url: str, what: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        valid = False
    if not valid:
        raise ConfigError(f"the {what} address must begin with http:// or https:// and a host")
    return url


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
