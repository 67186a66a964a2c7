"""One cycle's work: collect every source, score every article. Both modes, one code path.

    before    one source after another, one article a call, nothing remembered
    after     sources in batches of 10 at once, articles in batches of 50 through the cache

What cannot be collected or scored is left out and counted; the cycle goes on with the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tradingsystem.articles import SOURCES, Article
from tradingsystem.cache import SentimentCache
from tradingsystem.calls import Calls, OutsideError
from tradingsystem.settings import Mode, Settings


@dataclass(slots=True)
class CycleResult:
    """What a cycle gave; seconds are of simulated time.

    ``response_s``: by article, from asking for its score to having it.
    """

    cycle: int
    articles: tuple[Article, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)  # by article id
    collect_s: float = 0.0
    total_s: float = 0.0
    response_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Collection:
    """Does cycles. ``cache`` is used by mode ``after`` alone."""

    settings: Settings
    calls: Calls
    cache: SentimentCache | None

    async def cycle(self, number: int) -> CycleResult:
        """One cycle; never raises for the outside's faults."""
        began = time.monotonic()
        result = CycleResult(number)
        found = await self._collect(number, result)
        result.articles = tuple(found)
        result.collect_s = self._unscaled(time.monotonic() - began)
        await self._score(result)
        result.total_s = self._unscaled(time.monotonic() - began)
        return result

    async def warm(self, cycle: int) -> int:
        """Score what is known shortly before a cycle; returns how many texts are known then."""
        if self.cache is None or self.settings.mode is Mode.BEFORE:
            return 0
        result = CycleResult(cycle)
        articles = await self._collect(cycle, result, early=True)
        texts = list(dict.fromkeys(article.text for article in articles))

        async def fetch(missing: Sequence[str]) -> dict[str, float | None]:
            batches = _batches(missing, self.settings.sentiment_batch)
            found = await asyncio.gather(*(self._fetch(batch, result) for batch in batches))
            return {text: score for scores in found for text, score in scores.items()}

        return await self.cache.warm(texts, fetch)

    async def _collect(
        self, cycle: int, result: CycleResult, *, early: bool = False
    ) -> list[Article]:
        width = self.settings.source_batch if self.settings.mode is Mode.AFTER else 1
        found: list[Article] = []
        for batch in _batches(SOURCES, width):
            for articles in await asyncio.gather(
                *(self._source(source, cycle, result, early=early) for source in batch)
            ):
                found += articles
        return found

    async def _source(
        self, source: str, cycle: int, result: CycleResult, *, early: bool
    ) -> list[Article]:
        try:
            answer = await self.calls.news(source, cycle, early=early)
        except OutsideError as error:
            result.failures.append(f"{source}: {error}")
            return []
        return [
            Article(item["id"], source, item["symbol"], item["text"])
            for item in answer
            if item["text"]
        ]

    async def _score(self, result: CycleResult) -> None:
        for article in result.articles:
            _work(article.text, self.settings.scaled(self.settings.cpu_work_ms))
        if self.settings.mode is Mode.BEFORE:
            for article in result.articles:
                asked = time.monotonic()
                self._note([article], await self._fetch([article.text], result), asked, result)
        else:
            await self._score_at_once(result)
        for article in result.articles:
            if article.id not in result.scores:
                result.failures.append(f"{article.id} has no score")

    async def _score_at_once(self, result: CycleResult) -> None:
        asked = time.monotonic()
        by_text: dict[str, list[Article]] = {}
        for article in result.articles:
            by_text.setdefault(article.text, []).append(article)

        def told(scores: dict[str, float | None]) -> None:
            for text, score in scores.items():
                self._note(by_text[text], {text: score}, asked, result)

        async def fetch(texts: Sequence[str]) -> dict[str, float | None]:
            batches = _batches(texts, self.settings.sentiment_batch)
            found: dict[str, float | None] = {}
            for done in asyncio.as_completed([self._fetch(batch, result) for batch in batches]):
                scores = await done
                told(scores)
                found |= scores
            return found

        texts = [article.text for article in result.articles]
        if self.cache is None:
            await fetch(list(by_text))
        else:
            told(await self.cache.scores(texts, fetch, told))

    def _note(
        self,
        articles: Sequence[Article],
        scores: dict[str, float | None],
        asked: float,
        result: CycleResult,
    ) -> None:
        at = time.monotonic()
        for article in articles:
            score = scores.get(article.text)
            if score is not None and article.id not in result.scores:
                result.scores[article.id] = score
                result.response_s.append(self._unscaled(at - asked))

    async def _fetch(self, texts: Sequence[str], result: CycleResult) -> dict[str, float | None]:
        """Scores of one call; nothing, and a failure noted, when it fails for good."""
        try:
            return dict(zip(texts, await self.calls.sentiment(texts), strict=True))
        except OutsideError as error:
            result.failures.append(f"{len(texts)} texts not scored: {error}")
            return {}

    def _unscaled(self, seconds: float) -> float:
        return seconds / self.settings.time_scale


def _batches(items: Sequence[Any], width: int) -> list[Sequence[Any]]:
    return [items[start : start + width] for start in range(0, len(items), width)]


def _work(text: str, milliseconds: float) -> None:
    """Parsing and features, as real CPU time: what the container is sized for."""
    end = time.thread_time() + milliseconds / 1000
    digest = text.encode()
    while time.thread_time() < end:
        digest = hashlib.sha256(digest).digest()
