"""A small chart of daily figures against levels, drawn with block characters.

One column a day, eight rows; each cell shows eighths. More days than columns are folded: a column
then stands for the highest of so many days. A day without a figure is a dot on the ground line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rightsizing.report.document import Chart, ChartBar, Column, Table, clean, row

ROWS = 8
LEAST_COLUMNS = 7  # below this a chart says nothing; chosen by us
MOST_COLUMNS = 62  # two months of days; more are folded
MOST_LINES = 31  # of the same figures as a list: a month of days
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_RULE, _GROUND, _UNMEASURED = "╌", "─", "·"
_MARGIN = 2  # indent


def chart_lines(chart: Chart, width: int) -> tuple[str, ...] | None:
    """The chart as lines of at most ``width`` characters; None where it does not fit."""
    top = _top(chart)
    if not chart.bars or top <= 0:
        return None
    labels = _labels(chart, top)
    room = width - _MARGIN - 1 - max((len(label) for label in labels.values()), default=0)
    if room < LEAST_COLUMNS:
        return None
    bars = folded(chart.bars, min(room, MOST_COLUMNS))
    wide = 2 if 2 * len(bars) <= room else 1
    lines = []
    for level in range(ROWS - 1, -1, -1):
        ruled = level in labels
        cells = "".join(_cell(bar.value, level, top, ruled=ruled) * wide for bar in bars)
        lines.append(f"{cells} {labels.get(level, '')}")
    lines.append("".join((_UNMEASURED if bar.value is None else _GROUND) * wide for bar in bars))
    lines.append(_dates(bars, len(bars) * wide))
    return tuple(f"{'':{_MARGIN}}{line}".rstrip() for line in lines)


def chart_table(chart: Chart) -> Table:
    """The same figures as a table, folded to a month of lines."""
    rows = tuple(
        row(bar.label, "not measured" if bar.value is None else f"{bar.value:.{chart.places}f}")
        for bar in folded(chart.bars, MOST_LINES)
    )
    levels = ", ".join(mark.label for mark in chart.marks)
    title = f"{chart.title} ({levels})" if levels else chart.title
    return Table((Column("from day"), Column(chart.unit, right=True)), rows, title)


def folded(bars: Sequence[ChartBar], most: int) -> tuple[ChartBar, ...]:
    """At most ``most`` bars: the highest of each run of days, under the first day's label."""
    step = math.ceil(len(bars) / most)
    found = []
    for start in range(0, len(bars), step):
        run = bars[start : start + step]
        measured = [bar.value for bar in run if bar.value is not None]
        found.append(ChartBar(run[0].label, max(measured, default=None)))
    return tuple(found)


def _labels(chart: Chart, top: float) -> dict[int, str]:
    """What is written beside each row; levels that fall on one row share it."""
    found: dict[int, list[str]] = {}
    for mark in chart.marks:
        found.setdefault(_row_of(mark.value, top), []).append(clean(mark.label))
    return {level: ", ".join(labels) for level, labels in found.items()}


def _top(chart: Chart) -> float:
    values = [bar.value for bar in chart.bars if bar.value is not None]
    return max([*values, *(mark.value for mark in chart.marks)], default=0.0)


def _row_of(value: float, top: float) -> int:
    """The row that holds the tip of a bar of this height."""
    return min(max(math.ceil(value / top * ROWS) - 1, 0), ROWS - 1)


def _cell(value: float | None, level: int, top: float, *, ruled: bool) -> str:
    eighths = 0 if value is None else round(value / top * ROWS * 8) - level * 8
    if value and level == 0:
        eighths = max(eighths, 1)  # a small figure is not nothing
    if eighths <= 0:
        return _RULE if ruled else " "
    return _EIGHTHS[min(eighths, 8)]


def _dates(bars: Sequence[ChartBar], width: int) -> str:
    first, last = bars[0].label, bars[-1].label
    if len(bars) == 1 or len(first) + len(last) + 1 > width:
        return first
    return f"{first}{last:>{width - len(first)}}"
