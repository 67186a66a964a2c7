"""The report service: what was traded, by cycle and symbol, on demand. Stateless."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from aiohttp import web

from tradingsystem.orders import read_orders
from tradingsystem.service import Service, serve
from tradingsystem.settings import Settings


class Reports:
    """``GET /report``: counts of orders."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.data_folder)
        self.service = Service("reports", settings)
        self.service.application.router.add_get("/report", self._report)

    async def _report(self, _: web.Request) -> web.Response:
        orders = list(read_orders(self._folder))
        by_symbol = Counter(order.symbol for order in orders)
        return web.json_response(
            {
                "orders": len(orders),
                "cycles": len({order.cycle for order in orders}),
                "by_symbol": dict(sorted(by_symbol.items())),
            }
        )


if __name__ == "__main__":
    serve(lambda settings: Reports(settings).service)
