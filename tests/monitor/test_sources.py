"""Looks at sampled resources and at metrics pages."""

from __future__ import annotations

import pytest

from rightsizing.measure.sampling import Reading, Sample
from rightsizing.monitor.sampled import SampledSource
from rightsizing.monitor.scraped import ScrapedSource, ScrapeTarget, reading_of

PAGE = """\
# TYPE unit_latency_seconds histogram
unit_latency_seconds_bucket{le="0.05"} 60
unit_latency_seconds_bucket{le="0.1"} 88
unit_latency_seconds_bucket{le="+Inf"} 100
unit_latency_seconds_count 100
unit_latency_seconds_sum 5.5
# TYPE unit_errors_total counter
unit_errors_total{kind="refused"} 2
unit_errors_total{kind="timeout"} 1
# TYPE cost_per_unit_usd gauge
cost_per_unit_usd 0.03
# TYPE guardian_scan_seconds gauge
guardian_scan_seconds NaN
"""
TARGET = ScrapeTarget(workload="trader", url="http://127.0.0.1:1/metrics")


class Samples:
    """A source that gives what it is told, one reading a look."""

    name = "docker"

    def __init__(self, *looks: tuple[Sample, ...]) -> None:
        self._looks = list(looks)

    def read(self) -> Reading:
        """The next one."""
        return Reading(self._looks.pop(0))


class Ticks:
    """A steady clock 10 s a look."""

    def __init__(self) -> None:
        self.now_s = -10.0

    def wall_ms(self) -> int:
        """Not used."""
        return 0

    def steady_s(self) -> float:
        """10 s later each time."""
        self.now_s += 10
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Not used."""


def sample(
    resource: str, cpu_seconds: float, *, lifetime: str = "1", memory: float = 1.0
) -> Sample:
    """Two cores, 4 bytes of memory."""
    return Sample(
        "web",
        resource,
        lifetime,
        cpu_seconds=cpu_seconds,
        memory_bytes=memory,
        capacity_cores=2.0,
        capacity_memory_bytes=4.0,
    )


def test_cpu_is_what_was_used_between_two_looks() -> None:
    """15 s of CPU in 10 s of two cores: 75 %. The first look knows none."""
    source = SampledSource(Samples((sample("a", 5),), (sample("a", 20),)), Ticks())
    first, second = source.look().workloads[0], source.look().workloads[0]
    assert first.cpu_ratio is None
    assert (second.cpu_ratio, second.memory_ratio) == (0.75, 0.25)


def test_the_busiest_copy_counts() -> None:
    """a used 2 s and holds 3 of 4 bytes, b used 18 s: 90 % CPU, 75 % memory."""
    before = (sample("a", 0), sample("b", 0))
    after = (sample("a", 2, memory=3.0), sample("b", 18))
    source = SampledSource(Samples(before, after), Ticks())
    source.look()
    (found,) = source.look().workloads
    assert (found.cpu_ratio, found.memory_ratio) == (0.9, 0.75)


def test_a_restarted_container_tells_no_cpu_at_first() -> None:
    """Its counter began again; a difference would mean nothing."""
    looks = (sample("a", 50),), (sample("a", 1, lifetime="2"),), (sample("a", 3, lifetime="2"),)
    source = SampledSource(Samples(*looks), Ticks())
    found = [source.look().workloads[0].cpu_ratio for _ in range(3)]
    assert found == [None, None, 0.1]


def test_a_page_gives_units_slow_ones_and_gauges() -> None:
    """100 units, 88 within 0.1 s: 12 slow. NaN is not measured."""
    found = reading_of(PAGE, TARGET)
    assert (found.units, found.slow_units, found.errors) == (100, 12, 3)
    assert found.cost_per_unit_usd == 0.03
    assert found.scan_seconds is None


def test_a_bound_without_a_bucket_is_said() -> None:
    """Slow above 0.2 s cannot be counted from these buckets."""
    target = TARGET.model_copy(update={"slow_above_s": 0.2})
    with pytest.raises(ValueError, match=r"no bucket at 0\.2 s, only 0\.05, 0\.1, inf"):
        reading_of(PAGE, target)


def test_a_page_that_does_not_answer_is_a_workload_down() -> None:
    """Port 1 of loopback is closed: down, and said in one sentence."""
    found = ScrapedSource([TARGET]).look()
    assert [item.up for item in found.workloads] == [False]
    assert found.missing == ("trader: 127.0.0.1:1 gave no metrics (ConnectionError)",)
