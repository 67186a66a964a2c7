"""Files of partitions: read whole, written so that they are on disk, asked for their newest time.

Errors of Arrow come with many lines; ``first_line`` is what a sentence has room for.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rightsizing.errors import StoreError
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.units import MILLISECONDS_PER_DAY

# An interval ends at the sum of these columns times milliseconds.
_END_COLUMNS = {
    STORE_SCHEMA.get_field_index("timestamp_ms"): 1,
    STORE_SCHEMA.get_field_index("interval_s"): 1000,
}


def read_partition(path: Path) -> pa.Table | None:
    """Its rows; None where there is no file. Raises StoreError when it is damaged."""
    if not path.exists():
        return None
    try:
        return pq.read_table(path, schema=STORE_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"{path} is damaged ({first_line(error)}); delete it and measure its day again"
        ) from error


def end_ms(path: Path, day: int) -> int:
    """End of the newest interval of a partition; of the day where no footer says it."""
    try:
        metadata = pq.read_metadata(path)
        found = [
            sum(
                scale * metadata.row_group(group).column(column).statistics.max
                for column, scale in _END_COLUMNS.items()
            )
            for group in range(metadata.num_row_groups)
        ]
    except (OSError, pa.ArrowException, AttributeError):  # damaged, or without statistics
        found = []
    return max(found, default=(day + 1) * MILLISECONDS_PER_DAY)


def write_synced(rows: pa.Table, path: Path) -> None:
    """Write rows and wait until they are on disk."""
    with path.open("wb") as file:
        pq.write_table(
            rows,
            file,
            compression="zstd",
            compression_level=1,
            use_dictionary=["workload", "resource_id", "source"],
        )
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until a folder's entries are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def first_line(error: Exception) -> str:
    """The first line of an error, without the full stop."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")
