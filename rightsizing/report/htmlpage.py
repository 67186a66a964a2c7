"""A document as one self-contained HTML page: no script, no outside file, every text escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping

from rightsizing.report.dailychart import chart_table
from rightsizing.report.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    clean,
)

_STYLE = """
:root { --ink: #1d2530; --quiet: #667080; --paper: #ffffff; --line: #dde2e8; --good: #0a7d43;
  --bad: #b3261e; --warn: #9a6200; --ours: #1668c7; --peer: #6b7685; --hind: #8a4fb0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --quiet: #98a2b0; --paper: #14181e;
  --line: #313a46; --good: #4cc38a; --bad: #ff8a80; --warn: #e0b050; --ours: #5aa9ff;
  --peer: #9aa5b4; --hind: #c79be6; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px 3px 0; text-align: left; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; vertical-align: bottom; white-space: normal; }
.right { text-align: right; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.warning { color: var(--warn); } .quiet { color: var(--quiet); }
svg { width: 100%; height: auto; margin: .5rem 0; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg .tick, svg .note { fill: var(--quiet); } svg .axis { font-weight: 600; }
svg .ours-name { fill: var(--ours); font-weight: 600; }
svg polyline { fill: none; stroke-width: 1; }
svg .grid { stroke: var(--line); } svg .leader { stroke: var(--line); }
svg .whisker { stroke: var(--ink); }
svg .limit { stroke: var(--bad); stroke-dasharray: 4 3; }
svg .ours-line { stroke: var(--ours); stroke-width: 2; }
svg .ours { fill: var(--ours); } svg .peer { fill: var(--peer); }
svg .hindsight { fill: var(--hind); }
svg .win { fill: var(--good); } svg .tie { fill: var(--peer); } svg .loss { fill: var(--bad); }
svg .out { fill: var(--warn); }
"""


def html_page(document: Document, figures: Mapping[str, str] | None = None) -> str:
    """The document as a page.

    Args:
        document: its first level-1 heading is the page's title.
        figures: finished SVG by the text of the heading it goes below.
    """
    shown = figures or {}
    title = next(
        (block.text for block in document if isinstance(block, Heading) and block.level == 1), ""
    )
    parts = []
    for block in document:
        parts.append(_block(block))
        if isinstance(block, Heading) and block.text in shown:
            parts.append(shown[block.text])
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def escape(text: str) -> str:
    """Plain text as HTML that shows exactly that text, in an element or a quoted attribute."""
    return html.escape(clean(text), quote=True)


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f'<p class="{_class(block.tone)}">{escape(block.text)}</p>'
        case Bullets():
            items = "".join(f"<li>{escape(item)}</li>" for item in block.items)
            return f'<ul class="{_class(block.tone)}">{items}</ul>'
        case Table():
            return _table(block)
        case Chart():
            return _table(chart_table(block))


def _table(block: Table) -> str:
    title = f"<h3>{escape(block.title)}</h3>" if block.title else ""
    head = "".join(f"<th{_side(column)}>{escape(column.title)}</th>" for column in block.columns)
    body = "\n".join(
        "<tr>"
        + "".join(_cell(cell, column) for cell, column in zip(cells, block.columns, strict=True))
        + "</tr>"
        for cells in block.rows
    )
    return (
        f'{title}<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell, column: Column) -> str:
    names = [name for name in ("right" if column.right else "", _class(cell.tone)) if name]
    marked = f' class="{" ".join(names)}"' if names else ""
    return f"<td{marked}>{escape(cell.text)}</td>"


def _side(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _class(tone: Tone) -> str:
    return "" if tone is Tone.PLAIN else tone.value
