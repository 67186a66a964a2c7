"""Where a row lives in the store, and which of two rows with one key is kept.

A partition is one hash bucket of workloads and one UTC day. The rule for rows with the same
(workload, resource_id, timestamp_ms): the one with more measured cells is kept, since a read that
missed a metric must not erase one that had it; among equally full ones, the later written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.measure.schema import KEY_COLUMNS, MEASURED_COLUMNS
from rightsizing.units import MILLISECONDS_PER_DAY, SECONDS_PER_DAY

# Of a new store, unless it asks for more. Chosen by us: a day of 1,000 workloads at 5 minutes is
# 72,000 rows a file; 50,000 workloads and more a bucket need gigabytes to write a day.
BUCKETS = 4

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One file of the store."""

    day: int  # days since 1970-01-01 UTC
    bucket: int

    @property
    def path(self) -> str:
        """Path below the store's data folder."""
        date = datetime.fromtimestamp(self.day * SECONDS_PER_DAY, UTC).strftime("%Y-%m-%d")
        return f"bucket-{self.bucket}/{date}.parquet"

    @classmethod
    def parse(cls, path: str) -> Partition | None:
        """Inverse of ``path``; None for a file that is no partition."""
        folder, _, name = path.rpartition("/")
        bucket = folder.rpartition("/")[2].removeprefix("bucket-")
        try:
            day = datetime.strptime(name, "%Y-%m-%d.parquet").replace(tzinfo=UTC)
            return cls(int(day.timestamp()) // SECONDS_PER_DAY, int(bucket))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, order=True)
class PartitionFile:
    """A partition that a store holds, and where."""

    bucket: int
    day: int  # days since 1970-01-01 UTC
    path: Path


def bucket_of(workload: str, buckets: int) -> int:
    """Bucket of a workload, of so many: the same on every machine and in every run."""
    digest = hashlib.blake2b(workload.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % buckets


def split(rows: pa.Table, buckets: int) -> list[tuple[Partition, pa.Table]]:
    """Rows by partition of a store of so many buckets, each in the order given."""
    if rows.num_rows == 0:
        return []
    keys = rows.column("workload").combine_chunks().dictionary_encode()
    hashed = [bucket_of(key, buckets) for key in keys.dictionary.to_pylist()]
    days = rows.column("timestamp_ms").to_numpy() // MILLISECONDS_PER_DAY
    codes: _Ints = days * buckets + np.array(hashed, dtype=np.int64)[keys.indices.to_numpy()]
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    sorted_rows = rows.take(pa.array(order)).combine_chunks()
    edges = [0, *(np.flatnonzero(np.diff(sorted_codes)) + 1).tolist(), len(codes)]
    found = []
    for start, end in pairwise(edges):
        day, bucket = divmod(int(sorted_codes[start]), buckets)
        found.append((Partition(day, bucket), sorted_rows.slice(start, end - start)))
    return found


@dataclass(frozen=True, slots=True)
class Merged:
    """One partition after new rows went in. ``rows`` is None when nothing changed."""

    rows: pa.Table | None
    given: int  # distinct keys among the new rows
    new: int  # of them, keys the partition did not hold
    repeats: int  # new rows equal in every cell to another new row
    conflicts: int  # new rows with the key of another new row and other values


def merge(stored: pa.Table | None, added: pa.Table) -> Merged:
    """One row a key, sorted by key. ``added`` rows are in the order they were written."""
    old = 0 if stored is None else stored.num_rows
    rows = added if stored is None else pa.concat_tables([stored, added])
    rows = rows.combine_chunks()
    codes = [_codes(rows.column(name)) for name in KEY_COLUMNS]
    position = np.arange(rows.num_rows)
    # Last of each key in this order is the row to keep (np.lexsort: last key sorts first).
    order = np.lexsort((position, _fullness(rows), codes[2], codes[1], codes[0]))
    changes = np.zeros(rows.num_rows, dtype=bool)
    changes[-1] = True
    for code in codes:
        changes[:-1] |= np.diff(code[order]) != 0
    kept = order[changes]
    group = np.concatenate(([0], np.cumsum(changes)[:-1]))
    is_added = position[order] >= old
    given_groups = np.unique(group[is_added])
    old_groups = np.unique(group[~is_added])
    given = len(given_groups)
    extra = int(is_added.sum()) - given
    repeats = _count_repeats(rows.take(pa.array(order[is_added])), group[is_added]) if extra else 0
    new = given - len(np.intersect1d(given_groups, old_groups, assume_unique=True))
    merged = rows.take(pa.array(kept)).combine_chunks()
    unchanged = stored is not None and merged.equals(stored.combine_chunks())
    return Merged(
        rows=None if unchanged else merged,
        given=given,
        new=new,
        repeats=repeats,
        conflicts=extra - repeats,
    )


def _codes(column: pa.ChunkedArray) -> _Ints:
    """Integers in the order of the values, so that sorting needs no strings."""
    values = column.combine_chunks()
    if pa.types.is_integer(values.type):
        integers: _Ints = values.to_numpy()
        return integers
    encoded = values.dictionary_encode()
    ranks = pc.rank(encoded.dictionary, tiebreaker="first").to_numpy().astype(np.int64)
    codes: _Ints = ranks[encoded.indices.to_numpy()]
    return codes


def _fullness(rows: pa.Table) -> _Ints:
    """How many measured cells each row has."""
    total = np.zeros(rows.num_rows, dtype=np.int64)
    for name in MEASURED_COLUMNS:
        column = rows.column(name)
        if column.null_count < len(column):
            total += column.is_valid().to_numpy()
    return total


def _count_repeats(rows: pa.Table, group: _Ints) -> int:
    """Rows that equal another row of their key in every cell (rows sorted by key)."""
    doubled = np.bincount(group - group.min())[group - group.min()] > 1
    suspects = rows.filter(pa.array(doubled))
    # NaN never reaches the store, so equality of cells is plain.
    distinct = suspects.group_by(suspects.column_names).aggregate([]).num_rows
    return int(suspects.num_rows - distinct)
