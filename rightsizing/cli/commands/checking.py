"""``rightsize check``: what must hold before a phase, and whether it met its criteria."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from rightsizing.cli.deciding import assumptions_of
from rightsizing.cli.kpis import observed_kpis
from rightsizing.cli.live import facts_reader, now
from rightsizing.cli.profiling import StoreProfiles
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.profile import Evidence
from rightsizing.model.rollout import RolloutState
from rightsizing.plan.check import (
    Checklist,
    CheckStatus,
    EntryState,
    entry_checklist,
    success_checklist,
)
from rightsizing.plan.criteria import criteria_of_slos
from rightsizing.report import jsonview, terminal
from rightsizing.stack.applied import AppliedUpdate, applied_updates, in_force_since
from rightsizing.stack.facts import compare_facts
from rightsizing.stack.quarantine import Quarantine

EXIT_CODES = {CheckStatus.PASS: 0, CheckStatus.FAIL: 1, CheckStatus.UNKNOWN: 8}


@click.command(epilog="Example: rightsize check --phase 1")
@click.option("--phase", type=int, required=True, help="Phase to check.")
@click.option(
    "--when",
    type=click.Choice(["before", "after"]),
    help="Entry checks or success criteria.  [default: before, until the phase is applied]",
)
@click.pass_obj
def check(session: Session, phase: int, when: str | None) -> int:
    """Show a phase's checklist: pass, fail or unknown, each with its value and limit.

    Exits with 0 when everything passed, 1 when something failed, 8 when something is unknown.
    """
    updates = applied_updates(session.driver.history(session.stack))
    done = next((update for update in updates if update.succeeded), None)
    reached = 0 if done is None or isinstance(done.sizing, NoData) else done.sizing.phase
    if not 1 <= phase <= 9:
        raise ConfigError(f"--phase {phase} must be 1 to 9")
    if when is None:
        when = "after" if reached >= phase else "before"
    if when == "before":
        at = in_force_since(updates) or NoData("nothing was applied yet")
        found = _before(session, phase, reached, at)
    elif done is None or reached < phase:
        raise ConfigError(
            f"phase {phase} is not applied ({f'phase {reached}' if reached else 'none'} is), so "
            f"there is nothing to judge after it; run `rightsize check --phase {phase} --when "
            "before`"
        )
    else:
        found = _after(session, phase, done, updates)
    session.show(terminal.checklist(found), jsonview.checklist(found))
    return EXIT_CODES[found.status]


def _before(session: Session, phase: int, reached: int, at: datetime | NoData) -> Checklist:
    sizing = session.sizing
    assumptions = assumptions_of(session.settings)
    state = EntryState(
        phase=phase,
        applied_phase=reached,
        applied_at=at,
        now=now(),
        release=sizing.release,
        quarantined=Quarantine(session.stack.record_dir).entries(),
        evidence=_evidence(session, phase),
        facts=_facts(session),
        entry_days=assumptions.entry_days,
        watch_days=assumptions.watch_days,
    )
    return entry_checklist(state)


def _evidence(session: Session, phase: int) -> dict[str, Evidence | NoData]:
    release = session.sizing.release
    changed = {} if release is None else release.phases.get(str(phase), {})
    profiles = StoreProfiles(session, only=changed).all() if changed else {}
    return {
        key: profiles[key].evidence if key in profiles else NoData("the store holds nothing of it")
        for key in changed
    }


def _facts(session: Session) -> FactsReport | NoData:
    """Live facts against what was applied last: the stack file may already hold the next phase."""
    updates = applied_updates(session.driver.history(session.stack))
    done = next((update for update in updates if update.succeeded), None)
    if done is None or isinstance(done.sizing, NoData):
        return NoData("nothing was applied yet")
    workloads = session.declaration.workloads()
    try:
        return compare_facts(facts_reader(session)(workloads), done.sizing, workloads)
    except RightsizingError as error:
        return NoData(str(error))


def _after(
    session: Session, phase: int, done: AppliedUpdate, updates: Sequence[AppliedUpdate]
) -> Checklist:
    """Criteria, judged by what was measured since the present sizes are in force."""
    workloads = session.declaration.workloads()
    criteria = [
        (workload.key, criterion)
        for workload in workloads
        for criterion in criteria_of_slos(workload.slos)
    ]
    rollout = RolloutState() if isinstance(done.sizing, NoData) else done.sizing.rollout
    found = observed_kpis(session, since=in_force_since(updates), rollout=rollout)
    return success_checklist(phase, criteria, found)
