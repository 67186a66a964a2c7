"""Replay real traces through our rule and its peers', and write every figure.

    RIGHTSIZING_DATA=/path/to/data python benchmarks/backtest.py [limits] [ec2] [--html FOLDER]

Traces of at least 14 days: Bitbrains "rnd" (143 virtual machines, 13 weeks, CPU and memory), Azure
2017 (94, 4 weeks, CPU percentages), Bitbrains fastStorage (25, 30 days, CPU) and Google 2019 (21
containers of which few are long, percentages). Each is replayed by itself, since a fleet decides
together; results are pooled. Constants were chosen on the workloads whose key hashes to an even
number (development); the others (check) were not looked at for it. Writes
``benchmarks/results/backtest.md`` and ``backtest.json``; with one mode given, that mode's part.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hindsight import Bound, bounds
from numpy.typing import NDArray
from replayedtraces import read

from rightsizing.backtest.comparison import ALL_WORKLOADS, Verdict
from rightsizing.backtest.contestants import FRONTIER_PERCENTAGES, contestants
from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.replay import replay
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.study import Contestants, Study, study_of
from rightsizing.backtest.trial import Trial
from rightsizing.catalog.catalog import Catalog
from rightsizing.cli.backtesting import Tracks
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.report.backtestjson import backtest as backtest_json
from rightsizing.report.backtestpage import backtest_page, number
from rightsizing.report.backtestplots import backtest_html
from rightsizing.report.document import (
    UNKNOWN,
    Block,
    Cell,
    Column,
    Document,
    Heading,
    Table,
    row,
    share,
)
from rightsizing.report.markdown import markdown

RESULTS = Path(__file__).parent / "results"
REGION = "us-east-1"
SEED = 1
RULE_FIGURES = (
    "name",
    "group",
    "cost_ratio",
    "cost_ratio_geometric",
    "exceedance_ratio",
    "memory_cost_ratio",
    "memory_failed_weeks",
    "memory_weeks",
    "changes_per_month",
)
COMPARISON_FIGURES = (
    "group",
    "baseline",
    "exceedance_ratio",
    "our_cost_ratio",
    "baseline_cost_ratio",
    "cost_quotient",
    "lower_quotient",
    "upper_quotient",
    "holm_p_value",
    "verdict",
)
DEFAULT_PEER, OWN_MEMORY = "compute-optimizer-default", "ours-0.6pct"
# What the comparison with Compute Optimizer's default must stay under, over all workloads.
MARGINS = {DEFAULT_PEER: 0.88}


@dataclass(frozen=True, slots=True)
class Part:
    """One study: a mode, and which workloads of which traces took part."""

    title: str
    study: Study


def main() -> None:
    """Run the modes asked for and write the page and the figures."""
    folder = os.environ.get("RIGHTSIZING_DATA")
    if not folder:
        sys.exit("RIGHTSIZING_DATA is not set; it names the folder with traces/")
    modes = [item for item in sys.argv[1:] if item in ("limits", "ec2")] or ["limits", "ec2"]
    began = time.perf_counter()
    tracks = dict(read(Path(folder) / "traces"))
    rules = contestants()
    has_cores = {name: found.has_cores for name, found in tracks.items()}
    trials = dict(replayed(tracks, rules))
    parts: list[Part] = []
    limits: tuple[Bound, ...] = ()
    if "limits" in modes:
        parts += studies("limits", trials, rules)
    if "ec2" in modes:  # percentages of unknown capacities fit no type
        types = TypeTable.of(Catalog.load(), REGION)
        sized = {name: trial for name, trial in trials.items() if has_cores[name]}
        limits = tuple(bounds(sized.values(), types, DEFAULT_PEER, OWN_MEMORY))
        typed = contestants(types=types)
        parts += studies("ec2", dict(replayed_types(tracks, sized, typed, types)), typed)
    seconds = time.perf_counter() - began
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "backtest.md").write_text(page(parts, limits, seconds), encoding="utf-8")
    figures = {part.title: figures_of(part) for part in parts}
    (RESULTS / "backtest.json").write_text(json.dumps(rounded(figures)) + "\n", encoding="utf-8")
    if "--html" in sys.argv:
        plots = Path(sys.argv[sys.argv.index("--html") + 1])
        for part in parts:
            name = part.title.lower().replace(" ", "-").replace(",", "").replace(":", "")
            (plots / f"{name}.html").write_text(backtest_html(part.study), encoding="utf-8")
    print(f"{len(parts)} studies in {seconds:.0f} s")


def replayed(tracks: dict[str, Tracks], rules: Contestants) -> Iterator[tuple[str, Trial]]:
    """Every rule on every trace, once: a peer's limit is the same in both modes."""
    for name, found in tracks.items():
        began = time.perf_counter()
        yield name, Trial.run(found.series, rules.all, Schedule.of(found.series))
        print(f"{name}: {len(found.series)} replayed in {time.perf_counter() - began:.0f} s")


def replayed_types(
    tracks: dict[str, Tracks], trials: dict[str, Trial], rules: Contestants, types: TypeTable
) -> Iterator[tuple[str, Trial]]:
    """The same trials with types: the peers' limits as they were, ours chosen among the types."""
    for name, trial in trials.items():
        own = replay(tracks[name].series, rules.ours, trial.schedule)
        names = {held.rule for held in own}
        others = tuple(held for held in trial.held if held.rule not in names)
        yield name, replace(trial, types=types, held=(*own, *others))


def studies(mode: str, trials: dict[str, Trial], rules: Contestants) -> Iterator[Part]:
    """All workloads, the two halves, and each trace by itself."""
    every = list(trials.values())
    yield Part(f"{mode}: all traces", pooled(every, rules, lambda _key: True))
    yield Part(f"{mode}: all traces, development half", pooled(every, rules, is_development))
    yield Part(
        f"{mode}: all traces, check half", pooled(every, rules, lambda key: not is_development(key))
    )
    for name, trial in trials.items():
        yield Part(f"{mode}: {name}", pooled([trial], rules, lambda _key: True))
    bitbrains = [trials["bitbrains_rnd"]]
    yield Part(f"{mode}: bitbrains_rnd, check half", pooled(bitbrains, rules, _is_check))


def pooled(trials: list[Trial], rules: Contestants, takes_part: Callable[[str], bool]) -> Study:
    """One study over the workloads that take part."""
    masks: list[NDArray[np.bool_]] = [
        np.array([takes_part(key) for key in trial.keys]) for trial in trials
    ]
    return study_of(trials, rules, seed=SEED, margins=MARGINS, masks=masks)


def is_development(key: str) -> bool:
    """Whether the resource's own id hashes to an even first byte (BLAKE2b)."""
    resource = key.rsplit("/", 1)[-1]
    return hashlib.blake2b(resource.encode()).digest()[0] % 2 == 0


def _is_check(key: str) -> bool:
    return not is_development(key)


def page(parts: list[Part], limits: tuple[Bound, ...], seconds: float) -> str:
    """What every study came to, and the studies over all traces in full."""
    blocks: Document = ()
    for part in parts:
        if part.title.endswith("all traces"):
            rest = backtest_page(part.study)[1:]
            blocks += (Heading(part.title), *(_lowered(block) for block in rest))
    head = (
        "# Back-test on real traces\n\n"
        f"Written by `benchmarks/backtest.py` in {seconds:,.0f} s, all peers and "
        f"{len(FRONTIER_PERCENTAGES)} risks of ours. "
        "What the figures are: [Back-test](../../docs/guide/backtest.md).\n"
    )
    overview = (
        overview_table(parts),
        *hindsight_table(limits),
        Heading("By class"),
        class_table(parts),
        Heading("Losses, and bounds beyond their limit"),
        beyond_table(parts),
        Heading("Predicted shortage"),
        prediction_table(parts),
    )
    return f"{head}\n{markdown((*overview, *blocks))}"


def hindsight_table(limits: tuple[Bound, ...]) -> Document:
    """How cheap types could have been had each week's CPU been known."""
    if not limits:
        return ()
    columns = (Column("memory by"), Column("cost / Compute Optimizer default", right=True))
    rows = tuple(row(item.memory_by, f"{item.quotient:.3f}") for item in limits)
    return (Heading("EC2 types with each week's CPU known in advance"), Table(columns, rows))


def class_table(parts: list[Part]) -> Table:
    """How ours did against all peers in each class of each study."""
    columns = (
        Column("study"),
        Column("class"),
        Column("workloads", right=True),
        Column("geometric mean of ours / peer", right=True),
        Column("win, tie, loss, out of reach", right=True),
        Column("bound within 1.03", right=True),
    )
    rows = []
    for part in parts:
        found = part.study.comparisons
        for group in sorted({item.group for item in found} - {ALL_WORKLOADS}):
            items = [item for item in found if item.group == group]
            mean = math.exp(statistics.fmean(math.log(item.cost_quotient) for item in items))
            rows.append(
                row(
                    part.title,
                    group,
                    f"{items[0].workloads}",
                    f"{mean:.3f}",
                    ", ".join(
                        str(sum(item.verdict is verdict for item in items)) for verdict in Verdict
                    ),
                    f"{sum(item.within_margin for item in items)} of {len(items)}",
                )
            )
    return Table(columns, tuple(rows))


def beyond_table(parts: list[Part]) -> Table:
    """Each comparison over all traces that is lost, or whose upper bound passes its limit."""
    columns = (
        Column("study"),
        Column("group"),
        Column("peer"),
        Column("peer short", right=True),
        Column("ours / peer (5 to 95 %)", right=True),
        Column("verdict"),
    )
    return Table(
        columns,
        tuple(
            row(
                part.title,
                item.group,
                item.baseline,
                share(item.exceedance_ratio, 3),
                f"{item.cost_quotient:.3f} "
                f"({item.lower_quotient:.3f} to {item.upper_quotient:.3f})",
                item.verdict.value,
            )
            for part in parts
            if part.title.endswith("all traces")
            for item in part.study.comparisons
            if item.verdict is Verdict.LOSS or not item.within_margin
        ),
    )


def overview_table(parts: list[Part]) -> Table:
    """One row a study: the cost at 0.1 % short, Compute Optimizer's default, and the verdicts."""
    columns = (
        Column("study"),
        Column("workloads", right=True),
        Column("our cost at 0.1 % short", right=True),
        Column("cheapest peer scaled there", right=True),
        Column("ours / Compute Optimizer default (upper 95 %)", right=True),
        Column("win, tie, loss, out of reach", right=True),
        Column("bound within limit", right=True),
        Column("the same by class", right=True),
    )
    return Table(columns, tuple(_overview_row(part) for part in parts))


def _overview_row(part: Part) -> tuple[Cell, ...]:
    study = part.study
    overall = [item for item in study.comparisons if item.group == ALL_WORKLOADS]
    classes = [item for item in study.comparisons if item.group != ALL_WORKLOADS]
    scaled = [
        item.comparison.baseline_cost_ratio
        for item in study.scaled
        if not isinstance(item.comparison, NoData)
    ]
    default = [item for item in overall if item.baseline in MARGINS]
    return row(
        part.title,
        f"{study.workloads}",
        number(study.target.cost_ratio, 3),
        f"{min(scaled):.3f}" if scaled else UNKNOWN,
        ", ".join(f"{item.cost_quotient:.3f} ({item.upper_quotient:.3f})" for item in default),
        ", ".join(str(sum(item.verdict is verdict for item in overall)) for verdict in Verdict),
        f"{sum(item.within_margin for item in overall)} of {len(overall)}",
        f"{sum(item.within_margin for item in classes)} of {len(classes)}",
    )


def prediction_table(parts: list[Part]) -> Table:
    """The predictions of every risk in the studies over all traces."""
    columns = (
        Column("study"),
        Column("rule"),
        Column("within the 90 % bound", right=True),
        Column("fifths covered, %", right=True),
        Column("slope", right=True),
        Column("observed / predicted", right=True),
    )
    return Table(
        columns,
        tuple(
            row(
                part.title,
                item.rule,
                share(item.bound_held_ratio, 1),
                ", ".join(f"{fifth.covered_ratio * 100:.0f}" for fifth in item.fifths),
                number(item.reliability_slope, 2),
                number(item.observed_over_expected, 2),
            )
            for part in parts
            if "all traces" in part.title
            for item in part.study.calibrations
        ),
    )


def figures_of(part: Part) -> Json:
    """A study's figures as tables: column names once, then rows.

    Rules by class only where all traces are pooled.
    """
    full = backtest_json(part.study)
    kept = ("workloads", "classes", "weeks", "first_day", "last_day", "seed", "target")
    figures: Json = {name: full[name] for name in kept}
    rules = [
        {"name": rule["name"], "group": ALL_WORKLOADS, **rule["overall"]} for rule in full["rules"]
    ]
    if part.title.endswith("all traces"):
        rules += [
            {"name": rule["name"], "group": group, **summary}
            for rule in full["rules"]
            for group, summary in rule["by_class"].items()
        ]
    figures["rules"] = columns_of(rules, RULE_FIGURES)
    figures["comparisons"] = columns_of(full["comparisons"], COMPARISON_FIGURES)
    scaled = [item["comparison"] for item in full["scaled"]]
    figures["scaled"] = columns_of(
        [item for item in scaled if "baseline" in item], COMPARISON_FIGURES
    )
    is_whole = part.title.endswith("all traces")
    figures["calibrations"] = full["calibrations"] if is_whole else []
    return figures


def columns_of(rows: list[Json], names: tuple[str, ...]) -> Json:
    """These fields of the rows: names once, then the values of each."""
    return {"columns": list(names), "rows": [[item[name] for name in names] for item in rows]}


def rounded(value: object) -> object:
    """Figures to four digits: what anybody would compare, in a quarter of the space."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def _lowered(block: Block) -> Block:
    return Heading(block.text, block.level + 1) if isinstance(block, Heading) else block


if __name__ == "__main__":
    main()
