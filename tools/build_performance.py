# ruff: noqa: INP001, a script, not a package
"""Rebuild ``rightsizing/catalog/data/performance.json``.

    git show COMMIT:scraper/aws/ec2/extras/manually_fetched_data.json > benchmarks.json
    python tools/build_performance.py benchmarks.json COMMIT DATE [output]

The input is the benchmark file of vantage-sh/ec2instances.info (MIT): one CoreMark run on each
instance type, all threads busy. Kept is, for each family, the median over its sizes, without bare
metal, of iterations a second divided by threads.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from rightsizing.catalog.performance import BUNDLED_PERFORMANCE, read_performance


def main(source: Path, commit: str, as_of: str, output: Path) -> None:
    """Write the figures, one family a line, and read them back."""
    runs = json.loads(source.read_text(encoding="utf-8"))
    rates: dict[str, list[float]] = defaultdict(list)
    for name, run in runs.items():
        family, _, size = name.partition(".")
        if not size.startswith("metal"):
            rates[family].append(run["coremark"]["iterations_second"] / run["cpu"]["threads"])
    lines = ",\n".join(
        f'  "{family}": {statistics.median(rates[family]):.1f}' for family in sorted(rates)
    )
    named = (
        f"CoreMark runs of vantage-sh/ec2instances.info (MIT, commit {commit[:7]}; {len(runs)} "
        f"types), median of a family"
    )
    output.write_text(
        f'{{\n "source": {json.dumps(named)},\n "as_of": "{as_of}",\n'
        f' "iterations_per_s_per_vcpu": {{\n{lines}\n }}\n}}\n',
        encoding="utf-8",
    )
    read_performance(output)
    sys.stdout.write(f"{output}: {len(rates)} families\n")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        sys.argv[2],
        sys.argv[3],
        Path(sys.argv[4]) if len(sys.argv) > 4 else BUNDLED_PERFORMANCE,
    )
