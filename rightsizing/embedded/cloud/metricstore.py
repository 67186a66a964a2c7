"""Metric data of the local cloud: an index by series, kept in a file of its own.

Moto keeps all data points in one list and scans it once a period and query: 14 days at 5 minutes
are 4,032 scans of every point there is. Here a query touches one series, and NumPy bins it. A point
is (time, sample count, sum, minimum, maximum), which both single values and statistic sets fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 5): seconds since 1970, sample count, sum, minimum, maximum

_TIME, _COUNT, _SUM, _MINIMUM, _MAXIMUM = range(5)
_PERCENTILE = re.compile(r"^p(\d{1,2}(?:\.\d+)?|100)$")
# Trimmed count and percentile rank between absolute bounds; the lower is exclusive, the upper not.
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_BETWEEN = re.compile(rf"^(TC|PR)\(({_NUMBER})?:({_NUMBER})?\)$")


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What CloudWatch tells series apart by, except for the unit."""

    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]  # sorted


@dataclass(frozen=True, slots=True)
class Window:
    """Periods of a query: they begin at ``start_s`` and end before ``end_s``."""

    start_s: int
    end_s: int
    period_s: int


@dataclass(frozen=True, slots=True)
class Statistic:
    """Values of one statistic, a period each; periods without data are left out."""

    period_starts_s: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(slots=True)
class _Series:
    pending: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    points: Points = field(default_factory=lambda: np.empty((0, 5)))

    def sorted_points(self) -> Points:
        if self.pending:
            together = np.concatenate([self.points, np.array(self.pending)])
            self.points = together[np.argsort(together[:, _TIME], kind="stable")]
            self.pending = []
        return self.points


class MetricStore:
    """All series of the local cloud. Loaded from its file on first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._series: dict[SeriesKey, dict[str, _Series]] = {}
        self._loaded = False

    def put(self, rows: Iterable[tuple[SeriesKey, str, Sequence[float]]]) -> None:
        """Add points: (series, unit, point). Written to the file, one line a series and call."""
        self._load()
        grouped: dict[tuple[SeriesKey, str], list[list[float]]] = {}
        for key, unit, point in rows:
            grouped.setdefault((key, unit), []).append(list(point))
        lines = []
        for (key, unit), points in grouped.items():
            self._add(key, unit, points)
            lines.append(_line(key, unit, points, whole=False))
        self._write(lines)

    def replace(self, key: SeriesKey, unit: str, points: Sequence[Sequence[float]]) -> None:
        """Set a whole series, so that loading the same history twice is the same as once."""
        self._load()
        self._series.pop(key, None)
        self._add(key, unit, points)
        self._write([_line(key, unit, points, whole=True)])

    def _write(self, lines: Sequence[str]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def clear(self) -> None:
        """Forget every point."""
        self._series.clear()
        self._path.unlink(missing_ok=True)

    def keys(self, region: str) -> Iterator[SeriesKey]:
        """Series of one region, in the order they first got data."""
        self._load()
        return (key for key in self._series if key.region == region)

    def count(self) -> int:
        """Number of points held (0 before the file was first needed)."""
        return sum(
            len(series.pending) + len(series.points)
            for units in self._series.values()
            for series in units.values()
        )

    def statistic(
        self,
        key: SeriesKey,
        name: str,
        window: Window,
        unit: str = "",
        hidden: Sequence[tuple[float, float]] = (),
    ) -> Statistic:
        """One statistic of one series over [start, end), oldest first.

        A percentile, trimmed count or percentile rank needs single values: periods that hold a
        statistic set are left out, as CloudWatch leaves them out. Points within a ``hidden`` span
        (from, to) of seconds are not seen. Raises ValueError for a statistic that is not served.
        """
        self._load()
        units = self._series.get(key, {})
        chosen = [units[unit]] if unit in units else [] if unit else list(units.values())
        if not chosen:
            _require_known(name)
            return Statistic((), ())
        points = np.concatenate([series.sorted_points() for series in chosen])
        if len(chosen) > 1:
            points = points[np.argsort(points[:, _TIME], kind="stable")]
        first, last = np.searchsorted(points[:, _TIME], [window.start_s, window.end_s])
        seen = points[first:last]
        for begin, end in hidden:
            seen = seen[(seen[:, _TIME] < begin) | (seen[:, _TIME] >= end)]
        return _binned(seen, name, window)

    def _add(self, key: SeriesKey, unit: str, points: Iterable[Sequence[float]]) -> None:
        series = self._series.setdefault(key, {}).setdefault(unit, _Series())
        series.pending.extend((p[0], p[1], p[2], p[3], p[4]) for p in points)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # cut off by a killed server; its call was never answered
                entry = json.loads(line)
                region, namespace, name, dimensions, unit = entry["series"]
                pairs = tuple((dimension, value) for dimension, value in dimensions)
                key = SeriesKey(region, namespace, name, pairs)
                if entry["whole"]:
                    self._series.pop(key, None)
                self._add(key, unit, entry["points"])


def _line(key: SeriesKey, unit: str, points: Sequence[Sequence[float]], *, whole: bool) -> str:
    series = [key.region, key.namespace, key.name, key.dimensions, unit]
    entry = {"series": series, "whole": whole, "points": points}
    return json.dumps(entry, separators=(",", ":"))


def _require_known(name: str) -> None:
    if name not in {"Average", "Sum", "Minimum", "Maximum", "SampleCount"} and not (
        _PERCENTILE.match(name) or _BETWEEN.match(name)
    ):
        raise ValueError(
            f"statistic {name!r} is not served by the local cloud; use Average, Sum, Minimum, "
            "Maximum, SampleCount, a percentile such as p99, a trimmed count such as TC(0.1:) or a "
            "percentile rank such as PR(:0.1)"
        )


def _binned(points: Points, name: str, window: Window) -> Statistic:
    _require_known(name)
    if not len(points):
        return Statistic((), ())
    periods = ((points[:, _TIME] - window.start_s) // window.period_s).astype(np.int64)
    found, starts = np.unique(periods, return_index=True)
    if name == "Minimum":
        values = np.minimum.reduceat(points[:, _MINIMUM], starts)
    elif name == "Maximum":
        values = np.maximum.reduceat(points[:, _MAXIMUM], starts)
    elif between := _BETWEEN.match(name):
        groups = zip(found, np.split(points, starts[1:]), strict=True)
        return _between(groups, between, window)
    elif name.startswith("p"):
        groups = zip(found, np.split(points, starts[1:]), strict=True)
        return _percentiles(groups, float(name[1:]), window)
    else:
        counts = np.add.reduceat(points[:, _COUNT], starts)
        sums = np.add.reduceat(points[:, _SUM], starts)
        values = {"SampleCount": counts, "Sum": sums}.get(name, sums / np.maximum(counts, 1))
    return Statistic(_times(found, window), tuple(values.tolist()))


def _percentiles(
    groups: Iterable[tuple[np.int64, Points]], percentile: float, window: Window
) -> Statistic:
    kept, values = [], []
    for period, group in groups:
        if np.any(group[:, _MINIMUM] != group[:, _MAXIMUM]):
            continue
        order = np.argsort(group[:, _MINIMUM], kind="stable")
        reached = np.cumsum(group[order, _COUNT])
        wanted = percentile / 100 * reached[-1]
        values.append(float(group[order[np.searchsorted(reached, wanted)], _MINIMUM]))
        kept.append(period)
    return Statistic(_times(np.array(kept, dtype=np.int64), window), tuple(values))


def _between(
    groups: Iterable[tuple[np.int64, Points]], statistic: re.Match[str], window: Window
) -> Statistic:
    """Samples above the lower bound and up to the upper: their number (TC) or percentage (PR)."""
    low = float(statistic[2]) if statistic[2] else -np.inf
    high = float(statistic[3]) if statistic[3] else np.inf
    kept, values = [], []
    for period, group in groups:
        if np.any(group[:, _MINIMUM] != group[:, _MAXIMUM]):
            continue
        inside = (group[:, _MINIMUM] > low) & (group[:, _MINIMUM] <= high)
        count, total = group[inside, _COUNT].sum(), group[:, _COUNT].sum()
        values.append(float(count if statistic[1] == "TC" else 100 * count / max(total, 1)))
        kept.append(period)
    return Statistic(_times(np.array(kept, dtype=np.int64), window), tuple(values))


def _times(periods: NDArray[np.int64], window: Window) -> tuple[int, ...]:
    return tuple((window.start_s + periods * window.period_s).tolist())
