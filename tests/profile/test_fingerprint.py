"""Fingerprints: equal for equal data, different for any difference."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import ibis
import pytest

from rightsizing.model.measurement import MEASUREMENT_COLUMNS, ColumnType
from rightsizing.profile.fingerprint import fingerprint

_TYPES = {ColumnType.STRING: "string", ColumnType.INT64: "int64", ColumnType.FLOAT64: "float64"}
SCHEMA = {column.name: _TYPES[column.type] for column in MEASUREMENT_COLUMNS}


def row(second: int, **values: Any) -> dict[str, Any]:
    """A row of the store."""
    return {
        "workload": "web",
        "resource_id": "web-a",
        "timestamp_ms": second * 1000,
        "interval_s": 300,
        "source": "file",
        "cpu_cores_mean": 0.5,
        **values,
    }


def table(rows: list[dict[str, Any]]) -> ibis.Table:
    """Rows with every column of the store."""
    return ibis.memtable(
        [{name: item.get(name) for name in SCHEMA} for item in rows], schema=SCHEMA
    )


ROWS = [row(0), row(300, cpu_cores_mean=None), row(300, resource_id="web-b"), row(600)]


def test_order_of_rows_is_irrelevant() -> None:
    """Backwards is the same data."""
    assert fingerprint(table(ROWS)) == fingerprint(table(ROWS[::-1]))


@pytest.mark.parametrize(
    "changed",
    [
        {"cpu_cores_mean": 0.5000000000000001},
        {"cpu_cores_mean": None},
        {"cpu_cores_mean": 0.0},
        {"interval_s": 60},
        {"resource_id": "web-c"},
        {"memory_bytes_mean": 0.0},
    ],
    ids=lambda changed: "-".join(f"{name}={value}" for name, value in changed.items()),
)
def test_any_difference_shows(changed: dict[str, Any]) -> None:
    """One value of one row, also between "not measured" and 0."""
    other = [*ROWS[:3], {**ROWS[3], **changed}]
    assert fingerprint(table(other)).sha256 != fingerprint(table(ROWS)).sha256


def test_minus_zero_is_zero() -> None:
    """The two zeros are one number."""
    zero, minus = [row(0, cpu_cores_mean=0.0)], [row(0, cpu_cores_mean=-0.0)]
    assert fingerprint(table(zero)) == fingerprint(table(minus))


def test_the_format_is_as_documented() -> None:
    """One row hashed by hand: name, then text with its length, or mark and little-endian number."""
    by_hand = (
        b"workload\n3:web\n"
        b"resource_id\n5:web-a\n"
        b"timestamp_ms\n\x01"
        + struct.pack("<q", 300_000)
        + b"interval_s\n\x01"
        + struct.pack("<q", 300)
        + b"source\n4:file\n"
        b"cpu_cores_mean\n\x01" + struct.pack("<d", 0.5)
    )
    found = fingerprint(table([row(300)]))
    assert found.sha256 == hashlib.sha256(by_hand).hexdigest()
    assert (found.rows, found.start_ms, found.end_ms) == (1, 300_000, 600_000)


def test_no_rows() -> None:
    """Nothing measured: the hash of nothing, and no times."""
    found = fingerprint(table(ROWS).filter(False))
    assert found.sha256 == hashlib.sha256(b"").hexdigest()
    assert (found.rows, found.start_ms, found.end_ms) == (0, None, None)
