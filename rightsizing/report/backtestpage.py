"""A back-test as a document: every rule's figures, every comparison, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from rightsizing.backtest.calibration import Calibration
from rightsizing.backtest.comparison import ALL_WORKLOADS, Comparison, Verdict
from rightsizing.backtest.study import Role, RuleFindings, ScaledPeer, Study
from rightsizing.backtest.trial import Mode
from rightsizing.model.base import NoData
from rightsizing.report.document import (
    UNKNOWN,
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    counted,
    row,
    share,
)

_EPOCH = date(1970, 1, 1)
_CLASSES_A_TABLE = 4  # what fits 100 columns of a terminal beside the longest rule's name
_COMPARED_A_TABLE = 2
_TONES = {
    Verdict.WIN: Tone.GOOD,
    Verdict.TIE: Tone.PLAIN,
    Verdict.LOSS: Tone.BAD,
    Verdict.OUT_OF_REACH: Tone.WARNING,
}


def backtest_page(study: Study, notes: Sequence[str] = ()) -> Document:
    """Everything a study found, the comparison first to be looked for last."""
    blocks: list[Block] = [Heading("Back-test", 1), Paragraph(_setting(study))]
    if notes:
        blocks.append(Bullets(tuple(notes), Tone.QUIET))
    blocks += [
        Heading("Rules"),
        Paragraph(_rule_columns(study.mode)),
        rules_table(study.rules),
        Heading("Memory and stability"),
        Paragraph(
            "Failures: workload-weeks whose memory peak passed the limit, of those with measured "
            "memory. Memory: limits held over each week's own peak. Changes: of one workload in a "
            "month. Kept: share of workload-weeks at the current size, as the rule said nothing."
        ),
        stability_table(study.rules),
    ]
    if len(study.classes) > 1:
        blocks += [Heading("By class: cost over the oracle's, share of time short")]
        blocks += class_tables(study)
    if any(study.comparisons):
        blocks += [Heading("Ours at each peer's own shortage"), Paragraph(_how_compared())]
        blocks.append(comparison_table(_of_group(study, ALL_WORKLOADS)))
        blocks += _class_comparisons(study)
    if study.scaled:
        blocks += [
            Heading(f"Every rule scaled to {share(study.target.exceedance_ratio, 1)} short"),
            Paragraph(
                f"Ours costs {number(study.target.cost_ratio, 3)} times the oracle there, read off "
                "its frontier. The peers' CPU limits are multiplied by one factor each."
            ),
            scaled_table(study.scaled),
        ]
    if study.calibrations:
        blocks += [Heading("Predicted shortage against what followed"), Paragraph(_how_checked())]
        blocks += [calibration_table(study.calibrations)]
    return tuple(blocks)


def rules_table(rules: Sequence[RuleFindings]) -> Table:
    """CPU: cost, exceedance, severity and slack of every rule."""
    columns = (
        Column("rule"),
        *(
            Column(title, right=True)
            for title in (
                "cost",
                "geo",
                "short",
                "min/kh",
                "core-min/kh",
                "slack",
                "at p99",
                "regret",
            )
        ),
    )
    return Table(
        columns,
        tuple(
            row(
                Cell(rule.name, _role_tone(rule.role)),
                number(rule.overall.cost_ratio, 3),
                number(rule.overall.cost_ratio_geometric, 3),
                share(rule.overall.exceedance_ratio, 3),
                number(rule.overall.exceeded_minutes_per_1000_h, 1),
                number(rule.overall.severity_core_minutes_per_1000_h, 1),
                share(rule.overall.slack_mean_ratio),
                share(rule.overall.slack_p99_ratio),
                number(rule.overall.regret, 3),
            )
            for rule in rules
        ),
    )


def stability_table(rules: Sequence[RuleFindings]) -> Table:
    """Memory failures and cost, changes, and how often a rule said nothing."""
    columns = (
        Column("rule"),
        *(
            Column(title, right=True)
            for title in (
                "failures",
                "weeks",
                "memory",
                "changes",
                "CPU kept",
                "memory kept",
            )
        ),
    )
    return Table(
        columns,
        tuple(
            row(
                Cell(rule.name, _role_tone(rule.role)),
                f"{rule.overall.memory_failed_weeks:,}",
                f"{rule.overall.memory_weeks:,}",
                number(rule.overall.memory_cost_ratio, 2),
                number(rule.overall.changes_per_month, 1),
                share(rule.overall.abstained_ratio, 1),
                share(rule.overall.memory_abstained_ratio, 1),
            )
            for rule in rules
        ),
    )


def class_tables(study: Study) -> tuple[Table, ...]:
    """A row a rule, a column a class; as many classes a table as a terminal has room for."""
    return tuple(
        Table(
            (
                Column("rule"),
                *(Column(f"{name} ({study.classes[name]})", right=True) for name in names),
            ),
            tuple(
                row(
                    Cell(rule.name, _role_tone(rule.role)),
                    *(
                        f"{number(rule.by_class[name].cost_ratio, 2)} at "
                        f"{share(rule.by_class[name].exceedance_ratio, 2)}"
                        for name in names
                    ),
                )
                for rule in study.rules
            ),
        )
        for names in _chunks(list(study.classes), _CLASSES_A_TABLE)
    )


def comparison_table(items: Sequence[Comparison]) -> Table:
    """Every comparison of one group, wins, ties and losses alike."""
    columns = (
        Column("peer"),
        Column("its short", right=True),
        Column("its cost", right=True),
        Column("our cost", right=True),
        Column("ours / its", right=True),
        Column("upper 95 %", right=True),
        Column("limit", right=True),
        Column("Holm p", right=True),
        Column("verdict"),
    )
    return Table(
        columns,
        tuple(
            row(
                item.baseline,
                share(item.exceedance_ratio, 3),
                f"{item.baseline_cost_ratio:.3f}",
                f"{item.our_cost_ratio:.3f}",
                f"{item.cost_quotient:.3f}",
                Cell(
                    f"{item.upper_quotient:.3f}", Tone.GOOD if item.within_margin else Tone.WARNING
                ),
                f"{item.margin:.2f}",
                f"{item.holm_p_value:.4f}",
                Cell(item.verdict.value, _TONES[item.verdict]),
            )
            for item in items
        ),
    )


def scaled_table(items: Sequence[ScaledPeer]) -> Table:
    """Peers scaled to the target, and ours at the exceedance that gives."""
    columns = (
        Column("peer"),
        Column("factor", right=True),
        Column("short", right=True),
        Column("its cost", right=True),
        Column("our cost", right=True),
        Column("ours / its", right=True),
        Column("upper 95 %", right=True),
        Column("verdict"),
    )
    rows = []
    for item in items:
        found = item.comparison
        if isinstance(found, NoData):
            rows.append(row(item.name, number(item.factor, 3), *([UNKNOWN] * 5), found.reason))
            continue
        rows.append(
            row(
                item.name,
                number(item.factor, 3),
                share(found.exceedance_ratio, 3),
                f"{found.baseline_cost_ratio:.3f}",
                f"{found.our_cost_ratio:.3f}",
                f"{found.cost_quotient:.3f}",
                f"{found.upper_quotient:.3f}",
                Cell(found.verdict.value, _TONES[found.verdict]),
            )
        )
    return Table(columns, tuple(rows))


def calibration_table(items: Sequence[Calibration]) -> Table:
    """How far predictions held, one row a rule."""
    columns = (
        Column("rule"),
        Column("weeks", right=True),
        Column("bound held", right=True),
        Column("over 5 min", right=True),
        Column("covered, %", right=True),
        Column("slope", right=True),
        Column("observed", right=True),
    )
    return Table(
        columns,
        tuple(
            row(
                item.rule,
                f"{item.workload_weeks:,}",
                share(item.bound_held_ratio, 1),
                f"{item.over_five_minutes:,}",
                ", ".join(f"{fifth.covered_ratio * 100:.0f}" for fifth in item.fifths) or UNKNOWN,
                _slope(item),
                number(item.observed_over_expected, 2),
            )
            for item in items
        ),
    )


def number(value: float | NoData, places: int) -> str:
    """A figure with so many decimals, or ``unknown``."""
    return UNKNOWN if isinstance(value, NoData) else f"{value:,.{places}f}"


def _slope(item: Calibration) -> str:
    if isinstance(item.slope_low, NoData) or isinstance(item.slope_high, NoData):
        return number(item.reliability_slope, 2)
    return f"{number(item.reliability_slope, 2)} ({item.slope_low:.2f} to {item.slope_high:.2f})"


def _class_comparisons(study: Study) -> list[Block]:
    """One table of all classes, as each holds every peer: quotient, its bound, verdict."""
    groups = list(
        dict.fromkeys(item.group for item in study.comparisons if item.group != ALL_WORKLOADS)
    )
    if not groups:
        return [Paragraph("No class has ten workloads, so none is compared by itself.")]
    text = (
        "Ours over the peer's cost in classes of at least ten workloads, the upper 95 % bound in "
        f"brackets (limit {next(iter(_of_group(study, groups[0]))).margin:.2f})."
    )
    parts = _chunks(groups, _COMPARED_A_TABLE)
    return [Paragraph(text), *(_class_comparison_table(study, names) for names in parts)]


def _class_comparison_table(study: Study, groups: Sequence[str]) -> Table:
    found = {(item.group, item.baseline): item for item in study.comparisons}
    peers = list(dict.fromkeys(item.baseline for item in study.comparisons))
    columns = (
        Column("peer"),
        *(Column(f"{name} ({study.classes[name]})", right=True) for name in groups),
    )
    rows = []
    for peer in peers:
        items = [found.get((name, peer)) for name in groups]
        cells = [Cell(UNKNOWN) if item is None else _short(item) for item in items]
        rows.append(row(peer, *cells))
    return Table(columns, tuple(rows))


def _chunks(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


def _short(item: Comparison) -> Cell:
    text = f"{item.cost_quotient:.2f} ({item.upper_quotient:.2f}) {item.verdict.value}"
    return Cell(text, _TONES[item.verdict])


def _of_group(study: Study, group: str) -> tuple[Comparison, ...]:
    return tuple(item for item in study.comparisons if item.group == group)


def _role_tone(role: Role) -> Tone:
    return {Role.OURS: Tone.GOOD, Role.PEER: Tone.PLAIN, Role.HINDSIGHT: Tone.QUIET}[role]


def _setting(study: Study) -> str:
    first = _EPOCH + timedelta(days=study.first_day)
    last = _EPOCH + timedelta(days=study.last_day)
    cost = (
        "Cost is cores held over measured time"
        if study.mode is Mode.LIMITS
        else f"Each limit of a peer is the cheapest EC2 type of {study.region} that holds it, ours "
        "are chosen among those types; cost is their list price over measured time"
    )
    return (
        f"{counted(study.workloads, 'workload')}, up to {counted(study.weeks, 'week')} from "
        f"{first} to {last}, each scored after at least {study.history_days} days of history. "
        f"{cost}, over that of the oracle: each scored week's own 99.9th percentile of CPU and "
        "peak of memory. Short: demand above the limit. A rule that says nothing counts at the "
        "current size."
    )


def _rule_columns(mode: Mode) -> str:
    unit = "cores" if mode is Mode.LIMITS else "dollars an hour"
    return (
        "Cost: sums over the oracle's; geo: geometric mean of the workloads' own ratios. Short: "
        "share of measured steps with demand above the limit; min/kh and core-min/kh: minutes, "
        "and core-minutes of demand above the limit, in 1,000 hours. Slack: unused share of what "
        f"was held; at p99: the same at the 99th percentile of use. Regret: {unit} of one "
        "workload beyond the oracle's."
    )


def _how_compared() -> str:
    return (
        "Our cost is read off the frontier of our risks at the peer's share of time short. Bounds "
        "come from 2,000 resamples of workloads; verdicts hold at 5 % after Holm's correction."
    )


def _how_checked() -> str:
    return (
        "Bound held: share of workload-weeks within the predicted 90 % upper bound. Covered: of "
        "the predictions over 5 minutes a month, by fifths from small to large, the percentage "
        "whose randomised probability integral transform is at most 0.9. Slope: of log observed on "
        "log predicted. Observed: minutes, over those predicted."
    )
