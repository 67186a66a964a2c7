"""Profiles and decisions of a large fleet against a bare exact quantile query on the same files.

    python benchmarks/fleet_scale.py [--workloads 5000] [--folder /tmp/fleet] [--spark 5000]

Generates a store of N workloads x 14 days x 5 minutes of CPU and memory (see ``fleetstore``), then
times in one run, each step in a process of its own so that peak memory is its own:

    bare       DuckDB, exact p50, p95 and p99.5 of both columns by workload
    profiles   daily statistics of every partition into an empty cache, then day tables
    decisions  a limit for every workload from the day tables, where the product has that step
    next day   the same after one more day of measurements, with the cache of the days before

With ``--spark`` the figures of that many workloads are counted by Spark in local mode too and
compared bit by bit. Writes ``benchmarks/results/fleet_<N>.md``. 403 million rows (100,000
workloads) need 3 GB of disk.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
from fleetstore import FIRST_DAY, keys_by_bucket, write_day

from rightsizing.measure.store import Store
from rightsizing.profile.bincounts import BinCounts
from rightsizing.profile.build import build_day_tables
from rightsizing.profile.daycache import DayCache
from rightsizing.profile.daytable import DayTable
from rightsizing.units import MILLISECONDS_PER_DAY

RESULTS = Path(__file__).parent / "results"
DAYS = 14
WORKLOADS_PER_BUCKET = 25_000
BARE = """
    SELECT workload, quantile_cont(cpu_cores_max, [0.5, 0.95, 0.995]),
           quantile_cont(memory_bytes_max, [0.5, 0.95, 0.995])
    FROM read_parquet(?) GROUP BY workload
"""


def decide(table: DayTable) -> int:
    """Workloads decided: the one place where the product's decision step is called."""
    try:
        fleet = importlib.import_module("rightsizing.decide.fleet")
    except ModuleNotFoundError:
        return 0
    fleet.decide_limits(table, fleet.DEFAULT_POLICY)
    return len(table.workloads)


def bare(folder: Path) -> dict[str, float]:
    """The query to compare with."""
    files = [str(item.path) for item in _window(folder, 0)]
    began = time.perf_counter()
    rows = duckdb.execute(BARE, [files]).to_arrow_table().num_rows
    return {"seconds": time.perf_counter() - began, "workloads": rows}


def profiles(folder: Path) -> dict[str, float]:
    """Everything from the store, with an empty cache."""
    shutil.rmtree(folder / "profiles", ignore_errors=True)
    return _profile(folder, first_day=0)


def next_day(folder: Path) -> dict[str, float]:
    """The window moved on by one day."""
    return _profile(folder, first_day=1)


def spark(folder: Path) -> dict[str, float]:
    """Spark's day tables of this store against DuckDB's, bit by bit."""
    try:
        sessions = importlib.import_module("pyspark.sql")
    except ModuleNotFoundError:
        return {"skipped": 1}
    session = (
        sessions.SparkSession.builder.master("local[2]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.maxResultSize", "2g")
        .config("spark.sql.shuffle.partitions", "8")
        .getOrCreate()
    )
    engine = ibis.pyspark.connect(session)
    files = str(folder / "bucket-*" / "*.parquet")
    began = time.perf_counter()
    by_spark = list(build_day_tables(engine.read_parquet(files)))
    seconds = time.perf_counter() - began
    by_duckdb = list(build_day_tables(ibis.duckdb.connect().read_parquet(files)))
    differing = [
        name
        for left, right in zip(by_spark, by_duckdb, strict=True)
        for name in _differences(left, right)
    ]
    session.stop()
    if differing:
        sys.exit(f"Spark and DuckDB differ in {sorted(set(differing))}")
    return {"seconds": seconds, "workloads": sum(len(table.workloads) for table in by_spark)}


STEPS: dict[str, Callable[[Path], dict[str, float]]] = {
    "bare": bare,
    "profiles": profiles,
    "next_day": next_day,
    "spark": spark,
}


def main() -> None:
    """Generate, time each step in a child, print and write the results."""
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--workloads", type=int, default=5_000)
    options.add_argument("--folder", type=Path, default=Path("/tmp/fleet"))
    options.add_argument("--spark", type=int, default=0, help="compare this many workloads")
    options.add_argument("--keep", action="store_true", help="keep the generated store")
    options.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.step:
        measured = STEPS[given.step](given.folder)
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        cpu_s = time.process_time()
        print(json.dumps({**measured, "cpu_s": cpu_s, "peak_gb": peak_gb}))
        return
    folder = given.folder / str(given.workloads)
    rows = _generate(folder, given.workloads)
    found = {name: _child(name, folder) for name in ("bare", "profiles")}
    write_day(folder, _keys(given.workloads), DAYS)
    found["next_day"] = _child("next_day", folder)
    if given.spark:
        small = given.folder / f"spark-{given.spark}"
        _generate(small, given.spark)
        found["spark"] = _child("spark", small)
    page = _page(given.workloads, rows, found)
    print(page)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"fleet_{given.workloads}.md").write_text(page + "\n", encoding="utf-8")
    if not given.keep:
        shutil.rmtree(given.folder)


def _profile(folder: Path, first_day: int) -> dict[str, float]:
    store = Store(folder)
    cache = DayCache(folder / "profiles", store.read)
    window = _window(folder, first_day)
    began = time.perf_counter()
    cache.update(window)
    updated = time.perf_counter()
    deciding = 0.0
    workloads = decided = 0
    for table in cache.tables(window):
        workloads += len(table.workloads)
        before = time.perf_counter()
        decided += decide(table)
        deciding += time.perf_counter() - before
    total = time.perf_counter() - began
    return {
        "seconds": total,
        "update": updated - began,
        "tables": total - (updated - began) - deciding,
        "deciding": deciding,
        "workloads": workloads,
        "decided": decided,
    }


def _window(folder: Path, first_day: int) -> Sequence[Any]:
    start = (FIRST_DAY + first_day) * MILLISECONDS_PER_DAY
    return Store(folder).partitions(start_ms=start, end_ms=start + DAYS * MILLISECONDS_PER_DAY)


def _keys(workloads: int) -> list[list[str]]:
    return keys_by_bucket(workloads, max(-(-workloads // WORKLOADS_PER_BUCKET), 4))


def _generate(folder: Path, workloads: int) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    keys = _keys(workloads)
    return sum(write_day(folder, keys, day) for day in range(DAYS))


def _child(step: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _differences(left: DayTable, right: DayTable) -> list[str]:
    found = [] if left.workloads == right.workloads else ["workloads"]
    for field in fields(DayTable):
        one, two = getattr(left, field.name), getattr(right, field.name)
        if isinstance(one, np.ndarray):
            if one.tobytes() != two.tobytes():
                found.append(field.name)
        elif isinstance(one, BinCounts) and any(
            one.histogram(row) != two.histogram(row) for row in range(len(left.workloads))
        ):
            found.append(field.name)
    return found


def _page(workloads: int, rows: int, found: dict[str, dict[str, float]]) -> str:
    base = found["bare"]["seconds"]
    lines = [
        f"# {workloads:,} workloads x {DAYS} days x 5 minutes: {rows / 1e6:,.0f} million rows",
        "",
        f"{os.cpu_count()} processors; DuckDB {duckdb.__version__}. One run, one process a step.",
        "",
        "| step | seconds | of the bare query | processor seconds | peak GB |",
        "|---|---|---|---|---|",
    ]
    for name, step in found.items():
        if "skipped" in step:
            lines.append(f"| {name} | skipped: pyspark is not installed | | | |")
            continue
        ratio = f"{step['seconds'] / base:.2f}" if name != "spark" else "identical"
        used = f"{step['cpu_s']:.0f} | {step['peak_gb']:.2f}"
        lines.append(f"| {name} | {step['seconds']:.1f} | {ratio} | {used} |")
        lines += [
            f"| {name}: {part} | {step[part]:.1f} | {step[part] / base:.2f} | | |"
            for part in ("update", "tables", "deciding")
            if step.get(part)
        ]
    share = found["next_day"]["seconds"] / found["profiles"]["seconds"]
    update = found["next_day"]["update"] / found["profiles"]["seconds"]
    decided = int(found["profiles"]["decided"])
    closing = (
        f"The next day took {share:.1%} of the first run, {update:.1%} of it to count the new day; "
        f"{decided:,} of {int(found['profiles']['workloads']):,} workloads were decided."
    )
    return "\n".join([*lines, "", closing])


if __name__ == "__main__":
    main()
