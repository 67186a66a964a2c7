"""The store: idempotent, atomic, one writer, readable at any time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, StoreError
from rightsizing.measure import store as store_module
from rightsizing.measure.partition import BUCKETS, Partition, bucket_of
from rightsizing.measure.staging import Staging
from rightsizing.measure.store import Store
from rightsizing.model.measurement import MEASUREMENT_COLUMNS

DAY_MS = 86_400_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


def files_of(store: Store) -> dict[str, int]:
    """Modification stamp of every partition."""
    return {
        str(path.relative_to(store.root)): path.stat().st_mtime_ns
        for path in store.root.glob("bucket-*/*.parquet")
    }


def test_an_empty_store_says_what_to_do(store):
    """Reading before measuring names the command to run."""
    with pytest.raises(StoreError, match=r"is empty; run `rightsize measure` first"):
        store.measurements()


def test_rows_come_back_with_every_column(store, make_rows, content):
    """Columns that were not given are null, and source is the writer's."""
    store.append(make_rows("web", [0], cpu=[1.5]), "file")
    (row,) = content(store)
    assert list(row) == [column.name for column in MEASUREMENT_COLUMNS]
    assert (row["cpu_cores_mean"], row["memory_bytes_mean"], row["source"]) == (1.5, None, "file")


def test_writing_again_changes_no_file(store, make_rows):
    """A re-run reports the rows as observed, none as new, and touches nothing."""
    rows = make_rows("web", [0, 300, 86_400])
    first = store.append(rows, "file")
    before = files_of(store)
    second = store.append(rows, "file")
    assert (first.observed, first.new) == (3, 3)
    assert (second.observed, second.new) == (3, 0)
    assert files_of(store) == before


def test_one_more_day_touches_that_day_only(store, make_rows):
    """A new day is a new file; files of other days stay as they are."""
    store.append(make_rows("web", [0, 86_400]), "file")
    before = files_of(store)
    store.append(make_rows("web", [2 * 86_400]), "file")
    after = files_of(store)
    assert len(after) == 3
    assert {name: stamp for name, stamp in after.items() if name in before} == before


def test_the_fuller_row_is_kept(store, make_rows, content):
    """A read that missed memory does not erase one that had it."""
    store.append(make_rows("web", [0], cpu=[1.0], memory=[5e9]), "file")
    store.append(make_rows("web", [0], cpu=[2.0]), "file")
    (row,) = content(store)
    assert (row["cpu_cores_mean"], row["memory_bytes_mean"]) == (1.0, 5e9)


def test_of_equally_full_rows_the_later_is_kept(store, make_rows, content):
    """A corrected value replaces the first one."""
    store.append(make_rows("web", [0], cpu=[1.0]), "file")
    store.append(make_rows("web", [0], cpu=[2.0]), "file")
    assert [row["cpu_cores_mean"] for row in content(store)] == [2.0]


def test_duplicates_within_a_write_are_counted(store, make_rows):
    """Exact duplicates and conflicting ones are told apart."""
    rows = make_rows("web", [0, 0, 0, 300], cpu=[1.0, 1.0, 2.0, 1.0])
    appended = store.append(rows, "file")
    assert (appended.observed, appended.new) == (2, 2)
    assert [(skip.count, skip.reason[:15]) for skip in appended.skipped] == [
        (1, "exact duplicate"),
        (1, "another row has"),
    ]


def test_reading_filters_workloads_and_time(store, make_rows):
    """Start is included, end is not."""
    for name in ("web", "api", "jobs"):
        store.append(make_rows(name, [0, 300, 600]), "file")
    table = store.measurements(["web", "api"], start_ms=NOON_MS + 300_000, end_ms=NOON_MS + 600_000)
    found = table.select("workload", "timestamp_ms").to_pyarrow().sort_by("workload").to_pylist()
    assert [(row["workload"], row["timestamp_ms"] - NOON_MS) for row in found] == [
        ("api", 300_000),
        ("web", 300_000),
    ]


def test_an_unknown_workload_has_no_rows(store, make_rows):
    """Asking for what was never measured is no error."""
    store.append(make_rows("web", [0]), "file")
    assert store.measurements(["nobody"]).count().to_pyarrow().as_py() == 0


def test_workloads_are_summarised(store, make_rows):
    """Span, count and the latest known capacity of each workload."""
    store.append(make_rows("web", [0, 300], resource="web-a"), "cloudwatch")
    store.append(make_rows("api", [600]), "file")
    api, web = store.workloads()
    assert (api.key, api.source, api.rows) == ("api", "file", 1)
    assert (web.key, web.source, web.rows) == ("web", "cloudwatch", 2)
    assert (web.start_ms, web.end_ms) == (NOON_MS, NOON_MS + 600_000)
    assert (web.capacity_cores, web.capacity_memory_bytes) == (4.0, None)


def test_a_fault_in_a_later_batch_stores_nothing(store, make_rows):
    """Batches of one write are all kept or none."""
    good = make_rows("web", [0])
    bad = make_rows("web", [300], cpu=[-1.0])
    with pytest.raises(StoreError, match=r"cpu_cores_mean is -1, below its minimum of 0"):
        store.append_batches([good, bad], "file")
    assert files_of(store) == {}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"cpu_cores_mean": [float("nan")]}, "NaN or infinity"),
        ({"workload": pa.array([None], pa.string())}, "workload is empty in 1 of 1 rows"),
        ({"cpu_percent": [1.0]}, "'cpu_percent' is not one of the store's"),
        ({"interval_s": [0]}, "interval_s is 0, below its minimum of 1"),
    ],
)
def test_rows_that_break_the_schema_are_refused(store, make_rows, column, message):
    """NaN, missing keys, unknown columns and impossible values never get in."""
    rows = make_rows("web", [0])
    for name, values in column.items():
        if name in rows.column_names:
            rows = rows.drop_columns([name])
        rows = rows.append_column(name, [values])
    with pytest.raises(StoreError, match=message):
        store.append(rows, "file")


def test_a_full_disk_keeps_old_data(store, make_rows, content, monkeypatch):
    """ENOSPC while writing is one StoreError; stored rows and files are as before."""
    store.append(make_rows("web", [0, 86_400]), "file")
    rows_before, files_before = content(store), files_of(store)
    written = []

    def full(rows: pa.Table, path: Path) -> None:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        original(rows, path)

    original = store_module.write_synced
    monkeypatch.setattr(store_module, "write_synced", full)
    with pytest.raises(StoreError, match=r"No space left on device.*older data is intact"):
        store.append(make_rows("web", [300, 86_700]), "file")
    assert content(store) == rows_before
    assert files_of(store) == files_before
    assert not (store.root / "staging").exists()


def test_an_interrupt_while_preparing_changes_nothing(store, make_rows, content):
    """Ctrl-C before the files are moved into place leaves the store as it was."""
    store.append(make_rows("web", [0]), "file")
    before = content(store)

    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.append_batches([make_rows("web", [300])], "file", interrupt)
    assert content(store) == before


def test_what_a_dead_writer_left_is_removed(store, make_rows):
    """Uncommitted rows of a killed process never become part of the store."""
    leftover = store.root / "staging" / "spill-0.arrow"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half a file")
    store.append(make_rows("web", [0]), "file")
    assert not leftover.exists()


def test_a_second_writer_is_refused(store, make_rows):
    """One writer at a time; the sentence names the process that holds the lock."""
    store.append(make_rows("web", [0]), "file")
    with (store.root / "writer.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=rf"another process \({os.getpid()}\) is writing"):
            store.append(make_rows("web", [300]), "file")


def test_a_reader_keeps_working_while_files_change(store, make_rows):
    """A query made before a write still runs after it, and says what was there then."""
    store.append(make_rows("web", [0]), "file")
    query = store.measurements().count()
    store.append(make_rows("web", [300]), "file")
    assert query.to_pyarrow().as_py() == 1
    assert store.measurements().count().to_pyarrow().as_py() == 2


def test_another_schema_version_is_refused(store, make_rows):
    """A store of a newer program is not misread."""
    store.append(make_rows("web", [0]), "file")
    (store.root / "store.json").write_text(json.dumps({"schema_version": 99, "buckets": 4}))
    with pytest.raises(StoreError, match=r"schema 99 with 4 buckets, this version reads schema 1"):
        store.measurements()


def test_a_lost_version_file_is_refused(store, make_rows):
    """Files of unknown schema are not guessed at."""
    store.append(make_rows("web", [0]), "file")
    (store.root / "store.json").unlink()
    with pytest.raises(StoreError, match=r"store.json is missing"):
        store.append(make_rows("web", [300]), "file")


def test_a_damaged_file_is_named(store, make_rows):
    """Reading and writing a broken partition both say so, in one sentence."""
    store.append(make_rows("web", [0]), "file")
    (path,) = store.root.glob("bucket-*/*.parquet")
    path.write_bytes(b"not parquet")
    with pytest.raises(StoreError, match="cannot be read"):
        store.measurements()
    with pytest.raises(StoreError, match="is damaged"):
        store.append(make_rows("web", [300]), "file")


def test_partition_paths_round_trip():
    """The path of a partition is enough to know it."""
    partition = Partition(day=20_000, bucket=3)
    assert partition.path == "bucket-3/2024-10-04.parquet"
    assert Partition.parse(partition.path) == partition
    assert Partition.parse("bucket-3/notes.parquet") is None


def test_buckets_do_not_depend_on_the_run():
    """The bucket of a workload is fixed, since files of other runs rely on it."""
    assert {key: bucket_of(key, BUCKETS) for key in ("web", "api", "trader")} == {
        "web": bucket_of("web", BUCKETS),
        "api": bucket_of("api", BUCKETS),
        "trader": bucket_of("trader", BUCKETS),
    }
    assert {bucket_of(f"workload-{number}", BUCKETS) for number in range(200)} == set(
        range(BUCKETS)
    )


def test_spilling_keeps_the_order_of_rows(tmp_path, make_rows):
    """Rows that went through the disk come back in the order they were added."""
    from rightsizing.measure.schema import conform

    with Staging(tmp_path / "staging", BUCKETS, flush_rows=2) as staging:
        for number in range(5):
            staging.add(conform(make_rows("web", [0], cpu=[float(number)]), "file"))
        (partition,) = staging.partitions()
        assert staging.rows(partition)["cpu_cores_mean"].to_pylist() == [0, 1, 2, 3, 4]


KEYS = st.tuples(
    st.sampled_from(["web", "api", "jobs", "trader"]),
    st.sampled_from(["a", "b"]),
    st.integers(min_value=0, max_value=3 * 288).map(lambda step: NOON_MS + step * 300_000),
)


def table_of(keys: list[tuple[str, str, int]]) -> pa.Table:
    """Rows whose values follow from their key, so that equal keys are equal rows."""
    return pa.table(
        {
            "workload": pa.array([key[0] for key in keys], pa.string()),
            "resource_id": pa.array([key[1] for key in keys], pa.string()),
            "timestamp_ms": pa.array([key[2] for key in keys], pa.int64()),
            "interval_s": pa.array([300] * len(keys), pa.int64()),
            "cpu_cores_mean": pa.array([key[2] % 977 / 100 for key in keys], pa.float64()),
        }
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data(), keys=st.lists(KEYS, min_size=1, max_size=40))
def test_any_order_and_any_cut_give_the_same_table(data, keys, tmp_path_factory):
    """Appending rows shuffled, cut anywhere and repeated ends in one table."""
    shuffled = data.draw(st.permutations(keys + keys[: len(keys) // 2]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=2)))
    store = Store(tmp_path_factory.mktemp("store"))
    new = 0
    for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
        new += store.append(table_of(list(shuffled[start:end])), "file").new
    expected = sorted(set(keys))
    table = store.measurements().to_pyarrow()
    found = sorted(
        zip(
            *(table[name].to_pylist() for name in ("workload", "resource_id", "timestamp_ms")),
            strict=True,
        )
    )
    assert found == expected
    assert new == len(expected)


def test_a_store_keeps_the_buckets_it_was_made_with(tmp_path, make_rows):
    """Asked for 16 at first; who opens it later without saying so, or otherwise, reads 16."""
    keys = [f"service-{number}" for number in range(60)]
    table = pa.concat_tables([make_rows(key, [0, 300]) for key in keys])
    Store(tmp_path, buckets=16).append(table, "file")
    assert json.loads((tmp_path / "store.json").read_text())["buckets"] == 16
    later = Store(tmp_path)
    later.append(make_rows("service-7", [600]), "file")
    assert {item.bucket for item in later.partitions()} == {bucket_of(key, 16) for key in keys}
    assert later.measurements(["service-7"]).count().to_pyarrow().as_py() == 3
    assert len(Store(tmp_path, buckets=2).workloads()) == 60


@pytest.mark.parametrize("buckets", [0, -1, 1025])
def test_a_bucket_count_out_of_range_is_refused(tmp_path, buckets):
    """1 to 1,024."""
    with pytest.raises(ConfigError, match=f"{buckets} buckets asked for"):
        Store(tmp_path, buckets=buckets)


def test_partitions_are_the_files_of_whole_days(store, make_rows):
    """Noon to noon touches two days; asking for the second gives its file alone."""
    store.append(make_rows("web", [0, 86_400]), "file")
    files = store.partitions()
    assert [item.day for item in files] == [20_000, 20_001]
    second = store.partitions(start_ms=20_001 * 86_400_000)
    assert second == files[1:]
    assert store.read([second[0].path]).count().to_pyarrow().as_py() == 1


def test_partitions_of_an_empty_store_are_an_error(store):
    """As for its measurements."""
    with pytest.raises(StoreError, match="is empty"):
        store.partitions()
