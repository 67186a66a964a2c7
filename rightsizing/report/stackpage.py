"""A stack as a document: where it stands, its history, its live facts, and how a rollback ended.

The rows here are what a report needs of a stack; whoever drives the stack fills them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rightsizing.model.base import NoData
from rightsizing.model.facts import (
    ContainerFacts,
    FactsReport,
    FleetFacts,
    ServiceFacts,
    WorkloadFacts,
)
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload
from rightsizing.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    row,
)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One update, newest first in a history. ``verdict`` is what live facts said afterwards."""

    sequence: int
    at: datetime
    kind: str
    status: str
    release: str
    phase: int
    verdict: str
    message: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """Where a stack stands now."""

    stack: str
    driver: str
    sizing: StackSizing
    workloads: tuple[Workload, ...]
    facts: FactsReport | NoData
    last_update: HistoryRow | NoData
    pending: tuple[str, ...] = ()
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class RollbackSummary:
    """How a rollback ended, in words the caller chose from its own result."""

    outcome: str  # restored, partly_restored, failed
    sentence: str
    facts: FactsReport | NoData
    actions: tuple[str, ...] = ()


def history_page(rows: Sequence[HistoryRow]) -> Document:
    """The updates of a stack, in the order given."""
    blocks: list[Block] = [Heading("History", 1)]
    if not rows:
        return (*blocks, Paragraph("Nothing was applied yet."))
    return (*blocks, history_table(rows))


def history_table(rows: Sequence[HistoryRow]) -> Table:
    """One row an update; times are UTC."""
    columns = (
        Column("#", right=True),
        Column("time, UTC"),
        Column("kind"),
        Column("status"),
        Column("release"),
        Column("phase", right=True),
        Column("verdict"),
        Column("message"),
    )
    return Table(
        columns,
        tuple(
            row(
                str(item.sequence),
                f"{item.at:%Y-%m-%d %H:%M:%S}",
                item.kind,
                Cell(item.status, Tone.GOOD if item.status == "succeeded" else Tone.BAD),
                item.release,
                str(item.phase),
                item.verdict,
                item.message,
            )
            for item in rows
        ),
    )


def status_page(status: StackStatus) -> Document:
    """Release, phase, sizes that apply, live facts, and what is left over from a killed update."""
    release = status.sizing.release
    name = "none, declared sizes apply" if release is None else release.short_id
    blocks: list[Block] = [
        Heading(f"Stack {status.stack}", 1),
        Paragraph(f"Driver {status.driver}; release {name}; phase {status.sizing.phase}."),
    ]
    if status.simulated:
        blocks.append(
            Paragraph("Served by local stand-ins: everything is simulated.", Tone.WARNING)
        )
    blocks += [_sizes(status), *facts_blocks(status.facts)]
    if isinstance(status.last_update, NoData):
        blocks.append(Paragraph(f"Last update: {status.last_update.reason}."))
    else:
        blocks += [Heading("Last update"), history_table((status.last_update,))]
    if status.pending:
        blocks += [
            Paragraph("Left in flight by a killed update; run `rightsize apply --refresh`:"),
            Bullets(status.pending, Tone.BAD),
        ]
    return tuple(blocks)


def rollback_page(summary: RollbackSummary) -> Document:
    """The outcome first, then what was done and what is live."""
    tones = {"restored": Tone.GOOD, "partly_restored": Tone.WARNING}
    blocks: list[Block] = [
        Heading("Rollback", 1),
        Paragraph(
            f"{summary.outcome.replace('_', ' ')}: {summary.sentence}",
            tones.get(summary.outcome, Tone.BAD),
        ),
    ]
    if summary.actions:
        blocks.append(Bullets(summary.actions))
    return (*blocks, *facts_blocks(summary.facts))


def facts_blocks(report: FactsReport | NoData) -> tuple[Block, ...]:
    """Live facts, and every difference from what was asked for."""
    if isinstance(report, NoData):
        return (Paragraph(f"Live facts: not read, {report.reason}.", Tone.WARNING),)
    blocks: list[Block] = [Heading("Live facts"), facts_table(report.facts)]
    for item in report.mismatches:
        text = f"{item.workload}: {item.fact} is {item.found}, expected {item.expected}"
        blocks.append(Paragraph(text, Tone.BAD))
    for workload, reason in report.unreadable:
        blocks.append(Paragraph(f"{workload}: not readable, {reason.reason}", Tone.WARNING))
    if report.matches:
        blocks.append(Paragraph("Live facts equal what was asked for.", Tone.GOOD))
    return tuple(blocks)


def facts_table(facts: Sequence[WorkloadFacts]) -> Table:
    """What really runs; simulated readings say so."""
    rows = [cells for fact in facts for cells in _fact_rows(fact)]
    columns = (Column("workload"), Column("running"), Column("range or limits"), Column("weight"))
    return Table(columns, tuple(rows))


def _fact_rows(fact: WorkloadFacts) -> list[tuple[Cell, ...]]:
    if isinstance(fact, FleetFacts):
        return [
            row(
                f"{fact.workload}, slot {slot.slot.value}",
                ", ".join(f"{count} x {name}" for name, count in slot.running_types) or "nothing",
                f"{slot.min_instances}-{slot.max_instances}, desired {slot.desired_instances}",
                str(slot.weight),
            )
            for slot in fact.slots
        ]
    if isinstance(fact, ServiceFacts):
        revision = fact.task_definition.rsplit("/", 1)[-1]  # the account is not news here
        return [row(fact.workload, revision, str(fact.size), "")]
    assert isinstance(fact, ContainerFacts)
    state = "running" if fact.running else "stopped"
    suffix = " (simulated)" if fact.simulated else ""
    return [row(fact.workload, f"{fact.container}, {state}{suffix}", str(fact.size), "")]


def _sizes(status: StackStatus) -> Table:
    rows = []
    for workload in status.workloads:
        if workload.size is None:
            continue
        size = status.sizing.size_of(workload.key, workload.size)
        fleet = status.sizing.rollout.fleets.get(workload.key)
        slots = "" if fleet is None else f"live slot {fleet.live.value}"
        old = None if fleet is None else fleet.slot(fleet.live.other)
        if fleet is not None and old is not None:
            slots += f"; slot {fleet.live.other.value} keeps {old.size} at weight {old.weight}"
        rows.append(row(workload.key, workload.kind.value, str(size), slots))
    columns = (Column("workload"), Column("kind"), Column("size"), Column("slots"))
    return Table(columns, tuple(rows))
