"""The chart of daily figures: heights, levels, folding, and what replaces it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rightsizing.report.dailychart import MOST_LINES, ROWS, chart_lines, chart_table, folded
from rightsizing.report.document import Chart, ChartBar, ChartMark
from rightsizing.report.markdown import markdown
from rightsizing.report.terminal import renderable, terminal_text


def chart(values: list[float | None], marks: tuple[ChartMark, ...] = ()) -> Chart:
    """Days of March with these figures."""
    bars = tuple(ChartBar(f"03-{day:02}", value) for day, value in enumerate(values, 1))
    return Chart("Highest of each day", "cores", bars, marks)


TWO_LEVELS = (ChartMark("current 8 cores", 8.0), ChartMark("target 4 cores", 4.0))


def test_bars_are_in_proportion() -> None:
    """Of 8 cores over 8 rows, 8, 4 and 0.5 cores are 8, 4 and half a cell high."""
    lines = chart_lines(chart([8.0, 4.0, 0.5] * 3), 60)
    assert lines is not None
    column = [[line[place : place + 1] for line in lines[:ROWS]] for place in (2, 4, 6)]
    assert [cells.count("█") for cells in column] == [8, 4, 0]
    assert column[2][-1] == "▄"


def test_levels_are_ruled_and_named() -> None:
    """The rule runs where no bar stands, in the row that a bar of that height ends in."""
    lines = chart_lines(chart([1.0] * 10, TWO_LEVELS), 60)
    assert lines is not None
    assert lines[0].endswith("╌ current 8 cores")
    assert lines[4].endswith("╌ target 4 cores")


def test_levels_that_meet_share_a_row() -> None:
    """Current and target of one size are both named."""
    marks = (ChartMark("current 8 cores", 8.0), ChartMark("target 8 cores", 8.0))
    lines = chart_lines(chart([1.0] * 10, marks), 80)
    assert lines is not None
    assert lines[0].endswith("current 8 cores, target 8 cores")


def test_an_unmeasured_day_is_a_dot() -> None:
    """A gap is no zero."""
    lines = chart_lines(chart([1.0, None, 0.0, 1.0, 1.0, 1.0, 1.0]), 40)
    assert lines is not None
    assert lines[ROWS] == "  ──··──────────"


def test_a_small_figure_is_visible() -> None:
    """A thousandth of the largest is an eighth of a cell, a zero is nothing."""
    lines = chart_lines(chart([1000.0, 1.0, 0.0] * 3), 60)
    assert lines is not None
    assert lines[ROWS - 1].startswith("  ██▁▁  ██")


def test_many_days_are_folded_to_their_highest() -> None:
    """100 days on at most 40 columns: three a column, each its largest."""
    bars = tuple(ChartBar(str(day), float(day)) for day in range(100))
    found = folded(bars, 40)
    assert len(found) == 34
    assert [bar.value for bar in found[:2]] == [2.0, 5.0]
    assert found[-1] == ChartBar("99", 99.0)


@pytest.mark.parametrize("width", [5, 15, 24])
def test_a_narrow_terminal_gets_no_drawing(width: int) -> None:
    """Seven columns beside margin, space and label (2 + 1 + 15) are the least: 25."""
    assert chart_lines(chart([1.0] * 14, TWO_LEVELS), width) is None


def test_nothing_to_draw() -> None:
    """No days, or nothing but zeros, make no chart."""
    assert chart_lines(chart([]), 80) is None
    assert chart_lines(chart([0.0, None]), 80) is None


@given(
    st.lists(st.none() | st.floats(0, 1e12), max_size=500),
    st.lists(st.floats(1e-6, 1e12), max_size=3),
    st.integers(1, 200),
)
def test_lines_fit_whatever_the_figures(
    values: list[float | None], levels: list[float], width: int
) -> None:
    """Never wider than asked, always the same number of lines."""
    marks = tuple(ChartMark(f"level {level:.3g}", level) for level in levels)
    lines = chart_lines(chart(values, marks), width)
    if lines is not None:
        assert all(len(line) <= width for line in lines)
        assert len(lines) == ROWS + 2


def test_a_file_gets_the_figures() -> None:
    """Not a terminal: a list of figures, with the levels in its title."""
    text = terminal_text((chart([1.25, None], TWO_LEVELS),), 80)
    assert "Highest of each day (current 8 cores, target 4 cores)" in text
    assert "1.25" in text
    assert "not measured" in text
    assert "█" not in text


def test_a_terminal_gets_the_drawing() -> None:
    """Wide enough and Unicode."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with console.capture() as captured:
        console.print(renderable((chart([1.0, 2.0] * 7, TWO_LEVELS),)))
    assert "█" in captured.get()
    assert "1.00" not in captured.get()


def test_markdown_gets_a_table() -> None:
    """Drawings depend on a fixed width; a page does not have one."""
    assert "| 03-01 | 1.00 |" in markdown((chart([1.0]),))


def test_lists_are_a_month_at_most() -> None:
    """500 days are no 500 lines."""
    assert len(chart_table(chart([1.0] * 500)).rows) <= MOST_LINES
