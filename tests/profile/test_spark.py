"""The same expressions on Spark: bit-identical tables. Needs pyspark and Java."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightsizing.profile.bincounts import BinCounts
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.daytable import DayTable

pytestmark = [
    pytest.mark.slow,
    # pyspark and its Arrow bridge use names that pandas and pyarrow have retired.
    pytest.mark.filterwarnings("ignore"),
]

MONDAY_MS = 1_790_553_600_000


@pytest.fixture(scope="module")
def spark() -> Iterator[ibis.BaseBackend]:
    """A Spark session on two local threads."""
    sessions = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    session = (
        sessions.SparkSession.builder.master("local[2]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    yield ibis.pyspark.connect(session)
    session.stop()


def hard_rows(rows) -> list[dict[str, object]]:
    """Values at the edges of bins, broken ones, two resources, a resize, mixed intervals."""
    generator = np.random.default_rng(8)
    edges = [math.nextafter(1.01**k, side) for k in range(0, 4000, 8) for side in (0, math.inf)]
    cores = [math.nextafter(k * 0.02, side) for k in range(200) for side in (0, 9, k * 0.02)]
    return [
        *rows("edges", memory_bytes_max=edges, capacity_memory_bytes=2.0**40),
        *rows("cores", cpu_cores_mean=[max(x, 0.0) for x in cores], capacity_cores=4.0),
        *rows(
            "odd",
            cpu_cores_max=[float("nan"), float("inf"), -1.0, 1e300, 0.3, None] * 40,
            cpu_cores_mean=[0.1, None] * 120,
            capacity_cores=[0.0, 2.0, 3.0, None, 7.0, 3.0] * 40,
            memory_bytes_mean=generator.random(240).tolist(),
            capacity_memory_bytes=1e9,
            oom_kills=[0.0, 1.0] * 120,
            network_in_bytes_per_s=(generator.random(240) * 1e9).tolist(),
            cpu_throttled_ratio=generator.random(240).tolist(),
            cpu_credit_balance=(generator.random(240) * 2).tolist(),
            instances=generator.random(240).tolist(),
            interval_s=60,
        ),
        *rows("two", resource_id="a", cpu_cores_max=generator.random(400).tolist()),
        *rows("two", resource_id="b", cpu_cores_max=generator.random(300).tolist()),
    ]


def test_tables_are_bit_identical(spark, rows, table, tmp_path) -> None:
    """Every array, every bin and every sum, from the same file."""
    path = tmp_path / "measurements.parquet"
    pq.write_table(pa.table(table(hard_rows(rows)).to_pyarrow()), path)
    left = list(build_day_tables(spark.read_parquet(str(path))))
    right = list(build_day_tables(ibis.duckdb.connect().read_parquet(str(path))))
    for mine, other in zip(left, right, strict=True):
        for field in fields(DayTable):
            one, two = getattr(mine, field.name), getattr(other, field.name)
            if isinstance(one, np.ndarray):
                assert one.dtype == two.dtype, field.name
                np.testing.assert_array_equal(one, two, err_msg=field.name)
            elif isinstance(one, BinCounts):
                histograms = [
                    [counts.histogram(row) for row in range(len(mine.workloads))]
                    for counts in (one, two)
                ]
                assert histograms[0] == histograms[1], field.name
