"""What held-back measurements say about the sizes that were recommended without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Decision, Exceedance
from rightsizing.report.document import (
    UNKNOWN,
    Block,
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
from rightsizing.units import BYTES_PER_GIB, MINUTES_PER_MONTH

if TYPE_CHECKING:  # the evaluation needs a query engine, which showing its result does not
    from rightsizing.decide.holdout import HeldBack, HoldoutReport


def holdout_page(report: HoldoutReport) -> Document:
    """Counts by decision and reason, then a row a downsizing, then how many held."""
    blocks: list[Block] = [
        Heading(f"Held back: the last {report.holdout_days} days", 1),
        decision_table(report),
    ]
    if report.unsized:
        blocks.append(Paragraph(f"{counted(len(report.unsized), 'workload')} could not be sized."))
    down = report.downsized
    if not down:
        return (*blocks, Paragraph("No workload was downsized, so there is nothing to check."))
    return (*blocks, downsized_table(down), _verdict(down))


def decision_table(report: HoldoutReport) -> Table:
    """How many of each decision, by reasons, most frequent first."""
    rows = [
        row(decision.value, reasons, f"{count:,}")
        for decision in Decision
        for reasons, count in report.reasons(decision).items()
    ]
    columns = (Column("decision"), Column("reasons"), Column("workloads", right=True))
    return Table(columns, tuple(rows))


def downsized_table(items: Sequence[HeldBack]) -> Table:
    """Every downsizing against the days it did not see; minutes are of the held-back days."""
    columns = (
        Column("workload"),
        Column("from"),
        Column("to"),
        Column("CPU short", right=True),
        Column("of intervals", right=True),
        Column("predicted", right=True),
        Column("memory peak", right=True),
        Column("held"),
    )
    return Table(columns, tuple(_row(item) for item in items))


def _row(item: HeldBack) -> tuple[Cell, ...]:
    recommendation, peak = item.recommendation, item.memory_peak_bytes
    memory = UNKNOWN
    if not isinstance(peak, NoData):
        memory = f"{peak / BYTES_PER_GIB:.2f} of {item.memory_target_bytes / BYTES_PER_GIB:.2f} GiB"
    verdicts = {
        True: Cell("yes", Tone.GOOD),
        False: Cell("no", Tone.BAD),
        None: Cell(UNKNOWN, Tone.WARNING),
    }
    return row(
        recommendation.workload,
        str(recommendation.current),
        str(recommendation.target),
        f"{item.cpu_above_minutes:,.0f} min",
        share(item.cpu_above_ratio, 2),
        _predicted(recommendation.exceedance),
        memory,
        verdicts[_held(item)],
    )


def _held(item: HeldBack) -> bool | None:
    """Whether the target would have held; None when nothing was measured to say so."""
    if item.cpu_breach or item.memory_breach:
        return False
    if isinstance(item.cpu_above_ratio, NoData) and isinstance(item.memory_peak_bytes, NoData):
        return None
    return True


def _predicted(exceedance: Exceedance | NoData) -> str:
    """The predicted share of time, as the observed one beside it."""
    if isinstance(exceedance, NoData):
        return UNKNOWN
    low, high = exceedance.lower / MINUTES_PER_MONTH, exceedance.upper / MINUTES_PER_MONTH
    return f"{share(low, 2)} to {share(high, 2)}"


def _verdict(items: Sequence[HeldBack]) -> Paragraph:
    held = [_held(item) for item in items]
    cpu = sum(item.cpu_breach for item in items)
    memory = sum(item.memory_breach for item in items)
    text = (
        f"{held.count(True)} of {counted(len(items), 'downsizing')} held; CPU would have been "
        f"short beyond the policy in {cpu}, memory in {memory}; {held.count(None)} are unknown."
    )
    return Paragraph(text, Tone.GOOD if held.count(True) == len(items) else Tone.WARNING)
