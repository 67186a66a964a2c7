"""A plan never writes what the program and ``apply`` would refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from rightsizing.cli.main import run
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.measure.store import Store
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.quarantine import Quarantine

STACK = """\
config:
  rightsizing:embedded: true
  rightsizing:containers:
    app:
      size: {cpu_millicores: 8000, memory_mib: 8192}
      image: trader:1
"""
START_MS = 1_790_553_600_000
GIB = 2.0**30


def measure(record_dir: Path) -> None:
    """14 days of 2 cores and 2 GiB of 8 and 8, an hour at a time."""
    rows = [
        {
            "workload": "app",
            "resource_id": "app",
            "source": "test",
            "timestamp_ms": START_MS + hour * 3_600_000,
            "interval_s": 3600,
            "cpu_cores_max": 2.0,
            "capacity_cores": 8.0,
            "memory_bytes_max": 2 * GIB,
            "capacity_memory_bytes": 8 * GIB,
        }
        for hour in range(14 * 24)
    ]
    filled = [{name: row.get(name) for name in STORE_SCHEMA.names} for row in rows]
    Store(record_dir / "store").append(pa.Table.from_pylist(filled, schema=STORE_SCHEMA), "test")


def test_the_same_sizes_on_new_evidence_need_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Newer measurements alone do not lift a quarantine; the sentence says what does."""
    (tmp_path / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: infra/\n")
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(STACK)
    monkeypatch.chdir(tmp_path)
    record_dir = tmp_path / ".rightsizing" / "sample" / "dev"
    measure(record_dir)
    assert run(["plan"]) == 0
    release = StackFile.load(path).sizing().release
    assert release is not None
    path.write_text(STACK)
    Quarantine(record_dir).add(
        release.id, 1, reason="latency doubled", at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    capsys.readouterr()
    assert run(["plan"]) == 3
    said = capsys.readouterr()
    assert f"`rightsize quarantine lift {release.short_id}`" in said.err
    assert "latency doubled" in said.err
    assert path.read_text() == STACK
