"""The trading system for tests: a Redis of its own, the simulated outside, its processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from tradingsystem.articles import DOCUMENTED, Stream
from tradingsystem.cache import SentimentCache, connect
from tradingsystem.calls import Calls
from tradingsystem.collection import Collection
from tradingsystem.outside import World
from tradingsystem.settings import Mode, Settings

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "trading"
PATIENCE_S = 15.0
SCALE = 0.004  # a sentiment call of 1 s takes 4 ms


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(condition: Callable[[], Any], what: str) -> Any:
    """Poll until the condition holds; fails naming it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {PATIENCE_S:g} s")


@dataclass
class RedisServer:
    """A real redis-server that can be killed and started again on its port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start it and wait until it accepts connections."""
        program = shutil.which("redis-server")
        assert program is not None
        given = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options]
        self.process = subprocess.Popen(
            [program, *given], cwd=self.folder, stdout=subprocess.DEVNULL
        )
        until(self._accepts, "redis-server's start")

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        return True


def settings_of(redis_url: str = "redis://127.0.0.1:1/0", **changed: Any) -> Settings:
    """Settings for a fast test."""
    given = {"time_scale": SCALE, "cpu_work_ms": 0, "call_timeout_s": 2.0, "redis_url": redis_url}
    return Settings(**{**given, **changed})


@dataclass
class Site:
    """The outside and a collection that works on it."""

    world: World
    calls: Calls
    collection: Collection
    cache: SentimentCache | None


@asynccontextmanager
async def site(
    settings: Settings, stream: Stream = DOCUMENTED, *, pause_s: float = 0.05
) -> AsyncIterator[Site]:
    """Serve the outside on loopback and open a collection."""
    world = World(settings, stream)
    runner = web.AppRunner(world.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = settings.model_copy(
        update={"outside_url": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    )
    client = connect(settings.redis_url)
    cache = None
    if settings.mode is Mode.AFTER:
        cache = SentimentCache(client, 3600, 0.1, 60, settings.seed, pause_s=pause_s)
    try:
        async with Calls(settings) as calls:
            yield Site(world, calls, Collection(settings, calls, cache), cache)
    finally:
        await client.aclose()
        await runner.cleanup()


@dataclass
class Processes:
    """Processes of the trading system."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, module: str, port: int, **settings: object) -> subprocess.Popen[str]:
        """Start ``python -m tradingsystem.MODULE``; does not wait for it."""
        given = {"data_folder": self.folder, "port": port, "time_scale": SCALE, "cpu_work_ms": 0}
        environment = {
            f"TRADING_{name.upper()}": str(value) for name, value in (given | settings).items()
        }
        process = subprocess.Popen(
            [sys.executable, "-m", f"tradingsystem.{module}"],
            env={**os.environ, **environment, "PYTHONPATH": str(EXAMPLE)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page; status 0: nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def order_ids(folder: Path) -> Sequence[str]:
    """Ids of the placed orders, in order, read without the system's own code."""
    try:
        lines = (folder / "orders.jsonl").read_text().split("\n")[:-1]  # whole ones
    except FileNotFoundError:
        return []
    return [json.loads(line)["id"] for line in lines]
