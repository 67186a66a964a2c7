"""Before and after on the same seed, in one command, each claim beside what was measured.

    python -m tradingsystem.comparison --cycles 4 --time-scale 0.05

A Redis server is started on a free port for the run (``redis-server`` has to be installed), unless
one is given. Waits are simulated and scaled; figures are of simulated time. The same machine does
the work of both modes, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from aiohttp import web

from tradingsystem.articles import DOCUMENTED, UNREPEATED, Stream
from tradingsystem.cache import SentimentCache, connect
from tradingsystem.calls import Calls
from tradingsystem.collection import Collection
from tradingsystem.outside import World
from tradingsystem.settings import Mode, Settings

FIRST_CYCLE = 10  # so that stories of earlier cycles are on the pages


@dataclass(frozen=True, slots=True)
class Measured:
    """One mode on one stream; means over its cycles, simulated seconds."""

    mode: str
    stream: str
    cycles: int
    articles: int
    collect_s: float
    cycle_s: float
    response_s: float
    ai_calls: int
    ai_articles: int
    connections: int
    failures: int

    @property
    def hit_ratio(self) -> float:
        """Articles whose score cost nothing, of all; what warming asked for did cost."""
        return 1 - self.ai_articles / self.articles


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of the phase: what it says, what was measured, whether it holds."""

    name: str
    claimed: str
    measured: str
    holds: bool


async def measured(
    settings: Settings, stream: Stream, cycles: int
) -> tuple[Measured, list[dict[str, float]]]:
    """Run a mode; also the scores of each cycle, by article id."""
    world = World(settings, stream)
    runner = web.AppRunner(world.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    settings = settings.model_copy(update={"outside_url": f"http://127.0.0.1:{port}"})
    client = connect(settings.redis_url)
    cache = None
    if settings.mode is Mode.AFTER:
        await client.flushdb()
        cache = SentimentCache(
            client,
            settings.cache_ttl_s,
            settings.cache_jitter,
            settings.negative_ttl_s,
            settings.seed,
        )
    try:
        async with Calls(settings) as calls:
            collection = Collection(settings, calls, cache)
            results = []
            for number in range(FIRST_CYCLE, FIRST_CYCLE + cycles):
                await collection.warm(number)
                results.append(await collection.cycle(number))
    finally:
        await client.aclose()
        await runner.cleanup()
    responses = [seconds for result in results for seconds in result.response_s]
    found = Measured(
        mode=settings.mode.value,
        stream=stream.name,
        cycles=cycles,
        articles=sum(len(result.articles) for result in results),
        collect_s=sum(result.collect_s for result in results) / cycles,
        cycle_s=sum(result.total_s for result in results) / cycles,
        response_s=sum(responses) / len(responses),
        ai_calls=world.sentiment_calls,
        ai_articles=world.sentiment_articles,
        connections=len(world.connections),
        failures=sum(len(result.failures) for result in results),
    )
    return found, [result.scores for result in results]


def claims(before: Measured, after: Measured) -> tuple[Claim, ...]:
    """The phase's claims beside what was measured."""
    faster = before.cycle_s / after.cycle_s
    fewer = 1 - after.ai_calls / before.ai_calls
    better = 1 - after.response_s / before.response_s
    return (
        Claim("cycle", "3-5 times shorter", f"{faster:.1f} times shorter", faster >= 3),
        Claim(
            "collection",
            "45 s to 10-15 s",
            f"{before.collect_s:.0f} s to {after.collect_s:.0f} s",
            after.collect_s <= 15,
        ),
        Claim("AI calls", "80 % fewer", f"{fewer:.0%} fewer", fewer >= 0.8),
        Claim("hit rate", "70 % and more", f"{after.hit_ratio:.0%}", after.hit_ratio >= 0.7),
        Claim("sentiment response", "60 % better", f"{better:.0%} better", better >= 0.6),
    )


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of its own on loopback; its address."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not installed; install it (apt install redis-server)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            folder,
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    with socket.create_connection(("127.0.0.1", port), 0.1):
                        break
                except OSError:
                    process.poll()
                    asyncio.run(asyncio.sleep(0.05))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Run both modes on both streams and print the claims."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=4)
    parser.add_argument("--time-scale", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--redis", help="address of a Redis to use; its database is emptied")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.redis:
        found = _compare(options.redis, options)
    else:
        with redis_server() as url:
            found = _compare(url, options)
    if options.json:
        print(json.dumps(found, indent=2))
    if not all(item["same_results"] for item in found):
        sys.exit(1)


def _compare(redis_url: str, options: argparse.Namespace) -> list[dict[str, object]]:
    pages: list[dict[str, object]] = []
    for stream in (DOCUMENTED, UNREPEATED):
        runs, scores = [], []
        for mode in Mode:
            settings = Settings(
                mode=mode,
                seed=options.seed,
                time_scale=options.time_scale,
                redis_url=redis_url,
            )
            run, scored = asyncio.run(measured(settings, stream, options.cycles))
            runs.append(run)
            scores.append(scored)
        same = scores[0] == scores[1]
        found = claims(*runs)
        pages.append(
            {
                "stream": stream.name,
                "simulated": True,
                "time_scale": options.time_scale,
                "seed": options.seed,
                "same_results": same,
                "runs": [{**asdict(run), "hit_ratio": run.hit_ratio} for run in runs],
                "claims": [asdict(claim) for claim in found],
            }
        )
        if not options.json:
            _print(stream, runs, found, same, options)
    return pages


def _print(
    stream: Stream,
    runs: list[Measured],
    found: tuple[Claim, ...],
    same: bool,
    options: argparse.Namespace,
) -> None:
    before, after = runs
    print(
        f"\n{stream.name} stream, seed {options.seed}, {before.cycles} cycles, {before.articles} "
        f"articles; the outside is simulated, waits scaled by {options.time_scale:g}"
    )
    for claim in found:
        print(
            f"  {claim.name:<20} claimed {claim.claimed:<18} measured {claim.measured:<22} "
            f"{'holds' if claim.holds else 'DOES NOT HOLD'}"
        )
    print(
        f"  AI calls {before.ai_calls} -> {after.ai_calls}, articles sent to the AI "
        f"{before.ai_articles} -> {after.ai_articles}, connections {before.connections} -> "
        f"{after.connections}, failures {before.failures} and {after.failures}"
    )
    print(f"  results article by article: {'equal' if same else 'DIFFERENT'}")
    if after.hit_ratio < 0.7:
        reached = round(after.articles * (1 - 0.7))
        print(
            f"  without the repetition the AI scores {after.ai_articles} articles, "
            f"{after.ai_articles - reached} more than at 70 %: a service billed by the article "
            "saves little, one billed by the call still saves"
        )


if __name__ == "__main__":
    main()
