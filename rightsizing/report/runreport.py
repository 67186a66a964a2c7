"""The written report of a stack: what was claimed, decided, planned, applied, restored, and runs.

Every part may be missing, and then says so in its place instead of being left out silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.recommendation import Recommendation
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.build import Plan
from rightsizing.report.auditpage import audit_page
from rightsizing.report.document import (
    Block,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    row,
)
from rightsizing.report.planpage import plan_page
from rightsizing.report.recommendationpage import recommendation_page
from rightsizing.report.stackpage import HistoryRow, facts_blocks, history_page

NOT_DONE = NoData("this run did not get there")


@dataclass(frozen=True, slots=True)
class UpdateNote:
    """One update: the sizes that served afterwards, and what live facts said of them."""

    at: datetime
    name: str  # release@phase, or declared
    verdict: str
    reason: str
    sizes: tuple[tuple[str, str], ...]  # workload, size; sorted


@dataclass(frozen=True, slots=True)
class RunReport:
    """The parts of a report, in its order. ``remarks`` come first, e.g. that data is synthetic."""

    title: str
    remarks: tuple[str, ...] = ()
    audit: AuditReport | NoData = NOT_DONE
    recommendations: Sequence[Recommendation] = ()
    plan: Plan | NoData = NOT_DONE
    updates: tuple[UpdateNote, ...] = ()
    facts: FactsReport | NoData = NOT_DONE
    history: tuple[HistoryRow, ...] = ()


def run_page(run: RunReport) -> Document:
    """All parts under one title."""
    blocks: list[Block] = [Heading(run.title, 1)]
    blocks += [Paragraph(remark, Tone.WARNING) for remark in run.remarks]
    blocks += _part("Audit", run.audit if isinstance(run.audit, NoData) else audit_page(run.audit))
    blocks += _below(recommendation_page(run.recommendations))
    blocks += _part("Plan", run.plan if isinstance(run.plan, NoData) else plan_page(run.plan))
    blocks += [Heading("Updates"), *_updates(run.updates)]
    blocks += facts_blocks(run.facts)
    return (*blocks, *_below(history_page(run.history)))


def _updates(updates: Sequence[UpdateNote]) -> Document:
    """What each update made of every workload, oldest first."""
    if not updates:
        return (Paragraph("Nothing was applied yet.", Tone.QUIET),)
    workloads = sorted({key for update in updates for key, _ in update.sizes})
    columns = (Column("time, UTC"), Column("applied"), *map(Column, workloads), Column("verdict"))
    rows = tuple(
        row(
            f"{update.at:%Y-%m-%d %H:%M:%S}",
            update.name,
            *(dict(update.sizes).get(key, "") for key in workloads),
            f"{update.verdict}: {update.reason}",
        )
        for update in updates
    )
    return (Table(columns, rows),)


def _part(title: str, part: Document | NoData) -> Document:
    if isinstance(part, NoData):
        return (Heading(title), Paragraph(f"Not done: {part.reason}.", Tone.QUIET))
    return _below(part)


def _below(part: Document) -> Document:
    """The same blocks one heading level down, to stand under the run's title."""
    return tuple(
        replace(block, level=block.level + 1) if isinstance(block, Heading) else block
        for block in part
    )
