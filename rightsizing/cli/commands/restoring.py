"""``rightsize rollback``, ``history`` and ``status``: where a stack stands, and the way back."""

from __future__ import annotations

import click
from rich.console import Group
from rich.text import Text

from rightsizing.cli.live import facts_reader
from rightsizing.cli.oneatatime import require_no_running_rollout
from rightsizing.cli.progress import step_lines
from rightsizing.cli.session import Session
from rightsizing.cli.stackview import (
    history_rows,
    money_of,
    sizing_before,
    stack_status,
    way_back,
)
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.report import jsonview, terminal
from rightsizing.report.stackpage import RollbackSummary
from rightsizing.report.waybackpage import way_back_page
from rightsizing.rollout.restoration import RollbackPlan, RollbackResult
from rightsizing.rollout.rollback import rollback as roll_back
from rightsizing.stack.quarantine import Quarantine

SHORTEST_PREFIX = 4  # of a release id, as for `rollback --to`


@click.command(epilog="Example: rightsize rollback --yes")
@click.option("--to", help="Record number, release id prefix with optional @PHASE, or `declared`.")
@click.option("--reason", default="", help="Why; kept in the quarantine and the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rollback(session: Session, to: str | None, reason: str, yes: bool) -> int:
    """Restore the last good release and prove it by live facts.

    Takes the sizes of the last good update from stack history, applies them with refresh, compares
    what really runs, rewrites the stack file and quarantines what it left. Safe to run again after
    a crash. Exits with 0 restored, 6 partly restored, 7 failed.
    """
    require_no_running_rollout(session.stack)
    driver = session.driver
    before = sizing_before(session)

    def confirm(plan: RollbackPlan) -> bool:
        if session.as_json and yes:
            return True
        show = session.messages.print if session.as_json else session.print
        show(
            Group(
                terminal.preview(plan.preview, money_of(session, before, plan.target)),
                terminal.renderable(way_back_page(way_back(plan.diff))),
            )
        )
        for note in plan.notes:
            session.remark(note)
        session.confirm(f"Roll {session.stack.name} back?", yes=yes)
        return True

    result = roll_back(
        driver,
        session.stack,
        read=facts_reader(session),
        confirm=confirm,
        to=to,
        reason=reason,
        listener=step_lines(session),
        say=session.remark,
    )
    summary = rollback_summary(result)
    session.show(terminal.rollback(summary), jsonview.rollback(summary))
    return result.exit_code


def rollback_summary(result: RollbackResult) -> RollbackSummary:
    """The result in the words of a report."""
    actions = []
    if result.operation is not None:
        actions.append(f"{len(result.operation.changes)} resources changed, with refresh")
    if result.quarantined is not None:
        entry = result.quarantined
        actions.append(f"quarantined release {entry.release[:12]} at phase {entry.phase}")
    if result.record is not None:
        actions.append(f"record {result.record.number}: {result.record.verdict.value}")
    return RollbackSummary(
        outcome=result.outcome.value,
        sentence=result.sentence,
        facts=NoData("not read") if result.facts is None else result.facts,
        actions=tuple(actions),
    )


@click.command(epilog="Example: rightsize history")
@click.option("--limit", type=int, default=20, show_default=True, help="Show only the newest.")
@click.pass_obj
def history(session: Session, limit: int) -> None:
    """List the stack's updates with the verdict of their live facts, newest first."""
    rows = history_rows(session)[: max(limit, 1)]
    session.show(terminal.history(rows), jsonview.history(rows))


@click.command(epilog="Example: rightsize status")
@click.pass_obj
def status(session: Session) -> int:
    """Show release, phase and slots, and what really runs. Exits with 5 when they differ."""
    found = stack_status(session)
    session.show(terminal.status(found), jsonview.status(found))
    return 0 if isinstance(found.facts, NoData) or found.facts.matches else 5


@click.group(invoke_without_command=True, epilog="Example: rightsize quarantine")
@click.pass_context
def quarantine(ctx: click.Context) -> None:
    """List releases that were rolled back, or lift one."""
    if ctx.invoked_subcommand is None:
        session: Session = ctx.obj
        entries = Quarantine(session.stack.record_dir).entries()
        lines = [
            f"{item.release[:12]}@{item.phase}  {item.at:%Y-%m-%d %H:%M} UTC  {item.reason}"
            for item in entries
        ]
        session.show(
            Text("\n".join(lines) or "nothing is quarantined"),
            {"quarantine": jsonview.plain(entries)},
        )


@quarantine.command(epilog="Example: rightsize quarantine lift 47be8f0b --phase 1")
@click.argument("release")
@click.option("--phase", type=int, help="Only at this phase.  [default: at every phase]")
@click.pass_obj
def lift(session: Session, release: str, phase: int | None) -> None:
    """Allow a release that was rolled back to be applied again."""
    if len(release) < SHORTEST_PREFIX:
        raise ConfigError(f"release {release!r}: give at least {SHORTEST_PREFIX} characters")
    lifted = Quarantine(session.stack.record_dir).lift(release, phase)
    if not lifted:
        raise ConfigError(
            f"no quarantined release starts with {release!r}; `rightsize quarantine` lists them"
        )
    session.show(f"lifted {len(lifted)} entries", {"lifted": jsonview.plain(lifted)})
