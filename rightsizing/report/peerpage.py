"""Our recommendations beside another recommender's, as a document."""

from __future__ import annotations

from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.report.document import (
    UNKNOWN,
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
)
from rightsizing.report.peercomparison import ComparedAdvice, PeerComparison, Verdict

_TONES = {Verdict.AGREE: Tone.GOOD, Verdict.DIFFER: Tone.WARNING, Verdict.NO_ADVICE: Tone.QUIET}
MAX_UNMATCHED = 5  # named on a page; JSON holds all


def peer_page(found: PeerComparison) -> Document:
    """Ours, theirs, verdict and why; then what could not be read or belongs to nothing."""
    blocks: list[Block] = [Heading(f"Beside {found.peer}", 2)]
    read = any(not isinstance(item.advice, NoData) for item in found.compared)
    if read or not found.failures:
        blocks += [_table(found), Paragraph(_totals(found))]
    if found.failures:
        blocks.append(Bullets(tuple(f"not read: {text}" for text in found.failures), Tone.WARNING))
    if found.unmatched:
        blocks.append(Paragraph(_unmatched(found.unmatched), Tone.QUIET))
    return tuple(blocks)


def _table(found: PeerComparison) -> Table:
    columns = (
        Column("workload"),
        Column("ours"),
        Column("saves a month", right=True),
        Column("theirs"),
        Column("saves a month, theirs", right=True),
        Column("risk, theirs", right=True),
        Column("verdict"),
        Column("why"),
    )
    return Table(columns, tuple(_row(item) for item in found.compared))


def _row(item: ComparedAdvice) -> tuple[Cell, ...]:
    theirs = "nothing" if isinstance(item.proposed, NoData) else str(item.proposed)
    if len(item.resources) > 1:
        theirs += f" ({len(item.resources)} resources)"
    saving, risk = _their_figures(item)
    return row(
        item.workload,
        str(item.target),
        money(item.saving_usd_per_month),
        theirs,
        saving,
        risk,
        Cell(item.verdict.value, _TONES[item.verdict]),
        "; ".join(item.why),
    )


def _their_figures(item: ComparedAdvice) -> tuple[str, str]:
    """Saving a month (of one resource) and performance risk of what they propose."""
    if isinstance(item.advice, NoData):
        return "", ""
    if item.proposed == item.advice.current:
        return money(Decimal(0)), ""
    best = item.advice.best
    assert best is not None  # something other than the current size is proposed
    risk = best.performance_risk
    return (
        money(best.saving_usd_per_month),
        UNKNOWN if isinstance(risk, NoData) else f"{risk:g} of 4",
    )


def _totals(found: PeerComparison) -> str:
    return (
        f"{counted(len(found.compared), 'row')}: {found.count(Verdict.AGREE)} agree, "
        f"{found.count(Verdict.DIFFER)} differ, {found.count(Verdict.NO_ADVICE)} without advice. "
        "Their saving is that of one resource, by their own prices."
    )


def _unmatched(resources: tuple[str, ...]) -> str:
    named = ", ".join(resources[:MAX_UNMATCHED])
    others = len(resources) - MAX_UNMATCHED
    more = f" and {others} more" if others > 0 else ""
    return f"Advice on resources that belong to none of these workloads: {named}{more}."
