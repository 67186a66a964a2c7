"""A fingerprint of measurements: the same rows give the same SHA-256, on any engine and machine.

Rows are taken in the order of their key (resource, timestamp). Each column that holds anything is
hashed as its name, then its values: text as UTF-8 with its length before it; numbers as one byte a
row that is 1 where measured, then 64 bits a row, little-endian, 0 where not. A column that nobody
measured is left out, so a later version with more columns gives the same fingerprint for the same
data.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr import types as ir

from rightsizing.model.measurement import MEASUREMENT_COLUMNS, ColumnType


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """SHA-256 in hexadecimal, and what it covers; times are null when there are no rows."""

    sha256: str
    rows: int
    start_ms: int | None
    end_ms: int | None  # end of the last interval


def fingerprint(measurements: ir.Table) -> Fingerprint:
    """Fingerprint of all rows of the table, which are those of one workload."""
    names = [column.name for column in MEASUREMENT_COLUMNS]
    table = measurements.select(*names).order_by("workload", "resource_id", "timestamp_ms")
    rows = table.to_pyarrow()
    digest = hashlib.sha256()
    for column in MEASUREMENT_COLUMNS:
        values = rows.column(column.name)
        if values.null_count == len(values):
            continue
        digest.update(f"{column.name}\n".encode())
        if column.type is ColumnType.STRING:
            _add_text(digest, values)
        else:
            _add_numbers(digest, values, "<i8" if column.type is ColumnType.INT64 else "<f8")
    ends = pc.add(rows.column("timestamp_ms"), pc.multiply(rows.column("interval_s"), 1000))
    return Fingerprint(
        sha256=digest.hexdigest(),
        rows=rows.num_rows,
        start_ms=pc.min(rows.column("timestamp_ms")).as_py(),
        end_ms=pc.max(ends).as_py(),
    )


def _add_text(digest: Any, values: pa.ChunkedArray) -> None:
    # Few texts differ, and each is hashed in full: a run of equal ones costs one encoding.
    encoded: dict[str | None, bytes] = {None: b"-\n"}
    for text in values.to_pylist():
        if text not in encoded:
            raw = text.encode("utf-8")
            encoded[text] = b"%d:%s\n" % (len(raw), raw)
        digest.update(encoded[text])


def _add_numbers(digest: Any, values: pa.ChunkedArray, layout: str) -> None:
    measured = values.is_valid().to_numpy().astype(np.uint8)
    # 0.0 is added so that minus zero is zero.
    numbers = values.fill_null(0).to_numpy().astype(layout) + np.zeros((), dtype=layout)
    digest.update(measured.tobytes())
    digest.update(np.ascontiguousarray(numbers, dtype=layout).tobytes())
