"""Reports on a terminal, through Rich: one function a report, each giving one renderable.

Every text becomes a ``rich.text.Text``, so square brackets in a name are never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.recommendation import Recommendation
from rightsizing.model.update import OperationResult
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.build import Plan
from rightsizing.plan.check import Checklist
from rightsizing.plan.safeplan import SafePlan
from rightsizing.report.auditpage import audit_page, savings_table
from rightsizing.report.checkpage import check_page
from rightsizing.report.dailychart import chart_lines, chart_table
from rightsizing.report.document import (
    Block,
    Bullets,
    Chart,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    clean,
)
from rightsizing.report.holdoutpage import holdout_page
from rightsizing.report.money import PreviewMoney
from rightsizing.report.planpage import plan_page
from rightsizing.report.previewpage import preview_page
from rightsizing.report.recommendationpage import recommendation_page
from rightsizing.report.stackpage import (
    HistoryRow,
    RollbackSummary,
    StackStatus,
    facts_blocks,
    history_page,
    rollback_page,
    status_page,
)

if TYPE_CHECKING:
    from rightsizing.decide.holdout import HoldoutReport

_STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WARNING: "yellow",
    Tone.BAD: "bold red",
    Tone.QUIET: "dim",
}


_READABLE_WIDTH = 12  # characters of a text column below which a table is no table; chosen by us
_COLUMN_GAP = 3  # what the box puts between columns


def audit(report: AuditReport) -> RenderableType:
    """Findings, safe sizes, claimed against safe savings."""
    return renderable(audit_page(report))


def savings(safe: SafePlan) -> RenderableType:
    """Only the table of claimed against safe savings."""
    return renderable((savings_table(safe),))


def recommendations(items: Sequence[Recommendation]) -> RenderableType:
    """All recommendations with their reasons."""
    return renderable(recommendation_page(items))


def holdout(report: HoldoutReport) -> RenderableType:
    """What held-back days say."""
    return renderable(holdout_page(report))


def plan(found: Plan) -> RenderableType:
    """Phases, changes and money."""
    return renderable(plan_page(found))


def checklist(found: Checklist) -> RenderableType:
    """A phase's checks."""
    return renderable(check_page(found))


def preview(result: OperationResult, amounts: PreviewMoney) -> RenderableType:
    """Changing steps with their money."""
    return renderable(preview_page(result, amounts))


def history(rows: Sequence[HistoryRow]) -> RenderableType:
    """Updates of a stack."""
    return renderable(history_page(rows))


def status(found: StackStatus) -> RenderableType:
    """Where a stack stands."""
    return renderable(status_page(found))


def facts(report: FactsReport | NoData) -> RenderableType:
    """Live facts."""
    return renderable(facts_blocks(report))


def rollback(summary: RollbackSummary) -> RenderableType:
    """How a rollback ended."""
    return renderable(rollback_page(summary))


def renderable(document: Document) -> RenderableType:
    """A document as one Rich renderable."""
    return Group(*(_block(block) for block in document))


def terminal_text(document: Document, width: int = 100) -> str:
    """A document as plain text of a fixed width, without colour: for logs and tests."""
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable(document))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _block(block: Block) -> RenderableType:
    if isinstance(block, Heading):
        return Padding(Text(clean(block.text), style="bold"), (1, 0, 0, 0), expand=False)
    if isinstance(block, Paragraph):
        return Text(clean(block.text), style=_STYLES[block.tone])
    if isinstance(block, Bullets):
        grid = RichTable.grid(padding=(0, 1))
        for item in block.items:
            grid.add_row(Text("-"), Text(clean(item), style=_STYLES[block.tone]))
        return Padding(grid, (0, 0, 0, 2), expand=False)
    if isinstance(block, Chart):
        return _FittedChart(block)
    return _FittedTable(block)


class _FittedTable:
    """A table where it fits, else one record a row: a figure is never cut to fit a terminal."""

    def __init__(self, block: Table) -> None:
        self._block = block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if _least_width(self._block) <= options.max_width:
            yield _table(self._block)
        else:
            yield from _records(self._block)


class _FittedChart:
    """A drawing on a terminal that is wide enough and writes Unicode, else the figures."""

    def __init__(self, block: Chart) -> None:
        self._block = block

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = None
        if console.is_terminal and not options.ascii_only:
            lines = chart_lines(self._block, options.max_width)
        table = chart_table(self._block)
        if lines is None:
            yield Text(clean(table.title), style="bold")
            yield _FittedTable(replace(table, title=""))
            return
        yield Text(clean(self._block.title), style="bold")
        for line in lines:
            yield Text(line, no_wrap=True)


def _table(block: Table) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    if block.title:
        table.title = Text(clean(block.title), style="bold")
    for index, column in enumerate(block.columns):
        table.add_column(
            Text(clean(column.title)),
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
            min_width=_column_width(block, index),
        )
    for cells in block.rows:
        table.add_row(*(Text(clean(cell.text), style=_STYLES[cell.tone]) for cell in cells))
    return table


def _records(block: Table) -> Iterator[Text]:
    """Every row as lines of "title: value", empty cells left out."""
    if block.title:
        yield Text(clean(block.title), style="bold")
    for cells in block.rows:
        yield Text("")
        for column, cell in zip(block.columns, cells, strict=True):
            if cell.text:
                line = Text(f"{clean(column.title)}: ")
                line.append(clean(cell.text), style=_STYLES[cell.tone])
                yield line


def _column_width(block: Table, index: int) -> int:
    """Figures are never wrapped; text may be, but not below a readable width."""
    texts = [clean(block.columns[index].title), *(clean(cells[index].text) for cells in block.rows)]
    longest = max(len(text) for text in texts)
    return longest if block.columns[index].right else min(longest, _READABLE_WIDTH)


def _least_width(block: Table) -> int:
    widths = [_column_width(block, index) for index in range(len(block.columns))]
    return sum(widths) + _COLUMN_GAP * len(widths)
