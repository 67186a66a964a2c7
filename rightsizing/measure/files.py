"""Measuring from files: CSV (plain or gzip) and Parquet in the trace schema, streamed.

A file is read in batches, so its size is bounded by the disk and not by memory, and it is stored as
one write: a file that is refused leaves nothing behind, and reading it again adds nothing.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from rightsizing.errors import BadTrace
from rightsizing.measure.progress import Progress, ProgressListener, ignore_progress
from rightsizing.measure.store import Store
from rightsizing.measure.tally import Tally
from rightsizing.measure.trace import TraceColumns, check_columns
from rightsizing.measure.tracerows import TraceMapper
from rightsizing.model.measurement import MeasureReport

SOURCE = "file"
BATCH_ROWS = 125_000
_CSV_BLOCK_BYTES = 8 * 1024**2
PARQUET_MAGIC = b"PAR1"
# Empty cells as people write them. "NaN" is not among them: it is counted as a fault.
_EMPTY_CELLS = ["", "NA", "N/A", "null", "NULL", "None"]


def measure_file(
    path: Path,
    store: Store,
    *,
    workload_prefix: str = "",
    capacity_cores: float | None = None,
    capacity_memory_bytes: float | None = None,
    progress: ProgressListener = ignore_progress,
) -> MeasureReport:
    """Read a trace file into the store; each ``resource_id`` becomes a workload.

    Args:
        path: CSV (also .gz) or Parquet.
        store: where the rows go.
        workload_prefix: put before each resource id to make the workload's key.
        capacity_cores: capacity of rows that give none, for files of bare percentages.
        capacity_memory_bytes: the same for memory.
        progress: told after every batch.

    Returns:
        Rows observed and new, and everything left out with its reason and first place.

    Raises:
        BadTrace: the file cannot be read, or its columns or the units of its numbers are wrong.
        StoreError: the store cannot be written; nothing of the file is kept then.
    """
    with _read_errors(path):
        file = _open(path)
        mapper = TraceMapper(
            path.name,
            file.columns,
            prefix=workload_prefix,
            place=file.place,
            defaults={
                "capacity_cores": capacity_cores,
                "capacity_mem_bytes": capacity_memory_bytes,
            },
        )

    def batches() -> Iterator[pa.Table]:
        with _read_errors(path):
            for rows in file.batches():
                yield mapper.map(rows)
                progress(Progress(f"reading {path.name}", mapper.rows, file.total_rows))
        mapper.finish()

    appended = store.append_batches(batches(), SOURCE, progress)
    left_out = (mapper.row_faults, mapper.benign_rows, file.malformed, mapper.cell_faults)
    return MeasureReport(
        source=SOURCE,
        workloads=mapper.resources,
        observed=appended.observed,
        new=appended.new,
        skipped=(*(skip for tally in left_out for skip in tally.skips()), *appended.skipped),
        notes=mapper.notes.skips(),
    )


class _ParquetTrace:
    """A Parquet file; rows are counted from 1."""

    def __init__(self, path: Path) -> None:
        # Without memory mapping: a file cut short while being read must not kill the process.
        self._file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)
        self.columns = check_columns(path.name, self._file.schema_arrow.names)
        self.total_rows: int = self._file.metadata.num_rows
        self.malformed = Tally()

    def place(self, row: int) -> str:
        return f"row {row + 1}"

    def batches(self) -> Iterator[pa.Table]:
        wanted = [*self.columns.read, *self.columns.ignored]
        for batch in self._file.iter_batches(BATCH_ROWS, columns=wanted):
            yield pa.Table.from_batches([batch])


@dataclass(slots=True)
class _CsvTrace:
    """A CSV file; rows are named by their line, the header being line 1."""

    path: Path
    columns: TraceColumns = field(init=False)
    total_rows: int = 0  # not known without reading it all
    malformed: Tally = field(default_factory=Tally)
    _reader: pa_csv.CSVStreamingReader = field(init=False)
    _header: list[str] = field(default_factory=list)
    _missing_lines: list[int] = field(default_factory=list)  # not rows, ascending

    def __post_init__(self) -> None:
        self._header = self._read_header()
        self.columns = check_columns(self.path.name, self._header)
        self._reader = pa_csv.open_csv(
            self.path,
            # Serial reading, since only then does a malformed line know its number.
            read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, use_threads=False),
            parse_options=pa_csv.ParseOptions(
                ignore_empty_lines=False, invalid_row_handler=self._skip_line
            ),
            convert_options=pa_csv.ConvertOptions(
                # Text first: a bad cell is then counted with its line instead of ending the read.
                column_types=dict.fromkeys(self._header, pa.string()),
                null_values=_EMPTY_CELLS,
                strings_can_be_null=True,
            ),
        )

    def place(self, row: int) -> str:
        line = row + 2
        # Each line that was no row moves the rows after it down by one.
        while (moved := row + 2 + bisect_right(self._missing_lines, line)) != line:
            line = moved
        return f"line {line}"

    def batches(self) -> Iterator[pa.Table]:
        given = 0
        for batch in self._reader:
            rows = self._without_blank_lines(pa.Table.from_batches([batch]), given)
            if rows.num_rows:
                given += rows.num_rows
                yield rows

    def _read_header(self) -> list[str]:
        with pa.input_stream(str(self.path)) as stream:
            first = stream.read(_CSV_BLOCK_BYTES).split(b"\n", 1)[0]
        if not first.strip():
            raise BadTrace(f"{self.path.name} is empty; a header line is the least it needs")
        options = pa_csv.ReadOptions(use_threads=False)
        return list(pa_csv.read_csv(pa.BufferReader(first + b"\n"), options).column_names)

    def _without_blank_lines(self, rows: pa.Table, given: int) -> pa.Table:
        """Drop rows without any value; ``given`` rows came before these."""
        blank = rows.column(self._header[0]).is_null()
        if not pc.any(blank).as_py():
            return rows
        for name in self._header[1:]:
            blank = pc.and_(blank, rows.column(name).is_null())
        for dropped, position in enumerate(pc.indices_nonzero(blank).to_pylist()):
            line = int(self.place(given + position - dropped).removeprefix("line "))
            insort(self._missing_lines, line)
        return rows.filter(pc.invert(blank))

    def _skip_line(self, row: pa_csv.InvalidRow) -> str:
        insort(self._missing_lines, row.number)
        if row.text.strip():
            reason = f"line has another number of values than the header's {row.expected_columns}"
            example = f"{row.actual_columns} in line {row.number}"
            self.malformed.add(reason, 1, example)
        return "skip"


def leading_bytes(path: Path) -> bytes:
    """The first bytes, by which Parquet is known. Raises BadTrace where there is no file."""
    if not path.exists():
        raise BadTrace(f"there is no file {path}")
    if path.is_dir():
        raise BadTrace(f"{path} is a folder; give one CSV or Parquet file")
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC))


def _open(path: Path) -> _ParquetTrace | _CsvTrace:
    start = leading_bytes(path)
    if not start:
        raise BadTrace(f"{path.name} is empty")
    return _ParquetTrace(path) if start == PARQUET_MAGIC else _CsvTrace(path)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).strip().split("\n", 1)[0].rstrip(".")
        raise BadTrace(f"{path.name} cannot be read ({reason}); nothing was stored") from error
