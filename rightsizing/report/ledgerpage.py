"""The ledger as a document and as JSON: cost by month and workload, and savings as measured."""

from __future__ import annotations

from collections.abc import Mapping

from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.plan.figures import usd
from rightsizing.plan.ledger import Amounts, Ledger
from rightsizing.plan.matchedcontrol import LEVEL, MeasuredSaving
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
    counted,
    row,
    share,
)
from rightsizing.report.jsonview import plain

MOST_ROWS = 40  # of a table for people; the JSON has all


def ledger_page(ledger: Ledger) -> Document:
    """Lines by month and workload with their totals, commitments, and what was left out."""
    lines = ledger.lines()
    sources = sorted({source for line in lines for source in line.sources})
    read = sum(line.lines for line in lines)
    blocks: list[Block] = [
        Heading("Ledger", 1),
        _lines(ledger),
        Paragraph(f"From {counted(read, 'line')} of {', '.join(sources)}.", Tone.QUIET),
    ]
    if len(lines) > MOST_ROWS:
        blocks.append(
            Paragraph(f"{len(lines) - MOST_ROWS:,} more rows are in the JSON.", Tone.QUIET)
        )
    commitments = ledger.commitments()
    if commitments:
        columns = (
            Column("commitment"),
            Column("used", right=True),
            Column("unused", right=True),
            Column("utilisation", right=True),
        )
        rows = tuple(
            row(
                item.commitment_id,
                usd(item.used_usd),
                usd(item.unused_usd),
                "unknown" if item.utilisation is None else share(item.utilisation, 1),
            )
            for item in commitments[:MOST_ROWS]
        )
        blocks += [Heading("Commitments"), Table(columns, rows)]
    if ledger.notes:
        blocks.append(Bullets(ledger.notes, Tone.WARNING))
    return tuple(blocks)


def ledger_json(ledger: Ledger) -> dict[str, Json]:
    """Every line, the totals by month and over all, commitments and notes."""
    return {
        "lines": [plain(line) for line in ledger.lines()],
        "months": [
            {"month": month.isoformat(), "amounts": plain(_month_total(ledger, month.isoformat()))}
            for month in ledger.months
        ],
        "total": plain(ledger.total),
        "commitments": [
            {**plain(item), "utilisation": plain(item.utilisation)} for item in ledger.commitments()
        ],
        "notes": list(ledger.notes),
    }


def effects_blocks(effects: Mapping[str, MeasuredSaving | NoData]) -> tuple[Block, ...]:
    """Each applied change with what it saved, or why that is not known."""
    blocks: list[Block] = [Heading("Measured after the change, against a control")]
    for name, found in effects.items():
        if isinstance(found, NoData):
            blocks.append(Paragraph(f"{name}: not known. {_sentence(found.reason)}", Tone.WARNING))
            continue
        tone = Tone.GOOD if found.low_usd_per_month > 0 else Tone.WARNING
        verdict = "" if found.shown else " Nothing is shown: the interval contains 0."
        blocks += [
            Paragraph(
                f"{name}: {_usd(found.saving_usd_per_month)} a month saved, "
                f"{_usd(found.low_usd_per_month)} to {_usd(found.high_usd_per_month)} "
                f"({share(LEVEL)} interval).{verdict}",
                tone,
            ),
            Bullets(_basis(found), Tone.QUIET),
        ]
    return tuple(blocks)


def _basis(found: MeasuredSaving) -> tuple[str, ...]:
    levels = (
        f"{_usd(found.before_usd_per_month)} a month before, "
        f"{_usd(found.expected_usd_per_month)} expected without the change, "
        f"{_usd(found.after_usd_per_month)} after"
    )
    control = (
        f"control {found.control}, not changed: differed by {share(found.difference)} of the mean "
        "a day before the change"
    )
    days = (
        f"{found.days_before} days before, {found.days_after} after; the interval from blocks of "
        "days drawn with replacement"
    )
    return (levels, control, days)


def effects_json(effects: Mapping[str, MeasuredSaving | NoData]) -> Json:
    """The same figures by workload."""
    return {
        name: plain(found)
        if isinstance(found, NoData)
        else {
            **plain(found),
            "saving_usd_per_month": found.saving_usd_per_month,
            "shown": found.shown,
        }
        for name, found in effects.items()
    }


def _lines(ledger: Ledger) -> Table:
    columns = (
        Column("month"),
        Column("workload"),
        Column("list", right=True),
        Column("effective", right=True),
        Column("billed", right=True),
        Column("lines", right=True),
    )
    rows = [
        row(f"{line.month:%Y-%m}", line.workload, *_amounts(line.amounts), f"{line.lines:,}")
        for line in ledger.lines()[:MOST_ROWS]
    ]
    everything = sum(item.lines for item in ledger.charges)
    rows.append(row("all", "", *_amounts(ledger.total), f"{everything:,}"))
    return Table(columns, tuple(rows))


def _amounts(amounts: Amounts) -> tuple[str | Cell, ...]:
    return (usd(amounts.list_usd), usd(amounts.effective_usd), usd(amounts.billed_usd))


def _month_total(ledger: Ledger, month: str) -> Amounts:
    total = Amounts()
    for item in ledger.charges:
        if item.start.replace(day=1).isoformat() == month:
            total = total.plus(item)
    return total


def _usd(amount: float) -> str:
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
