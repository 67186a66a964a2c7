"""The stream of news: which articles each source carries in each cycle, from a seed.

A story breaks once and is syndicated: several sources carry the same text in its cycle, and some
stories stay on the pages for further cycles. ``DOCUMENTED`` is the stream the phase's claims are
judged on; ``UNREPEATED`` has next to no repetition, where a cache cannot help.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SYMBOLS = tuple(f"SYM{number:02d}" for number in range(20))
SOURCES = tuple(f"source-{number:02d}" for number in range(20))


@dataclass(frozen=True, slots=True)
class Article:
    """One article as a source carries it. Articles with equal text are one story."""

    id: str
    source: str
    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class Stream:
    """How repetitive the news is.

    ``stories``: new ones a cycle. ``carriers``: mean number of sources that carry a story.
    ``stays``: share of stories that are still there one cycle later. ``late``: share of new stories
    that break after the cache was warmed for the cycle, so that warming cannot know them.
    """

    name: str
    stories: int
    carriers: float
    stays: float
    late: float = 0.3


DOCUMENTED = Stream("documented", stories=40, carriers=4.0, stays=0.3)
UNREPEATED = Stream("little repetition", stories=140, carriers=1.15, stays=0.02)


def articles_of(
    stream: Stream, seed: int, cycle: int, source: str, *, early: bool = False
) -> tuple[Article, ...]:
    """What a source shows in a cycle (``early``: shortly before it), by its arguments alone."""
    return _cycle(stream, seed, cycle, early).get(source, ())


@lru_cache(maxsize=64)
def _cycle(stream: Stream, seed: int, cycle: int, early: bool) -> dict[str, tuple[Article, ...]]:
    shown: dict[str, list[Article]] = {}
    for born in range(max(cycle - 3, 0), cycle + 1):
        draw = np.random.default_rng([seed, born])
        for number in range(stream.stories):
            symbol = SYMBOLS[int(draw.integers(len(SYMBOLS)))]
            count = min(1 + int(draw.poisson(stream.carriers - 1)), len(SOURCES))
            carriers = draw.choice(len(SOURCES), size=count, replace=False)
            life = int(draw.geometric(1 - stream.stays)) - 1  # further cycles it stays
            is_late = born == cycle and draw.random() < stream.late
            if cycle - born > life or (early and is_late):
                continue
            text = f"{symbol}: story {born}-{number} of the {stream.name} stream, seed {seed}"
            for carrier in carriers:
                source = SOURCES[int(carrier)]
                name = hashlib.sha256(f"{source} {text}".encode()).hexdigest()[:16]
                shown.setdefault(source, []).append(Article(name, source, symbol, text))
    return {source: tuple(found) for source, found in shown.items()}


def score_of(text: str) -> float:
    """The sentiment the simulated model gives, -1 to 1: a function of the text alone."""
    digest = hashlib.sha256(b"sentiment " + text.encode()).digest()
    return round(int.from_bytes(digest[:4], "big") / 2**31 - 1, 6)
