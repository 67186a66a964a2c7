"""Tables in the store's schema, made of a few given columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ibis
import pyarrow as pa
import pytest

from rightsizing.model.measurement import MEASUREMENT_COLUMNS, ColumnType

TYPES = {
    ColumnType.STRING: pa.string(),
    ColumnType.INT64: pa.int64(),
    ColumnType.FLOAT64: pa.float64(),
}
SCHEMA = pa.schema([(column.name, TYPES[column.type]) for column in MEASUREMENT_COLUMNS])
MONDAY_MS = 1_790_553_600_000  # 2026-09-28 00:00 UTC, a midnight

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def rows() -> Rows:
    """Rows at equal steps from a midnight: ``rows(cpu_cores_max=[...], capacity_cores=4.0)``.

    A sequence gives one value a row, anything else the same value to all.
    """

    def make(
        workload: str = "web",
        resource_id: str | None = None,
        interval_s: int = 300,
        start_ms: int = MONDAY_MS,
        **columns: Any,
    ) -> list[dict[str, Any]]:
        lengths = {len(value) for value in columns.values() if isinstance(value, Sequence)}
        assert len(lengths) == 1, "give one length"
        return [
            {
                "workload": workload,
                "resource_id": resource_id or workload,
                "timestamp_ms": start_ms + index * interval_s * 1000,
                "interval_s": interval_s,
                "source": "test",
                **{
                    name: value[index] if isinstance(value, Sequence) else value
                    for name, value in columns.items()
                },
            }
            for index in range(lengths.pop())
        ]

    return make


@pytest.fixture
def table() -> Callable[[Sequence[Mapping[str, Any]]], ibis.Table]:
    """An Ibis table of rows, with the store's types; columns not given are null."""

    def make(given: Sequence[Mapping[str, Any]]) -> ibis.Table:
        filled = [{name: row.get(name) for name in SCHEMA.names} for row in given]
        return ibis.memtable(pa.Table.from_pylist(filled, schema=SCHEMA))

    return make
