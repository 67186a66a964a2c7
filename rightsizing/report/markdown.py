"""A document as Markdown (CommonMark with GitHub's tables), safe to paste anywhere.

Every character that Markdown or HTML would read as syntax is escaped, so a workload's name cannot
become a heading, a link, an image or a script.
"""

from __future__ import annotations

import re

from rightsizing.report.dailychart import chart_table
from rightsizing.report.document import (
    Block,
    Bullets,
    Chart,
    Document,
    Heading,
    Paragraph,
    Table,
    clean,
)

_SYNTAX = re.compile(r"([\\`*_\[\]|~#])")
_LIST_NUMBER = re.compile(r"^(\d+)([.)])(?=\s|$)")
_LINE_MARKS = frozenset(">+=-")
_ENTITIES = {"&": "&amp;", "<": "&lt;", "@": "&commat;"}  # @ would notify somebody on GitHub


def markdown(document: Document) -> str:
    """The document as Markdown text, ending with a line break."""
    return "\n\n".join(_block(block) for block in document) + "\n"


def escape(text: str) -> str:
    """Plain text as Markdown that shows exactly that text, within a line."""
    safe = "".join(_ENTITIES.get(char, char) for char in clean(text))
    return _SYNTAX.sub(r"\\\1", safe).replace("://", "\\://")


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {escape(block.text)}"
    if isinstance(block, Paragraph):
        return _line(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_line(item)}" for item in block.items)
    if isinstance(block, Chart):
        return _table(chart_table(block))
    return _table(block)


def _line(text: str) -> str:
    """Text that starts a line, where a digit, a dash or a hash would begin a list or heading."""
    escaped = escape(text).lstrip()
    if escaped[:1] in _LINE_MARKS:
        return f"\\{escaped}"
    return _LIST_NUMBER.sub(r"\1\\\2", escaped)


def _table(block: Table) -> str:
    title = f"**{escape(block.title)}**\n\n" if block.title else ""
    head = "| " + " | ".join(escape(column.title) for column in block.columns) + " |"
    rule = "|" + "|".join("--:" if column.right else "---" for column in block.columns) + "|"
    body = [
        "| " + " | ".join(escape(cell.text) or " " for cell in cells) + " |" for cells in block.rows
    ]
    return title + "\n".join([head, rule, *body])
