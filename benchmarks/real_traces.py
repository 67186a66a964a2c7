"""Size 66 real machines without their last two weeks, and ask those weeks what they say.

    RIGHTSIZING_DATA=/path/to/data python benchmarks/real_traces.py [trace name]

Data: Bitbrains "rnd" (GWA-T-12), 5-minute means of real virtual machines, 61 to 91 days. Measures
the trace file into a fresh store, builds profiles, recommends, and evaluates the held-back weeks,
timing each; the baseline is one bare DuckDB query for exact p50, p95 and p99.5 of CPU and memory
by machine over the same file, in the same run. Writes ``benchmarks/results/<trace>.md``.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import duckdb

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.holdout import HoldoutReport, evaluate_holdout
from rightsizing.decide.policy import SizingPolicy
from rightsizing.measure.files import measure_file
from rightsizing.measure.store import Store
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Decision
from rightsizing.profile.build import build_profiles

RESULTS = Path(__file__).parent / "results"
BASELINE = """
    SELECT resource_id, quantile_cont(cpu_cores, [0.5, 0.95, 0.995]),
           quantile_cont(mem_bytes, [0.5, 0.95, 0.995])
    FROM read_parquet(?) GROUP BY resource_id
"""


def main() -> None:
    """Run once and write the results page."""
    folder = os.environ.get("RIGHTSIZING_DATA")
    if not folder:
        sys.exit("RIGHTSIZING_DATA is not set; it names the folder with traces/")
    name = sys.argv[1] if len(sys.argv) > 1 else "bitbrains_rnd"
    trace = Path(folder) / "traces" / f"{name}.parquet"
    seconds: dict[str, float] = {}

    began = time.perf_counter()
    duckdb.execute(BASELINE, [str(trace)]).fetchall()
    seconds["baseline: DuckDB exact quantiles"] = time.perf_counter() - began

    catalog = Catalog.load()
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch) / "store")
        began = time.perf_counter()
        measured = measure_file(trace, store)
        seconds["measure: validate and store"] = time.perf_counter() - began
        began = time.perf_counter()
        build_profiles(store.measurements())
        seconds["profiles"] = time.perf_counter() - began
        began = time.perf_counter()
        report = evaluate_holdout(
            store.measurements(),
            catalog,
            SizingPolicy(),
            rates=NoData("the owners' rates are not known"),
        )
        seconds["profiles, decisions and held-back weeks"] = time.perf_counter() - began

    skipped = sum(skip.count for skip in measured.skipped)
    lines = [
        f"# {name}: sized without the last {report.holdout_days} days",
        "",
        (
            f"{measured.workloads} machines, {measured.observed:,} rows stored, {skipped:,} "
            "skipped. Written by `benchmarks/real_traces.py`."
        ),
        "",
        *table(report),
        "",
        *timing(seconds),
        "",
        f"Peak memory of the process: {peak_mib():,.0f} MiB.",
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)


def table(report: HoldoutReport) -> list[str]:
    """Decisions by reason, and what the held-back weeks say about the reductions."""
    lines = ["| decision | reasons | machines |", "|---|---|--:|"]
    for decision in Decision:
        for reasons, count in report.reasons(decision).items():
            lines.append(f"| {decision.value} | {reasons} | {count} |")
    if report.unsized:
        lines.append(f"| not sized | no size and no capacity measured | {len(report.unsized)} |")
    down = report.downsized
    held = [item for item in down if not item.cpu_breach and not item.memory_breach]
    said = Counter(item.predicted for item in down if isinstance(item.predicted, bool))
    minutes = sum(item.cpu_above_minutes for item in down)
    return [
        *lines,
        "",
        (
            f"Of {len(down)} reductions, {len(held)} held. "
            f"{sum(item.cpu_breach for item in down)} would have been short of CPU in more "
            f"intervals than the policy allows ({100 * down[0].allowed_ratio:.1f} %), "
            f"{sum(item.memory_breach for item in down)} would have run out of memory. "
            f"CPU demand was above the new size for {minutes:,.0f} minutes in total. "
            f"The predicted interval of minutes held for {said[True]} of {said.total()}."
        ),
    ]


def timing(seconds: dict[str, float]) -> list[str]:
    """Seconds of each part and its ratio to the baseline of this run."""
    baseline = next(iter(seconds.values()))
    return [
        "| part | seconds | times the baseline |",
        "|---|--:|--:|",
        *(f"| {part} | {took:.2f} | {took / baseline:.1f} |" for part, took in seconds.items()),
    ]


def peak_mib() -> float:
    """Highest resident memory of this process (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
