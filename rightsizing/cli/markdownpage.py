"""Pieces of a generated Markdown page: head, paragraphs, tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

LINE_LENGTH = 100


def head(title: str, source: str) -> str:
    """Title of a page, and where it comes from."""
    return f"# {title}\n\nWritten by `make docs` from {source}; do not edit."


def prose(text: str) -> str:
    """A paragraph, wrapped."""
    return textwrap.fill(text, LINE_LENGTH, break_long_words=False, break_on_hyphens=False)


def page(parts: Sequence[str]) -> str:
    """Paragraphs, tables and blocks as one page."""
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    lines = [_line(heads), _line(["---"] * len(heads))]
    return "\n".join([*lines, *(_line([_cell(cell) for cell in row]) for row in rows)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
