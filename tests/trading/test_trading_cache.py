"""The sentiment cache on a real Redis: single flight, negative entries, ends, and its faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from tradingsite import RedisServer
from tradingsystem.cache import PREFIX, SentimentCache, connect

TEXTS = [f"text {number}" for number in range(40)]


@dataclass
class Model:
    """Scores every text 0.5 but those it refuses; ``asked``: every text it was asked for."""

    refuses: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def fetch(self, texts: Sequence[str]) -> dict[str, float | None]:
        """Answer, once the gate is open."""
        self.asked += texts
        if self.gate is not None:
            await self.gate.wait()
        return {text: None if text in self.refuses else 0.5 for text in texts}


@asynccontextmanager
async def cache_at(url: str, **changed: float) -> AsyncIterator[SentimentCache]:
    """A cache with a short pause after a failure."""
    client = connect(url)
    given = {"ttl_s": 3600.0, "jitter": 0.1, "negative_ttl_s": 60.0, "pause_s": 0.01} | changed
    try:
        yield SentimentCache(client, seed=1, **given)  # type: ignore[arg-type]
    finally:
        await client.aclose()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the cache said, without details."""
    return [record.getMessage().partition(" (")[0] for record in caplog.records]


def test_single_flight(redis_server: RedisServer) -> None:
    """Of ten askers at once for the same missing texts one fetches; nine join."""

    async def run() -> None:
        async with cache_at(redis_server.url) as cache:
            model = Model(gate=asyncio.Event())
            asking = [asyncio.create_task(cache.scores(TEXTS, model.fetch)) for _ in range(10)]
            while cache.counts.joined < 9 * len(TEXTS):
                await asyncio.sleep(0)
            assert model.gate is not None
            model.gate.set()
            answers = await asyncio.gather(*asking)
            assert model.asked == TEXTS
            assert answers == [dict.fromkeys(TEXTS, 0.5)] * 10
            assert cache.counts.hit_ratio == 0.9

    asyncio.run(run())


def test_a_cancelled_fetch_is_done_by_one_who_waited(redis_server: RedisServer) -> None:
    """Cancelling the asker that fetches cancels nobody else."""

    async def run() -> None:
        async with cache_at(redis_server.url) as cache:
            model = Model(gate=asyncio.Event())
            first = asyncio.create_task(cache.scores(["a"], model.fetch))
            while not model.asked:
                await asyncio.sleep(0)
            second = asyncio.create_task(cache.scores(["a"], model.fetch))
            while not cache.counts.joined:
                await asyncio.sleep(0)
            first.cancel()
            assert model.gate is not None
            model.gate.set()
            assert await second == {"a": 0.5}
            assert model.asked == ["a", "a"]

    asyncio.run(run())


def test_what_was_refused_is_not_asked_for_again(redis_server: RedisServer) -> None:
    """A negative entry answers None without a call, and ends within its own time."""

    async def run() -> None:
        async with cache_at(redis_server.url) as cache:
            model = Model(refuses=frozenset({"b"}))
            assert await cache.scores(["a", "b"], model.fetch) == {"a": 0.5, "b": None}
            assert await cache.scores(["a", "b"], model.fetch) == {"a": 0.5, "b": None}
            assert model.asked == ["a", "b"]
            assert (cache.counts.hits, cache.counts.negative_hits) == (1, 1)
            lives = [await cache.client.pttl(key) for key in await cache.client.keys(PREFIX + "*")]
            assert 59_000 < min(lives) <= 60_000
            assert max(lives) > 3_200_000

    asyncio.run(run())


def test_entries_of_one_moment_end_at_different_ones(redis_server: RedisServer) -> None:
    """Ends lie between 90 and 100 % of the TTL, spread over most of it."""

    async def run() -> list[int]:
        async with cache_at(redis_server.url) as cache:
            await cache.scores(TEXTS, Model().fetch)
            return [await cache.client.pttl(key) for key in await cache.client.keys(PREFIX + "*")]

    lives = asyncio.run(run())
    assert len(lives) == len(TEXTS)
    assert 3_235_000 < min(lives) < 3_300_000  # 0.9 x 3,600 s, less what the test took
    assert 3_540_000 < max(lives) <= 3_600_000
    assert len({life // 1000 for life in lives}) > 30


def test_redis_killed_and_back(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Every lookup is a call while it is away, which is said once; then it is used again."""

    async def run() -> None:
        async with cache_at(redis_server.url) as cache:
            model = Model()
            await cache.scores(TEXTS, model.fetch)
            redis_server.kill()
            for _ in range(5):
                assert await cache.scores(TEXTS, model.fetch) == dict.fromkeys(TEXTS, 0.5)
                await asyncio.sleep(cache.pause_s)
            assert len(model.asked) == 6 * len(TEXTS)
            assert await cache.warm(["new"], model.fetch) == 0
            assert "new" not in model.asked  # nothing would remember it
            redis_server.start()
            await asyncio.sleep(cache.pause_s)
            for _ in range(3):
                assert await cache.scores(TEXTS, model.fetch) == dict.fromkeys(TEXTS, 0.5)
            assert len(model.asked) == 7 * len(TEXTS)
            assert not cache.is_down

    asyncio.run(run())
    assert said(caplog) == ["the cache does not answer", "the cache answers again"]


def test_a_full_redis_is_still_read(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes no more, said once; what it has is a hit; with room again it takes more."""

    async def run() -> None:
        async with cache_at(redis_server.url) as cache:
            model = Model()
            await cache.scores(TEXTS[:5], model.fetch)
            await cache.client.config_set("maxmemory", "1")
            await cache.client.config_set("maxmemory-policy", "noeviction")
            for _ in range(3):
                assert await cache.scores(TEXTS, model.fetch) == dict.fromkeys(TEXTS, 0.5)
            assert cache.counts.hits == 15  # the five, three times
            assert not cache.is_down
            await cache.client.config_set("maxmemory", "0")
            await cache.scores(TEXTS, model.fetch)
            asked = len(model.asked)
            await cache.scores(TEXTS, model.fetch)
            assert len(model.asked) == asked

    asyncio.run(run())
    assert said(caplog) == ["the cache takes no more"]


def test_a_slow_redis_is_not_waited_for(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that hangs for longer than the cache's patience counts as down, then is back."""

    async def run() -> None:
        async with cache_at(redis_server.url, pause_s=0.5) as cache:
            model = Model()
            await cache.client.execute_command("CLIENT", "PAUSE", "900", "ALL")
            for _ in range(3):
                assert await cache.scores(["a"], model.fetch) == {"a": 0.5}
            assert cache.counts.failures == 1  # left alone afterwards
            await asyncio.sleep(0.55)
            await cache.scores(["a"], model.fetch)
            assert not cache.is_down

    asyncio.run(run())
    assert said(caplog) == ["the cache does not answer", "the cache answers again"]


ANSWERS = {
    "unknown command": b"-ERR unknown command\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "broken length": b"*x\r\n",
    "too few values": b"*1\r\n$-1\r\n",
    "not a list": b"+OK\r\n",
    "needs a password": b"-NOAUTH Authentication required.\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_something_else_on_the_port(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Another version, another protocol, nonsense: a miss, said once."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while said_to_us := await reader.read(65_536):
                writer.write(answer * max(said_to_us.count(b"*"), 1))
                await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with cache_at(f"redis://127.0.0.1:{port}/0") as cache:
                model = Model()
                for _ in range(3):
                    assert await cache.scores(["a", "b"], model.fetch) == {"a": 0.5, "b": 0.5}
                    await asyncio.sleep(cache.pause_s)
                assert model.asked == ["a", "b"] * 3
                assert cache.counts.failures >= 3

    asyncio.run(run())
    assert said(caplog) == ["the cache does not answer"]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_a_foreign_entry_is_a_miss(redis_server: RedisServer) -> None:
    """What is no score under our key is fetched again and overwritten."""

    async def run() -> None:
        async with cache_at(redis_server.url) as cache:
            model = Model()
            await cache.scores(["a"], model.fetch)
            (key,) = await cache.client.keys(PREFIX + "*")
            await cache.client.set(key, b"<html>")
            assert await cache.scores(["a"], model.fetch) == {"a": 0.5}
            assert await cache.scores(["a"], model.fetch) == {"a": 0.5}
            assert model.asked == ["a", "a"]

    asyncio.run(run())
