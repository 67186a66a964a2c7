"""A back-test in plots: cost against shortage, ours over each peer by class, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rightsizing.backtest.calibration import Calibration
from rightsizing.backtest.comparison import ALL_WORKLOADS, Comparison, Verdict
from rightsizing.backtest.study import Role, RuleFindings, Study
from rightsizing.model.base import NoData
from rightsizing.report.backtestpage import backtest_page
from rightsizing.report.document import Block, Heading, Paragraph
from rightsizing.report.htmlpage import html_page
from rightsizing.report.svg import Drawing, Scale

_STYLE = {
    Verdict.WIN: "win",
    Verdict.TIE: "tie",
    Verdict.LOSS: "loss",
    Verdict.OUT_OF_REACH: "out",
}
_FRONTIER = "Cost against shortage"
_BARS = "Ours over each peer, by class"
_CALIBRATION = "Predicted and observed shortage"
_LEAST_SHARE = 1e-5  # where no step was short: the left edge of the logarithmic axis
_GREATEST_COST = 2.0  # times the oracle; dearer rules are drawn at the edge
_BAR_ROW = 15.0


def backtest_html(study: Study, notes: Sequence[str] = ()) -> str:
    """The whole study as one self-contained page."""
    figures = {_FRONTIER: frontier_plot(study.rules)}
    extra: list[Block] = [
        Heading(_FRONTIER),
        Paragraph(
            "Down and left is better: cheaper, and short less often. The line joins ours at all "
            "risks; a dot's title gives its figures."
        ),
    ]
    if study.comparisons:
        figures[_BARS] = class_bars(study.comparisons)
        extra += [
            Heading(_BARS),
            Paragraph(
                "Our cost at the peer's own shortage over the peer's cost; the whisker ends at the "
                "upper 95 % bound, the dashed line is the limit for it. Green: win. Grey: tie. "
                "Red: loss. Yellow: the peer's shortage is outside our risks."
            ),
        ]
    drawn = [item for item in study.calibrations if item.fifths]
    if drawn:
        figures[_CALIBRATION] = calibration_plot(drawn)
        extra += [
            Heading(_CALIBRATION),
            Paragraph(
                "Minutes a month by fifths of the predictions over 5 minutes, one line a risk; "
                "on the dashed line what was predicted is what followed."
            ),
        ]
    page = backtest_page(study, notes)
    at = next(index for index, block in enumerate(page) if _is_rules(block))
    return html_page((*page[:at], *extra, *page[at:]), figures)


def frontier_plot(rules: Sequence[RuleFindings]) -> str:
    """Every rule by its pooled share of time short and its cost over the oracle's."""
    known = [
        (rule, max(exceedance, _LEAST_SHARE), cost)
        for rule in rules
        if not isinstance(exceedance := rule.overall.exceedance_ratio, NoData)
        and not isinstance(cost := rule.overall.cost_ratio, NoData)
    ]
    drawing = Drawing(1060, 640, "cost over the oracle's against the share of time short")
    if not known:
        return drawing.svg()
    highest = min(max(cost for _rule, _share, cost in known) * 1.05, _GREATEST_COST)
    lowest = min([cost for _rule, _share, cost in known] + [1.0]) * 0.9
    across = Scale(
        min(share for _rule, share, _cost in known) / 1.3,
        max(max(share for _rule, share, _cost in known) * 1.5, 0.01),
        60,
        1030,
        logarithmic=True,
    )
    up = Scale(lowest, max(highest, lowest * 1.1), 590, 30)
    drawing.axes(across, up, ("share of time short", "cost / oracle"), percent=True)
    drawing.line([(across.start, up(1.0)), (across.end, up(1.0))], "limit")
    ours = sorted((share, cost) for rule, share, cost in known if rule.role is Role.OURS)
    frontier = [(across(share), up(cost)) for share, cost in ours]
    drawing.line(frontier, "ours-line")
    drawing.keep_clear(frontier)
    for rule, share, cost in known:
        title = f"{rule.name}: {cost:.3f} times the oracle, short {share * 100:.3f} %"
        drawing.dot(across(share), up(cost), rule.role.value, title)
    for rule, share, cost in known:
        if rule.role is not Role.OURS:
            drawing.name_dot(across(share), up(cost), rule.name)
    # Every third risk is named: the line leads from one to the next, and titles name the rest.
    for rule, share, cost in [item for item in known if item[0].role is Role.OURS][::3]:
        drawing.name_dot(across(share), up(cost), rule.name, "ours-name")
    return drawing.svg()


def class_bars(comparisons: Sequence[Comparison]) -> str:
    """A panel a class, a bar a peer."""
    groups: dict[str, dict[str, Comparison]] = {}
    for item in comparisons:
        groups.setdefault(item.group, {})[item.baseline] = item
    peers = list(dict.fromkeys(item.baseline for item in comparisons))
    top, name_width, gap = 40.0, 235.0, 16.0
    height = top + len(peers) * _BAR_ROW + 30
    panel = (1060 - name_width) / len(groups)
    drawing = Drawing(1060, height, "our cost over each peer's at its own shortage, by class")
    for row, peer in enumerate(peers):
        y = top + row * _BAR_ROW + 11
        drawing.text(name_width - 10, y, peer, "note", "end")
    for column, (group, found) in enumerate(_all_first(groups).items()):
        left = name_width + column * panel
        scale = Scale(0.0, 1.6, left, left + panel - gap)
        workloads = next(iter(found.values())).workloads
        drawing.text(left, 18, f"{group} ({workloads})", "axis")
        for value in (0.0, 0.5, 1.0, 1.5):
            x = scale(value)
            drawing.line([(x, top - 6), (x, height - 24)], "grid")
            drawing.text(x, height - 10, f"{value:g}", "tick", "middle")
        for row, peer in enumerate(peers):
            if peer in found:
                _bar(drawing, scale, top + row * _BAR_ROW, found[peer])
    return drawing.svg()


def _bar(drawing: Drawing, scale: Scale, y: float, item: Comparison) -> None:
    title = (
        f"{item.baseline}, {item.group}: {item.cost_quotient:.3f}, upper bound "
        f"{item.upper_quotient:.3f}, {item.verdict.value}"
    )
    end = scale(item.cost_quotient)
    box = (scale.start, y + 2, end - scale.start, _BAR_ROW - 4)
    drawing.bar(box, _STYLE[item.verdict], title)
    middle = y + _BAR_ROW / 2
    drawing.line([(end, middle), (scale(item.upper_quotient), middle)], "whisker")
    limit = scale(item.margin)
    drawing.line([(limit, y), (limit, y + _BAR_ROW)], "limit")


def calibration_plot(items: Sequence[Calibration]) -> str:
    """Observed against predicted minutes a month, by fifths, one line a rule."""
    pairs = [
        (fifth.expected_minutes, fifth.observed_minutes) for item in items for fifth in item.fifths
    ]
    high = max(max(pair) for pair in pairs) * 1.5
    low = min(min(pair[0], max(pair[1], 1.0)) for pair in pairs) / 1.5
    across = Scale(low, high, 60, 700, logarithmic=True)
    up = Scale(low, high, 500, 30, logarithmic=True)
    drawing = Drawing(1060, 560, "observed against predicted minutes a month")
    drawing.axes(across, up, ("predicted minutes a month", "observed"))
    drawing.line([(across(low), up(low)), (across(high), up(high))], "limit")
    for item in items:
        points = [
            (across(fifth.expected_minutes), up(max(fifth.observed_minutes, low)))
            for fifth in item.fifths
        ]
        drawing.line(points, "ours-line")
        for (x, y), fifth in zip(points, item.fifths, strict=True):
            title = (
                f"{item.rule}: predicted {fifth.expected_minutes:.0f}, observed "
                f"{fifth.observed_minutes:.0f} minutes a month, covered "
                f"{fifth.covered_ratio * 100:.0f} %"
            )
            drawing.dot(x, y, "ours", title)
    for item in items:
        last = item.fifths[-1]
        x, y = across(last.expected_minutes), up(max(last.observed_minutes, low))
        drawing.name_dot(x, y, item.rule, "ours-name")
    return drawing.svg()


def _all_first(groups: Mapping[str, dict[str, Comparison]]) -> dict[str, dict[str, Comparison]]:
    first = {name: found for name, found in groups.items() if name == ALL_WORKLOADS}
    return first | {name: found for name, found in groups.items() if name not in first}


def _is_rules(block: object) -> bool:
    return isinstance(block, Heading) and block.text == "Rules"
