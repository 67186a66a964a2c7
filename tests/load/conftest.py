"""A server of the tests' own, for requests that are really sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web


@dataclass
class Server:
    """Answers what its path says; `/held` only after it was released."""

    port: int = 0
    seen: list[str] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(f"{request.method} {request.path} {request.headers.get('x-who', '')}")
        if request.path == "/held":
            await self.released.wait()
        return web.Response(status=500 if request.path == "/broken" else 200, text="ok")

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner


@pytest.fixture
def server() -> Iterator[Server]:
    """Running in a thread of its own."""
    found = Server()
    runner = found.loop.run_until_complete(found.start())
    thread = threading.Thread(target=found.loop.run_forever)
    thread.start()
    yield found
    found.loop.call_soon_threadsafe(found.released.set)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), found.loop).result(10)
    found.loop.call_soon_threadsafe(found.loop.stop)
    thread.join()
    found.loop.close()
