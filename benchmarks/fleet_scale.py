"""Profiles and decisions of a large fleet against a bare exact quantile query on the same files.

    python benchmarks/fleet_scale.py [--workloads 5000 100000] [--folder /tmp/fleet] [--spark 5000]

Generates a store of N workloads x 14 days x 5 minutes of CPU and memory (see ``fleetstore``; one
that is in the folder already is used again), then times in one run, each step in a process of its
own so that peak memory is its own:

    bare       DuckDB, exact p50, p95 and p99.5 of both columns by workload
    profiles   daily statistics of every partition into an empty cache, then day tables
    decisions  CPU and memory limits of every workload from the day tables
    next day   the same after one more day of measurements, with the cache of the days before

With ``--spark`` the figures of that many workloads are counted by Spark in local mode too and
compared bit by bit. Writes ``benchmarks/results/fleet_scale.md``. 403 million rows (100,000
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
from fleetstore import FIRST_DAY, PER_DAY, keys_by_bucket, write_day

from rightsizing.decide.fleet import decide_limits
from rightsizing.measure.partition import Partition
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


def bare(folder: Path) -> dict[str, float]:
    """The query to compare with."""
    store = Store(folder)
    files = [str(item.path) for item in _window(store, 0)]
    began = time.perf_counter()
    rows = duckdb.sql(BARE, params=[files]).to_arrow_table().num_rows
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
    for left, right in zip(by_spark, by_duckdb, strict=True):
        one, two = decide_limits(left), decide_limits(right)
        for mine, other in ((one.cpu, two.cpu), (one.memory, two.memory)):
            differing += [
                item.name
                for item in fields(mine)
                if getattr(mine, item.name).tobytes() != getattr(other, item.name).tobytes()
            ]
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
    options.add_argument("--workloads", type=int, nargs="+", default=[5_000])
    options.add_argument("--folder", type=Path, default=Path("/tmp/fleet"))
    options.add_argument("--spark", type=int, default=0, help="compare this many workloads")
    options.add_argument("--keep", action="store_true", help="keep the generated stores")
    options.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.step:
        measured = STEPS[given.step](given.folder)
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(json.dumps({**measured, "cpu_s": time.process_time(), "peak_gb": peak_gb}))
        return
    heading = (
        f"# Profiles and decisions at fleet scale\n\n{os.cpu_count()} processors; DuckDB "
        f"{duckdb.__version__}. One run, one process a step, peak memory of that process. Ratios "
        f"are to the bare query of the same store. Processor seconds include about one to start "
        f"Python. The figures of a step's parts overlap: a table is read while another is decided."
    )
    parts = [heading]
    RESULTS.mkdir(exist_ok=True)
    for workloads in given.workloads:
        parts.append(_section(workloads, _timed(given.folder / str(workloads), workloads)))
        (RESULTS / "fleet_scale.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(parts[-1], flush=True)
    if given.spark:
        small = given.folder / str(given.spark)
        _generate(small, given.spark)
        parts.append(_spark_section(given.spark, _child("spark", small)))
        (RESULTS / "fleet_scale.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(parts[-1])
    if not given.keep:
        shutil.rmtree(given.folder)


def _timed(folder: Path, workloads: int) -> dict[str, dict[str, float]]:
    _generate(folder, workloads)
    found = {name: _child(name, folder) for name in ("bare", "profiles")}
    if not list(folder.glob(f"bucket-*/{_date(DAYS)}.parquet")):
        write_day(folder, _keys(workloads), DAYS)
    found["next_day"] = _child("next_day", folder)
    return found


def _profile(folder: Path, first_day: int) -> dict[str, float]:
    store = Store(folder)
    cache = DayCache(folder / "profiles", store.read)
    window = _window(store, first_day)
    began, began_cpu = time.perf_counter(), time.process_time()
    cache.update(window)
    updated, updated_cpu = time.perf_counter(), time.process_time()
    deciding = deciding_cpu = 0.0
    workloads = 0
    for table in cache.tables(window):
        before, before_cpu = time.perf_counter(), time.process_time()
        workloads += len(decide_limits(table).workloads)
        deciding += time.perf_counter() - before
        # The next table is read meanwhile by another thread, whose time is in this figure too.
        deciding_cpu += time.process_time() - before_cpu
    total, total_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return {
        "seconds": total,
        "counting": updated - began,
        "counting_cpu": updated_cpu - began_cpu,
        "tables": total - (updated - began) - deciding,
        "tables_cpu": total_cpu - (updated_cpu - began_cpu) - deciding_cpu,
        "deciding": deciding,
        "deciding_cpu": deciding_cpu,
        "workloads": workloads,
    }


def _window(store: Store, first_day: int) -> Sequence[Any]:
    start = (FIRST_DAY + first_day) * MILLISECONDS_PER_DAY
    return store.partitions(start_ms=start, end_ms=start + DAYS * MILLISECONDS_PER_DAY)


def _keys(workloads: int) -> list[list[str]]:
    return keys_by_bucket(workloads, max(-(-workloads // WORKLOADS_PER_BUCKET), 4))


def _date(day: int) -> str:
    return Path(Partition(FIRST_DAY + day, 0).path).stem


def _generate(folder: Path, workloads: int) -> None:
    if list(folder.glob(f"bucket-*/{_date(DAYS - 1)}.parquet")):
        return
    shutil.rmtree(folder, ignore_errors=True)
    for day in range(DAYS):
        write_day(folder, _keys(workloads), day)


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


def _section(workloads: int, found: dict[str, dict[str, float]]) -> str:
    bare_s, bare_cpu_s = found["bare"]["seconds"], found["bare"]["cpu_s"]
    rows = workloads * DAYS * PER_DAY
    lines = [
        f"## {workloads:,} workloads x {DAYS} days x 5 minutes: {rows / 1e6:,.0f} million rows",
        "",
        "| step | wall s | ratio | processor s | ratio | peak GB |",
        "|---|---|---|---|---|---|",
    ]
    for name, step in found.items():
        lines.append(
            f"| {name.replace('_', ' ')} | {step['seconds']:.1f} | {step['seconds'] / bare_s:.2f} "
            f"| {step['cpu_s']:.1f} | {step['cpu_s'] / bare_cpu_s:.2f} | {step['peak_gb']:.2f} |"
        )
        lines += [
            f"| - {part} | {step[part]:.1f} | {step[part] / bare_s:.2f} "
            f"| {step[part + '_cpu']:.1f} | {step[part + '_cpu'] / bare_cpu_s:.2f} | |"
            for part in ("counting", "tables", "deciding")
            if part in step
        ]
    first, then = found["profiles"], found["next_day"]
    verdicts = [
        _verdict("profiles and decisions, processor time", first["cpu_s"] / bare_cpu_s, 3.0),
        _verdict("profiles and decisions, wall", first["seconds"] / bare_s, 3.0),
        _verdict("peak memory in GB", first["peak_gb"], 4.0),
        _verdict(
            "next day over the first run, processor time", then["cpu_s"] / first["cpu_s"], 0.1
        ),
        _verdict("next day over the first run, wall", then["seconds"] / first["seconds"], 0.1),
        _verdict("of it counting the day, wall", then["counting"] / first["seconds"], 0.1),
    ]
    return "\n".join([*lines, "", *verdicts])


def _spark_section(workloads: int, found: dict[str, float]) -> str:
    if "skipped" in found:
        return "## Spark\n\nSkipped: pyspark is not installed."
    return (
        f"## Spark\n\nDay tables and decisions of {workloads:,} workloads by Spark in local mode: "
        f"identical to DuckDB's in every bit ({found['seconds']:.0f} s)."
    )


def _verdict(what: str, value: float, limit: float) -> str:
    met = "met" if value <= limit else "NOT met"
    return f"- {what}: {value:.3g}, target at most {limit:g}: {met}."


if __name__ == "__main__":
    main()
