"""The written report of a whole run: what was claimed, decided, planned, applied and restored.

Every part may be missing, and then says so in its place instead of being left out silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.recommendation import Recommendation
from rightsizing.model.update import OperationResult
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.build import Plan
from rightsizing.report.auditpage import audit_page
from rightsizing.report.document import Block, Document, Heading, Paragraph, Tone
from rightsizing.report.money import PreviewMoney
from rightsizing.report.planpage import plan_page
from rightsizing.report.previewpage import preview_page
from rightsizing.report.recommendationpage import recommendation_page
from rightsizing.report.stackpage import (
    HistoryRow,
    RollbackSummary,
    facts_blocks,
    history_page,
    rollback_page,
)

NOT_DONE = NoData("this run did not get there")


@dataclass(frozen=True, slots=True)
class RunReport:
    """The parts of a run, in its order. ``remarks`` come first, e.g. that data is synthetic."""

    title: str
    remarks: tuple[str, ...] = ()
    audit: AuditReport | NoData = NOT_DONE
    recommendations: Sequence[Recommendation] = ()
    plan: Plan | NoData = NOT_DONE
    preview: tuple[OperationResult, PreviewMoney] | NoData = NOT_DONE
    facts_before: FactsReport | NoData = NOT_DONE
    facts_after: FactsReport | NoData = NOT_DONE
    rollback: RollbackSummary | NoData = NOT_DONE
    history: tuple[HistoryRow, ...] = ()


def run_page(run: RunReport) -> Document:
    """All parts under one title."""
    blocks: list[Block] = [Heading(run.title, 1)]
    blocks += [Paragraph(remark, Tone.WARNING) for remark in run.remarks]
    blocks += _part("Audit", run.audit if isinstance(run.audit, NoData) else audit_page(run.audit))
    blocks += _below(recommendation_page(run.recommendations))
    blocks += _part("Plan", run.plan if isinstance(run.plan, NoData) else plan_page(run.plan))
    preview = run.preview
    blocks += _part("Preview", preview if isinstance(preview, NoData) else preview_page(*preview))
    for title, report in (
        ("Live facts before", run.facts_before),
        ("Live facts after phase 1", run.facts_after),
    ):
        blocks += [Heading(title), *_below(facts_blocks(report))]
    rollback = run.rollback
    blocks += _part(
        "Rollback", rollback if isinstance(rollback, NoData) else rollback_page(rollback)
    )
    return (*blocks, *_below(history_page(run.history)))


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
