"""Trace files: what is read, what is left out and why, and what is refused."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from rightsizing.errors import BadTrace, StoreError
from rightsizing.measure.files import measure_file
from rightsizing.measure.trace import workload_key
from rightsizing.model.measurement import MeasureReport

START = datetime(2026, 7, 1, tzinfo=UTC)
GIB = 1024**3


def trace(resource: str = "vm1", count: int = 24, **columns: Any) -> dict[str, list[Any]]:
    """A good trace of one 4-core, 8 GiB machine at 50 %; columns replace or add."""
    table: dict[str, list[Any]] = {
        "resource_id": [resource] * count,
        "timestamp": [START + timedelta(minutes=5 * step) for step in range(count)],
        "cpu_pct": [50.0] * count,
        "capacity_cores": [4.0] * count,
        "mem_bytes": [2 * GIB] * count,
        "capacity_mem_bytes": [8 * GIB] * count,
        "interval_s": [300] * count,
    }
    for name, values in columns.items():
        table[name] = values if isinstance(values, list) else [values] * count
    return table


def joined(*traces: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Traces of several resources below each other."""
    return {name: [value for one in traces for value in one[name]] for name in traces[0]}


def changed(values: list[Any], position: int, value: Any) -> list[Any]:
    """A copy with one value replaced."""
    return [*values[:position], value, *values[position + 1 :]]


@pytest.fixture(params=["csv", "parquet"])
def write(request: pytest.FixtureRequest, tmp_path: Path):
    """Write a trace in either format; returns the path."""

    def save(table: Mapping[str, list[Any]]) -> Path:
        path = tmp_path / f"vms.{request.param}"
        arrow = pa.table(dict(table))
        if request.param == "csv":
            pa_csv.write_csv(arrow, path)
        else:
            pq.write_table(arrow, path)
        return path

    return save


@pytest.fixture
def write_lines(tmp_path: Path):
    """Write CSV text."""

    def save(*lines: str) -> Path:
        path = tmp_path / "vms.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return save


def skips(report: MeasureReport) -> dict[str, int]:
    """Counts by reason, without the place of the first."""
    return {skip.reason.split(" (first")[0]: skip.count for skip in report.skipped}


def notes(report: MeasureReport) -> dict[str, int]:
    """Counts of the notes."""
    return {note.reason: note.count for note in report.notes}


def test_percentages_become_amounts(write, store, content):
    """50 % of 4 cores are 2 cores; bytes and rates go over unchanged."""
    path = write(trace(count=1, cpu_pct_max=[75.0], net_in_bps=[1e6], mem_pct_max=[50.0]))
    report = measure_file(path, store)
    (row,) = content(store)
    assert (report.observed, report.new, report.workloads) == (1, 1, 1)
    assert row["cpu_cores_mean"] == 2.0
    assert row["cpu_cores_max"] == 3.0  # 75 % of 4
    assert row["memory_bytes_mean"] == 2 * GIB
    assert row["memory_bytes_max"] == 4 * GIB  # 50 % of 8 GiB
    assert row["network_in_bytes_per_s"] == 1e6
    assert (row["capacity_cores"], row["capacity_memory_bytes"]) == (4.0, 8 * GIB)
    assert row["timestamp_ms"] == int(START.timestamp()) * 1000
    assert (row["workload"], row["source"], row["interval_s"]) == ("vm1", "file", 300)


def test_reading_a_file_twice_adds_nothing(write, store):
    """The second run observes the same rows and stores none."""
    path = write(trace())
    measure_file(path, store)
    report = measure_file(path, store)
    assert (report.observed, report.new) == (24, 0)


def test_every_row_is_stored_or_counted(write, store):
    """Rows stored and rows left out add up to the rows of the file."""
    good = trace()
    table = joined(
        trace("a", cpu_pct=changed(good["cpu_pct"], 3, -1.0)),
        trace("b", capacity_cores=changed(good["capacity_cores"], 5, 0.0)),
        trace("c", mem_bytes=changed(good["mem_bytes"], 7, 9 * GIB)),
        trace("d", timestamp=changed(good["timestamp"], 1, good["timestamp"][0])),
    )
    report = measure_file(write(table), store)
    assert skips(report) == {
        "cpu_pct is negative": 1,
        "powered off (capacity_cores is 0)": 1,
        "memory use is over 105% of capacity_mem_bytes": 1,
        "exact duplicate of another row": 1,
    }
    assert report.observed + sum(skips(report).values()) == 4 * 24


def test_a_fault_is_named_with_its_place(write_lines, store):
    """The reason names column, value and line."""
    path = write_lines(
        "resource_id,timestamp,cpu_pct,capacity_cores,interval_s",
        "vm1,2026-07-01T00:00:00Z,10,4,300",
        "vm1,2026-07-01T00:05:00Z,-3.5,4,300",
        "vm1,2026-07-01T00:10:00Z,10,4,300",
    )
    report = measure_file(path, store)
    assert [skip.reason for skip in report.skipped] == [
        "cpu_pct is negative (first: -3.5 in line 3)"
    ]


def test_lines_are_right_after_a_malformed_one(write_lines, store):
    """A line with too few values is counted, and later lines keep their numbers."""
    path = write_lines(
        "resource_id,timestamp,cpu_pct,capacity_cores,interval_s",
        "vm1,2026-07-01T00:00:00Z,10,4,300",
        "vm1,2026-07-01T00:05:00Z",
        "",
        "vm1,2026-07-01T00:10:00Z,many,4,300",
        "vm1,2026-07-01T00:15:00Z,10,4,300",
    )
    report = measure_file(path, store)
    assert {skip.reason: skip.count for skip in report.skipped} == {
        "nothing measured (first: all empty in line 5)": 1,
        "line has another number of values than the header's 5 (first: 2 in line 3)": 1,
        "cpu_pct is not a number (first: 'many' in line 5)": 1,
    }


def test_turbo_is_kept_and_noted(write, store, content):
    """Use above the provisioned CPU is real up to 200 %."""
    report = measure_file(write(trace(cpu_pct=182.0)), store)
    assert notes(report) == {"CPU above 100 % of provisioned (turbo or burst)": 24}
    assert content(store)[0]["cpu_cores_mean"] == pytest.approx(7.28)  # 182 % of 4


def test_nan_and_infinity_are_not_measured(write, store, content):
    """The cell is left out and counted; the rest of the row is kept."""
    values = changed(changed([50.0] * 24, 0, float("nan")), 1, float("inf"))
    report = measure_file(write(trace(cpu_pct=values)), store)
    assert skips(report) == {"cpu_pct is NaN or infinite": 2}
    assert [row["cpu_cores_mean"] for row in content(store)[:3]] == [None, None, 2.0]


def test_rows_out_of_order_are_sorted_and_counted(write, store, content):
    """Each step back in a resource's time is counted once."""
    table = trace(count=4)
    first, second, third, fourth = table["timestamp"]
    report = measure_file(write({**table, "timestamp": [first, third, second, fourth]}), store)
    assert notes(report) == {"out of order in the file, sorted": 1}
    times = [row["timestamp_ms"] for row in content(store)]
    assert times == sorted(times)


def test_of_conflicting_rows_the_last_is_kept(write, store, content):
    """Same resource and time, other values: counted, and the last one stays."""
    table = trace(count=2, cpu_pct=[10.0, 20.0])
    table["timestamp"][1] = table["timestamp"][0]
    report = measure_file(write(table), store)
    assert list(skips(report)) == [
        "another row has the same resource and timestamp; the fuller, else the later, was kept"
    ]
    assert content(store)[0]["cpu_cores_mean"] == pytest.approx(0.8)  # 20 % of 4


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epoch_numbers_of_any_unit_are_read(write, store, content, scale):
    """Seconds, milliseconds, microseconds and nanoseconds are told apart by size."""
    table = trace(count=2)
    seconds = [int(moment.timestamp()) for moment in table["timestamp"]]
    measure_file(write({**table, "timestamp": [value * scale for value in seconds]}), store)
    assert [row["timestamp_ms"] for row in content(store)] == [value * 1000 for value in seconds]


@pytest.mark.parametrize(
    ("text", "hour", "naive"),
    [
        ("2026-07-01T12:00:00Z", 12, False),
        ("2026-07-01 12:00:00+02:00", 10, False),
        ("2026-07-01 12:00:00.250+0200", 10, False),
        ("2026-07-01 12:00:00", 12, True),
    ],
)
def test_iso_text_is_read_with_its_offset(write_lines, store, content, text, hour, naive):
    """An offset is honoured; text without one is taken as UTC and noted."""
    path = write_lines(
        "resource_id,timestamp,cpu_pct,capacity_cores,interval_s", f"vm1,{text},10,4,300"
    )
    report = measure_file(path, store)
    moment = datetime.fromtimestamp(content(store)[0]["timestamp_ms"] / 1000, UTC)
    assert moment.hour == hour
    assert notes(report) == ({"timestamp without an offset, taken as UTC": 1} if naive else {})


def test_unreadable_times_are_counted(write_lines, store):
    """A word or an impossible date costs its row only."""
    path = write_lines(
        "resource_id,timestamp,cpu_pct,capacity_cores,interval_s",
        "vm1,2026-07-01T00:00:00Z,10,4,300",
        "vm1,2026-13-01T00:00:00Z,10,4,300",
        "vm1,yesterday,10,4,300",
        "vm1,2026-07-01T00:15:00Z,10,4,300",
    )
    report = measure_file(path, store)
    assert (report.observed, skips(report)) == (2, {"timestamp cannot be read": 2})


def test_a_missing_interval_is_taken_from_the_steps(write, store, content):
    """Without interval_s the usual distance between rows is the interval."""
    table = trace()
    del table["interval_s"]
    report = measure_file(write(table), store)
    assert content(store)[0]["interval_s"] == 300
    assert notes(report) == {"no interval_s column, taken as the usual step of 300 s": 1}


def test_bare_percentages_need_a_capacity(write, store, content):
    """cpu_pct alone is no amount; a given capacity makes it one."""
    table = trace()
    for name in ("capacity_cores", "mem_bytes", "capacity_mem_bytes"):
        del table[name]
    path = write(table)
    with pytest.raises(BadTrace, match="cpu_pct without capacity_cores; give the capacity"):
        measure_file(path, store)
    measure_file(path, store, capacity_cores=8)
    assert content(store)[0]["cpu_cores_mean"] == 4.0  # 50 % of 8


def test_requests_are_read_and_other_metrics_counted(write, store, content):
    """Only request counts have a column in the store."""
    table = joined(
        trace("web", count=2, other_metric="requests", other_value=[7.0, 8.0]),
        trace("db", count=2, other_metric="period_h", other_value=24.0),
    )
    report = measure_file(write(table), store)
    assert [row["requests"] for row in content(store)] == [None, None, 7.0, 8.0]
    assert skips(report) == {"other_metric other than 'requests'": 2}


def test_columns_without_a_place_are_reported(write, store):
    """Nothing is ignored silently."""
    report = measure_file(write(trace(gpu_pct=3.0, owner="me")), store)
    assert skips(report) == {
        "column 'gpu_pct' has no place in the store": 24,
        "column 'owner' has no place in the store": 24,
    }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"cpu_pc": "cpu_pct"},
            r"column 'cpu_pc' is not in the trace schema; did you mean 'cpu_pct'\?",
        ),
        ({"vm_id": "resource_id"}, r"has no column 'resource_id'; did you mean 'vm_id'\?"),
        ({"time": "timestamp"}, r"has no column 'timestamp'; did you mean 'time'\?"),
    ],
)
def test_a_wrong_column_is_named(write, store, columns, message):
    """A misspelt or missing column is refused with the likely right name."""
    table = trace()
    for new, old in columns.items():
        table[new] = table.pop(old)
    with pytest.raises(BadTrace, match=message):
        measure_file(write(table), store)


def test_a_file_without_measurements_is_refused(write, store):
    """Ids and times alone are no measurement."""
    table = {name: trace()[name] for name in ("resource_id", "timestamp", "interval_s")}
    with pytest.raises(BadTrace, match="has no measured column; it needs at least one of cpu_pct"):
        measure_file(write(table), store)


def test_impossible_cpu_refuses_the_file(write, store):
    """Over 200 % is a unit error, and nothing of the file is stored."""
    table = joined(trace("a"), trace("b", cpu_pct=changed([50.0] * 24, 3, 470.2)))
    with pytest.raises(BadTrace, match=r"cpu_pct is 470.2, over the limit of 200 %"):
        measure_file(write(table), store)
    with pytest.raises(StoreError, match="is empty"):
        store.measurements()


def test_millicores_are_recognised(write, store):
    """Cores far above the capacity are refused with what they may be."""
    table = trace(cpu_cores=1500.0)
    del table["cpu_pct"]
    with pytest.raises(BadTrace, match=r"cpu_cores is 1500, 37500 % of capacity_cores.*millicores"):
        measure_file(write(table), store)


def test_fractions_among_percentages_are_refused(write, store):
    """One resource never above 1 beside another at 50: the file must say which it is."""
    table = joined(trace("a", cpu_pct=50.5), trace("b", cpu_pct=0.873))
    with pytest.raises(
        BadTrace, match=r"seems to mix fractions and percent: b never passes 0.873, a reaches 50.5"
    ):
        measure_file(write(table), store)


def test_idle_machines_are_no_fractions_when_cores_prove_it(write, store):
    """The same numbers are accepted when cpu_cores agrees with them."""
    busy = trace("a", cpu_pct=50.0, cpu_cores=2.0)
    idle = trace("b", cpu_pct=0.873, cpu_cores=0.873 / 100 * 4)
    assert measure_file(write(joined(busy, idle)), store).observed == 48


def test_a_whole_file_of_fractions_is_refused(write, store):
    """Nothing above 1 anywhere looks like fractions."""
    with pytest.raises(
        BadTrace, match=r"never passes 1 .* looks like fractions; multiply it by 100"
    ):
        measure_file(write(trace(cpu_pct=0.42)), store)


def test_mib_among_bytes_is_refused(write, store):
    """2,048 is no machine's memory in bytes."""
    table = joined(trace("a"), trace("b", mem_bytes=2048))
    with pytest.raises(
        BadTrace, match=r"mem_bytes of b never passes 2048 while a reaches 2.147e\+09"
    ):
        measure_file(write(table), store)


def test_bytes_over_a_capacity_in_mib_are_refused(write, store):
    """Memory in use far above its capacity in most rows is two units, not a glitch."""
    with pytest.raises(BadTrace, match="mem_bytes and capacity_mem_bytes in different units"):
        measure_file(write(trace(capacity_mem_bytes=8192)), store)


def test_seconds_among_milliseconds_are_refused(write, store):
    """One file keeps to one unit of time."""
    table = trace(count=3)
    seconds = [int(moment.timestamp()) for moment in table["timestamp"]]
    times = [seconds[0] * 1000, seconds[1] * 1000, seconds[2]]
    with pytest.raises(BadTrace, match="is in seconds, but the file began in milliseconds"):
        measure_file(write({**table, "timestamp": times}), store)


def test_contradicting_cpu_columns_cost_the_row(write, store):
    """cpu_cores and cpu_pct of capacity_cores must say the same."""
    table = trace(cpu_cores=changed([2.0] * 24, 4, 3.0))
    report = measure_file(write(table), store)
    assert skips(report) == {"cpu_cores and cpu_pct of capacity_cores disagree": 1}


def test_a_mostly_faulty_file_is_refused(write, store):
    """When over half of the rows are bad, the rest is not trusted either."""
    table = trace(cpu_pct=[-1.0] * 13 + [50.0] * 11)
    with pytest.raises(BadTrace, match=r"13 of 24 rows cannot be used: cpu_pct is negative"):
        measure_file(write(table), store)


def test_files_that_are_no_trace(tmp_path, store):
    """Missing, a folder, empty, header only, cut off, no text: one sentence each."""
    cases = {
        "nothing.csv": "there is no file",
        "folder": "is a folder; give one CSV or Parquet file",
        "empty.csv": "empty.csv is empty",
        "header.csv": "header.csv has no rows",
        "cut.parquet": "cut.parquet cannot be read",
        "picture.csv": "picture.csv cannot be read",
        "german.csv": "its values seem not to be separated by commas",
    }
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "header.csv").write_text("resource_id,timestamp,cpu_pct,interval_s\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe,\xff\n\xff,\xff\n")
    (tmp_path / "german.csv").write_text("resource_id;timestamp;cpu_pct\nvm1;2026-07-01;3,5\n")
    for name, message in cases.items():
        with pytest.raises(BadTrace, match=message):
            measure_file(tmp_path / name, store)


def test_gzipped_csv_is_read(tmp_path, store):
    """A compressed export needs no unpacking."""
    path = tmp_path / "vms.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write(
            "resource_id,timestamp,cpu_pct,capacity_cores,interval_s\n"
            "vm1,2026-07-01T00:00:00Z,10,4,300\n"
        )
    assert measure_file(path, store).observed == 1


def test_resource_ids_become_keys():
    """Allowed ids stay as they are; others are cleaned and cannot collide."""
    assert workload_key("vm001", "bitbrains/") == "bitbrains/vm001"
    spaced, dashed = workload_key("my vm"), workload_key("my-vm")
    assert dashed == "my-vm"
    assert spaced.startswith("my-vm-")
    assert workload_key("my?vm") != spaced
    assert workload_key("Ω").startswith("resource-")
    assert len(workload_key("x" * 500)) <= 128


def test_a_large_file_is_read_in_bounded_memory(tmp_path, store):
    """Batches, not the file, are in memory: Arrow's peak stays far below the table's size."""
    import numpy as np

    count, resources = 300_000, 30
    step = np.arange(count) // resources
    table = pa.table(
        {
            "resource_id": np.char.add("vm", (np.arange(count) % resources).astype(str)),
            "timestamp": 1_750_000_000 + step * 300,
            "cpu_pct": np.full(count, 20.0),
            "capacity_cores": np.full(count, 4.0),
            "interval_s": np.full(count, 300),
        }
    )
    path = tmp_path / "large.csv"
    pa_csv.write_csv(table, path)
    del table
    report = measure_file(path, store)
    assert (report.observed, report.new) == (count, count)


DATA = os.environ.get("RIGHTSIZING_DATA")


@pytest.mark.skipif(DATA is None, reason="RIGHTSIZING_DATA is not set")
def test_real_virtual_machines_are_read_whole(store):
    """Bitbrains rnd, 66 machines over 91 days: figures from its own documentation.

    1,624,430 rows, of which 80,520 powered off and 77 above 105 % of granted memory at power-on.
    """
    assert DATA is not None
    report = measure_file(Path(DATA) / "traces" / "bitbrains_rnd.parquet", store)
    assert report.workloads == 66
    assert report.observed == 1_624_430 - 80_520 - 77
    assert skips(report) == {
        "powered off (capacity_cores is 0)": 80_520,
        "memory use is over 105% of capacity_mem_bytes": 77,
    }


@pytest.mark.skipif(DATA is None, reason="RIGHTSIZING_DATA is not set")
def test_real_containers_over_a_soft_limit_are_refused(store):
    """Google 2019 containers reach 470 % of their limit, which is no capacity."""
    assert DATA is not None
    with pytest.raises(BadTrace, match="over the limit of 200 %"):
        measure_file(Path(DATA) / "traces" / "google2019_instances.parquet", store)
