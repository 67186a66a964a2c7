"""The cache of daily statistics: what is counted again, what is not, and what survives a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightsizing.errors import StoreError
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.daycache import DayCache
from rightsizing.profile.daytable import DayTable

GIB = 2**30
DAY = 288
FIRST = 20_724
DAYS, BUCKETS = 3, 2


@dataclass(frozen=True)
class File:
    """A partition of a store, without the store."""

    bucket: int
    day: int
    path: Path


class Reads:
    """Reads files through DuckDB and remembers which."""

    def __init__(self) -> None:
        self.engine = ibis.duckdb.connect()
        self.paths: list[str] = []

    def __call__(self, paths: Sequence[Path]) -> ibis.Table:
        self.paths += [f"{path.parent.name}/{path.name}" for path in paths]
        return self.engine.read_parquet([str(path) for path in paths])


@pytest.fixture
def write(tmp_path: Path, rows, table) -> Callable[..., File]:
    """Write one partition: six workloads of a bucket on a day, one of them with two resources."""

    def make(bucket: int, day: int, scale: float = 1.0) -> File:
        generator = np.random.default_rng((bucket, day))
        given = []
        for number in range(6):
            cores = (generator.random(DAY) * 3 * scale).tolist()
            for resource in ("a", "b") if number == 5 else ("a",):
                given += rows(
                    f"w{bucket}-{number}",
                    resource_id=resource,
                    start_ms=(FIRST + day) * 86_400_000,
                    cpu_cores_max=cores,
                    # One workload grows on the second day.
                    capacity_cores=8.0 if number == 1 and day else 4.0,
                    memory_bytes_max=[float(value) for value in generator.integers(1, GIB, DAY)],
                    capacity_memory_bytes=2.0 * GIB,
                )
        path = tmp_path / "store" / f"bucket-{bucket}" / f"2026-09-{28 + day}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(given).to_pyarrow(), path)
        return File(bucket, FIRST + day, path)

    return make


@pytest.fixture
def partitions(write) -> list[File]:
    """Three days of two buckets."""
    return [write(bucket, day) for day in range(DAYS) for bucket in range(BUCKETS)]


@pytest.fixture
def reads() -> Reads:
    """A reader that counts."""
    return Reads()


@pytest.fixture
def cache(tmp_path: Path, reads: Reads) -> DayCache:
    """An empty cache."""
    return DayCache(tmp_path / "profiles", reads)


def figures(tables: Sequence[DayTable]) -> dict[str, tuple[object, ...]]:
    """What tables say of each workload, whatever table it is in."""
    return {
        key: (
            found.first_day,
            found.cpu_capacity_cores[w],
            tuple(np.argwhere(found.cpu_counts[w]).ravel().tolist()),
            found.cpu_counts[w].sum(),
            found.cpu_sum_cores[w].tobytes(),
            found.cpu_hour_max_cores[w].tobytes(),
            found.memory_bins.histogram(w),
            found.memory_max_bytes[w].tobytes(),
        )
        for found in tables
        for w, key in enumerate(found.workloads)
    }


def test_tables_of_the_cache_are_those_of_the_measurements(cache, partitions, reads) -> None:
    """Every workload has the figures that a direct build gives it."""
    direct = build_day_tables(reads([item.path for item in partitions]))
    assert figures(list(cache.tables(partitions))) == figures(list(direct))


def test_a_second_update_reads_nothing(cache, partitions, reads) -> None:
    """All six files are right."""
    assert cache.update(partitions).computed == 6
    reads.paths.clear()
    again = cache.update(partitions)
    assert (again.computed, again.kept, reads.paths) == (0, 6, [])


def test_a_new_day_reads_that_day_only(cache, partitions, reads) -> None:
    """Two days are held; the third is one file of each bucket."""
    cache.update(partitions[:4])
    reads.paths.clear()
    assert cache.update(partitions).kept == 4
    assert sorted(reads.paths) == ["bucket-0/2026-09-30.parquet", "bucket-1/2026-09-30.parquet"]


def test_a_changed_partition_is_counted_again(cache, partitions, reads, write) -> None:
    """Half of the demand on one day: that file is outdated, and the table says so."""
    before = figures(list(cache.tables(partitions)))
    reads.paths.clear()
    changed = write(1, 2, scale=0.5)
    after = figures(list(cache.tables(partitions)))
    assert reads.paths == ["bucket-1/2026-09-30.parquet"]
    assert changed in partitions
    assert {key for key in before if before[key] != after[key]} == {f"w1-{n}" for n in range(6)}


def test_an_interrupted_update_goes_on_where_it_stopped(
    cache, partitions, reads, monkeypatch
) -> None:
    """Ctrl-C after the first bucket: its files are whole, the rest is counted by the next run."""

    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.update(partitions, interrupt)
    reads.paths.clear()
    resumed = figures(list(cache.tables(partitions)))
    assert len(reads.paths) == 3
    fresh = DayCache(cache.folder.parent / "fresh", reads)
    assert resumed == figures(list(fresh.tables(partitions)))


def test_a_killed_writer_leaves_no_file_that_counts(cache, partitions, monkeypatch) -> None:
    """Killed before the rename: what it wrote is not read, and the next run writes it."""

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(KeyboardInterrupt):
            cache.update(partitions)
    assert not list(cache.folder.glob("bucket-*/*.parquet"))
    assert cache.update(partitions).computed == 6
    assert not list(cache.folder.glob("bucket-*/*.tmp"))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_cut_file_is_counted_again(cache, partitions, share: float) -> None:
    """A file cut short has no footer."""
    wanted = figures(list(cache.tables(partitions)))
    path = cache.folder / "bucket-0" / "2026-09-29.parquet"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert cache.update(partitions).computed == 1
    assert figures(list(cache.tables(partitions))) == wanted


def test_a_flipped_byte_in_a_page_is_found_and_counted_again(cache, partitions) -> None:
    """The footer is whole, so only the page's checksum can tell."""
    wanted = figures(list(cache.tables(partitions)))
    path = cache.folder / "bucket-1" / "2026-09-28.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    assert figures(list(cache.tables(partitions))) == wanted


def test_a_file_of_another_version_is_counted_again(cache, partitions) -> None:
    """What a later program wrote may mean something else."""
    cache.update(partitions)
    path = cache.folder / "bucket-0" / "2026-09-28.parquet"
    held = pq.read_table(path)
    marks = {**held.schema.metadata, b"rightsizing_version": b"0"}
    pq.write_table(held.replace_schema_metadata(marks), path)
    assert cache.update(partitions).computed == 1


def test_progress_counts_partitions_to_the_end(cache, partitions) -> None:
    """Bucket by bucket, then done."""
    seen: list[tuple[int, int]] = []
    cache.update(partitions, lambda done, total: seen.append((done, total)))
    assert seen == [(0, 6), (3, 6), (6, 6)]


def test_a_large_bucket_is_read_in_ranges(cache, partitions, monkeypatch) -> None:
    """Row groups of two workloads, two to a table: every workload once, figures unchanged."""
    monkeypatch.setattr("rightsizing.profile.daycache._ROW_GROUP", 2)
    tables = list(cache.tables(partitions, cells=2 * DAYS * 256))
    assert [len(found.workloads) for found in tables] == [2] * 6
    whole = figures(list(cache.tables(partitions)))
    assert figures(tables) == whole


def test_pruning_removes_what_the_store_no_longer_has(cache, partitions) -> None:
    """Two of six partitions are gone."""
    cache.update(partitions)
    assert cache.prune(partitions[:4]) == 2
    assert cache.update(partitions[:4]).kept == 4


def test_a_damaged_store_is_one_sentence(cache, partitions) -> None:
    """It names the file and what to do."""
    partitions[0].path.write_bytes(b"not parquet")
    with pytest.raises(StoreError, match=r"bucket-0/2026-09-28.parquet is damaged .*measure"):
        cache.update(partitions)


def test_statistics_of_footers_say_what_a_query_would(partitions, reads) -> None:
    """The same content, whichever way it was found."""
    from rightsizing.profile.dayquery import content_of, with_workloads
    from rightsizing.profile.filecontent import content_of_files

    paths = [item.path for item in partitions]
    measurements = reads(paths)
    assert with_workloads(measurements, content_of_files(paths)) == content_of(measurements)


def test_files_without_statistics_are_asked_row_by_row(cache, partitions, reads) -> None:
    """Written by another tool, without statistics: the figures are the same."""
    wanted = figures(list(cache.tables(partitions)))
    held: pa.Table = pq.read_table(partitions[0].path)
    pq.write_table(held, partitions[0].path, write_statistics=False)
    assert figures(list(cache.tables(partitions))) == wanted
