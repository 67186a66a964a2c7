"""The grid a rule is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rightsizing.backtest.series import DemandSeries


def _series(days: int = 3, interval_s: int = 3600) -> DemandSeries:
    values = np.arange(days * 86_400 // interval_s, dtype=float)
    return DemandSeries(
        workload="web",
        first_day=20_000,
        interval_s=interval_s,
        cpu_cores=values,
        cpu_mean_cores=values,
        memory_bytes=np.full_like(values, np.nan),
        capacity_cores=np.where(values < 30, 4.0, np.nan),
        capacity_memory_bytes=np.full_like(values, np.nan),
    )


def test_a_slice_is_whole_days_of_the_same_grid() -> None:
    """Day 1 of three at one hour: values 24 to 47, first day one later."""
    part = _series().between(1, 2)
    assert (part.first_day, part.days) == (20_001, 1)
    assert part.cpu_cores.tolist() == list(range(24, 48))


def test_a_slice_shares_memory() -> None:
    """Showing the past copies nothing."""
    series = _series()
    assert np.shares_memory(series.cpu_cores, series.until(2).cpu_cores)


@pytest.mark.parametrize(
    ("start", "end", "days"), [(-5, 1, 1), (0, 9, 3), (2, 1, 0), (7, 9, 0), (0, 3, 3)]
)
def test_a_slice_is_cut_to_what_exists(start, end, days) -> None:
    """Days before the first or after the last are left out; an empty slice is allowed."""
    assert _series().between(start, end).days == days


def test_last_days_are_counted_from_the_end() -> None:
    """The last two of three days; more than there are is all."""
    assert _series().last(2).first_day == 20_001
    assert _series().last(30).days == 3


def test_times_are_interval_starts() -> None:
    """20,000 days, then every hour."""
    assert _series().times_s[:2].tolist() == [20_000 * 86_400, 20_000 * 86_400 + 3600]


def test_the_latest_capacity_is_the_last_stated() -> None:
    """Stated until hour 29, then not; memory never."""
    series = _series()
    assert series.latest_capacity_cores == 4.0
    assert np.isnan(series.latest_capacity_memory_bytes)
    assert series.measured_memory_bytes.size == 0


def test_arrays_of_other_lengths_are_refused() -> None:
    """One array a value short, and a grid that is not whole days."""
    series = _series()
    with pytest.raises(ValueError, match="not one grid"):
        replace(series, cpu_cores=series.cpu_cores[:-1])
    with pytest.raises(ValueError, match="not one grid"):
        replace(
            series,
            **{
                name: getattr(series, name)[:-1]
                for name in (
                    "cpu_cores",
                    "cpu_mean_cores",
                    "memory_bytes",
                    "capacity_cores",
                    "capacity_memory_bytes",
                )
            },
        )


@pytest.mark.parametrize("interval_s", [0, -300, 7000])
def test_an_interval_must_divide_a_day(interval_s) -> None:
    """7,000 s does not."""
    with pytest.raises(ValueError, match="does not divide a day"):
        replace(_series(), interval_s=interval_s)
