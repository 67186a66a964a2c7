"""``rightsize commit approve``: the yes to a purchase, after a soak."""

from __future__ import annotations

from datetime import timedelta

import click

from rightsizing.cli.live import now
from rightsizing.cli.session import Session
from rightsizing.cli.writing import write_confirmed
from rightsizing.errors import ConfigError
from rightsizing.model.phased import CommitmentsDeclaration, Confirmation
from rightsizing.stack.purchases import require_soak

DEFAULT_SOAK_DAYS = 14.0  # two weeks hold two of every weekday
LEAST_SOAK_DAYS = 7.0
DEFAULT_QUEUE_HOURS = 24.0


@click.command(epilog="Example: rightsize commit approve --stack prod --confirm")
@click.option("--confirm", is_flag=True, help="Write the confirmation into the stack file.")
@click.option(
    "--soak-days",
    type=float,
    default=DEFAULT_SOAK_DAYS,
    show_default=True,
    help="How long the release must have run, at least 7.",
)
@click.option(
    "--hours",
    type=float,
    default=DEFAULT_QUEUE_HOURS,
    show_default=True,
    help="Until queued savings plans are bought; they can be withdrawn so long.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def approve(session: Session, confirm: bool, soak_days: float, hours: float, yes: bool) -> None:
    """Confirm the proposed commitments of the stack file, so that the next update buys them.

    Only in production, and only when the stack's release has run long enough at its phase. A change
    of the proposal makes the confirmation invalid. Without --confirm it shows what would be bought.
    """
    if soak_days < LEAST_SOAK_DAYS:
        raise ConfigError(f"--soak-days {soak_days:g} must be at least {LEAST_SOAK_DAYS:g}")
    if not 1 <= hours <= 24 * 30:
        raise ConfigError(f"--hours {hours:g} must be from 1 to 720")
    declared = session.declaration.commitments
    if declared.empty:
        raise ConfigError(
            f"{session.stack.config_path.name} proposes no commitments; write some with "
            "`rightsize commit recommend --write`"
        )
    if session.declaration.embedded:
        raise ConfigError(f"stack {session.stack_name} is embedded, where nothing is sold")
    sizing = session.sizing
    if sizing.release is None or sizing.phase < declared.phase:
        raise ConfigError(
            f"commitments are bought for phase {declared.phase}, and the stack is at phase "
            f"{sizing.phase}; apply that phase first"
        )
    moment = now().replace(microsecond=0)
    since = require_soak(session.driver.history(session.stack), sizing, soak_days, moment)
    purchase_at = moment + timedelta(hours=hours)
    lines = _lines(declared)
    lines.append(
        f"release {sizing.release.short_id} has run at phase {sizing.phase} since "
        f"{since:%Y-%m-%d %H:%M} UTC"
    )
    lines.append(f"savings plans are queued until {purchase_at:%Y-%m-%d %H:%M} UTC")
    session.show(
        "\n".join(lines),
        {
            "digest": declared.digest,
            "commitments": declared.model_dump(mode="json", exclude_none=True),
            "since": since.isoformat(),
            "purchase_at": purchase_at.isoformat(),
            "confirmed": confirm,
        },
    )
    if not confirm:
        session.remark("nothing is confirmed; say --confirm to have the next update buy it")
        return
    session.confirm(f"Have the next update of {session.stack.name} buy this?", yes=yes)
    confirmation = Confirmation(
        digest=declared.digest,
        release=sizing.release.id,
        phase=sizing.phase,
        at=moment,
        purchase_at=purchase_at,
    )
    write_confirmed(session, declared.model_copy(update={"confirmed": confirmation}))


def _lines(declared: CommitmentsDeclaration) -> list[str]:
    lines = []
    for item in declared.plan.decisions:
        what = f"{item.kind.value}, {item.term_years} y, {item.payment.value}"
        if item.kind.is_reservation:
            lines.append(f"by hand: {item.count} x {item.instance_type}, {what}")
        else:
            lines.append(f"${item.hourly_commitment} an hour, {what}, {item.offering_id}")
    for name, node in declared.cache_nodes.items():
        lines.append(f"{node.count} reserved cache nodes {name}, {node.offering_id}")
    for name, database in declared.databases.items():
        lines.append(f"{database.count} reserved databases {name}, {database.offering_id}")
    return lines
