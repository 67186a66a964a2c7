"""The samples behind a peak, compared with sorting the rows in Python."""

from __future__ import annotations

import ibis
import numpy as np
import pytest

from rightsizing.model.base import NoData
from rightsizing.profile.peaksamples import Dimension, day_peaks, highest_samples, intervals_above

DAY_MS = 86_400_000
START_MS = 20_000 * DAY_MS


def table(rows: list[dict[str, object]]) -> ibis.Table:
    """Store rows of one workload; missing columns are null."""
    columns = {
        "timestamp_ms": "int64",
        "interval_s": "int64",
        "resource_id": "string",
        "cpu_cores_max": "float64",
        "cpu_cores_mean": "float64",
        "capacity_cores": "float64",
        "memory_bytes_max": "float64",
        "memory_bytes_mean": "float64",
        "capacity_memory_bytes": "float64",
    }
    full = [{name: row.get(name) for name in columns} for row in rows]
    return ibis.memtable(full, schema=columns)


def cpu_row(
    minute: int,
    peak: float | None,
    mean: float | None = None,
    resource: str = "a",
    cap: float = 4.0,
) -> dict[str, object]:
    """One interval, so many minutes after the start."""
    return {
        "timestamp_ms": START_MS + minute * 60_000,
        "interval_s": 300,
        "resource_id": resource,
        "cpu_cores_max": peak,
        "cpu_cores_mean": mean,
        "capacity_cores": cap,
    }


@pytest.fixture
def week() -> list[dict[str, object]]:
    """Seven days of two resources at 5 minutes, seeded."""
    generator = np.random.default_rng(7)
    return [
        cpu_row(minute, float(generator.gamma(2.0)), resource=resource)
        for minute in range(0, 7 * 1440, 5)
        for resource in ("a", "b")
    ]


def test_the_highest_are_the_highest(week) -> None:
    """Ten samples, as sorting says."""
    found = highest_samples(table(week), Dimension.CPU, 10)
    expected = sorted((row["cpu_cores_max"] for row in week), reverse=True)[:10]
    assert [sample.amount for sample in found] == expected


def test_order_of_rows_is_irrelevant(week) -> None:
    """The same samples and days from the rows backwards."""
    forward, backward = table(week), table(week[::-1])
    assert highest_samples(forward, Dimension.CPU, 20) == highest_samples(
        backward, Dimension.CPU, 20
    )
    assert day_peaks(forward, Dimension.CPU) == day_peaks(backward, Dimension.CPU)


def test_of_equal_samples_the_earlier_comes_first() -> None:
    """Ties are settled by time, then by resource."""
    rows = [cpu_row(10, 2.0, resource="b"), cpu_row(5, 2.0), cpu_row(10, 2.0, resource="a")]
    found = highest_samples(table(rows), Dimension.CPU, 2)
    assert [(item.timestamp_ms - START_MS, item.resource_id) for item in found] == [
        (300_000, "a"),
        (600_000, "a"),
    ]


def test_a_mean_stands_in_for_a_peak_and_says_so() -> None:
    """Without a maximum the mean counts; a capacity of 0 is none."""
    (found,) = highest_samples(table([cpu_row(0, None, 1.5, cap=0.0)]), Dimension.CPU, 5)
    assert (found.amount, found.is_mean) == (1.5, True)
    assert isinstance(found.capacity, NoData)


def test_days_hold_their_highest_sample_and_percentile(week) -> None:
    """By day: the maximum, its time, and numpy's p95 of the busier resource of each interval."""
    found = day_peaks(table(week), Dimension.CPU)
    assert [item.day for item in found] == list(range(20_000, 20_007))
    of_day = [row for row in week if row["timestamp_ms"] // DAY_MS == 20_003]
    highest = max(of_day, key=lambda row: row["cpu_cores_max"])
    assert found[3].sample.amount == highest["cpu_cores_max"]
    assert found[3].sample.timestamp_ms == highest["timestamp_ms"]
    values = np.array([row["cpu_cores_max"] for row in of_day]).reshape(-1, 2).max(axis=1)
    assert found[3].p95 == pytest.approx(np.quantile(values, 0.95))
    assert found[3].intervals == 288  # 24 x 60 / 5


def test_intervals_above_count_the_busiest_resource_once() -> None:
    """Two resources above 1 in one interval are one interval; a limit is not above itself."""
    rows = [cpu_row(0, 2.0), cpu_row(0, 3.0, resource="b"), cpu_row(5, 1.0), cpu_row(10, 0.5)]
    assert intervals_above(table(rows), Dimension.CPU, (0.5, 1.0, 2.0, 3.0)) == (2, 1, 1, 0)


def test_nothing_measured_gives_nothing() -> None:
    """No memory column filled: no samples, no days, no interval above anything."""
    rows = table([cpu_row(0, 1.0)])
    assert highest_samples(rows, Dimension.MEMORY, 5) == ()
    assert day_peaks(rows, Dimension.MEMORY) == ()
    assert intervals_above(rows, Dimension.MEMORY, (1.0,)) == (0,)
    assert intervals_above(rows, Dimension.MEMORY, ()) == ()
