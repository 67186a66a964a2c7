"""What a monitor looks at and whom it tells, from the options of a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from rightsizing.cli.live import aws_clients
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.measure.docker import DockerSource, connect
from rightsizing.measure.host import HostSource, ProcessGroup
from rightsizing.model.alerting import AlertRule
from rightsizing.model.workload import WORKLOAD_KEY_PATTERN
from rightsizing.monitor.memory import Memory
from rightsizing.monitor.outbox import Receiver
from rightsizing.monitor.reading import ReadingSource
from rightsizing.monitor.receivers import (
    AlertmanagerReceiver,
    LogReceiver,
    SnsReceiver,
    WebhookReceiver,
)
from rightsizing.monitor.rulebook import rules_of
from rightsizing.monitor.sampled import SampledSource
from rightsizing.monitor.scraped import ScrapedSource, ScrapeTarget

FOLDER = "monitor"


def reading_sources(
    session: Session, watch_docker: bool, groups: tuple[str, ...], pages: tuple[str, ...]
) -> list[ReadingSource]:
    """Sources as the options name them; none when none is named. Raises ConfigError."""
    found: list[ReadingSource] = []
    if watch_docker:
        if session.in_project:
            session.use_local_cloud()
        found.append(SampledSource(DockerSource(connect())))
    if groups:
        found.append(SampledSource(HostSource([ProcessGroup.parse(text) for text in groups])))
    if pages:
        found.append(ScrapedSource([_page(text) for text in pages]))
    return found


def alert_rules(session: Session) -> Mapping[str, tuple[AlertRule, ...]]:
    """Rules by workload; those of the declared objectives when there is a project."""
    return rules_of(session.declaration.workloads() if session.in_project else ())


def monitor_memory(session: Session) -> Memory:
    """Where the monitor of this stack keeps its state."""
    folder = session.stack.record_dir if session.in_project else session.state_dir
    return Memory(folder / FOLDER)


def receivers(
    session: Session,
    stack: ExitStack,
    log_path: Path | None,
    webhook_env: str | None,
    topic_arn: str | None,
    alertmanager: str | None,
) -> list[Receiver]:
    """Whom to tell; files are closed with ``stack``. Raises ConfigError."""
    found: list[Receiver] = []
    if log_path is not None:
        found.append(LogReceiver(_appender(stack, log_path)))
    if webhook_env is not None:
        url = os.environ.get(webhook_env)
        if not url:
            raise ConfigError(f"--webhook-env {webhook_env}: that variable is not set")
        found.append(WebhookReceiver(url))
    if topic_arn is not None:
        found.append(SnsReceiver(aws_clients(session), topic_arn))
    if alertmanager is not None:
        found.append(AlertmanagerReceiver(alertmanager))
    return found


def _appender(stack: ExitStack, path: Path) -> Callable[[str], None]:
    try:
        file: TextIO = stack.enter_context(path.open("a", encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--log {path} cannot be written ({error.strerror})") from error

    def write(line: str) -> None:
        file.write(line + "\n")
        file.flush()

    return write


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        return False


def _page(text: str) -> ScrapeTarget:
    workload, separator, url = text.partition("=")
    if not separator or not _is_address(url):
        raise ConfigError(f"--page {text[:120]!r} must be WORKLOAD=http://HOST:PORT/metrics")
    if not WORKLOAD_KEY_PATTERN.match(workload):
        raise ConfigError(
            f"workload key {workload[:40]!r} must be 1-128 letters, digits, '.', '_', '/' or '-'"
        )
    return ScrapeTarget(workload=workload, url=url)
