"""The way back as a document: how each change is undone, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rightsizing.report.document import Block, Bullets, Document, Heading, Paragraph, Tone


@dataclass(frozen=True, slots=True)
class WayBack:
    """What going back would do. ``slow`` and ``impossible`` are one sentence a resource."""

    steps: int
    minutes: int  # rough, until everything works again; 0: less than one
    slow: tuple[str, ...]
    impossible: tuple[str, ...]


def way_back_page(way: WayBack) -> Document:
    """One line when going back is a matter of seconds; else what takes minutes or is lost."""
    if way.steps == 0:
        return ()
    quick = way.steps - len(way.slow) - len(way.impossible)
    unit = "minute" if way.minutes == 1 else "minutes"
    pace = f"about {way.minutes} {unit}" if way.minutes else "under a minute"
    blocks: list[Block] = [
        Heading("Way back"),
        Paragraph(f"{way.steps} steps, {pace}: {quick} in seconds, {len(way.slow)} in minutes"),
    ]
    return (*blocks, *_list(way.slow, Tone.QUIET), *_lost(way.impossible))


def _list(sentences: Sequence[str], tone: Tone) -> Document:
    return (Bullets(tuple(sentences), tone),) if sentences else ()


def _lost(sentences: Sequence[str]) -> Document:
    if not sentences:
        return ()
    return (Paragraph("Not brought back:", Tone.BAD), *_list(sentences, Tone.BAD))
