"""From a store to series on a regular grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rightsizing.backtest import tracks
from rightsizing.backtest.tracks import grid_step_s, read_tracks
from rightsizing.measure.store import Store

DAY_MS = 86_400_000


def stored(folder: Path, rows: list[dict[str, object]]) -> Store:
    """A store that holds these rows."""
    store = Store(folder / "store")
    store.append(pa.Table.from_pylist(rows), "test")
    return store


def row(time_ms: int, cores: float | None, **more: object) -> dict[str, object]:
    """A row of five minutes of workload ``a``; every column is in every row."""
    return {
        "workload": "a",
        "resource_id": "a",
        "timestamp_ms": time_ms,
        "interval_s": 300,
        "cpu_cores_mean": cores,
        "cpu_cores_max": None,
        "capacity_cores": 4.0,
        "memory_bytes_mean": None,
        **more,
    }


def test_a_grid_of_whole_days(tmp_path: Path) -> None:
    """Two readings on consecutive days give 576 steps, all but two not measured."""
    store = stored(tmp_path, [row(10 * DAY_MS, 1.0), row(11 * DAY_MS + 600_000, 2.0)])
    (series,) = read_tracks(store.measurements())
    assert (series.workload, series.first_day, series.days) == ("a", 10, 2)
    assert np.flatnonzero(~np.isnan(series.cpu_cores)).tolist() == [0, 288 + 2]
    assert series.cpu_cores[[0, 290]].tolist() == [1.0, 2.0]


def test_the_busiest_resource_counts(tmp_path: Path) -> None:
    """Of two resources at the same time the larger demand and the larger capacity count."""
    rows = [
        row(0, 1.0, resource_id="x", capacity_cores=8.0),
        row(0, 3.0, resource_id="y", capacity_cores=4.0),
    ]
    (series,) = read_tracks(stored(tmp_path, rows).measurements())
    assert series.cpu_cores[0] == 3.0
    assert series.capacity_cores[0] == 8.0


def test_finer_data_keeps_the_maximum_and_averages_the_mean(tmp_path: Path) -> None:
    """Five one-minute means 1..5 in one step: largest 5, mean 3."""
    rows = [row(60_000 * minute, minute + 1.0, interval_s=60) for minute in range(5)]
    (series,) = read_tracks(stored(tmp_path, rows).measurements())
    assert series.interval_s == 300
    assert (series.cpu_cores[0], series.cpu_mean_cores[0]) == (5.0, 3.0)


def test_the_peak_of_an_interval_wins_over_its_mean(tmp_path: Path) -> None:
    """Where a row states its peak, that is the demand."""
    (series,) = read_tracks(stored(tmp_path, [row(0, 1.0, cpu_cores_max=2.5)]).measurements())
    assert (series.cpu_cores[0], series.cpu_mean_cores[0]) == (2.5, 1.0)


@pytest.mark.parametrize(
    ("interval_s", "step_s"), [(1, 300), (300, 300), (301, 320), (3600, 3600), (7000, 7200)]
)
def test_the_step_divides_a_day(interval_s: int, step_s: int) -> None:
    """The first divisor of 86,400 s that is neither below 300 s nor below the interval."""
    assert grid_step_s(interval_s) == step_s
    assert 86_400 % step_s == 0


def test_groups_read_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one workload at a time gives the series that reading all at once gives."""
    rows = [
        row(300_000 * step, float(step + number), workload=f"w{number}", resource_id=f"w{number}")
        for number in range(4)
        for step in range(20)
    ]
    store = stored(tmp_path, rows)
    whole = read_tracks(store.measurements())
    monkeypatch.setattr(tracks, "ROWS_AT_ONCE", 20)
    told: list[tuple[int, int]] = []
    parts = read_tracks(store.measurements(), progress=lambda *seen: told.append(seen))
    assert [item.workload for item in parts] == ["w0", "w1", "w2", "w3"]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.cpu_cores, other.cpu_cores)


def test_workloads_without_cpu_or_memory_are_left_out(tmp_path: Path) -> None:
    """A row with only a request count gives no series."""
    rows = [row(0, None, requests=5.0), row(0, 1.0, workload="b", resource_id="b", requests=None)]
    assert [item.workload for item in read_tracks(stored(tmp_path, rows).measurements())] == ["b"]
