"""The outside world, simulated: twenty news sources and one AI service, on loopback.

Latencies are drawn from the seed and what is asked for, so that both modes meet the same world: a
source takes 2 to 3 s (so twenty take 45 to 60 s one after another), a sentiment call 500 to 2,000
ms, plus 5 ms for every further article in it. Rate limits answer 429 with Retry-After; a share of
calls fails. Every answer carries ``X-Simulated: true``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum, unique

from aiohttp import web

from tradingsystem.articles import DOCUMENTED, SOURCES, UNREPEATED, Stream, articles_of, score_of
from tradingsystem.settings import Settings

SIMULATED = {"X-Simulated": "true"}
SOURCE_S = (2.25, 3.0)
SENTIMENT_S = (0.5, 2.0)
EACH_FURTHER_ARTICLE_S = 0.005
LARGEST_BATCH = 50
CALLS_A_SECOND = 40  # of simulated time; more is answered 429
ERROR_SHARE = 0.01
STREAMS = {stream.name: stream for stream in (DOCUMENTED, UNREPEATED)}


@unique
class Trouble(StrEnum):
    """Faults that can be switched on at ``POST /trouble``."""

    NONE = "none"
    TIMEOUT = "timeout"
    GARBAGE = "garbage"
    HUGE = "huge"
    REFUSING = "refusing"  # every call 429
    FAILING = "failing"  # every call 500


@dataclass
class World:
    """The server's state: counts for the report, and the trouble it makes."""

    settings: Settings
    stream: Stream = DOCUMENTED
    trouble: Trouble = Trouble.NONE
    news_calls: int = 0
    sentiment_calls: int = 0
    sentiment_articles: int = 0
    refused: int = 0
    connections: set[tuple[str, int]] = field(default_factory=set)
    _recent: list[float] = field(default_factory=list)

    def application(self) -> web.Application:
        """The routes."""
        found = web.Application(client_max_size=16 * 1024 * 1024)
        found.router.add_get("/health", self._health)
        found.router.add_get("/news/{source}", self._news)
        found.router.add_post("/sentiment", self._sentiment)
        found.router.add_get("/counts", self._counts)
        found.router.add_post("/trouble", self._make_trouble)
        return found

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"status": "up", "simulated": True})

    async def _news(self, request: web.Request) -> web.StreamResponse:
        source, cycle = request.match_info["source"], int(request.query["cycle"])
        if source not in SOURCES:
            return _json({"error": "no such source"}, status=404)
        self.news_calls += 1
        self._note_connection(request)
        answer = await self._troubled()
        if answer is not None:
            return answer
        await self._wait(SOURCE_S, f"news {source} {cycle}")
        early = request.query.get("early") == "1"
        found = articles_of(self.stream, self.settings.seed, cycle, source, early=early)
        return _json([{"id": item.id, "symbol": item.symbol, "text": item.text} for item in found])

    async def _sentiment(self, request: web.Request) -> web.StreamResponse:
        self.sentiment_calls += 1
        self._note_connection(request)
        try:
            texts = [str(text) for text in (await request.json())["texts"]]
        except (ValueError, KeyError, TypeError):
            return _json({"error": "give texts"}, status=400)
        if not 1 <= len(texts) <= LARGEST_BATCH:
            return _json({"error": f"give 1 to {LARGEST_BATCH} texts"}, status=400)
        answer = await self._troubled()
        if answer is not None:
            return answer
        if self._is_over_the_limit():
            self.refused += 1
            retry = self.settings.scaled(1.0)
            return _json({"error": "slow down"}, status=429, headers={"Retry-After": f"{retry:g}"})
        number = self.sentiment_calls
        more_s = EACH_FURTHER_ARTICLE_S * (len(texts) - 1)
        await self._wait(SENTIMENT_S, f"sentiment {texts[0]}", more_s)
        if _share(f"{self.settings.seed} failure {number}") < ERROR_SHARE:
            return _json({"error": "internal"}, status=500)
        self.sentiment_articles += len(texts)
        return _json({"scores": [score_of(text) for text in texts]})

    async def _counts(self, _: web.Request) -> web.Response:
        return _json(
            {
                "news_calls": self.news_calls,
                "sentiment_calls": self.sentiment_calls,
                "sentiment_articles": self.sentiment_articles,
                "refused": self.refused,
                "connections": len(self.connections),
            }
        )

    async def _make_trouble(self, request: web.Request) -> web.Response:
        self.trouble = Trouble((await request.json())["trouble"])
        return _json({"trouble": self.trouble.value})

    async def _troubled(self) -> web.StreamResponse | None:
        if self.trouble is Trouble.TIMEOUT:
            await asyncio.sleep(self.settings.call_timeout_s * 2)
        elif self.trouble is Trouble.GARBAGE:
            return web.Response(body=b"\x00\xff<html>{{{", headers=SIMULATED)
        elif self.trouble is Trouble.HUGE:
            body = json.dumps("x" * 10_000_000).encode()
            return web.Response(body=body, content_type="application/json", headers=SIMULATED)
        elif self.trouble is Trouble.REFUSING:
            return _json({"error": "slow down"}, status=429, headers={"Retry-After": "0.05"})
        elif self.trouble is Trouble.FAILING:
            return _json({"error": "internal"}, status=500)
        return None

    async def _wait(self, bounds: tuple[float, float], name: str, more_s: float = 0.0) -> None:
        low, high = bounds
        seconds = low + (high - low) * _share(f"{self.settings.seed} {name}") + more_s
        await asyncio.sleep(self.settings.scaled(seconds))

    def _is_over_the_limit(self) -> bool:
        now = asyncio.get_running_loop().time()
        since = now - self.settings.scaled(1.0)
        self._recent = [at for at in self._recent if at > since]
        if len(self._recent) >= CALLS_A_SECOND:
            return True
        self._recent.append(now)
        return False

    def _note_connection(self, request: web.Request) -> None:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if peer is not None:
            self.connections.add((str(peer[0]), int(peer[1])))


def _json(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.json_response(value, status=status, headers={**SIMULATED, **(headers or {})})


def _share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") / 2**56


def main() -> None:
    """Serve until stopped."""
    settings = Settings.from_environment()
    web.run_app(World(settings).application(), host=settings.host, port=settings.port or 9200)


if __name__ == "__main__":
    main()
