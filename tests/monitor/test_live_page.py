"""The live page: its data, its headers, and what Chromium makes of it."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightsizing.model.alerting import default_rules
from rightsizing.monitor.board import AlertBoard
from rightsizing.monitor.exceedance import ObservedExceedance
from rightsizing.monitor.figures import (
    ExceedanceFigure,
    Figures,
    JournalLine,
    RolloutFigure,
    SizeFigure,
    SizingFigure,
)
from rightsizing.monitor.livepage import page_routes
from rightsizing.monitor.livestate import POINTS, LiveState
from rightsizing.monitor.localserver import EventStream, LocalServer
from rightsizing.monitor.monitor import Round
from rightsizing.monitor.notification import Notifier
from rightsizing.monitor.reading import WorkloadReading

sys.path.insert(0, str(Path(__file__).resolve().parent))

from browser import opened, program

HOSTILE = "<img src=x onerror=alert(1)>'\"&</script><script>alert(2)</script>"
FIGURES = Figures(
    workloads=(
        SizingFigure(
            "trader",
            SizeFigure("16 cores", 16.0, 16e9),
            SizeFigure("1.75 cores", 1.75, 16e9),
            ExceedanceFigure(3.1, 0.4, 9.7),
            37.11,
            230.02,
            HOSTILE,
        ),
        SizingFigure(HOSTILE, SizeFigure(HOSTILE, 2.0, 1e9)),
    ),
    rollout=RolloutFigure(
        "0001-ab-p1", "running", "weight-25", (JournalLine(0, "verdict", HOSTILE),)
    ),
    problems=(HOSTILE,),
)


class Driven:
    """Rounds of a workload at 95 % CPU."""

    def __init__(self) -> None:
        self.live = LiveState(15.0)
        self._board = AlertBoard({"": default_rules()}, interval_s=15)
        self._notifier = Notifier()
        self._number = 0

    def rounds(self, count: int) -> None:
        """Some more rounds."""
        for _ in range(count):
            self._number += 1
            now_ms = self._number * 15_000
            readings = {
                "trader": WorkloadReading("trader", up=True, cpu_ratio=0.95, memory_ratio=0.5),
                "web": WorkloadReading("web", up=True, cpu_ratio=0.7),
            }
            alerts = self._board.evaluate(
                readings, at_s=now_ms / 1000, elapsed_s=15.0, now_ms=now_ms
            )
            told = self._notifier.due(alerts, now_ms=now_ms)
            found = Round(self._number, now_ms, readings, alerts, told, ())
            seen = ObservedExceedance(workload="trader", watched_s=60)
            self.live.add(found, FIGURES, {"trader": seen})


@pytest.fixture
def driven() -> Driven:
    """With 30 rounds done: CPU has been high for longer than five minutes."""
    made = Driven()
    made.rounds(30)
    return made


@pytest.fixture
def site(driven: Driven) -> Iterator[tuple[LocalServer, EventStream]]:
    """The page, served."""
    events = EventStream()
    server = LocalServer(page_routes(driven.live), port=0, events=events)
    yield server, events
    server.close()


def test_unknown_figures_are_null(driven: Driven) -> None:
    """What no source tells is null, in the table and in the history."""
    page = json.loads(driven.live.page())
    web = next(item for item in page["workloads"] if item["key"] == "web")
    assert web["cpu"] == 0.7
    assert web["memory"] is None
    assert web["applied"] is None
    assert json.loads(driven.live.history("web"))["memory"] == [None] * 30
    assert json.loads(driven.live.history("nobody"))["at_ms"] == []


def test_the_last_hour_is_kept_in_order(driven: Driven) -> None:
    """Beyond the ring's length the oldest points go; times stay ascending."""
    driven.rounds(POINTS)
    times = json.loads(driven.live.history("trader"))["at_ms"]
    assert times == [number * 15_000 for number in range(31, 31 + POINTS)]


def test_firing_and_told(driven: Driven) -> None:
    """The alert is on the page, and that it was told."""
    page = json.loads(driven.live.page())
    trader = next(item for item in page["workloads"] if item["key"] == "trader")
    assert ("CpuHigh", "firing") in {(item["rule"], item["phase"]) for item in trader["alerts"]}
    assert any("CpuHigh" in item["text"] for item in page["news"])


def test_the_page_allows_its_own_script_alone(site: tuple[LocalServer, EventStream]) -> None:
    """One document without a foreign address; the policy has hashes and no unsafe word."""
    with urllib.request.urlopen(site[0].url, timeout=5) as answer:
        policy, body = answer.headers["Content-Security-Policy"], answer.read().decode()
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "https://" not in body
    assert "innerHTML" not in body


@pytest.mark.skipif(program() is None, reason="Chromium is not installed (apt install chromium)")
def test_in_chromium(site: tuple[LocalServer, EventStream], driven: Driven, tmp_path: Path) -> None:
    """Every view by click and by key, at both widths and schemes: no error, nothing sticks out."""
    server, events = site

    async def look() -> None:
        async with opened(server.url + "/", tmp_path) as tab:
            await tab.until("document.querySelectorAll('#kpis tbody tr').length === 3")
            for width in (1280, 390):
                for dark in (False, True):
                    await tab.shape(width, dark=dark)
                    ground = await tab.run("getComputedStyle(document.body).backgroundColor")
                    assert (int(ground.split("(")[1].split(",")[0]) < 100) is dark
                    for view in ("kpis", "size", "alerts", "rollout"):
                        await tab.run(f"document.getElementById('tab-{view}').click()")
                        assert not await tab.run(f"document.getElementById('view-{view}').hidden")
                        wide = await tab.run("document.documentElement.scrollWidth")
                        assert wide <= width, (view, width)
            await tab.run("document.getElementById('tab-kpis').focus(); select('kpis')")
            for key, view in (("ArrowRight", "size"), ("End", "rollout"), ("ArrowRight", "kpis")):
                await tab.press(key)
                assert not await tab.run(f"document.getElementById('view-{view}').hidden")
            await tab.run(
                "[...document.querySelectorAll('button.name')]"
                ".find(b => b.textContent === 'trader').focus()"
            )
            await tab.press("Enter")
            await tab.until("document.querySelectorAll('#chart-cpu line.advice').length > 0")
            assert await tab.run("document.querySelectorAll('img').length") == 0
            assert await tab.run("document.scripts.length") == 1
            assert HOSTILE in await tab.run("document.getElementById('journal').textContent")
            await tab.until("document.title.startsWith('(')")
            while not events.has_listeners:
                await asyncio.sleep(0.02)
            driven.rounds(1)
            events.publish("round", driven.live.page())
            await tab.until("document.getElementById('status').textContent.includes('round 31')")
            assert tab.complaints == []
            assert all(address.startswith(server.url) for address in tab.asked)

    asyncio.run(look())
