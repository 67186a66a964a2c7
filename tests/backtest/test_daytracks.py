"""The day table read off a grid is the one that the store's own queries give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rightsizing.backtest.daytracks import day_table_of
from rightsizing.backtest.series import DemandSeries
from rightsizing.backtest.tracks import read_tracks
from rightsizing.measure.store import Store
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.daytable import DayTable

MakeSeries = Callable[..., DemandSeries]
DAY_MS = 86_400_000
GIB = 1024.0**3
# Not in a series: instances, what was killed; and how sums of what follows are rounded.
_NOT_IN_SERIES = {"instances_sum", "instances_samples", "instances_max"}
_ROUNDED = {"cpu_sum_cores", "memory_sum_bytes", "cpu_hour_mean_cores"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three workloads on a five-minute grid: gaps, a changed capacity, one without a capacity."""
    generator = np.random.default_rng(11)
    rows = []
    for number, (capacity, later) in enumerate(((4.0, 4.0), (8.0, 2.0), (None, None))):
        for step in np.flatnonzero(generator.random(5 * 288) > 0.1):
            cores = round(float(generator.gamma(1.0, 0.7)), 4)
            rows.append(
                {
                    "workload": f"w{number}",
                    "resource_id": f"w{number}",
                    "timestamp_ms": (20_000 + number) * DAY_MS + int(step) * 300_000,
                    "interval_s": 300,
                    "cpu_cores_mean": cores,
                    "cpu_cores_max": cores * 1.5,
                    "capacity_cores": capacity if step < 3 * 288 else later,
                    "memory_bytes_mean": float(int(generator.uniform(1, 4) * GIB)),
                    "capacity_memory_bytes": 4 * GIB,
                }
            )
    found = Store(tmp_path / "store")
    found.append(pa.Table.from_pylist(rows), "test")
    return found


def test_equal_to_the_stores_own_table(store: Store) -> None:
    """Field by field; sums to the fixed step in which the store's queries count them."""
    mine = day_table_of(read_tracks(store.measurements()))
    (theirs,) = build_day_tables(store.measurements())
    assert mine.workloads == theirs.workloads
    assert mine.first_day == theirs.first_day
    for field in fields(DayTable):
        one, other = getattr(mine, field.name), getattr(theirs, field.name)
        if not isinstance(one, np.ndarray) or field.name in _NOT_IN_SERIES:
            continue
        if field.name in _ROUNDED:
            np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=field.name)
        else:
            np.testing.assert_array_equal(one, other, err_msg=field.name)


def test_memory_histograms_are_equal(store: Store) -> None:
    """The sparse bins hold the same counts, in whatever order."""
    mine = day_table_of(read_tracks(store.measurements()))
    (theirs,) = build_day_tables(store.measurements())
    for row in range(3):
        assert mine.memory_bins.histogram(row) == theirs.memory_bins.histogram(row)


def test_the_past_of_the_table_is_the_table_of_the_past(store: Store) -> None:
    """Cut before the capacity changed, bins are of the capacity in force then."""
    series = read_tracks(store.measurements(["w1"]))
    cut = day_table_of(series).until(2)
    of_past = day_table_of([item.until(2) for item in series])
    for field in fields(DayTable):
        one, other = getattr(cut, field.name), getattr(of_past, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=field.name)


def test_workloads_of_different_grids_share_a_table(make_series: MakeSeries) -> None:
    """An hourly workload beside one of two hours: counts are of their own steps."""
    table = day_table_of(
        [
            make_series(np.full((2, 12), 1.0), key="b", capacity=4.0),
            make_series(np.full((3, 24), 2.0), key="a", first_day=1, capacity=4.0),
        ]
    )
    assert table.workloads == ("a", "b")
    assert table.interval_s.tolist() == [3600, 7200]
    assert table.cpu_samples.tolist() == [[0, 24, 24, 24], [12, 12, 0, 0]]
    # 2 of 4 cores are bin floor(200 x 2 / 4) = 100; 1 of 4 is bin 50.
    assert table.cpu_counts[0, 1, 100] == 24
    assert table.cpu_counts[1, 0, 50] == 12


def test_no_series_is_refused() -> None:
    """A table needs workloads."""
    with pytest.raises(ValueError, match="needs series"):
        day_table_of([])
