"""A cache of daily statistics beside a store: a new day costs a day's work.

    bucket-<n>/<date>.parquet   one partition of the store (``densecounts.DENSE_SCHEMA``)

Each file names the partition it was made of by size and modification time; one that is missing,
damaged, of another version or of a partition that changed since is made again. Files appear whole,
by renaming, so an interrupted update goes on where it stopped. Memory is bounded: partitions are
counted some days of one bucket at a time, and tables hold a limited number of bins.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.expr import types as ir

from rightsizing.errors import StoreError
from rightsizing.profile.build import answers
from rightsizing.profile.dayquery import with_workloads
from rightsizing.profile.dayrows import conformed
from rightsizing.profile.daytable import DayTable
from rightsizing.profile.densecounts import DENSE_SCHEMA, densified
from rightsizing.profile.filecontent import content_of_files
from rightsizing.profile.tableassembly import CELLS, ORDINARY_BINS, day_tables

CACHE_VERSION = b"3"  # of the rows' meaning and schema; another one is made again
ROWS_PER_QUERY = 8_000_000  # measurements counted at once: about 0.5 GB in the engine
_ROW_GROUP = 2_048  # workloads; what a part of a large bucket is read by
_VERSION_KEY, _IDENTITY_KEY = b"rightsizing_version", b"rightsizing_partition"

# Called with (done, total) partitions before each query and at the end; an exception it raises, as
# KeyboardInterrupt, cancels the update and passes through.
UpdateListener = Callable[[int, int], None]


class Partition(Protocol):
    """One Parquet file of the store: a bucket of workloads on one UTC day."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def bucket(self) -> int:
        """Bucket of workloads; a workload is always in the same."""

    @property
    def day(self) -> int:
        """Days since 1970-01-01."""


@dataclass(frozen=True, slots=True)
class CacheUpdate:
    """What an update did: partitions counted anew, and those whose file was still right."""

    computed: int
    kept: int


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the engine says of some partitions, and which state of each it is of."""

    batch: Sequence[Partition]
    identities: Sequence[bytes]
    answers: Sequence[pa.Table]


# Called with a file of the cache that was found damaged; it is made again.
DamageListener = Callable[[Path], None]


def ignore_damage(path: Path) -> None:
    """Listen to nothing."""
    del path


def ignore_update(done: int, total: int) -> None:
    """Listen to nothing."""
    del done, total


class DayCache:
    """Daily statistics of a store's partitions, on disk.

    Args:
        folder: where the files are kept; made when it is needed.
        read: gives the measurements in some of the store's files as one Ibis table.
        on_damage: told of each damaged file.
    """

    def __init__(
        self,
        folder: Path,
        read: Callable[[Sequence[Path]], ir.Table],
        on_damage: DamageListener = ignore_damage,
    ) -> None:
        self.folder = folder
        self._read = read
        self._on_damage = on_damage

    def update(
        self, partitions: Sequence[Partition], listener: UpdateListener = ignore_update
    ) -> CacheUpdate:
        """Count the partitions whose file is missing, damaged or outdated.

        Raises StoreError when a partition cannot be read or a file cannot be written; what was
        counted before stays.
        """
        # Histograms are made and written while the engine reads the next days.
        with self._writing(), ThreadPoolExecutor(1) as writer:
            stale = sorted(
                (item for item in partitions if not self._is_current(item)),
                key=lambda item: (item.bucket, item.day),
            )
            done = 0
            written: Future[None] | None = None
            for batch in _batches(stale):
                listener(done, len(stale))
                counted = self._count(batch)
                if written is not None:
                    written.result()
                written = writer.submit(self._keep, counted)
                done += len(batch)
            if written is not None:
                written.result()
            listener(done, len(stale))
        return CacheUpdate(len(stale), len(partitions) - len(stale))

    def tables(
        self,
        partitions: Sequence[Partition],
        listener: UpdateListener = ignore_update,
        *,
        workloads: Collection[str] | None = None,
        cells: int = CELLS,
    ) -> Iterator[DayTable]:
        """Day tables of all workloads in these partitions, bucket by bucket; updates first.

        Args:
            partitions: of which days and buckets.
            listener: told how far the update is.
            workloads: only these.
            cells: bins a table may hold, as for ``profile.build``.
        """
        self.update(partitions, listener)
        # The next rows are read while the caller works on a table.
        with ThreadPoolExecutor(1) as reader:
            waiting: list[Future[pa.Table]] = []
            for files, low, high in self._parts(partitions, cells):
                waiting.append(reader.submit(self._joined, files, low, high, workloads))
                if len(waiting) > 1:
                    yield from day_tables(waiting.pop(0).result(), cells)
            for last in waiting:
                yield from day_tables(last.result(), cells)

    def memory_peaks(self, partitions: Sequence[Partition]) -> dict[str, float]:
        """Largest memory use, bytes, of each workload that measured any; after an update."""
        found: dict[str, float] = {}
        for item in partitions:
            rows = self._rows(item, None, None, columns=["workload", "memory_max"]).drop_null()
            for key, peak in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                found[key] = max(peak, found.get(key, 0.0))
        return found

    def prune(self, partitions: Sequence[Partition]) -> int:
        """Delete files of partitions that the store no longer has; returns how many."""
        wanted = {self._path(item) for item in partitions}
        with self._writing():
            gone = [path for path in self.folder.glob("bucket-*/*.parquet") if path not in wanted]
            for path in gone:
                path.unlink()
        return len(gone)

    def _path(self, partition: Partition) -> Path:
        return self.folder / f"bucket-{partition.bucket}" / partition.path.name

    def _is_current(self, partition: Partition) -> bool:
        try:
            held = pq.read_schema(self._path(partition)).metadata or {}
        except FileNotFoundError:
            return False
        except (OSError, pa.ArrowException):
            self._on_damage(self._path(partition))
            return False
        identity = _identity(partition.path)
        return held.get(_VERSION_KEY) == CACHE_VERSION and held.get(_IDENTITY_KEY) == identity

    def _count(self, batch: Sequence[Partition]) -> _Counted:
        # Taken before reading: a partition that changes meanwhile is counted again next time.
        identities = [_identity(item.path) for item in batch]
        paths = [item.path for item in batch]
        measurements = self._read(paths)
        try:
            content = with_workloads(measurements, content_of_files(paths))
            return _Counted(batch, identities, answers(measurements, content))
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{paths[0].parent} cannot be read: {error}") from error

    def _keep(self, counted: _Counted) -> None:
        rows = conformed(counted.answers)
        days = rows.column("day").to_numpy()
        for item, identity in zip(counted.batch, counted.identities, strict=True):
            first, last = days.searchsorted([item.day, item.day + 1])
            self._write(self._path(item), rows.slice(first, last - first), identity)

    def _write(self, path: Path, rows: pa.Table, identity: bytes) -> None:
        marked = densified(rows).replace_schema_metadata(
            {_VERSION_KEY: CACHE_VERSION, _IDENTITY_KEY: identity}
        )
        path.parent.mkdir(exist_ok=True)
        waiting = path.with_suffix(".tmp")
        with waiting.open("wb") as file:
            pq.write_table(
                marked,
                file,
                compression="zstd",
                compression_level=1,
                use_dictionary=["workload", "cpu_bins.list.element.value"],
                write_statistics=["workload"],
                row_group_size=_ROW_GROUP,
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One process writes at a time; the next finds the files of the one before."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "writer.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise StoreError(
                f"the profile cache at {self.folder} could not be written ({error}); free the disk "
                f"or delete the folder, then run again"
            ) from error

    def _ranges(
        self, files: Sequence[Partition], workloads: int
    ) -> list[tuple[str | None, str | None]]:
        """Ranges of workload keys, [low, high), of about so many workloads; None is open."""
        largest = max((pq.read_metadata(self._path(item)) for item in files), key=_row_count)
        step = max(workloads // _ROW_GROUP, 1)
        edges: list[str | None] = [None]
        for group in range(step, largest.num_row_groups, step):
            statistics = largest.row_group(group).column(0).statistics
            if statistics is not None and statistics.has_min_max:
                edges.append(str(statistics.min))
        return list(zip(edges, [*edges[1:], None], strict=True))

    def _parts(
        self, partitions: Sequence[Partition], cells: int
    ) -> Iterator[tuple[list[Partition], str | None, str | None]]:
        """Files of a bucket and a range of its workloads that may fit in one table."""
        ordered = sorted(partitions, key=lambda item: (item.bucket, item.day))
        for _bucket, members in groupby(ordered, key=lambda item: item.bucket):
            files = list(members)
            span = files[-1].day - files[0].day + 1
            for low, high in self._ranges(files, max(cells // (span * ORDINARY_BINS), 1)):
                yield files, low, high

    def _joined(
        self,
        files: Sequence[Partition],
        low: str | None,
        high: str | None,
        workloads: Collection[str] | None,
    ) -> pa.Table:
        rows = pa.concat_tables([self._rows(item, low, high) for item in files])
        if workloads is None:
            return rows
        return rows.filter(pc.is_in(rows["workload"], pa.array(list(workloads), pa.string())))

    def _rows(
        self,
        partition: Partition,
        low: str | None,
        high: str | None,
        columns: Sequence[str] = DENSE_SCHEMA.names,
    ) -> pa.Table:
        path = self._path(partition)
        try:
            return _read_range(path, low, high, columns)
        except (OSError, pa.ArrowException):
            # The footer was right, a page is damaged: count it again.
            self._on_damage(path)
            with self._writing():
                self._keep(self._count([partition]))
            return _read_range(path, low, high, columns)


def _read_range(path: Path, low: str | None, high: str | None, columns: Sequence[str]) -> pa.Table:
    schema = pa.schema([DENSE_SCHEMA.field(name) for name in columns])
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups = [
            group
            for group in range(file.num_row_groups)
            if _overlaps(file.metadata.row_group(group).column(0).statistics, low, high)
        ]
        rows = file.read_row_groups(groups, columns=columns) if groups else schema.empty_table()
    rows = rows.replace_schema_metadata(None).cast(schema)
    # Rows are sorted by workload, so a range of workloads is a slice.
    keys = rows["workload"]
    first = 0 if low is None else pc.sum(pc.less(keys, low)).as_py() or 0
    last = len(rows) if high is None else pc.sum(pc.less(keys, high)).as_py() or 0
    return rows.slice(first, last - first)


def _overlaps(statistics: pq.Statistics | None, low: str | None, high: str | None) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    return (low is None or statistics.max >= low) and (high is None or statistics.min < high)


def _row_count(metadata: pq.FileMetaData) -> int:
    return int(metadata.num_rows)


def _identity(path: Path) -> bytes:
    """Size and modification time of a partition, which the store replaces and never edits."""
    try:
        held = path.stat()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}; measure its day again") from error
    return f"{path.name} {held.st_size} {held.st_mtime_ns}".encode()


def _batches(partitions: Sequence[Partition]) -> Iterator[list[Partition]]:
    """Days of one bucket that are counted in one query."""
    batch: list[Partition] = []
    rows = 0
    for item in partitions:
        own = _stored_rows(item.path)
        if batch and (batch[0].bucket != item.bucket or rows + own > ROWS_PER_QUERY):
            yield batch
            batch, rows = [], 0
        batch.append(item)
        rows += own
    if batch:
        yield batch


def _stored_rows(path: Path) -> int:
    try:
        return _row_count(pq.read_metadata(path))
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"{path} is damaged ({error}); delete it and measure its day again"
        ) from error
