"""The data plane in real time, with a wall clock and a Docker host that the test holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.cloud.containerstate import Container
from rightsizing.embedded.cloud.metricstore import MetricStore, SeriesKey, Window
from rightsizing.embedded.cloud.plane.host import ContainerUse
from rightsizing.embedded.cloud.plane.plane import Plane
from rightsizing.embedded.cloud.plane.scenario import (
    ConstantRate,
    Demand,
    PlaneMode,
    Scenario,
)
from rightsizing.embedded.faults.book import FaultBook

NOON_MS = 1_767_614_400_000  # 2026-01-05 12:00 UTC, a full minute


class WallClock(Clock):
    """A machine's clock, set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.machine_ms = NOON_MS

    def wall_ms(self) -> int:  # type: ignore[override]
        return self.machine_ms


class NoCloud:
    """An AWS with nothing in it."""

    def client(self, _service: str) -> NoCloud:
        return self

    def pages(self, *_names: str, **_parameters: Any) -> Iterator[Any]:
        return iter(())


class OneContainer:
    """A Docker host with one container of a whole core."""

    def __init__(self) -> None:
        self.kills: list[tuple[str, int]] = []

    def running(self) -> list[Container]:
        return [
            Container(
                id="c1",
                name="web",
                image="web",
                created="2026-01-01T00:00:00Z",
                config={"Labels": {"rightsizing:workload": "web"}},
                host_config={"NanoCpus": 10**9, "Memory": 2**30},
                status="running",
                started_at="2026-01-01T00:00:00Z",
            )
        ]

    def out_of_memory(self, name: str, kills: int) -> None:
        self.kills.append((name, kills))

    def show_use(self, name: str, use: ContainerUse) -> None:
        self.use = (name, use)


@pytest.fixture
def clock() -> WallClock:
    """Noon."""
    return WallClock()


@pytest.fixture
def metrics(tmp_path: Path) -> MetricStore:
    """Empty."""
    return MetricStore(tmp_path / "metrics.jsonl")


def _plane(folder: Path, clock: Clock, metrics: MetricStore, host: OneContainer) -> Plane:
    book = FaultBook(folder / "faults.json", clock.now_ms)
    api: Any = lambda _region: NoCloud()  # noqa: E731
    return Plane(folder / "plane.json", api, metrics=metrics, clock=clock, book=book, host=host)


def _scenario(memory_mib: float = 100.0) -> Scenario:
    demand = Demand(
        rate=ConstantRate(requests_per_s=10), service_core_s=0.01, memory_base_mib=memory_mib
    )
    return Scenario(workloads={"web": demand}, mode=PlaneMode.REAL_TIME)


def _minutes(metrics: MetricStore) -> list[int]:
    key = SeriesKey(
        "us-east-1", "Rightsizing/Containers", "RequestCount", (("ContainerName", "web"),)
    )
    noon_s = NOON_MS // 1000
    found = metrics.statistic(key, "Sum", Window(noon_s - 3600, noon_s + 2 * 86_400, 60))
    return [(start - noon_s) // 60 for start in found.period_starts_s]


def test_minutes_are_made_when_they_are_over(
    tmp_path: Path, clock: WallClock, metrics: MetricStore
) -> None:
    """Nothing at 12:00:59; 12:00 and 12:01 at 12:02; nothing twice."""
    plane = _plane(tmp_path, clock, metrics, OneContainer())
    plane.load(_scenario())
    clock.machine_ms = NOON_MS + 59_000
    plane.catch_up()
    assert _minutes(metrics) == []
    clock.machine_ms = NOON_MS + 120_000
    plane.catch_up()
    plane.catch_up()
    assert _minutes(metrics) == [0, 1]
    assert plane.status().now_ms == clock.machine_ms


def test_a_long_sleep_is_caught_up_for_a_day(
    tmp_path: Path, clock: WallClock, metrics: MetricStore
) -> None:
    """Down for two days: the last 1,440 minutes are made, by another process."""
    _plane(tmp_path, clock, metrics, OneContainer()).load(_scenario())
    clock.machine_ms = NOON_MS + 2 * 86_400_000
    _plane(tmp_path, clock, metrics, OneContainer()).catch_up()
    assert _minutes(metrics) == list(range(1440, 2880))


def test_the_host_is_told_of_kills(tmp_path: Path, clock: WallClock, metrics: MetricStore) -> None:
    """1.5 GiB wanted of 1: one kill in each of three minutes."""
    host = OneContainer()
    plane = _plane(tmp_path, clock, metrics, host)
    plane.load(_scenario(memory_mib=1536.0))
    clock.machine_ms = NOON_MS + 180_000
    plane.catch_up()
    assert host.kills == [("web", 3)]
