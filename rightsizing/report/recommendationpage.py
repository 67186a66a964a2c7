"""Recommendations as a document: one table for all, then each with its reasons and excuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost
from rightsizing.model.recommendation import Decision, Exceedance, Finding, Recommendation
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
    money,
    row,
    share,
)
from rightsizing.units import format_usd

_DECISION_TONES = {
    Decision.DOWNSIZE: Tone.GOOD,
    Decision.UPSIZE: Tone.WARNING,
    Decision.KEEP: Tone.PLAIN,
    Decision.REFUSE: Tone.WARNING,
}
MAX_EXCUSES = 5  # on a page; JSON holds all


def recommendation_page(recommendations: Sequence[Recommendation]) -> Document:
    """A table of all, the totals, and the reasons of each."""
    blocks: list[Block] = [Heading("Recommendations", 1)]
    if not recommendations:
        return (*blocks, Paragraph("No workloads were measured.", Tone.WARNING))
    blocks += [recommendation_table(recommendations), Paragraph(_totals(recommendations))]
    for item in recommendations:
        blocks += _details(item)
    return tuple(blocks)


def recommendation_table(recommendations: Sequence[Recommendation]) -> Table:
    """One row a workload: decision, from -> to, saving, evidence, reasons."""
    columns = (
        Column("workload"),
        Column("decision"),
        Column("from"),
        Column("to"),
        Column("saves a month", right=True),
        Column("evidence"),
        Column("reasons"),
    )
    return Table(columns, tuple(_row(item) for item in recommendations))


def decision_counts(recommendations: Sequence[Recommendation]) -> Table:
    """How many of each decision, by first reason: for fleets too large to list."""
    counts = Counter(
        (item.decision, item.reasons[0].value if item.reasons else "none")
        for item in recommendations
    )
    rows = tuple(
        row(decision.value, reason, f"{count:,}")
        for (decision, reason), count in sorted(
            counts.items(), key=lambda entry: (entry[0][0], -entry[1], entry[0][1])
        )
    )
    return Table(
        (Column("decision"), Column("first reason"), Column("workloads", right=True)), rows
    )


def _row(item: Recommendation) -> tuple[Cell, ...]:
    changed = item.target != item.current
    saving = item.saving_usd_per_month if changed else Decimal(0)
    return row(
        item.workload,
        Cell(item.decision.value, _DECISION_TONES[item.decision]),
        str(item.current),
        str(item.target) if changed else "as it is",
        money(saving),
        f"{item.evidence.grade.value}, {item.evidence.days:.0f} d",
        ", ".join(reason.value for reason in item.reasons),
    )


def _totals(recommendations: Sequence[Recommendation]) -> str:
    counts = Counter(item.decision for item in recommendations)
    parts = ", ".join(f"{counts[kind]} {kind.value}" for kind in Decision if counts[kind])
    changed = [item for item in recommendations if item.target != item.current]
    savings = [item.saving_usd_per_month for item in changed]
    known = [value for value in savings if isinstance(value, Decimal)]
    unknown = len(savings) - len(known)
    text = f"{counted(len(recommendations), 'workload')}: {parts}."
    if known:
        text += f" Saving {format_usd(sum(known, Decimal(0)))} a month"
        text += f", and {unknown} unknown." if unknown else "."
    elif unknown:
        text += f" The saving of {unknown} is unknown."
    return text


def predicted_shortage(item: Recommendation) -> tuple[str, ...]:
    """How long the target will be too small, in words; nothing where no prediction is possible."""
    if not isinstance(item.exceedance, Exceedance):
        return ()
    found = item.exceedance
    text = (
        f"predicted too small for {found.minutes_per_month:.0f} minutes a month "
        f"({found.lower:.0f} to {found.upper:.0f}, each bound {share(found.confidence)} sure)"
    )
    return (text,)


def _details(item: Recommendation) -> tuple[Block, ...]:
    bullets = [f"decided by {item.binding}"]
    if item.finding is not Finding.UNKNOWN:
        bullets.insert(0, f"finding: {item.finding.value}")
    ratios = (
        ("CPU mean", item.projected_cpu_mean_ratio),
        ("CPU peak", item.projected_cpu_peak_ratio),
        ("memory peak", item.projected_memory_peak_ratio),
    )
    projected = ", ".join(f"{name} {share(value)}" for name, value in ratios)
    bullets.append(f"projected: {projected}")
    bullets += predicted_shortage(item)
    bullets.append(f"bounds: {item.lower_bound} to {item.upper_bound}")
    bullets += [f"cost before: {_cost(item.cost_before)}", f"cost after: {_cost(item.cost_after)}"]
    bullets.append(f"evidence: {item.evidence.statement}")
    bullets += [f"missing: {text}" for text in item.missing_evidence]
    bullets += [
        f"not {excuse.candidate}: {excuse.sentence}" for excuse in item.excuses[:MAX_EXCUSES]
    ]
    if len(item.excuses) > MAX_EXCUSES:
        bullets.append(f"and {len(item.excuses) - MAX_EXCUSES} more candidates rejected")
    return (Heading(item.workload, 3), Paragraph(item.sentence), Bullets(tuple(bullets)))


def _cost(cost: MonthlyCost | NoData) -> str:
    if isinstance(cost, NoData):
        return f"unknown, {cost.reason}"
    return f"{cost} a month ({cost.basis})"
