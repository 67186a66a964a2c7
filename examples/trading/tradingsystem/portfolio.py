"""The portfolio API: what is held, read from the order log on demand. Stateless."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from tradingsystem.articles import SYMBOLS
from tradingsystem.orders import positions
from tradingsystem.service import Service, serve
from tradingsystem.settings import Settings


class Portfolio:
    """``GET /portfolio``: every position, gross and net; ``GET /portfolio/<symbol>``: one."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.data_folder)
        self.service = Service("portfolio", settings)
        router = self.service.application.router
        router.add_get("/portfolio", self._all)
        router.add_get("/portfolio/{symbol}", self._one)

    async def _all(self, _: web.Request) -> web.Response:
        held = positions(self._folder)
        return web.json_response(
            {
                "positions": dict(sorted(held.items())),
                "gross": sum(abs(quantity) for quantity in held.values()),
                "net": sum(held.values()),
            }
        )

    async def _one(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        if symbol not in SYMBOLS:
            return web.json_response({"error": "no such symbol"}, status=404)
        quantity = positions(self._folder).get(symbol, 0)
        return web.json_response({"symbol": symbol, "quantity": quantity})


if __name__ == "__main__":
    serve(lambda settings: Portfolio(settings).service)
