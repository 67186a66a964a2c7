"""A stack as its reports show it: history rows, status, money of a change."""

from __future__ import annotations

from infra.components.naming import resource_stem
from rightsizing.cli.live import facts_reader
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.facts import ContainerFacts, FactsReport
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry
from rightsizing.model.workload import Architecture
from rightsizing.report.money import PreviewMoney, WorkloadRates, preview_money
from rightsizing.report.runreport import UpdateNote
from rightsizing.report.stackpage import HistoryRow, StackStatus
from rightsizing.report.waybackpage import WayBack
from rightsizing.stack.applied import applied_updates, live_sizes, sizing_id
from rightsizing.stack.facts import compare_facts
from rightsizing.stack.inverse import InverseDiff
from rightsizing.stack.ledger import Ledger, LedgerReading


def sizing_before(session: Session) -> StackSizing | None:
    """What the newest successful update applied; None when there is none."""
    history = session.driver.history(session.stack) if _exists(session) else ()
    for update in applied_updates(history):
        if update.succeeded and not isinstance(update.sizing, NoData):
            return update.sizing
    return None


def sizing_to_plan_from(session: Session) -> tuple[StackSizing, Release | None]:
    """What was applied last, and the release that `plan --phase` moves within.

    The stack file may hold a release that nobody applied, or an edited one; sizes built upon those
    would skip a phase and put new sizes into slots that serve something else. Only where no release
    is set may the backend be out of reach: then the declared sizes are what there is.
    """
    try:
        filed: StackSizing | ConfigError = session.sizing
    except ConfigError as error:
        filed = error
    try:
        applied = sizing_before(session) or StackSizing(None, 0, RolloutState())
    except RightsizingError as error:
        if isinstance(filed, ConfigError):
            raise filed from error
        if filed.release is not None:
            raise
        return filed, None
    if isinstance(filed, ConfigError):
        session.remark(f"{filed}; planned from what was applied last instead")
        return applied, applied.release
    return applied, filed.release or applied.release


def money_of(session: Session, before: StackSizing | None, after: StackSizing) -> PreviewMoney:
    """Monthly money of going from one sizing to another."""
    declaration = session.declaration
    rates = WorkloadRates(
        service=session.catalog.fargate_rates(declaration.region, Architecture.X86_64),
        service_arm64=session.catalog.fargate_rates(declaration.region, Architecture.ARM64),
        container=session.rates,
    )
    workloads = declaration.workloads()
    names = {workload.key: resource_stem(workload.key) for workload in workloads}
    return preview_money(workloads, before, after, session.catalog, rates=rates, names=names)


def way_back(diff: InverseDiff) -> WayBack:
    """An inverse diff in the words of a report."""
    return WayBack(
        steps=len(diff.steps),
        minutes=diff.minutes,
        slow=tuple(step.sentence for step in diff.slow),
        impossible=tuple(step.sentence for step in diff.impossible),
    )


def live_facts(session: Session) -> FactsReport:
    """Live facts against the stack file."""
    workloads = session.declaration.workloads()
    return compare_facts(facts_reader(session)(workloads), session.sizing, workloads)


def history_rows(session: Session) -> tuple[HistoryRow, ...]:
    """All updates, newest first, with the ledger's verdicts."""
    reading = Ledger(session.stack.record_dir).read()
    sizings = {
        update.entry.sequence: update.sizing
        for update in applied_updates(session.driver.history(session.stack))
    }
    return tuple(
        _row(entry, sizings.get(entry.sequence), reading)
        for entry in session.driver.history(session.stack)
    )


def update_notes(session: Session) -> tuple[UpdateNote, ...]:
    """What each successful update made of the workloads, oldest first."""
    reading = Ledger(session.stack.record_dir).read()
    workloads = session.declaration.workloads()
    notes = []
    for update in reversed(applied_updates(session.driver.history(session.stack))):
        if not update.succeeded or isinstance(update.sizing, NoData):
            continue
        record = reading.of(update.entry)
        sizes = live_sizes(update.sizing, workloads)
        notes.append(
            UpdateNote(
                at=update.entry.end,
                name=str(sizing_id(update.sizing)),
                verdict="unverified" if record is None else record.verdict.value,
                reason="no record" if record is None else record.reason,
                sizes=tuple(sorted((key, str(size)) for key, size in sizes.items())),
            )
        )
    return tuple(notes)


def stack_status(session: Session) -> StackStatus:
    """Where the stack stands: sizing, live facts, last update, what a killed update left."""
    driver = session.driver
    exists = _exists(session)
    rows = history_rows(session) if exists else ()
    facts = live_facts(session) if exists else NoData("the stack was never applied")
    containers = () if isinstance(facts, NoData) else facts.facts
    return StackStatus(
        stack=f"{session.stack.project}/{session.stack.name}",
        driver=driver.name.value,
        sizing=session.sizing,
        workloads=session.declaration.workloads(),
        facts=facts,
        last_update=rows[0] if rows else NoData("nothing was applied yet"),
        pending=driver.pending_operations(session.stack) if exists else (),
        simulated=any(isinstance(item, ContainerFacts) and item.simulated for item in containers),
    )


def _exists(session: Session) -> bool:
    return session.driver.exists(session.stack)


def _row(
    entry: HistoryEntry, sizing: StackSizing | NoData | None, reading: LedgerReading
) -> HistoryRow:
    record = reading.of(entry)
    known = None if sizing is None or isinstance(sizing, NoData) else sizing
    release = "unknown" if known is None else "declared"
    if known is not None and known.release is not None:
        release = known.release.short_id
    return HistoryRow(
        sequence=entry.sequence,
        at=entry.end,
        kind=entry.kind.value,
        status=entry.status.value,
        release=release,
        phase=0 if known is None else known.phase,
        verdict="unverified" if record is None else record.verdict.value,
        message=entry.message,
    )
