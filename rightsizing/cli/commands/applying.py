"""``rightsize preview``, ``apply``, ``retire`` and ``destroy``: changes, each shown before yes."""

from __future__ import annotations

import click
from rich.console import Group, RenderableType

from rightsizing.cli.live import facts_reader
from rightsizing.cli.oneatatime import require_no_running_rollout
from rightsizing.cli.progress import step_lines
from rightsizing.cli.session import Session
from rightsizing.cli.stackview import money_of, sizing_before, way_back
from rightsizing.errors import ConfigError, FactsMismatch, RightsizingError, UpdateFailed
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import Json
from rightsizing.plan.slots import retire_old_slots
from rightsizing.report import jsonview, terminal
from rightsizing.report.waybackpage import way_back_page
from rightsizing.stack.apply import ApplyPlan, ApplyResult, apply_stack
from rightsizing.stack.inverse import inverse_diff
from rightsizing.stack.lease import hold_lease


@click.command(epilog="Example: rightsize preview")
@click.option("--refresh", is_flag=True, help="Read the live cloud first, to see drift.")
@click.pass_obj
def preview(session: Session, refresh: bool) -> None:
    """Show what `pulumi up` would change, with monthly money, and the way back."""
    driver = session.driver
    result = driver.preview(session.stack, refresh=refresh)
    amounts = money_of(session, sizing_before(session), session.sizing)
    back = way_back(inverse_diff(result))
    session.show(
        Group(
            terminal.preview(result, amounts),
            terminal.renderable(way_back_page(back)),
        ),
        {**jsonview.preview(result, amounts), "way_back": jsonview.plain(back)},
    )


@click.command(epilog="Example: rightsize apply --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def apply(session: Session, yes: bool) -> int:
    """Apply the stack file, then compare what really runs with it.

    Shows the changes, their money and the way back, asks, updates, reads live facts from AWS and
    Docker, and records the outcome. Exits with 5 when the live facts differ.
    """
    return _apply(session, yes=yes)


@click.command(epilog="Example: rightsize retire --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def retire(session: Session, yes: bool) -> int:
    """Remove fleet slots that serve no traffic.

    Until then both sizes are paid for, and going back is a matter of seconds; afterwards new
    instances have to start first.
    """
    sizing = session.sizing
    retired = retire_old_slots(sizing.rollout)
    if retired == sizing.rollout:
        session.remark("nothing to retire: every slot serves traffic")
        return 0
    if sizing_before(session) != sizing:
        raise ConfigError(
            f"{session.stack.config_path.name} holds sizes that are not applied, and the old slot "
            "may serve until they are; run `rightsize apply` first"
        )
    before = session.stack_file
    session.write_sizing(StackSizing(sizing.release, sizing.phase, retired))
    try:
        return _apply(session, yes=yes)
    except (UpdateFailed, FactsMismatch):
        raise  # the update ran: `rightsize apply` goes on
    except (click.Abort, KeyboardInterrupt, RightsizingError):
        session.stack_file = before.restored()
        raise


@click.command(epilog="Example: rightsize destroy -s dev --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def destroy(session: Session, yes: bool) -> None:
    """Delete every resource of the stack. Protected resources make it fail."""
    require_no_running_rollout(session.stack)
    driver = session.driver
    count = len([item for item in driver.resources(session.stack) if item.id])
    session.confirm(f"Delete {count} resources of {session.stack.name}?", yes=yes)
    with hold_lease(session.stack.record_dir, "destroy"):
        result = driver.destroy(session.stack, message="rightsize destroy")
    session.show(
        f"deleted {len(result.changes)} resources",
        {"status": result.status.value, "deleted": [step.urn for step in result.changes]},
    )


def _apply(session: Session, *, yes: bool) -> int:
    require_no_running_rollout(session.stack)
    driver = session.driver
    if not driver.exists(session.stack):
        if not session.declaration.embedded:
            raise ConfigError(
                f"stack {session.stack.name} does not exist in the backend; make it with "
                f"`pulumi stack init {session.stack.name}`"
            )
        driver.create(session.stack)
    amounts = money_of(session, sizing_before(session), session.sizing)

    def confirm(plan: ApplyPlan) -> bool:
        if session.as_json and yes:
            return True
        view = Group(
            terminal.preview(plan.preview, amounts),
            terminal.renderable(way_back_page(way_back(plan.inverse))),
        )
        show = session.messages.print if session.as_json else session.print
        show(view)
        for note in plan.notes:
            session.remark(note)
        session.confirm(f"Apply this to {session.stack.name}?", yes=yes)
        return True

    result = apply_stack(
        driver,
        session.stack,
        read=facts_reader(session),
        confirm=confirm,
        listener=step_lines(session),
        say=session.remark,
    )
    session.show(_applied_view(result), _applied_json(result))
    result.require_match()
    return 0


def _applied_view(result: ApplyResult) -> RenderableType:
    if result.facts is None:
        return "nothing was changed"
    return terminal.facts(result.facts)


def _applied_json(result: ApplyResult) -> Json:
    return {
        "applied": result.applied,
        "steps": [] if result.operation is None else jsonview.plain(result.operation.changes),
        "facts": None if result.facts is None else jsonview.facts(result.facts),
        "record": None if result.record is None else jsonview.plain(result.record),
    }
