"""The profile cache behind the commands: the same answers, less work, nothing lost by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightsizing.cli.main import run
from rightsizing.measure.store import Store
from rightsizing.profile import daycache

DAY_MS = 86_400_000
FIRST_DAY = 20_000  # 2024-10-04
DAYS, WORKLOADS = 10, 9
GIB = 2**30

RECOMMEND = """
import sys
from rightsizing.cli.main import main
from rightsizing.profile import daycache
daycache.ROWS_PER_QUERY = 1  # one partition a query, as in a large store
main(["recommend", "--json"])
"""


def rows_of(first_day: int, days: int, *, seed: int = 1, scale: float = 1.0) -> pa.Table:
    """Hourly rows of nine machines of 8 cores and 32 GiB."""
    generator = np.random.default_rng(seed)
    count = days * 24
    tables = []
    for number in range(WORKLOADS):
        level = 0.2 + 0.5 * generator.random()
        cpu = 8 * np.clip(level + 0.1 * generator.standard_normal(count), 0.01, 1.0) * scale
        memory = 32 * GIB * np.clip(level + 0.02 * generator.standard_normal(count), 0.01, 0.9)
        tables.append(
            pa.table(
                {
                    "workload": [f"host-{number}"] * count,
                    "resource_id": [f"host-{number}"] * count,
                    "timestamp_ms": first_day * DAY_MS + np.arange(count) * 3_600_000,
                    "interval_s": np.full(count, 3600),
                    "cpu_cores_max": cpu,
                    "capacity_cores": np.full(count, 8.0),
                    "memory_bytes_max": memory,
                    "capacity_memory_bytes": np.full(count, 32.0 * GIB),
                }
            )
        )
    return pa.concat_tables(tables)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a folder without a project, which is the current one."""
    monkeypatch.chdir(tmp_path)
    found = Store(tmp_path / ".rightsizing" / "store")
    found.append(rows_of(FIRST_DAY, DAYS), "test")
    return found


@pytest.fixture
def recommended(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str]]:
    """The JSON and the remarks of ``rightsize recommend``."""

    def ask(*arguments: str) -> tuple[Any, str]:
        assert run(["recommend", "--json", *arguments]) == 0
        captured = capsys.readouterr()
        return json.loads(captured.out)["recommendations"], captured.err

    return ask


def cached(store: Store) -> dict[str, int]:
    """Files of the cache and when they were written."""
    folder = store.root / "profiles"
    found = folder.glob("bucket-*/*.parquet")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def test_the_cache_changes_no_answer(store: Store, recommended, monkeypatch) -> None:
    """Without a cache, with an empty one and with a full one: the same to the last digit."""
    first, _ = recommended()
    again, _ = recommended()
    monkeypatch.setattr("rightsizing.cli.profiling.os.access", lambda path, mode: False)
    without, _ = recommended()
    assert len(first) == WORKLOADS
    assert first == again == without


def test_a_new_day_is_counted_alone(store: Store, recommended) -> None:
    """Files of the days before stay as they were written."""
    recommended()
    before = cached(store)
    store.append(rows_of(FIRST_DAY + DAYS, 1, seed=2), "test")
    recommended()
    after = cached(store)
    assert before.items() < after.items()
    assert {name.partition("/")[2] for name in after.keys() - before.keys()} == {
        "2024-10-14.parquet"
    }


def test_a_changed_partition_is_counted_again(store: Store, recommended) -> None:
    """More load in the rows is more load in the answer."""
    before, _ = recommended()
    # The last day again, busier, with a column more, so that the new rows are the fuller ones.
    busier = rows_of(FIRST_DAY + DAYS - 1, 1, scale=3.0)
    busier = busier.append_column("cpu_cores_mean", busier["cpu_cores_max"])
    store.append(busier, "test")
    after, _ = recommended()
    assert after != before


@pytest.mark.parametrize("where", ["footer", "page"])
def test_a_damaged_file_is_made_again_and_said(store: Store, recommended, where: str) -> None:
    """The same answer, and one sentence that names the file."""
    expected, _ = recommended()
    path = sorted((store.root / "profiles").glob("bucket-*/*.parquet"))[0]
    content = bytearray(path.read_bytes())
    if where == "footer":
        path.write_bytes(content[: len(content) // 2])
    else:
        first = pq.read_metadata(path).row_group(0).column(0)
        start = first.dictionary_page_offset or first.data_page_offset
        content[start : start + 40] = bytes(40)
        path.write_bytes(content)
    found, said = recommended()
    assert found == expected
    assert said.replace("\n", "").count("was damaged and is made again") == 1
    again, said = recommended()
    assert (again, said) == (expected, "")


def test_one_workload_is_sized_as_among_the_others(store: Store, recommended) -> None:
    """Alone by name, from the cache of all."""
    everything, _ = recommended()
    alone, _ = recommended("--workload", "host-3")
    assert alone == [item for item in everything if item["workload"] == "host-3"]


def test_rows_of_the_far_future_are_left_out_and_said(store: Store, recommended) -> None:
    """One row of the year 2100 neither moves the period nor outweighs what was measured."""
    expected, said = recommended()
    assert said == ""
    row = rows_of(47_482, 1).slice(0, 1)  # 2100-01-01
    store.append(row, "test")
    found, said = recommended()
    assert found == expected
    assert "dated 2100-01-01 are in the future and are not used" in said.replace("\n", " ")


def test_ctrl_c_keeps_what_was_counted(store: Store, recommended, tmp_path: Path) -> None:
    """Exit code 130, one sentence, whole files; the next run counts the rest."""
    whole = len(store.partitions())
    script = tmp_path / "recommend.py"
    script.write_text(RECOMMEND, encoding="utf-8")
    child = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(cached(store)) < 2 and child.poll() is None and time.monotonic() < deadline:
        os.sched_yield()
    child.send_signal(signal.SIGINT)
    out, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert said.strip() == "error: interrupted; what was finished is kept"
    assert json.loads(out)["error"]["exit_code"] == 130
    kept = cached(store)
    assert 2 <= len(kept) < whole
    assert not list((store.root / "profiles").glob("bucket-*/*.tmp"))
    found, _ = recommended()
    assert kept.items() < cached(store).items()
    assert len(cached(store)) == whole
    fresh = daycache.DayCache(tmp_path / "fresh", store.read)
    assert fresh.update(store.partitions()).computed == whole
    for path in (tmp_path / "fresh").glob("bucket-*/*.parquet"):
        twin = store.root / "profiles" / path.relative_to(tmp_path / "fresh")
        assert pq.read_table(path).equals(pq.read_table(twin))
    assert len(found) == WORKLOADS
