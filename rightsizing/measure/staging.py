"""Rows on their way into the store: spilled to disk by partition, so that memory stays bounded.

Each flush writes one Arrow file whose record batches are partitions; reading a partition back
touches only its batches. The folder is removed when the write ends, however it ends.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from rightsizing.measure.partition import Partition, split
from rightsizing.measure.schema import STORE_SCHEMA

FLUSH_ROWS = 250_000  # about 50 MB in memory with every column filled


class Staging:
    """A folder of uncommitted rows. Use as a context manager."""

    def __init__(self, folder: Path, buckets: int, flush_rows: int = FLUSH_ROWS) -> None:
        self.folder = folder
        self._buckets = buckets
        self._flush_rows = flush_rows
        self._buffer: list[pa.Table] = []
        self._buffered_rows = 0
        self._spilled: list[Path] = []
        # Where each partition's rows are: (spill number, batch number), in the order written.
        self._places: defaultdict[Partition, list[tuple[int, int]]] = defaultdict(list)
        # Rows that never reached the flush size stay in memory.
        self._rest: dict[Partition, pa.Table] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, rows: pa.Table) -> None:
        """Take rows in the store's schema."""
        self._buffer.append(rows)
        self._buffered_rows += rows.num_rows
        if self._buffered_rows >= self._flush_rows:
            self._spill()

    def partitions(self) -> list[Partition]:
        """Every partition that got rows, sorted. No more rows may be added afterwards."""
        self._rest = dict(split(self._take(), self._buckets))
        return sorted({*self._places, *self._rest})

    def rows(self, partition: Partition) -> pa.Table:
        """Rows of one partition, in the order they were added."""
        pieces = []
        for spill, batch in self._places.get(partition, ()):
            with pa.OSFile(str(self._spilled[spill])) as file, pa.ipc.open_file(file) as reader:
                pieces.append(pa.Table.from_batches([reader.get_batch(batch)]))
        if partition in self._rest:
            pieces.append(self._rest.pop(partition))
        return pa.concat_tables(pieces)

    def _take(self) -> pa.Table:
        rows = pa.concat_tables(self._buffer) if self._buffer else STORE_SCHEMA.empty_table()
        self._buffer, self._buffered_rows = [], 0
        return rows

    def _spill(self) -> None:
        path = self.folder / f"spill-{len(self._spilled)}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, STORE_SCHEMA, options=options) as writer,
        ):
            for number, (partition, rows) in enumerate(split(self._take(), self._buckets)):
                writer.write_batch(rows.to_batches()[0])
                self._places[partition].append((len(self._spilled), number))
        self._spilled.append(path)
