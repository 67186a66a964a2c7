"""``rightsize monitor``: watch workloads, tell of breaches; rules and silences."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import click
from rich.live import Live
from rich.table import Table

from rightsizing.cli.live import aws_clients
from rightsizing.cli.monitorview import change_lines, round_table, summary
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.errors import ConfigError
from rightsizing.measure.docker import DockerSource, connect
from rightsizing.measure.host import HostSource, ProcessGroup
from rightsizing.model.alerting import AlertRule
from rightsizing.model.workload import WORKLOAD_KEY_PATTERN
from rightsizing.monitor.board import AlertBoard
from rightsizing.monitor.memory import Memory
from rightsizing.monitor.monitor import INTERVAL_S, Monitor, Round
from rightsizing.monitor.notification import Notifier
from rightsizing.monitor.outbox import Outbox, Receiver
from rightsizing.monitor.prometheusrules import rule_file
from rightsizing.monitor.reading import ReadingSource
from rightsizing.monitor.receivers import (
    AlertmanagerReceiver,
    LogReceiver,
    SnsReceiver,
    WebhookReceiver,
)
from rightsizing.monitor.rulebook import distinct_rules, rules_of
from rightsizing.monitor.sampled import SampledSource
from rightsizing.monitor.scraped import ScrapedSource, ScrapeTarget

FOLDER = "monitor"


@click.group(
    invoke_without_command=True,
    epilog="Example: rightsize monitor --docker --page trader=http://127.0.0.1:9101/metrics",
)
@click.option("--docker", "watch_docker", is_flag=True, help="Watch this machine's containers.")
@click.option(
    "--host", "groups", multiple=True, help="Watch processes: WORKLOAD=REGULAR_EXPRESSION."
)
@click.option(
    "--page", "pages", multiple=True, help="Read a metrics page: WORKLOAD=http://HOST:PORT/metrics."
)
@click.option(
    "--interval", "interval_s", type=float, default=INTERVAL_S, show_default=True, help="Seconds."
)
@click.option(
    "--log",
    "log_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Tell: append to this file.",
)
@click.option("--webhook-env", help="Tell: POST to the address in this environment variable.")
@click.option("--sns", "topic_arn", help="Tell: publish to this Amazon SNS topic.")
@click.option("--alertmanager", help="Tell: hand over to the Alertmanager at this address.")
@click.option(
    "--for", "seconds", type=float, help="Stop after this many seconds.  [default: Ctrl-C]"
)
@click.pass_context
def monitor(
    context: click.Context,
    watch_docker: bool,
    groups: tuple[str, ...],
    pages: tuple[str, ...],
    interval_s: float,
    log_path: Path | None,
    webhook_env: str | None,
    topic_arn: str | None,
    alertmanager: str | None,
    seconds: float | None,
) -> int:
    """Watch workloads by the KPI table's alert rules until Ctrl-C, and tell of breaches.

    Alerts, what was told and silences survive a restart. A receiver that hangs delays nobody.
    """
    if context.invoked_subcommand is not None:
        return 0
    session: Session = context.obj
    sources: list[ReadingSource] = []
    if watch_docker:
        if session.in_project:
            session.use_local_cloud()
        sources.append(SampledSource(DockerSource(connect())))
    if groups:
        sources.append(SampledSource(HostSource([ProcessGroup.parse(text) for text in groups])))
    if pages:
        sources.append(ScrapedSource([_page(text) for text in pages]))
    if not sources:
        raise ConfigError("nothing to watch: give --docker, --host or --page")
    memory = _memory(session)
    kept, problem = memory.state()
    if problem:
        session.remark(problem)
    with ExitStack() as stack:
        receivers = _receivers(session, stack, log_path, webhook_env, topic_arn, alertmanager)
        show = _shown(session, stack)
        watching = Monitor(
            sources=sources,
            board=AlertBoard(_rules(session), interval_s=interval_s, kept=kept.board),
            notifier=Notifier(kept=kept.notifier),
            memory=memory,
            outboxes=[Outbox(item, report=session.remark) for item in receivers],
            interval_s=interval_s,
            listener=show,
        )
        stack.callback(watching.close)
        end = None if seconds is None else time.monotonic() + seconds
        rounds = watching.run(keep_on=lambda: end is None or time.monotonic() < end)
    session.remark(f"{rounds} rounds")
    return 0 if show.complete else PARTIAL_DATA_EXIT_CODE


@monitor.command("rules", epilog="Example: rightsize monitor rules > rightsizing.rules.yaml")
@click.pass_obj
def rules(session: Session) -> int:
    """Print the alert rules as a Prometheus rule file."""
    found = distinct_rules(_rules(session))
    if session.as_json:
        session.show("", [rule.model_dump(mode="json") for rule in found])
    else:
        click.echo(rule_file(found), nl=False)
    return 0


@monitor.command("alerts", epilog="Example: rightsize monitor alerts")
@click.pass_obj
def alerts(session: Session) -> int:
    """Show the alerts that are not at rest, as the monitor last kept them."""
    state, problem = _memory(session).state()
    if problem:
        session.remark(problem)
    table = Table("workload", "rule", "phase", "value", "since (UTC)")
    for item in state.board.alerts:
        since = datetime.fromtimestamp(item.state.since_ms / 1000, UTC)
        value = "-" if item.state.value is None else f"{item.state.value:.4g}"
        table.add_row(
            item.key.workload, item.key.rule, item.state.phase.value, value, f"{since:%F %T}"
        )
    session.show(
        table if state.board.alerts else "no alert is pending, firing or without data",
        state.board.model_dump(mode="json")["alerts"],
    )
    return 0


@monitor.group("silence")
def silence() -> None:
    """Tell nobody of some alerts for a time."""


@silence.command(
    "add",
    epilog="Example: rightsize monitor silence add --workload 'web*' --reason 'load test'",
)
@click.option("--rule", default="*", show_default=True, help="Rule name, with * and ?.")
@click.option("--workload", default="*", show_default=True, help="Workload key, with * and ?.")
@click.option("--hours", type=float, default=1.0, show_default=True, help="How long.")
@click.option("--reason", required=True, help="Why, for whoever finds it.")
@click.pass_obj
def silence_add(session: Session, rule: str, workload: str, hours: float, reason: str) -> int:
    """Silence alerts."""
    memory = _memory(session)
    found, _ = memory.silences()
    lasting = timedelta(hours=hours)
    made = found.added(
        rule=rule, workload=workload, now=datetime.now(UTC), lasting=lasting, reason=reason
    )
    memory.keep_silences(made)
    last = made.items[-1]
    session.show(f"silence {last.id} until {last.until:%F %H:%M} UTC", last.model_dump(mode="json"))
    return 0


@silence.command("list", epilog="Example: rightsize monitor silence list")
@click.pass_obj
def silence_list(session: Session) -> int:
    """List silences."""
    found, problem = _memory(session).silences()
    if problem:
        session.remark(problem)
    table = Table("number", "rule", "workload", "until (UTC)", "reason")
    for item in found.items:
        table.add_row(str(item.id), item.rule, item.workload, f"{item.until:%F %H:%M}", item.reason)
    session.show(
        table if found.items else "nothing is silenced", found.model_dump(mode="json")["items"]
    )
    return 0


@silence.command("remove", epilog="Example: rightsize monitor silence remove 1")
@click.argument("number", type=int)
@click.pass_obj
def silence_remove(session: Session, number: int) -> int:
    """End a silence."""
    memory = _memory(session)
    found, _ = memory.silences()
    memory.keep_silences(found.without(number))
    session.show(f"silence {number} is ended", {"removed": number})
    return 0


class _Shown:
    """Shows rounds: a live table on a terminal, else a line a change."""

    def __init__(self, session: Session, live: Live | None) -> None:
        self._session, self._live = session, live
        self.complete = True
        self._before: Round | None = None

    def __call__(self, found: Round) -> None:
        self.complete = self.complete and not found.problems
        if self._session.as_json:
            told = [message.sentence for message in found.told]
            page = {"round": found.number, "at_ms": found.now_ms, "alerts": summary(found)}
            click.echo(json.dumps({**page, "told": told, "problems": list(found.problems)}))
        elif self._live is not None:
            self._live.update(round_table(found), refresh=True)
        else:
            for line in change_lines(found, self._before):
                click.echo(line)
            sys.stdout.flush()
        self._before = found


def _shown(session: Session, stack: ExitStack) -> _Shown:
    if session.as_json or not session.console.is_terminal:
        return _Shown(session, None)
    live = stack.enter_context(Live(console=session.console, auto_refresh=False))
    return _Shown(session, live)


def _receivers(
    session: Session,
    stack: ExitStack,
    log_path: Path | None,
    webhook_env: str | None,
    topic_arn: str | None,
    alertmanager: str | None,
) -> list[Receiver]:
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


def _page(text: str) -> ScrapeTarget:
    workload, separator, url = text.partition("=")
    if not separator or not url.startswith(("http://", "https://")):
        raise ConfigError(f"--page {text!r} must be WORKLOAD=http://HOST:PORT/metrics")
    if not WORKLOAD_KEY_PATTERN.match(workload):
        raise ConfigError(
            f"workload key {workload[:40]!r} must be 1-128 letters, digits, '.', '_', '/' or '-'"
        )
    return ScrapeTarget(workload=workload, url=url)


def _rules(session: Session) -> Mapping[str, tuple[AlertRule, ...]]:
    return rules_of(session.declaration.workloads() if session.in_project else ())


def _memory(session: Session) -> Memory:
    folder = session.stack.record_dir if session.in_project else session.state_dir
    return Memory(folder / FOLDER)
