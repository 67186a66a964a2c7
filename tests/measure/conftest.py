"""Small valid inputs for the measuring tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rightsizing.measure.store import Store

DAY_MS = 86_400_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2  # 2024-10-04 12:00 UTC


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ibis 12 calls a DuckDB method that DuckDB 2 renamed; only Ibis can change that."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store that never waits for a lock."""
    return Store(tmp_path / "store", lock_wait_seconds=0)


@pytest.fixture
def make_rows() -> Callable[..., pa.Table]:
    """Rows of one workload: ``make_rows("web", [0, 300], cpu=[1.0, 2.0])``, seconds after noon."""

    def make(
        workload: str,
        seconds: list[int],
        *,
        cpu: list[float | None] | None = None,
        memory: list[float | None] | None = None,
        resource: str | None = None,
    ) -> pa.Table:
        count = len(seconds)
        columns: dict[str, Any] = {
            "workload": pa.array([workload] * count, pa.string()),
            "resource_id": pa.array([resource or workload] * count, pa.string()),
            "timestamp_ms": pa.array([NOON_MS + second * 1000 for second in seconds], pa.int64()),
            "interval_s": pa.array([300] * count, pa.int64()),
            "cpu_cores_mean": pa.array(cpu or [1.0] * count, pa.float64()),
            "capacity_cores": pa.array([4.0] * count, pa.float64()),
        }
        if memory is not None:
            columns["memory_bytes_mean"] = pa.array(memory, pa.float64())
        return pa.table(columns)

    return make


@pytest.fixture
def content() -> Callable[[Store], list[Mapping[str, Any]]]:
    """Every row of a store, sorted by key."""

    def read(store: Store) -> list[Mapping[str, Any]]:
        table = store.measurements().to_pyarrow()
        keys = [(name, "ascending") for name in ("workload", "resource_id", "timestamp_ms")]
        rows: list[Mapping[str, Any]] = table.sort_by(keys).to_pylist()
        return rows

    return read


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up credentials, and nothing of the developer's own AWS set-up."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
