"""Plots as inline SVG: scales, axes, marks and labels, without any library or script.

Colours are classes that the page's style defines, so that a plot follows light and dark. All text
is escaped; coordinates are pixels of the plot's own box.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rightsizing.report.document import clean

CHARACTER_WIDTH = 6.2  # pixels of one character at the page's label size (measured in Chromium)
LABEL_HEIGHT = 13.0
_PIECE = 6.0  # pixels between the points of a line that names keep clear of


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, linear or by the logarithm."""

    low: float
    high: float
    start: float  # pixel of ``low``
    end: float  # pixel of ``high``
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside are drawn at the edge."""
        inside = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values: 1, 2 and 5 times powers of ten, or about five even steps."""
        if self.logarithmic:
            first = math.floor(math.log10(self.low))
            last = math.ceil(math.log10(self.high))
            marks = (1, 2, 5) if last - first <= 3 else (1,)
            values = [mark * 10.0**power for power in range(first, last + 1) for mark in marks]
        else:
            step = _round_step((self.high - self.low) / 5)
            first = math.ceil(self.low / step - 1e-9)
            values = [index * step for index in range(first, int(self.high / step + 1e-9) + 1)]
        return [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * 1.000001]


@dataclass(slots=True)
class Drawing:
    """Marks of one plot, in drawing order."""

    width: float
    height: float
    label: str  # what the plot shows, for readers who cannot see it
    _marks: list[str] = field(default_factory=list)
    _taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """A line through points; ``style`` is a class of the page."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._marks.append(f'<polyline class="{style}" points="{path}"/>')

    def keep_clear(self, points: Sequence[tuple[float, float]]) -> None:
        """Put no name on the line through these points."""
        for (x0, y0), (x1, y1) in pairwise(points):
            pieces = max(1, round(math.hypot(x1 - x0, y1 - y0) / _PIECE))
            for piece in range(pieces + 1):
                x, y = x0 + (x1 - x0) * piece / pieces, y0 + (y1 - y0) * piece / pieces
                self._taken.append((x - 1, y - 1, x + 1, y + 1))

    def dot(self, x: float, y: float, style: str, title: str, radius: float = 4.0) -> None:
        """A dot that says ``title`` when pointed at."""
        self._marks.append(
            f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">'
            f"<title>{_text(title)}</title></circle>"
        )
        self._taken.append((x - radius, y - radius, x + radius, y + radius))

    def bar(self, box: tuple[float, float, float, float], style: str, title: str) -> None:
        """A rectangle (x, y, width, height) that says ``title`` when pointed at."""
        x, y, width, height = box
        self._marks.append(
            f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
            f'height="{height:.1f}"><title>{_text(title)}</title></rect>'
        )

    def text(
        self, x: float, y: float, text: str, style: str = "note", anchor: str = "start"
    ) -> None:
        """Text at its baseline."""
        self._marks.append(
            f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{_text(text)}</text>"
        )

    def name_dot(self, x: float, y: float, text: str, style: str = "note") -> None:
        """Name a dot where nothing is yet: beside it, else further off with a line to it."""
        width = len(text) * CHARACTER_WIDTH
        for distance in (8, 20, 32, 46, 62, 80):
            for dx, dy in _DIRECTIONS:
                left = x + dx * distance - (width if dx < 0 else width / 2 if dx == 0 else 0)
                base = y + dy * distance + 4
                box = (left, base - LABEL_HEIGHT + 3, left + width, base + 3)
                if self._is_free(box):
                    self._taken.append(box)
                    if distance > 8:
                        self.line([(x, y), (x + dx * (distance - 3), y + dy * distance)], "leader")
                    self.text(left, base, text, style)
                    return
        # No room: the dot's own title still names it.

    def axes(
        self, across: Scale, up: Scale, labels: tuple[str, str], percent: bool = False
    ) -> None:
        """Grid, ticks and axis titles; ``percent``: the horizontal ticks are shares."""
        for value in across.ticks():
            x = across(value)
            self.line([(x, up.start), (x, up.end)], "grid")
            shown = f"{value * 100:g} %" if percent else f"{value:g}"
            self.text(x, up.start + 16, shown, "tick", "middle")
        for value in up.ticks():
            y = up(value)
            self.line([(across.start, y), (across.end, y)], "grid")
            self.text(across.start - 8, y + 4, f"{value:g}", "tick", "end")
        self.text((across.start + across.end) / 2, up.start + 36, labels[0], "axis", "middle")
        self.text(across.start - 40, up.end - 12, labels[1], "axis")

    def svg(self) -> str:
        """The finished element."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{_text(self.label)}">{"".join(self._marks)}</svg>'
        )

    def _is_free(self, box: tuple[float, float, float, float]) -> bool:
        left, top, right, bottom = box
        if left < 0 or top < 0 or right > self.width or bottom > self.height:
            return False
        return not any(
            left < other[2] and right > other[0] and top < other[3] and bottom > other[1]
            for other in self._taken
        )


_DIRECTIONS = ((1, 0), (-1, 0), (0.8, -0.8), (0.8, 0.8), (-0.8, -0.8), (-0.8, 0.8), (0, -1), (0, 1))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * mark for mark in (1, 2, 5, 10) if power * mark >= rough * (1 - 1e-9))


def _text(text: str) -> str:
    return html.escape(clean(text), quote=True)
