"""The collector: warms the cache, does each cycle, and hands its scores to whoever asks.

    GET /cycle/<n>   the scores of cycle n; 404 until it was done

A trader asks for the cycle it is at. One that is neither known nor the next (after a restart of
either) is done at once, out of turn; scores are a function of the text, so a second time gives the
same.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from aiohttp import web

from tradingsystem.cache import SentimentCache, connect
from tradingsystem.calls import Calls
from tradingsystem.collection import Collection, CycleResult
from tradingsystem.service import Service, serve
from tradingsystem.settings import Mode, Settings

_KEPT_CYCLES = 24
_LAST_CYCLE = 10_000_000  # a thousand years of hours
_WARM_AHEAD = 0.9  # of a cycle's length: when the next one is warmed


class Collector:
    """Collects and scores, cycle by cycle, from ``first_cycle`` on."""

    def __init__(self, settings: Settings, first_cycle: int = 0) -> None:
        self.settings = settings
        self.service = Service("collector", settings, self._work)
        self.service.application.router.add_get("/cycle/{number}", self._cycle)
        self._done: OrderedDict[int, CycleResult] = OrderedDict()
        self._next = first_cycle
        self._asked: asyncio.Queue[int] = asyncio.Queue(maxsize=1)  # out of turn

    async def _work(self, stop: asyncio.Event) -> None:
        settings = self.settings
        client = connect(settings.redis_url)
        cache = None
        if settings.mode is Mode.AFTER:
            cache = SentimentCache(
                client,
                ttl_s=max(settings.scaled(settings.cache_ttl_s), 0.001),
                jitter=settings.cache_jitter,
                negative_ttl_s=max(settings.scaled(settings.negative_ttl_s), 0.001),
                seed=settings.seed,
            )
        try:
            async with Calls(settings) as calls:
                collection = Collection(settings, calls, cache)
                await collection.warm(self._next)
                while not stop.is_set():
                    began = asyncio.get_running_loop().time()
                    await self._do(collection, cache, self._next)
                    length_s = settings.scaled(settings.cycle_s)
                    await self._wait(stop, began + length_s * _WARM_AHEAD, collection, cache)
                    if not stop.is_set():
                        await collection.warm(self._next)
                    await self._wait(stop, began + length_s, collection, cache)
        finally:
            await client.aclose()

    async def _wait(
        self,
        stop: asyncio.Event,
        until: float,
        collection: Collection,
        cache: SentimentCache | None,
    ) -> None:
        """Until then, or until it is to stop; does what is asked for out of turn meanwhile."""
        loop = asyncio.get_running_loop()
        stopped = loop.create_task(stop.wait())
        try:
            while not stop.is_set() and loop.time() < until:
                asked = loop.create_task(self._asked.get())
                await asyncio.wait(
                    {stopped, asked},
                    timeout=until - loop.time(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not asked.done():
                    asked.cancel()
                elif asked.result() not in self._done:
                    await self._do(collection, cache, asked.result())
        finally:
            stopped.cancel()

    async def _do(self, collection: Collection, cache: SentimentCache | None, number: int) -> None:
        made = collection.calls.made
        result = await collection.cycle(number)
        metrics = self.service.metrics
        metrics.cycle_s.set(result.total_s)
        metrics.calls.inc(collection.calls.made - made)
        if cache is not None:
            metrics.hit_ratio.set(cache.counts.hit_ratio)
            metrics.cache_down.set(int(cache.is_down))
        self._done[number] = result
        while len(self._done) > _KEPT_CYCLES:
            self._done.popitem(last=False)
        self._next = max(self._next, number + 1)

    async def _cycle(self, request: web.Request) -> web.Response:
        try:
            number = int(request.match_info["number"])
        except ValueError:
            number = -1
        if not 0 <= number <= _LAST_CYCLE:
            return web.json_response({"error": "a cycle is a whole number"}, status=400)
        result = self._done.get(number)
        if result is None:
            if number != self._next and not self._asked.full():
                self._asked.put_nowait(number)
            return web.json_response({"error": "not done", "next": self._next}, status=404)
        articles = [
            {"id": item.id, "source": item.source, "symbol": item.symbol, "text": item.text}
            for item in result.articles
        ]
        return web.json_response(
            {"articles": articles, "scores": result.scores, "failures": result.failures}
        )


if __name__ == "__main__":
    serve(lambda settings: Collector(settings).service)
