"""What a report says, apart from how it is shown: headings, paragraphs, bullets, tables, charts.

Pages (``auditpage``, ``planpage`` and so on) build a ``Document``; ``terminal`` and ``markdown``
show it. Text in a document is plain: names from tags and files may hold anything, and each renderer
escapes for its own medium. Nothing here knows either medium.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost
from rightsizing.units import format_usd

UNKNOWN = "unknown"


@unique
class Tone(StrEnum):
    """What a text means for its reader; colour on a terminal, nothing in Markdown."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title of a page."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Column:
    """A column; numbers are set to the right."""

    title: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, as many a row as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One day's figure; None: not measured."""

    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class ChartMark:
    """A level to compare the bars with; its label states the value."""

    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Daily figures against levels; a list of figures where a drawing is not possible."""

    title: str
    unit: str  # of the figures as ``places`` decimals show them
    bars: tuple[ChartBar, ...]
    marks: tuple[ChartMark, ...]
    places: int = 2


Block = Heading | Paragraph | Bullets | Table | Chart
Document = tuple[Block, ...]


def clean(text: str) -> str:
    """One line without control, format or bidirectional characters, which could fake a screen.

    Each becomes U+FFFD; tabs and line breaks become a space.
    """
    spaced = text.replace("\r\n", " ").translate({9: " ", 10: " ", 13: " "})
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNSAFE else char
        for char in spaced
    )


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def money(amount: Decimal | MonthlyCost | NoData) -> str:
    """Dollars, or ``unknown``."""
    if isinstance(amount, NoData):
        return UNKNOWN
    return format_usd(amount.usd_per_month if isinstance(amount, MonthlyCost) else amount)


def share(ratio: float | Decimal | NoData, places: int = 0) -> str:
    """A ratio (0-1) as percent, or ``unknown``."""
    return UNKNOWN if isinstance(ratio, NoData) else f"{ratio * 100:,.{places}f} %"


def counted(number: int, noun: str) -> str:
    """``1 workload``, ``2 workloads``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def row(*cells: str | Cell) -> tuple[Cell, ...]:
    """A table row; plain text becomes plain cells."""
    return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)
