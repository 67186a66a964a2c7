"""The trading loop: one process, never two. Asks for a cycle's scores, places its orders.

It goes on from the last cycle it decided, so that a restart loses no trade and repeats none.
Its latency is from having the scores of a cycle to each order being on the disk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import aiohttp

from tradingsystem.articles import Article
from tradingsystem.orders import Order, OrderLog, SecondTraderError
from tradingsystem.service import Service, pause, serve
from tradingsystem.settings import Settings
from tradingsystem.strategy import trades

_POLL_S = 5.0  # of simulated time
_log = logging.getLogger("trading.trader")


class Trader:
    """Places orders until it is to stop."""

    def __init__(self, settings: Settings, *, first_cycle: int = 0) -> None:
        self.settings = settings
        self.service = Service("trader", settings, self._work)
        self._first = first_cycle
        self._usd_per_cycle = settings.usd_per_cycle
        self.cycles = 0

    async def _work(self, stop: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=self.settings.call_timeout_s)
        with OrderLog(Path(self.settings.data_folder)) as log:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                # the last one again: it may have been cut off between two of its orders
                number = self._first if log.last_cycle is None else log.last_cycle
                while not stop.is_set():
                    if await self._cycle(session, log, number):
                        number += 1
                        self.cycles += 1
                    elif await pause(stop, self.settings.scaled(_POLL_S)):
                        return

    async def _cycle(self, session: aiohttp.ClientSession, log: OrderLog, number: int) -> bool:
        """Place the cycle's orders; False when its scores are not there yet."""
        metrics, placed = self.service.metrics, 0
        try:
            orders = log.decided(number)
            if orders is None:
                found = await self._asked(session, number)
                if found is None:
                    return False
                orders = log.decide(number, found)
            for order in orders:
                began = time.monotonic()
                new = log.place(order)
                metrics.latency_s.observe(time.monotonic() - began)
                placed += new
        except OSError as error:
            metrics.errors.inc()
            _log.error("cycle %s is not placed whole (%s); tried again", number, error.strerror)
            return False
        if self._usd_per_cycle is not None and placed:
            metrics.cost_usd.set(self._usd_per_cycle / placed)
        return True

    async def _asked(self, session: aiohttp.ClientSession, number: int) -> tuple[Order, ...] | None:
        """The orders the collector's scores lead to; None: not there yet."""
        try:
            async with session.get(f"{self.settings.collector_url}/cycle/{number}") as answer:
                if answer.status != 200:
                    return None
                page = await answer.json()
            articles = [Article(**item) for item in page["articles"]]
            return trades(number, articles, page["scores"])
        except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError) as error:
            _log.warning("the collector does not answer (%s); asked again", type(error).__name__)
            return None


if __name__ == "__main__":
    serve(lambda settings: Trader(settings).service, refusals=(SecondTraderError,))
