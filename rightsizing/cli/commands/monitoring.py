"""``rightsize monitor``: watch workloads, tell of breaches; rules and silences."""

from __future__ import annotations

import json
import math
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.live import Live
from rich.table import Table

from rightsizing.cli.finite import FiniteRange
from rightsizing.cli.monitorpublishing import PAGE_PORT, PORT, publish
from rightsizing.cli.monitorsources import (
    alert_rules,
    monitor_memory,
    reading_sources,
    receivers,
)
from rightsizing.cli.monitorview import change_lines, round_table, summary
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.cli.sizingfigures import applied_texts, figures_cache
from rightsizing.errors import ConfigError
from rightsizing.monitor.board import AlertBoard
from rightsizing.monitor.exceedance import ExceedanceBook
from rightsizing.monitor.grafana import dashboard_json
from rightsizing.monitor.monitor import INTERVAL_S, Monitor, Round
from rightsizing.monitor.notification import Notifier
from rightsizing.monitor.outbox import Outbox
from rightsizing.monitor.prometheusrules import rule_file
from rightsizing.monitor.rulebook import distinct_rules
from rightsizing.monitor.silence import LONGEST_DAYS

_AT_REST = "no alert is pending, firing or without data"


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
@click.option("--export", "export_port", type=PORT, help="Serve the metrics of `exporter` here.")
@click.option(
    "--serve",
    "serve_port",
    type=PORT,
    is_flag=False,
    flag_value=PAGE_PORT,
    help=f"Serve the live page on this machine's port.  [default: {PAGE_PORT}]",
)
@click.option(
    "--for",
    "seconds",
    type=FiniteRange(min=0),
    help="Stop after this many seconds.  [default: Ctrl-C]",
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
    export_port: int | None,
    serve_port: int | None,
    seconds: float | None,
) -> int:
    """Watch workloads by the KPI table's alert rules until Ctrl-C, and tell of breaches.

    Alerts, what was told and silences survive a restart. A receiver that hangs delays nobody.
    """
    if context.invoked_subcommand is not None:
        return 0
    session: Session = context.obj
    sources = reading_sources(session, watch_docker, groups, pages)
    if not sources:
        raise ConfigError("nothing to watch: give --docker, --host or --page")
    memory = monitor_memory(session)
    kept, problem = memory.state()
    if problem:
        session.remark(problem)
    with ExitStack() as stack:
        told = receivers(session, stack, log_path, webhook_env, topic_arn, alertmanager)
        show = _shown(session, stack)
        figures = figures_cache(session)
        watching = Monitor(
            sources=sources,
            board=AlertBoard(alert_rules(session), interval_s=interval_s, kept=kept.board),
            notifier=Notifier(kept=kept.notifier),
            memory=memory,
            outboxes=[Outbox(item, report=session.remark) for item in told],
            interval_s=interval_s,
            exceedance=ExceedanceBook(kept.observed),
            applied_sizes=lambda: applied_texts(session),
        )
        published = publish(
            stack, watching, figures, export_port=export_port, serve_port=serve_port
        )
        for url in published.urls:
            session.remark(url)

        def listen(found: Round) -> None:
            show(found)
            published.take(found)

        watching.listener = listen
        stack.callback(watching.close)
        rounds = watching.run(for_s=math.inf if seconds is None else seconds)
    session.remark(f"{rounds} rounds")
    return 0 if show.complete else PARTIAL_DATA_EXIT_CODE


@monitor.command("rules", epilog="Example: rightsize monitor rules > rightsizing.rules.yaml")
@click.pass_obj
def rules(session: Session) -> int:
    """Print the alert rules as a Prometheus rule file."""
    found = distinct_rules(alert_rules(session))
    if session.as_json:
        session.show("", [rule.model_dump(mode="json") for rule in found])
    else:
        click.echo(rule_file(found), nl=False)
    return 0


@monitor.command("dashboard", epilog="Example: rightsize monitor dashboard > rightsizing.json")
@click.pass_obj
def dashboard(session: Session) -> int:
    """Print a Grafana dashboard of the same rules, to be imported; it asks for the data source."""
    click.echo(dashboard_json(distinct_rules(alert_rules(session))))
    return 0


@monitor.command("alerts", epilog="Example: rightsize monitor alerts")
@click.pass_obj
def alerts(session: Session) -> int:
    """Show the alerts that are not at rest, as the monitor last kept them."""
    state, problem = monitor_memory(session).state()
    if problem:
        session.remark(problem)
    nothing = "what the monitor kept cannot be read" if problem else _AT_REST
    table = Table("workload", "rule", "phase", "value", "since (UTC)")
    for item in state.board.alerts:
        since = datetime.fromtimestamp(item.state.since_ms / 1000, UTC)
        value = "-" if item.state.value is None else f"{item.state.value:.4g}"
        table.add_row(
            item.key.workload, item.key.rule, item.state.phase.value, value, f"{since:%F %T}"
        )
    session.show(
        table if state.board.alerts else nothing,
        state.board.model_dump(mode="json")["alerts"],
    )
    return PARTIAL_DATA_EXIT_CODE if problem else 0


@monitor.group("silence", epilog="Example: rightsize monitor silence list")
def silence() -> None:
    """Tell nobody of some alerts for a time."""


@silence.command(
    "add",
    epilog="Example: rightsize monitor silence add --workload 'web*' --reason 'load test'",
)
@click.option("--rule", default="*", show_default=True, help="Rule name, with * and ?.")
@click.option("--workload", default="*", show_default=True, help="Workload key, with * and ?.")
@click.option(
    "--hours",
    type=FiniteRange(min=0, max=24 * LONGEST_DAYS),
    default=1.0,
    show_default=True,
    help="How long.",
)
@click.option("--reason", required=True, help="Why, for whoever finds it.")
@click.pass_obj
def silence_add(session: Session, rule: str, workload: str, hours: float, reason: str) -> int:
    """Silence alerts."""
    memory = monitor_memory(session)
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
    found, problem = monitor_memory(session).silences()
    if problem:
        session.remark(problem)
    table = Table("number", "rule", "workload", "until (UTC)", "reason")
    for item in found.items:
        table.add_row(str(item.id), item.rule, item.workload, f"{item.until:%F %H:%M}", item.reason)
    session.show(
        table if found.items else "nothing is silenced", found.model_dump(mode="json")["items"]
    )
    return PARTIAL_DATA_EXIT_CODE if problem else 0


@silence.command("remove", epilog="Example: rightsize monitor silence remove 1")
@click.argument("number", type=int)
@click.pass_obj
def silence_remove(session: Session, number: int) -> int:
    """End a silence."""
    memory = monitor_memory(session)
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
