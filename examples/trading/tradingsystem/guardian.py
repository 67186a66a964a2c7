"""The guardian: scans all orders and positions in cycles and counts what breaks a rule.

no id twice, no position over the limit, no order of a cycle beyond its four
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

from prometheus_client import Gauge

from tradingsystem.orders import positions, read_orders
from tradingsystem.service import Service, pause, serve
from tradingsystem.settings import Settings
from tradingsystem.strategy import LOT, TRADES_A_CYCLE

SCAN_EVERY_S = 60.0  # of simulated time
POSITION_LIMIT = 500 * LOT


def findings(folder: Path) -> tuple[str, ...]:
    """A sentence for each rule that is broken; empty: all is well."""
    ids, cycles = Counter[str](), Counter[int]()
    for order in read_orders(folder):
        ids[order.id] += 1
        cycles[order.cycle] += 1
    return (
        *(f"order {name} was placed {count} times" for name, count in ids.items() if count > 1),
        *(
            f"cycle {cycle} has {count} orders, {TRADES_A_CYCLE} are allowed"
            for cycle, count in cycles.items()
            if count > TRADES_A_CYCLE
        ),
        *(
            f"{symbol}: {held} held, {POSITION_LIMIT} are allowed"
            for symbol, held in positions(folder).items()
            if abs(held) > POSITION_LIMIT
        ),
    )


class Guardian:
    """Scans until it is to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service = Service("guardian", settings, self._work)
        self._broken = Gauge(
            "guardian_findings",
            "rules broken at the last scan",
            registry=self.service.metrics.registry,
        )

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            found = await asyncio.to_thread(findings, Path(self.settings.data_folder))
            self.service.metrics.scan_s.set(time.monotonic() - began)
            self._broken.set(len(found))
            await pause(stop, self.settings.scaled(SCAN_EVERY_S))


if __name__ == "__main__":
    serve(lambda settings: Guardian(settings).service)
