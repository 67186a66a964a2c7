"""The outside in trouble: counted and said, never a crash, and bounded in memory and calls."""

from __future__ import annotations

import asyncio
import tracemalloc
import urllib.request

import pytest
from aiohttp import web
from tradingsite import Processes, RedisServer, ask, free_port, settings_of, site, until
from tradingsystem.articles import SOURCES
from tradingsystem.calls import LARGEST_ANSWER_BYTES, Calls, OutsideError, RetryBudget
from tradingsystem.collection import Collection, CycleResult
from tradingsystem.outside import Trouble
from tradingsystem.settings import Mode

TROUBLES = [item for item in Trouble if item is not Trouble.NONE]
SENTENCES = {
    Trouble.TIMEOUT: "no answer",
    Trouble.GARBAGE: "not JSON",
    Trouble.HUGE: f"more than {LARGEST_ANSWER_BYTES:,} bytes",
    Trouble.REFUSING: "429",
    Trouble.FAILING: "500",
}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda item: item.value)
def test_trouble_costs_the_cycle_nothing_but_its_articles(trouble: Trouble) -> None:
    """Every source's failure is counted with its reason; the next cycle is whole again."""

    async def run() -> None:
        patience_s = 0.1 if trouble is Trouble.TIMEOUT else 10.0
        settings = settings_of(mode=Mode.AFTER, call_timeout_s=patience_s, attempts=2)
        async with site(settings) as found:
            found.world.trouble = trouble
            bad = await found.collection.cycle(10)
            assert bad.articles == ()
            assert len(bad.failures) == len(SOURCES)
            reasons = [item for item in bad.failures if SENTENCES[trouble] in item]
            spent = [item for item in bad.failures if "no retries are left" in item]
            assert reasons
            assert len(reasons) + len(spent) == len(SOURCES)
            found.world.trouble = Trouble.NONE
            good = await found.collection.cycle(11)
            assert len(good.scores) == len(good.articles) > 100

    asyncio.run(run())


def test_answers_of_10_mb_are_not_read_whole(processes: Processes) -> None:
    """Twenty answers of 10 MB, ten at once, take less than 4 MB each at their peak."""
    port = free_port()
    processes.start("outside", port)
    until(lambda: ask(port, "/health")[0] == 200, "the outside's start")
    body = b'{"trouble": "huge"}'
    urllib.request.urlopen(f"http://127.0.0.1:{port}/trouble", data=body, timeout=5).close()
    settings = settings_of(mode=Mode.AFTER, outside_url=f"http://127.0.0.1:{port}")

    async def run() -> CycleResult:
        async with Calls(settings) as calls:
            return await Collection(settings, calls, None).cycle(10)

    tracemalloc.start()
    try:
        failures = asyncio.run(run()).failures
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(failures) == len(SOURCES)
    assert peak < 10 * 4 * 1024**2


def test_an_ai_service_in_trouble_leaves_articles_without_a_score(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Articles are there, scores are not: each is counted, and none remembered as refused."""

    async def run() -> None:
        async with site(settings_of(redis_server.url, mode=Mode.AFTER, attempts=1)) as found:

            async def fails(calls: Calls, texts: object) -> list[float]:
                raise OutsideError("/sentiment: it answered 500")

            with monkeypatch.context() as patched:
                patched.setattr(Calls, "sentiment", fails)
                bad = await found.collection.cycle(10)
            assert len(bad.articles) > 100
            assert bad.scores == {}
            assert len([item for item in bad.failures if "has no score" in item]) == len(
                bad.articles
            )
            good = await found.collection.cycle(10)
            assert len(good.scores) == len(good.articles) == len(bad.articles)

    asyncio.run(run())


def test_retries_are_a_share_of_calls() -> None:
    """10 free ones, then one for every four calls: 100 failing calls make 35 retries."""
    budget, retries = RetryBudget(0.25), 0
    for _ in range(100):
        budget.note_call()
        retries += budget.take()
    assert retries == 35  # 10 + 0.25 x 100
    assert budget.refused == 65


def test_nonsense_answers_are_refused() -> None:
    """Deep nesting, a date to retry after, scores that are no numbers: one sentence each."""
    bodies = {
        "/news/deep": b"[" * 100_000,
        "/news/list": b'{"a": 1}',
        "/news/missing": b'[{"id": 1}]',
        "/sentiment": b'{"scores": [NaN]}',
    }

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/news/date":
            headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
            return web.Response(status=429, headers=headers)
        return web.Response(body=bodies[request.path])

    async def run() -> list[str]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        settings = settings_of(outside_url=f"http://127.0.0.1:{runner.addresses[0][1]}", attempts=1)
        said = []
        async with Calls(settings) as calls:
            for source in ("deep", "list", "missing", "date"):
                with pytest.raises(OutsideError) as error:
                    await calls.news(source, 1)
                said.append(str(error.value))
            with pytest.raises(OutsideError) as error:
                await calls.sentiment(["a"])
            said.append(str(error.value))
        await runner.cleanup()
        return said

    assert asyncio.run(run()) == [
        "/news/deep: the answer is not JSON",
        "list answered no list of articles",
        "missing answered an article without 'symbol'",
        "/news/date: it answered 429",
        "a score is no number from -1 to 1",
    ]
