"""Both modes on the same seed: the same results, at different costs."""

from __future__ import annotations

import asyncio

import pytest
from tradingsite import RedisServer, settings_of, site
from tradingsystem.articles import DOCUMENTED, UNREPEATED, Stream, score_of
from tradingsystem.collection import CycleResult
from tradingsystem.outside import World
from tradingsystem.settings import Mode
from tradingsystem.strategy import trades


async def cycles_of(mode: Mode, url: str, stream: Stream) -> tuple[list[CycleResult], World]:
    """Cycles 10 and 11, warmed before each as the collector does."""
    async with site(settings_of(url, mode=mode), stream) as found:
        results = []
        for number in (10, 11):
            await found.collection.warm(number)
            results.append(await found.collection.cycle(number))
        return results, found.world


@pytest.mark.parametrize("stream", [DOCUMENTED, UNREPEATED], ids=lambda stream: stream.name)
def test_results_are_equal_article_by_article(redis_server: RedisServer, stream: Stream) -> None:
    """Every article has the same score in both modes, the model's own; so have the trades."""
    before, world_before = asyncio.run(cycles_of(Mode.BEFORE, redis_server.url, stream))
    after, world_after = asyncio.run(cycles_of(Mode.AFTER, redis_server.url, stream))
    for one, other in zip(before, after, strict=True):
        assert one.failures == other.failures == []
        assert one.scores == other.scores
        assert one.scores == {item.id: score_of(item.text) for item in one.articles}
        assert trades(one.cycle, one.articles, one.scores) == trades(
            other.cycle, other.articles, other.scores
        )
    assert world_after.sentiment_calls < world_before.sentiment_calls / 5  # 80 % fewer
    assert len(world_after.connections) <= 10  # pooled
    assert len(world_before.connections) > 100  # a connection a call
