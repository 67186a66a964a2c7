"""The sentiment cache in Redis: scores by text, with the usual guards.

    TTL with jitter     entries of one cycle do not all end at once
    single flight       of several askers in this process for one missing text, one fetches and the
                        others wait; when the one is cancelled, another of them fetches
    negative entries    a text the service refused is not asked for again at once
    failing open        without Redis everything is a miss; said once, and again when it is back
    a full Redis        is still read; that it takes no more is said once, too

Nothing but this module knows Redis.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import asyncio as redis
from redis.exceptions import RedisError, ResponseError

PREFIX = "sentiment:1:"  # the 1 is the version of what is stored
_NEGATIVE = b"none"
_TIMEOUT_S = 0.5
PAUSE_S = 5.0  # Redis is left alone for this long after it gave no answer
_log = logging.getLogger("trading.cache")

Told = Callable[[dict[str, float | None]], None]
Fetch = Callable[[Sequence[str]], Awaitable[dict[str, float | None]]]


@dataclass(slots=True)
class CacheCounts:
    """Since the start. A lookup that joins another's fetch is a hit: it costs no call."""

    hits: int = 0
    misses: int = 0
    negative_hits: int = 0
    joined: int = 0
    failures: int = 0

    @property
    def hit_ratio(self) -> float:
        """Lookups that cost no call, of all."""
        served = self.hits + self.joined + self.negative_hits
        asked = served + self.misses
        return served / asked if asked else 0.0


@dataclass(slots=True)
class SentimentCache:
    """Looks up scores and fetches what is missing.

    ``ttl_s``: how long a score holds; ``jitter``: share by which it is shortened at most;
    ``pause_s``: how long Redis is left alone after it gave no answer, in real time.
    """

    client: redis.Redis
    ttl_s: float
    jitter: float
    negative_ttl_s: float
    seed: int
    pause_s: float = PAUSE_S
    counts: CacheCounts = field(default_factory=CacheCounts)
    _flights: dict[str, asyncio.Future[float | None]] = field(default_factory=dict)
    _down_until: float = 0.0
    _is_down: bool = False
    _is_full: bool = False
    _random: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def is_down(self) -> bool:
        """Whether the last thing asked of Redis failed."""
        return self._is_down

    async def scores(
        self, texts: Sequence[str], fetch: Fetch, told: Told = lambda _: None
    ) -> dict[str, float | None]:
        """A score for each text; None where the service has none.

        Args:
            fetch: called once with the texts that nobody knows or is fetching already; texts it
                leaves out stay unknown. What it raises is raised to every waiting asker.
            told: called with the scores the cache knows, as soon as it has answered.
        """
        return await self._scores(texts, fetch, told, self.counts)

    async def warm(self, texts: Sequence[str], fetch: Fetch) -> int:
        """Fetch what is missing, counting no lookups; returns how many are known afterwards.

        Without Redis nothing is fetched, since nothing would be remembered.
        """
        known = await self._get(texts[:1])
        if not known or self._is_down:
            return 0
        found = await self._scores(texts, fetch, lambda _: None, CacheCounts())
        return sum(value is not None for value in found.values())

    async def _scores(
        self, texts: Sequence[str], fetch: Fetch, told: Told, counts: CacheCounts
    ) -> dict[str, float | None]:
        distinct = list(dict.fromkeys(texts))
        found: dict[str, float | None] = {}
        for text, value in zip(distinct, await self._get(distinct), strict=True):
            if value is None:
                continue
            score = None if value == _NEGATIVE else _number(value)
            if score is None and value != _NEGATIVE:
                continue  # someone else's entry under our key
            found[text] = score
            if score is None:
                counts.negative_hits += 1
            else:
                counts.hits += 1
        told(found)
        missing = [text for text in distinct if text not in found]
        waiting = {text: self._flights[text] for text in missing if text in self._flights}
        counts.joined += len(waiting) + len(texts) - len(distinct)
        own = [text for text in missing if text not in waiting]
        if own:
            found |= await self._fetch(own, fetch, counts)
        abandoned = []
        for text, flight in waiting.items():
            await asyncio.wait([flight])
            if flight.cancelled():
                abandoned.append(text)
            else:
                found[text] = flight.result()
        if abandoned:
            found |= await self._scores(abandoned, fetch, told, counts)
        return found

    async def _fetch(
        self, texts: list[str], fetch: Fetch, counts: CacheCounts
    ) -> dict[str, float | None]:
        loop = asyncio.get_running_loop()
        flights = {text: loop.create_future() for text in texts}
        self._flights.update(flights)
        counts.misses += len(texts)
        try:
            fetched = await fetch(texts)
            for text, flight in flights.items():
                flight.set_result(fetched.get(text))
            await self._put(fetched)  # joined until then: nobody may miss it in between
        except asyncio.CancelledError:
            for flight in flights.values():
                flight.cancel()
            raise
        except BaseException as error:
            for flight in flights.values():
                flight.set_exception(error)
                flight.exception()  # whoever waits sees it; nobody waiting is no fault
            raise
        finally:
            for text in texts:
                self._flights.pop(text, None)
        return fetched

    async def _get(self, texts: Sequence[str]) -> list[bytes | None]:
        nothing: list[bytes | None] = [None] * len(texts)
        if not texts or self._is_left_alone():
            return nothing
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                found: Any = await self.client.mget([_key(text) for text in texts])
            if not isinstance(found, list) or len(found) != len(texts):
                raise ResponseError(f"{len(texts)} keys were asked for, the answer has not as many")
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            self._failed(error)
            return nothing
        self._answered()
        return found

    async def _put(self, scores: dict[str, float | None]) -> None:
        if not scores or self._is_left_alone():
            return
        try:
            async with asyncio.timeout(_TIMEOUT_S), self.client.pipeline(transaction=False) as pipe:
                for text, score in scores.items():
                    ttl_s = self.negative_ttl_s if score is None else self._ttl()
                    value = _NEGATIVE if score is None else repr(score).encode()
                    pipe.set(_key(text), value, px=max(int(ttl_s * 1000), 1))
                await pipe.execute()
        except ResponseError as error:
            self._refused(error)
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            self._failed(error)
        else:
            self._answered()
            self._is_full = False

    def _ttl(self) -> float:
        return self.ttl_s * (1 - self.jitter * self._random.random())

    def _is_left_alone(self) -> bool:
        return asyncio.get_running_loop().time() < self._down_until

    def _failed(self, error: BaseException) -> None:
        self.counts.failures += 1
        self._down_until = asyncio.get_running_loop().time() + self.pause_s
        if not self._is_down:
            _log.warning(
                "the cache does not answer (%s: %s); going on without it, every lookup is a call",
                type(error).__name__,
                error,
            )
        self._is_down = True

    def _refused(self, error: ResponseError) -> None:
        """It answers, but takes nothing: full, or read-only."""
        self.counts.failures += 1
        if not self._is_full:
            _log.warning("the cache takes no more (%s); what it has is still read", error)
        self._is_full = True

    def _answered(self) -> None:
        if self._is_down:
            _log.warning("the cache answers again")
        self._is_down = False


def connect(url: str) -> redis.Redis:
    """A client with a bounded pool; nothing is connected yet."""
    return redis.Redis.from_url(
        url,
        max_connections=10,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        protocol=2,  # a Redis older than 6 knows no other
    )


def _key(text: str) -> str:
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]


def _number(value: bytes) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
