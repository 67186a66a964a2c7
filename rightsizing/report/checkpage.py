"""A checklist as a document: one row a check, the outcome first."""

from __future__ import annotations

from rightsizing.plan.check import Checklist, CheckStatus
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

_TONES = {
    CheckStatus.PASS: Tone.GOOD,
    CheckStatus.FAIL: Tone.BAD,
    CheckStatus.UNKNOWN: Tone.WARNING,
}


def check_page(checklist: Checklist) -> Document:
    """All checks, the overall outcome, and a sentence for each that did not pass."""
    columns = (Column("outcome"), Column("check"), Column("found"), Column("wanted"))
    rows = tuple(
        row(Cell(item.status.value, _TONES[item.status]), item.name, item.value, item.limit)
        for item in checklist.items
    )
    open_items = tuple(
        item.sentence for item in checklist.items if item.status is not CheckStatus.PASS
    )
    blocks: list[Block] = [
        Heading(f"Checklist: {checklist.title}", 1),
        Table(columns, rows),
        Paragraph(f"Outcome: {checklist.status.value}.", _TONES[checklist.status]),
    ]
    if open_items:
        blocks.append(Bullets(open_items))
    return tuple(blocks)
