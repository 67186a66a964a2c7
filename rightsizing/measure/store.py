"""The measurement store: Parquet files by workload bucket and UTC day, read through Ibis.

    store.json                  schema version and bucket count
    bucket-<n>/<date>.parquet   one partition, sorted by workload, resource and time
    staging/                    what a writer has not committed yet
    readers/                    links to files that readers have open
    writer.lock                 held (flock) by the one writer

A write prepares every changed partition beside the data, syncs it, and only then renames all of
them into place: a full disk, a fault in the rows or a Ctrl-C while preparing changes nothing, and
a reader sees whole files, by links of its own (``measure.snapshot``). Writing the same rows again
changes no file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from rightsizing.errors import ConfigError, StoreError
from rightsizing.measure.lock import writer_lock
from rightsizing.measure.partition import (
    BUCKETS,
    Partition,
    PartitionFile,
    bucket_of,
    merge,
)
from rightsizing.measure.partitionfile import (
    end_ms,
    first_line,
    read_partition,
    sync_folder,
    write_synced,
)
from rightsizing.measure.progress import Progress, ProgressListener, ignore_progress
from rightsizing.measure.schema import conform
from rightsizing.measure.snapshot import Snapshot, remove_abandoned
from rightsizing.measure.staging import Staging
from rightsizing.model.measurement import SCHEMA_VERSION, Skip
from rightsizing.units import MILLISECONDS_PER_DAY

_META_FILE = "store.json"
_STAGING_FOLDER = "staging"
MAX_BUCKETS = 1024  # each is a folder and a file a day
LOCK_WAIT_SECONDS = 10.0  # a recorder's append takes well under a second


@dataclass(frozen=True, slots=True)
class Appended:
    """What one write did: ``observed`` distinct keys given, ``new`` of them not held before."""

    observed: int
    new: int
    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredWorkload:
    """What the store holds of one workload; capacities are the latest known."""

    key: str
    source: str
    rows: int
    start_ms: int
    end_ms: int
    capacity_cores: float | None
    capacity_memory_bytes: float | None


class Store:
    """Measurements on disk. Many readers, one writer at a time."""

    def __init__(
        self,
        root: Path,
        *,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
        buckets: int = BUCKETS,
    ) -> None:
        """Open a store, or name the folder of a new one.

        ``buckets`` is that of a new store, one for each 25,000 workloads; a store that exists keeps
        its own. Raises ConfigError when it is not 1 to 1,024.
        """
        if not 1 <= buckets <= MAX_BUCKETS:
            raise ConfigError(f"{buckets} buckets asked for; give a whole number to {MAX_BUCKETS}")
        self.root = root
        self._lock_wait_seconds = lock_wait_seconds
        self._new_buckets = buckets

    def append(self, rows: pa.Table, source: str) -> Appended:
        """Write rows; ``source`` names their origin where they do not say it themselves.

        Raises StoreError when rows break the schema, another process writes, or the disk fails;
        what was stored before is untouched then.
        """
        return self.append_batches([rows], source)

    def append_batches(
        self,
        batches: Iterable[pa.Table],
        source: str,
        progress: ProgressListener = ignore_progress,
    ) -> Appended:
        """Write any number of batches as one: nothing is stored when one of them fails.

        Memory is bounded by the largest batch and the largest partition. An exception raised by
        ``batches`` passes through.
        """
        with self._writing() as buckets, Staging(self.root / _STAGING_FOLDER, buckets) as staging:
            for batch in batches:
                staging.add(conform(batch, source))
            return self._commit(staging, buckets, progress)

    def measurements(
        self,
        workloads: Sequence[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> ibis.Table:
        """One row a (workload, resource_id, timestamp_ms), in no order; times are [start, end).

        Raises StoreError when the store is empty or unreadable. Workloads and times without rows
        give a table without rows.
        """
        count = self._bucket_count()
        held = self._held()
        buckets = None if workloads is None else {bucket_of(key, count) for key in workloads}
        chosen = [
            partition
            for partition in self._between(held, start_ms, end_ms)
            if buckets is None or partition.bucket in buckets
        ]
        # Without a matching file the first one still gives the schema, and the filters no rows.
        table = self.read([self.root / partition.path for partition in chosen or held[:1]])
        if workloads is not None:
            table = table.filter(table.workload.isin(list(workloads)))
        if start_ms is not None:
            table = table.filter(table.timestamp_ms >= start_ms)
        if end_ms is not None:
            table = table.filter(table.timestamp_ms < end_ms)
        return table

    def partitions(
        self,
        workloads: Iterable[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> tuple[PartitionFile, ...]:
        """The files that hold any time in [start, end), by bucket and day; whole days each.

        With ``workloads`` those of the buckets that they are in.

        They stay as they are while this object lives, whatever is written meanwhile.
        Raises StoreError when the store is empty or unreadable.
        """
        count = self._bucket_count()
        buckets = (
            range(count) if workloads is None else {bucket_of(key, count) for key in workloads}
        )
        return tuple(
            sorted(
                PartitionFile(
                    partition.bucket,
                    partition.day,
                    self._snapshot.pin(self.root / partition.path),
                )
                for partition in self._between(self._held(), start_ms, end_ms)
                if partition.bucket in buckets
            )
        )

    def days(self) -> tuple[int, ...]:
        """Days since 1970-01-01 of which rows are held, ascending. Raises StoreError when empty."""
        self._bucket_count()
        return tuple(sorted({partition.day for partition in self._held()}))

    def end_ms(self, *, before_ms: int | None = None) -> int:
        """End of the newest interval that begins before a midnight, read from files' footers.

        Where intervals differ in length, the newest counts as long as the longest of its day.
        Raises StoreError when there is none.
        """
        held = list(self._between(self._held(), None, before_ms))
        newest = max(partition.day for partition in held)
        return max(
            end_ms(self.root / partition.path, partition.day)
            for partition in held
            if partition.day == newest
        )

    def read(self, paths: Sequence[Path]) -> ibis.Table:
        """The measurements in some of the store's files, at least one; every row of them.

        Raises StoreError when one cannot be read.
        """
        return self._read([str(self._snapshot.pin(path)) for path in paths])

    def workloads(self) -> tuple[StoredWorkload, ...]:
        """What is stored of each workload, sorted by key. Raises StoreError when empty."""
        rows = self.measurements()
        summary = rows.group_by("workload").aggregate(
            source=rows.source.argmax(rows.timestamp_ms),
            rows=rows.count(),
            start_ms=rows.timestamp_ms.min(),
            end_ms=(rows.timestamp_ms + rows.interval_s * 1000).max(),
            capacity_cores=rows.capacity_cores.argmax(
                rows.timestamp_ms, where=rows.capacity_cores.notnull()
            ),
            capacity_memory_bytes=rows.capacity_memory_bytes.argmax(
                rows.timestamp_ms, where=rows.capacity_memory_bytes.notnull()
            ),
        )
        found = summary.to_pyarrow().sort_by("workload").to_pylist()
        return tuple(
            StoredWorkload(
                key=row["workload"],
                source=row["source"],
                rows=row["rows"],
                start_ms=row["start_ms"],
                end_ms=row["end_ms"],
                capacity_cores=row["capacity_cores"],
                capacity_memory_bytes=row["capacity_memory_bytes"],
            )
            for row in found
        )

    @cached_property
    def _engine(self) -> Any:
        return ibis.duckdb.connect()

    @cached_property
    def _snapshot(self) -> Snapshot:
        # Tables that this store gave hold its engine, and so its links, beyond the store's life.
        return Snapshot(self.root, keeper=self._engine)

    def _read(self, paths: list[str]) -> ibis.Table:
        try:
            return self._engine.read_parquet(paths)
        except Exception as error:
            raise StoreError(
                f"the store at {self.root} cannot be read "
                f"({self._snapshot.original(first_line(error))}); delete the damaged file and "
                f"measure its day again"
            ) from error

    def _held(self) -> list[Partition]:
        held = self._partitions()
        if not held:
            raise StoreError(f"the store at {self.root} is empty; run `rightsize measure` first")
        return held

    @staticmethod
    def _between(
        held: Iterable[Partition], start_ms: int | None, end_ms: int | None
    ) -> Iterator[Partition]:
        for partition in held:
            if (start_ms is None or (partition.day + 1) * MILLISECONDS_PER_DAY > start_ms) and (
                end_ms is None or partition.day * MILLISECONDS_PER_DAY < end_ms
            ):
                yield partition

    def _partitions(self) -> list[Partition]:
        found = (Partition.parse(f"{path.parent.name}/{path.name}") for path in self._files())
        return sorted(partition for partition in found if partition is not None)

    def _files(self) -> Iterator[Path]:
        return self.root.glob("bucket-*/*.parquet")

    def _bucket_count(self) -> int:
        """Buckets of this store; of a new one, those asked for. Checks the schema's version."""
        path = self.root / _META_FILE
        try:
            meta = json.loads(path.read_text(encoding="utf-8"))
            version, buckets = int(meta["schema_version"]), int(meta["buckets"])
        except FileNotFoundError:
            if any(self._files()):
                raise StoreError(
                    f"{path} is missing, so the schema of the files beside it is unknown; restore "
                    f"it or move the folder away and measure again"
                ) from None
            return self._new_buckets
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path} cannot be read ({error}); move the store away") from error
        if version != SCHEMA_VERSION or not 1 <= buckets <= MAX_BUCKETS:
            raise StoreError(
                f"the store at {self.root} has schema {version} with {buckets} buckets, this "
                f"version reads schema {SCHEMA_VERSION} with 1 to {MAX_BUCKETS}; measure into "
                f"another folder"
            )
        return buckets

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """Hold the writer's lock in a prepared folder and give the store's bucket count.

        Disk errors become StoreError.
        """
        with self._disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            with writer_lock(self.root / "writer.lock", self._lock_wait_seconds):
                buckets = self._bucket_count()
                # Left by a writer that died: never committed, so never part of the store.
                shutil.rmtree(self.root / _STAGING_FOLDER, ignore_errors=True)
                remove_abandoned(self.root)
                yield buckets

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"the store at {self.root} could not be written ({first_line(error)}); nothing "
                f"of this write was kept and older data is intact: free the disk, then run again"
            ) from error

    def _commit(self, staging: Staging, buckets: int, progress: ProgressListener) -> Appended:
        given = new = repeats = conflicts = 0
        prepared: list[tuple[Path, Path]] = []
        partitions = staging.partitions()
        for done, partition in enumerate(partitions):
            progress(Progress("storing", done, len(partitions)))
            target = self.root / partition.path
            stored = read_partition(target)
            merged = merge(stored, staging.rows(partition))
            given, new = given + merged.given, new + merged.new
            repeats, conflicts = repeats + merged.repeats, conflicts + merged.conflicts
            if merged.rows is not None:
                waiting = staging.folder / f"{partition.day}-{partition.bucket}.parquet"
                write_synced(merged.rows, waiting)
                prepared.append((waiting, target))
        self._publish(prepared, buckets)
        progress(Progress("storing", len(partitions), len(partitions)))
        return Appended(given, new, _duplicate_skips(repeats, conflicts))

    def _publish(self, prepared: list[tuple[Path, Path]], buckets: int) -> None:
        """Move prepared files into place: no step here needs disk space for data."""
        meta = self.root / _META_FILE
        if not meta.exists():
            content = json.dumps({"schema_version": SCHEMA_VERSION, "buckets": buckets})
            waiting = meta.with_suffix(".tmp")
            waiting.write_text(content + "\n", encoding="utf-8")
            waiting.replace(meta)
        for folder in {target.parent for _, target in prepared}:
            folder.mkdir(exist_ok=True)
        for waiting, target in prepared:
            waiting.replace(target)
        for folder in {target.parent for _, target in prepared} | {self.root}:
            sync_folder(folder)


def _duplicate_skips(repeats: int, conflicts: int) -> tuple[Skip, ...]:
    skips = (
        Skip(repeats, "exact duplicate of another row"),
        Skip(
            conflicts,
            "another row has the same resource and timestamp; the fuller, else the later, was kept",
        ),
    )
    return tuple(skip for skip in skips if skip.count)
