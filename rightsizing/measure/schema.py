"""The store's table in Arrow's terms, made from the model's column list.

``conform`` is the only way into the store: it adds missing optional columns as null, casts, and
refuses what breaks the model (a missing key, a null key, a value below the column's minimum).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.errors import StoreError
from rightsizing.model.measurement import MEASUREMENT_COLUMNS, Column, ColumnType

KEY_COLUMNS = ("workload", "resource_id", "timestamp_ms")
# Columns that say something was measured; a row without any of them carries nothing.
MEASURED_COLUMNS = tuple(
    column.name
    for column in MEASUREMENT_COLUMNS
    if not column.required and not column.name.startswith("capacity_")
)

_ARROW_TYPES: Mapping[ColumnType, pa.DataType] = MappingProxyType(
    {
        ColumnType.STRING: pa.string(),
        ColumnType.INT64: pa.int64(),
        ColumnType.FLOAT64: pa.float64(),
    }
)

STORE_SCHEMA = pa.schema(
    [
        pa.field(column.name, _ARROW_TYPES[column.type], nullable=not column.required)
        for column in MEASUREMENT_COLUMNS
    ]
)


def conform(rows: pa.Table, source: str) -> pa.Table:
    """Rows in the store's schema and column order; ``source`` fills a missing source column.

    Raises StoreError naming the column (and value) at fault; NaN counts as a fault, since an
    unknown value is null.
    """
    unknown = sorted(set(rows.column_names) - set(STORE_SCHEMA.names))
    if unknown:
        raise StoreError(
            f"column {unknown[0]!r} is not one of the store's; see model/measurement.py"
        )
    arrays = []
    for column, field in zip(MEASUREMENT_COLUMNS, STORE_SCHEMA, strict=True):
        if column.name in rows.column_names:
            values = rows.column(column.name)
            try:
                values = values.cast(field.type)
            except pa.ArrowInvalid as error:
                raise StoreError(
                    f"{column.name} cannot be read as {column.type}: {error}"
                ) from error
        elif column.name == "source":
            values = pa.chunked_array([pa.repeat(source, rows.num_rows)])
        else:
            values = pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
        _check(values, column)
        arrays.append(values)
    return pa.Table.from_arrays(arrays, schema=STORE_SCHEMA)


def _check(values: pa.ChunkedArray, column: Column) -> None:
    if column.required and values.null_count:
        raise StoreError(
            f"{column.name} is empty in {values.null_count} of {len(values)} rows; it is required"
        )
    if column.type is ColumnType.STRING or values.null_count == len(values):
        return
    if column.type is ColumnType.FLOAT64 and not pc.all(pc.is_finite(values)).as_py():
        raise StoreError(f"{column.name} holds NaN or infinity; a value nobody measured is null")
    lowest = pc.min(values).as_py()
    if column.minimum is not None and lowest < column.minimum:
        raise StoreError(f"{column.name} is {lowest:g}, below its minimum of {column.minimum:g}")
