"""A back-test of the judge as a document: false alarms, power, minutes, and whether it may act."""

from __future__ import annotations

from rightsizing.model.base import NoData
from rightsizing.model.verdict import JudgePolicy
from rightsizing.report.canarybacktest import (
    CanaryBacktest,
    MetricFigures,
    Rate,
    RatioFigures,
    TrafficOutlook,
)
from rightsizing.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
    row,
    share,
)

SHOWN_RATIOS = (1.25, 1.5, 2.0)  # of the minutes ahead; JSON holds all
MOST_NAMES = 6  # of a half, in a sentence


def canary_backtest_page(found: CanaryBacktest) -> Document:
    """All of it."""
    blocks: list[Block] = [
        Heading(f"Judge back-test: {found.workload}", 1),
        _verdict(found),
        Bullets(_made_from(found)),
    ]
    for item in found.metrics:
        blocks += _metric(item, found.policy)
    if found.outlooks:
        blocks += [
            Heading("Minutes needed at the measured traffic"),
            Paragraph(
                f"Of one judged stage of {found.stages}, which share the false alarms of "
                f"{share(found.policy.alpha_harm, 1)}; simulated with the noise found."
            ),
            _outlooks(found.outlooks),
        ]
    if found.notes:
        blocks += [Heading("Left out, or to be known"), Bullets(found.notes, Tone.WARNING)]
    return tuple(blocks)


def _verdict(found: CanaryBacktest) -> Paragraph:
    where = "not written, name the workload to keep it" if found.written is None else found.written
    if found.calibration.automatic:
        return Paragraph(f"Automatic mode is allowed. Calibration: {where}.", Tone.GOOD)
    reasons = "; ".join(found.calibration.refusals)
    return Paragraph(f"Automatic mode is refused: {reasons}. Calibration: {where}.", Tone.BAD)


def _made_from(found: CanaryBacktest) -> tuple[str, ...]:
    first, second = found.halves
    arms = f"arms: {_names(first)} against {_names(second)}"
    if first == second:
        arms = f"arms: even against odd steps of {_names(first)}"
    requests = (
        "requests: unknown"
        if isinstance(found.requests_per_minute, NoData)
        else f"requests: {found.requests_per_minute:,.0f} a minute"
    )
    busy = found.calibration.busy_requests_per_core_s
    load = (
        "busy hours: unknown" if busy is None else f"busy hours: {busy:.3g} requests a core and s"
    )
    span = f"{found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC"
    return (
        f"{found.source}, {span}, steps of {found.step_s} s",
        arms,
        requests,
        f"{load}, CPU {share(found.busy_cpu_share)}",
    )


def _names(resources: tuple[str, ...]) -> str:
    shown = ", ".join(resources[:MOST_NAMES])
    more = len(resources) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _metric(item: MetricFigures, policy: JudgePolicy) -> list[Block]:
    return [
        Heading(f"Metric {item.metric.value}"),
        Paragraph(_noise_sentence(item)),
        _limits(item, policy),
        _ratios(item.by_ratio),
    ]


def _noise_sentence(item: MetricFigures) -> str:
    fitted = item.fitted
    return (
        f"Equal arms differ by themselves: spread {fitted.spread:.3g} of the log ratio, "
        f"persistence {fitted.persistence:.3g} from look to look, scatter {fitted.scatter:.3g}."
    )


def _limits(item: MetricFigures, policy: JudgePolicy) -> Table:
    columns = (
        Column("of equal or worse arms"),
        Column("found", right=True),
        Column("95 % interval", right=True),
        Column("replays", right=True),
        Column("at most", right=True),
    )
    alarms, wrong = item.false_alarms, item.wrong_promotions
    return Table(
        columns,
        (
            _limit("false alarms (A/A)", alarms, policy.alpha_each, alarms.value),
            # so small a share is known only when it is clearly passed
            _limit(f"promoted at x{policy.margin:g}", wrong, policy.alpha_promote, wrong.low),
        ),
    )


def _limit(name: str, found: Rate, most: float, compared: float) -> tuple[Cell, ...]:
    tone = Tone.BAD if compared > most else Tone.GOOD
    return row(
        name,
        Cell(share(found.value, 1), tone),
        f"{share(found.low, 1)} to {share(found.high, 1)}",
        str(found.trials),
        share(most, 1),
    )


def _ratios(rows: tuple[RatioFigures, ...]) -> Table:
    columns = (
        Column("canary worse by", right=True),
        Column("rolled back", right=True),
        Column("promoted", right=True),
        Column("no verdict", right=True),
        Column("median minutes to roll back", right=True),
    )
    return Table(
        columns,
        tuple(
            row(
                "equal" if item.ratio == 1 else f"x{item.ratio:g}",
                share(item.rolled_back.value, 1),
                share(item.promoted.value, 1),
                share(item.undecided, 1),
                _minutes(item.median_minutes),
            )
            for item in rows
        ),
    )


def _outlooks(items: tuple[TrafficOutlook, ...]) -> Table:
    columns = (
        Column("metric"),
        Column("canary's share", right=True),
        Column("events a minute", right=True),
        Column("promote, half", right=True),
        Column("promote, 9 in 10", right=True),
        *(Column(f"find x{ratio:g}", right=True) for ratio in SHOWN_RATIOS),
    )
    return Table(
        columns,
        tuple(
            row(
                item.metric.value,
                share(item.canary_share),
                f"{item.events_per_minute:,.3g}",
                _minutes(item.promote_half),
                _minutes(item.promote_most),
                *(
                    _minutes(minutes)
                    for ratio, minutes in item.detect_minutes
                    if ratio in SHOWN_RATIOS
                ),
            )
            for item in items
        ),
    )


def _minutes(value: float | NoData) -> str:
    return "over the horizon" if isinstance(value, NoData) else f"{value:,.0f}"
