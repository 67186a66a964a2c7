"""A service's past from CSV and Parquet: what is read, and what is left out with its line."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightsizing.errors import BadTrace
from rightsizing.measure.minutefile import read_minutes

START_S = 1_700_000_040  # a whole minute
HEADER = "timestamp,resource,requests,errors,latency_p99_ms,cpu_pct,capacity_cores\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "minutes.csv"
    path.write_text(text)
    return path


def test_a_file_of_two_replicas(tmp_path: Path) -> None:
    """Three minutes; one replica misses the second, which stays unknown."""
    path = written(
        tmp_path,
        HEADER
        + f"{START_S},a,100,1,80,50,2\n{START_S},b,90,0,70,40,2\n{START_S + 60},a,110,2,81,55,2\n"
        + f"{START_S + 120},a,120,0,82,60,2\n{START_S + 120},b,95,1,75,45,2\n",
    )
    past = read_minutes(path)
    assert (past.resources, past.steps, past.step_s) == (("a", "b"), 3, 60)
    assert past.start_ms == START_S * 1000
    np.testing.assert_array_equal(past.requests, [[100, 110, 120], [90, np.nan, 95]])
    assert past.cpu_share[0, 2] == pytest.approx(0.6)
    # (100 + 90) / 60 s / 4 cores; then a alone: 110 / 60 / 2; then 215 / 60 / 4
    np.testing.assert_allclose(past.requests_per_core_s(), [190 / 240, 110 / 120, 215 / 240])
    assert past.per_minute("requests") == pytest.approx((190 + 110 + 215) / 3)


def test_bad_cells_are_named_by_their_line(tmp_path: Path) -> None:
    """The rest of the row counts; the reasons say where the first case is."""
    path = written(
        tmp_path,
        "time,Requests,errors,p99_ms,colour\n"
        f"{START_S},100,x,80,red\n"
        f"{START_S + 60},100,101,0,red\n"
        "\n"
        f"{START_S + 120},-5,1,80,red\n"
        f"{START_S + 180},100\n"
        "yesterday,100,1,80,red\n"
        f"{START_S + 180},100,,nan,red\n"
        f"{START_S + 180},110,1,81,red\n",
    )
    past = read_minutes(path)
    said = "\n".join(past.notes)
    for words in (
        "column 'colour' is none that a back-test reads",
        "errors is no number (first: 'x' in line 2)",
        "errors above requests (first: 101 of 100 in line 3)",
        "latency_p99_ms cannot be (first: 0 in line 3)",
        "requests cannot be (first: -5 in line 5)",
        "another number of values than the header (first: line 6)",
        "since 1970 (first: 'yesterday' in line 7)",
        "1 rows repeat a minute",
    ):
        assert words in said
    np.testing.assert_array_equal(past.requests, [[100, 100, np.nan, 110]])
    np.testing.assert_array_equal(past.errors, [[np.nan, np.nan, 1, 1]])


@pytest.mark.parametrize(
    "first",
    [
        f"{START_S}",
        f"{START_S * 1000}",
        datetime.fromtimestamp(START_S, UTC).isoformat(),
        f"{datetime.fromtimestamp(START_S, UTC):%Y-%m-%d %H:%M:%S}",
    ],
)
def test_times_in_any_common_form(tmp_path: Path, first: str) -> None:
    """Seconds, milliseconds, ISO with and without an offset: the same minute."""
    path = written(tmp_path, f"timestamp,requests\n{first},5\n{START_S + 60},6\n")
    assert read_minutes(path).start_ms == START_S * 1000


def test_parquet_and_gzip_say_the_same(tmp_path: Path) -> None:
    """The same figures from either."""
    text = f"timestamp,requests,errors\n{START_S},10,1\n{START_S + 60},20,2\n"
    with gzip.open(tmp_path / "minutes.csv.gz", "wt") as file:
        file.write(text)
    table = pa.table(
        {
            "timestamp": [datetime.fromtimestamp(START_S + 60 * at, UTC) for at in range(2)],
            "requests": [10, 20],
            "errors": [1, 2],
            "owner": ["x", "y"],
        }
    )
    pq.write_table(table, tmp_path / "minutes.parquet")
    for name in ("minutes.csv.gz", "minutes.parquet"):
        past = read_minutes(tmp_path / name)
        np.testing.assert_array_equal(past.errors, [[1, 2]])
        assert past.start_ms == START_S * 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column timestamp; its columns are a, b"),
        ("timestamp\n1\n", "no column requests"),
        ("timestamp,requests,request_count\n", "has column requests 2 times"),
        (f"timestamp,requests\n{START_S},5\n", "holds 1 measured steps"),
        ("timestamp,requests\n12,5\n13,5\n", "holds 0 measured steps"),
        (
            f"timestamp,requests\n{START_S},5\n{START_S + 60},5\n{START_S + 120},5\n9e9,5\n",
            "span 121,666,667 steps",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, text: str, message: str
) -> None:
    """What is wrong, with what was found."""
    with pytest.raises(BadTrace, match=message):
        read_minutes(written(tmp_path, text))


def test_no_file_a_folder_and_no_text(tmp_path: Path) -> None:
    """Paths that are no files, and bytes that are no text."""
    with pytest.raises(BadTrace, match="there is no file"):
        read_minutes(tmp_path / "nothing.csv")
    with pytest.raises(BadTrace, match="is a folder"):
        read_minutes(tmp_path)
    (tmp_path / "minutes.csv").write_bytes(b"timestamp,requests\n\xff\xfe,5\n")
    with pytest.raises(BadTrace, match="cannot be read"):
        read_minutes(tmp_path / "minutes.csv")
    (tmp_path / "minutes.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadTrace, match="cannot be read"):
        read_minutes(tmp_path / "minutes.parquet")


def test_the_guides_example_is_read(tmp_path: Path) -> None:
    """Two minutes of two replicas; one error count is not known."""
    guide = Path(__file__).parents[2] / "docs" / "guide" / "judge-a-canary.md"
    text = guide.read_text(encoding="utf-8").split("```csv\n")[1].split("```")[0]
    past = read_minutes(written(tmp_path, text))
    assert (past.resources, past.steps, past.notes) == (("i-0a", "i-0b"), 2, ())
    assert int(np.isnan(past.errors).sum()) == 1
