"""Links of readers: what they read stays what it was, and nothing of them is left behind."""

from __future__ import annotations

import fcntl
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightsizing.measure.store import Store


def at(count: int) -> list[int]:
    """So many intervals of five minutes, in seconds from noon."""
    return [300 * number for number in range(count)]


def readers_of(store: Store) -> list[Path]:
    """Folders of links."""
    return sorted((store.root / "readers").glob("*"))


def test_a_bound_query_reads_the_file_it_was_bound_to(
    store: Store, make_rows: Callable[..., pa.Table]
) -> None:
    """The engine has read the footer; then the partition is replaced, then the rows are read."""
    store.append(make_rows("web", at(4)), "test")
    (partition,) = store.partitions()
    path = partition.path
    footer = pq.read_metadata(path)
    store.append(make_rows("web", at(20)), "test")
    with path.open("rb") as file:
        assert pq.read_table(file).num_rows == footer.num_rows == 4
    assert store.measurements().count().to_pyarrow().as_py() == 20


def test_a_reader_beside_a_restless_writer(
    store: Store, make_rows: Callable[..., pa.Table], tmp_path: Path
) -> None:
    """Files are replaced all the time, and no read fails; without links one in 60 did."""
    store.append(make_rows("web", at(20)), "test")
    script = tmp_path / "writer.py"
    script.write_text(WRITER, encoding="utf-8")
    (path,) = store.root.glob("bucket-*/*.parquet")
    writer = subprocess.Popen([sys.executable, str(script), str(path)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()  # the first replacement is done
        for _ in range(60):
            found = store.measurements().count().to_pyarrow().as_py()
            assert found % 10 == 0
    finally:
        writer.kill()
        writer.communicate()


WRITER = """
import sys
from itertools import count
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
path = Path(sys.argv[1])
rows = pq.read_table(path)
for turn in count():
    waiting = path.with_suffix(".tmp")
    pq.write_table(pa.concat_tables([rows] * (1 + turn % 40)), waiting, compression="zstd")
    waiting.replace(path)
    if turn == 0:
        print("ready", flush=True)
"""


def test_links_go_with_the_last_table(store: Store, make_rows: Callable[..., pa.Table]) -> None:
    """A table outlives its store; when both are gone so is the folder."""
    store.append(make_rows("web", at(2)), "test")
    other = Store(store.root)
    rows = other.measurements()
    del other
    gc.collect()
    assert rows.count().to_pyarrow().as_py() > 0
    assert len(readers_of(store)) == 1
    del rows
    gc.collect()
    assert readers_of(store) == []


def test_links_of_a_killed_reader_are_removed(
    store: Store, make_rows: Callable[..., pa.Table]
) -> None:
    """By the next writer; those of a reader that lives stay."""
    store.append(make_rows("web", at(4)), "test")
    for name in ("dead", "alive"):
        (store.root / "readers" / name).mkdir(parents=True)
        (store.root / "readers" / name / "lock").touch()
    with (store.root / "readers" / "alive" / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        store.append(make_rows("web", at(5)), "test")
        assert [path.name for path in readers_of(store)] == ["alive"]


def test_where_no_link_can_be_made_the_file_is_read(
    store: Store, make_rows: Callable[..., pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without links: the file itself."""
    store.append(make_rows("web", at(4)), "test")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "no links here", str(target))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (partition,) = store.partitions()
    assert partition.path.parent.parent == store.root
    assert duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(partition.path)]).fetchall()
