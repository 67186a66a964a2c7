"""``rightsize plan``: phases, money, and the three keys in the stack file."""

from __future__ import annotations

import click

from rightsizing.cli.deciding import make_plan
from rightsizing.cli.riskoption import risk_option, with_risk
from rightsizing.cli.session import PARTIAL_DATA_EXIT_CODE, Session
from rightsizing.cli.stackview import sizing_to_plan_from
from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.release import Release
from rightsizing.model.stackconfig import StackSizing
from rightsizing.plan.phases import require_phase_order
from rightsizing.plan.slots import settle_rollout
from rightsizing.report import jsonview, terminal
from rightsizing.stack.lease import hold_lease
from rightsizing.stack.quarantine import Quarantine


@click.command(epilog="Example: rightsize plan && pulumi preview")
@click.option("--phase", type=int, help="Phase to set.  [default: the first that changes a size]")
@click.option("--dry-run", is_flag=True, help="Show the plan and write nothing.")
@risk_option
@click.option("--set", "overrides", multiple=True, help="A setting: NAME=VALUE (docs/reference).")
@click.pass_obj
def plan(
    session: Session,
    phase: int | None,
    dry_run: bool,
    risk: str | None,
    overrides: tuple[str, ...],
) -> int:
    """Turn measurements into phases and write them into the stack file.

    Without --phase a new release is made from the measurements. With --phase N the release in the
    stack file is kept, if there is one, and only phase and slots move. Both start from the sizes
    that were applied last: a plan that nobody applied is planned again, not built upon.
    """
    session.overrides = with_risk(overrides, risk)
    current, kept = sizing_to_plan_from(session)
    if phase is not None and kept is not None:
        return _move(session, current, kept, phase, dry_run=dry_run)
    made, decided = make_plan(session, current)
    release = made.release
    first = min((int(number) for number, sizes in release.phases.items() if sizes), default=0)
    wanted = first if phase is None else phase
    if phase is not None:
        require_phase_order(0, wanted)
    if wanted > 0:
        _refuse_quarantined(session, release, wanted)
    session.show(terminal.plan(made), jsonview.plan(made))
    for failure in decided.failures:
        session.remark(f"not planned: {failure}")
    if release.last_phase() == 0 and session.declaration.last_phase() == 0:
        session.remark("nothing to change: no recommendation would change a size")
    elif not dry_run:
        _write(session, current, release, wanted)
    return PARTIAL_DATA_EXIT_CODE if decided.failures else 0


def _move(
    session: Session, current: StackSizing, release: Release, phase: int, *, dry_run: bool
) -> int:
    require_phase_order(current.phase, phase)
    last = max(release.last_phase(), session.declaration.last_phase())
    if phase > max(last, current.phase):
        raise ConfigError(
            f"release {release.short_id} changes nothing after phase {last}; "
            "run `rightsize plan` for a new release"
        )
    _refuse_quarantined(session, release, phase)
    sizes = {key: str(release.size_at(key, phase)) for key in release.workloads()}
    session.show(
        "\n".join(f"{key}: {size}" for key, size in sizes.items()),
        {"release": release.id, "phase": phase, "sizes": sizes},
    )
    if not dry_run:
        _write(session, current, release, phase)
    return 0


def _refuse_quarantined(session: Session, release: Release, phase: int) -> None:
    """Do not write what ``apply`` and the program would refuse, whatever was measured since."""
    found = Quarantine(session.stack.record_dir).find(release.id, phase)
    if found is not None:
        raise PlanRejected(
            f"release {release.short_id} is quarantined at phase {phase} ({found.reason}); measure "
            "until the sizes change, or allow it with `rightsize quarantine lift "
            f"{release.short_id}`"
        )


def _write(session: Session, current: StackSizing, release: Release, phase: int) -> None:
    proxied = {item.key for item in session.declaration.workloads() if item.proxied}
    rollout = settle_rollout(current, release, phase, proxied)
    # While an apply asks or runs, the file stays what it was shown to be.
    with hold_lease(session.stack.record_dir, "plan"):
        session.write_sizing(StackSizing(release, phase, rollout))
    session.remark(
        f"{session.stack.config_path.name}: release {release.short_id}, phase {phase}; see it with "
        "`rightsize preview` or `pulumi preview`"
    )
