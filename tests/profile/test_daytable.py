"""Day tables against brute-force numpy, and the ways to look at less of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightsizing.profile.bincounts import BinCounts, DayCounts
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.daytable import DayTable

GIB = 2**30
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
FIRST = 20_724
Row = Mapping[str, Any]


def only(tables) -> DayTable:
    """The one table."""
    (table,) = tables
    return table


def assert_same(left: DayTable, right: DayTable) -> None:
    """Equal in every figure; sparse entries as sets, since their order says nothing."""
    for field in fields(DayTable):
        mine, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other, err_msg=field.name)
        elif isinstance(mine, DayCounts):
            assert entries(mine) == entries(other), field.name
        elif isinstance(mine, BinCounts):
            rows = range(len(mine.start))
            for days in range(mine.start.shape[1] + 1):
                assert [mine.until(days).histogram(row) for row in rows] == [
                    other.until(days).histogram(row) for row in rows
                ], field.name
        else:
            assert mine == other, field.name


def entries(counts: DayCounts) -> list[tuple[Any, ...]]:
    """Entries as sorted tuples; NaN as text, which equals itself."""
    columns = (counts.row, counts.day, counts.value, counts.bin, counts.count)
    return sorted(tuple(str(cell) for cell in entry) for entry in zip(*columns, strict=True))


VALUES = st.one_of(
    st.none(),
    st.floats(0, 4, width=32),
    st.sampled_from([0.0, 3.92, 4.0, float("nan"), float("inf"), -1.0, 1e300]),
)
BYTES = st.one_of(
    st.none(),
    st.integers(0, 16 * GIB).map(float),
    st.sampled_from([0.0, 1.0, float("nan"), float("-inf"), -5.0, 1e300]),
)
CORES = st.sampled_from([None, 0.0, 2.0, 4.0, float("nan")])
KEYS = st.tuples(
    st.sampled_from(["api", "web"]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 3 * 48 - 1).map(lambda step: FIRST * DAY_MS + step * 1_800_000),
)
ROWS = st.dictionaries(
    KEYS,
    st.fixed_dictionaries(
        {
            "interval_s": st.sampled_from([300, 1800, 1800]),
            "cpu_cores_max": VALUES,
            "cpu_cores_mean": VALUES,
            "capacity_cores": CORES,
            "memory_bytes_max": BYTES,
            "capacity_memory_bytes": st.sampled_from([None, 8.0 * GIB, 16.0 * GIB]),
            "oom_kills": st.sampled_from([None, 0.0, 1.0]),
            "instances": st.sampled_from([None, 1.0, 3.0]),
        }
    ),
    min_size=1,
    max_size=60,
).map(
    lambda found: [
        {"workload": key[0], "resource_id": key[1], "timestamp_ms": key[2], "source": "t", **rest}
        for key, rest in found.items()
    ]
)


def usable(value: float | None, highest: float, lowest: float = 0.0) -> float | None:
    """A reading, or None where the value cannot be one."""
    return value if value is not None and lowest <= value <= highest else None


class Oracle:
    """The same figures by plain loops over rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        merged: dict[tuple[str, int], dict[str, Any]] = {}
        for row in rows:
            peak, mean = usable(row["cpu_cores_max"], 1e6), usable(row["cpu_cores_mean"], 1e6)
            own = {
                "cpu": mean if peak is None else peak,
                "mean": peak if mean is None else mean,
                "capacity": usable(row["capacity_cores"], 1e6, 1e-6),
                "memory": usable(row["memory_bytes_max"], 2.0**46),
                "limit": usable(row["capacity_memory_bytes"], 2.0**46, 1.0),
            }
            own["at_limit"] = (
                own["cpu"] is not None
                and own["capacity"] is not None
                and own["cpu"] >= own["capacity"] * 0.98
            )
            held = merged.setdefault((row["workload"], row["timestamp_ms"]), own)
            for name, value in own.items():
                values = [item for item in (held[name], value) if item is not None]
                held[name] = max(values) if values else None
        self.intervals = merged
        self.measured = sorted(
            {
                workload
                for (workload, _time), row in merged.items()
                if row["cpu"] is not None or row["memory"] is not None
            }
        )

    def of(self, workload: str, day: int) -> list[tuple[int, dict[str, Any]]]:
        """Intervals of one workload on one day, by time."""
        return sorted(
            (
                (time, row)
                for (key, time), row in self.intervals.items()
                if key == workload and time // DAY_MS == day
            ),
            key=lambda item: item[0],
        )

    def capacity(self, workload: str) -> float | None:
        """In force at the end."""
        stated = [
            (time, row["capacity"])
            for (key, time), row in self.intervals.items()
            if key == workload and row["capacity"] is not None
        ]
        return max(stated)[1] if stated else None


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
def test_every_figure_equals_plain_loops(rows, table) -> None:
    """Mixed resources, intervals and capacities; NaN, infinite, negative and missing values."""
    oracle = Oracle(rows)
    tables = list(build_day_tables(table(rows)))
    assert [key for found in tables for key in found.workloads] == oracle.measured
    for found in tables:
        for w, workload in enumerate(found.workloads):
            capacity = oracle.capacity(workload)
            np.testing.assert_equal(found.cpu_capacity_cores[w], capacity or np.nan)
            for d in range(found.days):
                check_day(found, w, d, oracle.of(workload, found.first_day + d), capacity)


def check_day(found: DayTable, w: int, d: int, given_rows, capacity: float | None) -> None:
    """One cell of the table against its intervals."""
    cpu = [row for _time, row in given_rows if row["cpu"] is not None]
    memory = [row["memory"] for _time, row in given_rows if row["memory"] is not None]
    known = [row for row in cpu if row["capacity"] is not None]
    assert found.cpu_samples[w, d] == len(cpu)
    assert found.cpu_without_capacity[w, d] == len(cpu) - len(known)
    assert found.cpu_at_limit[w, d] == sum(row["at_limit"] for row in known)
    assert found.memory_samples[w, d] == len(memory)
    np.testing.assert_equal(
        found.cpu_max_cores[w, d], max((row["cpu"] for row in cpu), default=np.nan)
    )
    np.testing.assert_equal(found.memory_max_bytes[w, d], max(memory, default=np.nan))
    assert found.cpu_sum_cores[w, d] == pytest.approx(sum(row["mean"] for row in cpu), abs=1e-4)
    assert found.memory_sum_bytes[w, d] == sum(memory)
    bins: dict[int, int] = defaultdict(int)
    for row in known:
        # The bin of the capacity of its time, then the first bin of today's that is not below it.
        edge = (np.floor(row["cpu"] * 200 / row["capacity"]) + 1) * row["capacity"]
        bins[int(np.ceil(round(edge / capacity, 9))) - 1] += 1
    dense = found.cpu_counts[w, d]
    assert {index: int(dense[index]) for index in np.flatnonzero(dense)} == dict(bins)
    for hour in range(24):
        values = [
            row
            for time, row in given_rows
            if time % DAY_MS // HOUR_MS == hour and row["cpu"] is not None
        ]
        np.testing.assert_equal(
            found.cpu_hour_max_cores[w, d, hour],
            np.float32(max((row["cpu"] for row in values), default=np.nan)),
        )
        if values:
            mean = sum(row["mean"] for row in values) / len(values)
            assert found.cpu_hour_mean_cores[w, d, hour] == pytest.approx(mean, abs=1e-5)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant_to_the_last_bit(rows, random, table) -> None:
    """Shuffled measurements give identical tables, sums included."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    pairs = zip(build_day_tables(table(rows)), build_day_tables(table(shuffled)), strict=True)
    for left, right in pairs:
        assert_same(left, right)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, day=st.integers(1, 3))
def test_until_is_what_an_earlier_run_would_have_found(rows, day, table) -> None:
    """The table cut before a day equals the table of the measurements before it."""
    for row in rows:  # a day stays within the table, so that columns are the same
        row["resource_id"] = "a"
    whole = list(build_day_tables(table(rows)))
    for found in whole:
        end_ms = (found.first_day + day) * DAY_MS
        earlier = [
            row
            for row in rows
            if row["timestamp_ms"] < end_ms and row["workload"] in found.workloads
        ]
        then = {
            key: (one, w)
            for one in build_day_tables(table(earlier))
            for w, key in enumerate(one.workloads)
        }
        cut = found.until(day)
        for w, key in enumerate(cut.workloads):
            if key not in then:
                assert not cut.samples[w].any()
                continue
            one, row = then[key]
            first = one.first_day - cut.first_day
            columns = slice(first, first + one.days)
            np.testing.assert_equal(cut.cpu_capacity_cores[w], one.cpu_capacity_cores[row])
            np.testing.assert_equal(cut.interval_s[w], one.interval_s[row])
            wide = max(cut.cpu_counts.shape[2], one.cpu_counts.shape[2])
            np.testing.assert_array_equal(
                padded(cut.cpu_counts[w, columns], wide), padded(one.cpu_counts[row], wide)
            )
            assert cut.memory_bins.histogram(w) == one.memory_bins.histogram(row)


def padded(counts: np.ndarray, width: int) -> np.ndarray:
    """Counts with empty bins at the top."""
    return np.pad(counts, ((0, 0), (0, width - counts.shape[1])))


def test_take_keeps_rows_and_their_sparse_entries(rows, table) -> None:
    """Two of three workloads, in another order; the kill goes with its workload."""
    given_rows = [
        *rows("a", memory_bytes_max=[1.0 * GIB] * 4, capacity_memory_bytes=2.0 * GIB),
        *rows("b", memory_bytes_max=[2.0 * GIB] * 4, capacity_memory_bytes=4.0 * GIB),
        *rows(
            "c",
            memory_bytes_max=[3.0 * GIB] * 4,
            capacity_memory_bytes=4.0 * GIB,
            oom_kills=[0.0, 1.0, 0.0, 0.0],
        ),
    ]
    whole = only(build_day_tables(table(given_rows)))
    taken = whole.take([2, 0])
    assert taken.workloads == ("c", "a")
    assert taken.memory_max_bytes[:, 0].tolist() == [3 * GIB, GIB]
    assert taken.kills_by_limit.row.tolist() == [0]
    assert taken.memory_bins.histogram(1) == whole.memory_bins.histogram(0)


def test_days_merge_by_adding(rows, table) -> None:
    """Two halves built apart hold the same columns as the whole."""
    generator = np.random.default_rng(3)
    cores = (generator.random(4 * 288) * 2).tolist()
    given_rows = rows(cpu_cores_max=cores, capacity_cores=2.0)
    whole = only(build_day_tables(table(given_rows)))
    halves = [
        only(build_day_tables(table(part)))
        for part in (given_rows[: 2 * 288], given_rows[2 * 288 :])
    ]
    joined = np.concatenate(
        [padded3(half.cpu_counts, whole.cpu_counts.shape[2]) for half in halves], axis=1
    )
    np.testing.assert_array_equal(joined, whole.cpu_counts)
    np.testing.assert_array_equal(
        np.concatenate([half.cpu_sum_cores for half in halves], axis=1), whole.cpu_sum_cores
    )


def padded3(counts: np.ndarray, width: int) -> np.ndarray:
    """(W, D, B) counts with empty bins at the top."""
    return np.pad(counts, ((0, 0), (0, 0), (0, width - counts.shape[2])))


def test_a_smaller_capacity_moves_old_samples_up_past_200(rows, table) -> None:
    """3 of 4 cores, then 1.5 of 2: the first is bin 301 of 2 cores, by its upper edge 3.02."""
    given_rows = rows(cpu_cores_max=[3.0, 1.5], capacity_cores=[4.0, 2.0], interval_s=86_400)
    found = only(build_day_tables(table(given_rows)))
    assert found.cpu_counts.shape == (1, 2, 302)
    assert (found.cpu_counts[0, 0, 301], found.cpu_counts[0, 1, 150]) == (1, 1)
    assert found.cpu_level_cores[0, 301] == pytest.approx(3.02)
    # As known on the second day: 4 cores, bin 150.
    then = found.until(1)
    assert then.cpu_capacity_cores.tolist() == [4.0]
    assert np.flatnonzero(then.cpu_counts[0, 0]).tolist() == [150]


def test_a_broken_reading_does_not_make_the_arrays_huge(rows, table) -> None:
    """900,000 cores on a core: the highest bin there is, and the maximum as it was read."""
    found = only(build_day_tables(table(rows(cpu_cores_max=[0.5, 9e5], capacity_cores=1.0))))
    assert found.cpu_counts.shape[2] == 65_536
    assert found.cpu_max_cores[0, 0] == 9e5


def test_five_years_of_one_workload(rows, table) -> None:
    """1,826 days of six-hourly samples are one table of that many columns."""
    given_rows = rows(cpu_cores_max=[1.0] * 1826 * 4, capacity_cores=2.0, interval_s=21_600)
    found = only(build_day_tables(table(given_rows)))
    assert found.cpu_counts.shape == (1, 1826, 101)
    assert (found.cpu_samples == 4).all()


def test_one_sample(rows, table) -> None:
    """One interval is one day with one sample."""
    found = only(build_day_tables(table(rows(cpu_cores_mean=[1.0], capacity_cores=2.0))))
    assert (found.samples.tolist(), found.interval_s.tolist()) == ([[1]], [300])
    assert found.cpu_peak_samples.tolist() == [[0]]
    assert np.isnan(found.memory_max_bytes).all()


def test_a_clock_that_jumped_far_gets_a_table_of_its_own(rows, table) -> None:
    """A row dated 1970 does not stretch everyone's days when that would not fit."""
    given_rows = [
        *(row for number in range(40) for row in rows(f"w{number}", cpu_cores_max=[1.0] * 3)),
        *rows("odd", cpu_cores_max=[1.0]),
        *rows("odd", cpu_cores_max=[1.0], start_ms=0),
    ]
    tables = list(build_day_tables(table(given_rows), cells=100_000))
    assert [len(found.workloads) for found in tables] == [40, 1]
    assert [found.days for found in tables] == [1, FIRST + 1]


def test_workloads_come_in_several_tables_when_they_do_not_fit(rows, table) -> None:
    """Ten workloads of one day and 256 bins at 1,000 bins a table: four tables, none lost."""
    given_rows = [row for n in range(10) for row in rows(f"w{n}", cpu_cores_max=[1.0] * 3)]
    tables = list(build_day_tables(table(given_rows), cells=1_000))
    assert [len(found.workloads) for found in tables] == [3, 3, 3, 1]
    assert [key for found in tables for key in found.workloads] == [f"w{n}" for n in range(10)]


def test_blank_measures_nothing() -> None:
    """Counts 0, amounts NaN, no entries."""
    blank = DayTable.blank(["a", "b"], FIRST, 3, bins=5)
    assert blank.cpu_counts.shape == (2, 3, 5)
    assert not blank.samples.any()
    assert np.isnan(blank.cpu_max_cores).all()
    assert blank.oom_kills.sum() == blank.cpu_sum_cores.sum() == 0
    assert blank.memory_bins.histogram(1) == ()
