"""Metric data as readers see it: the store's, less what planned gaps, delays and skew hide."""

from __future__ import annotations

import math
from dataclasses import replace

from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.cloud.metricstore import MetricStore, SeriesKey, Statistic, Window
from rightsizing.embedded.faults.book import FaultBook
from rightsizing.embedded.faults.plan import MetricDelay, MetricGap, MetricMatch, MetricSkew

_MINUTE_S = 60


class MetricView:
    """Reads statistics through the fault book."""

    def __init__(self, store: MetricStore, book: FaultBook, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._clock = clock

    def statistic(self, key: SeriesKey, name: str, window: Window, unit: str = "") -> Statistic:
        """One statistic over a window; raises ValueError as the store does."""
        shift_s = self._skew_s(key)
        true = replace(window, start_s=window.start_s - shift_s, end_s=window.end_s - shift_s)
        found = self._store.statistic(key, name, true, unit, self._hidden(key))
        if not shift_s:
            return found
        starts = tuple(start + shift_s for start in found.period_starts_s)
        return Statistic(starts, found.values)

    def _skew_s(self, key: SeriesKey) -> int:
        shift = sum(
            fault.seconds
            for fault, _ in self._book.planned(MetricSkew)
            if _is_meant(fault.metric, key)
        )
        if shift:
            self._book.note(MetricSkew, f"{key.name} is read {shift} s off its time")
        return shift

    def _hidden(self, key: SeriesKey) -> list[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        for gap, planned_ms in self._book.planned(MetricGap):
            if _is_meant(gap.metric, key):
                first = (planned_ms // 60_000 + gap.from_minute) * _MINUTE_S
                length = math.inf if gap.minutes is None else gap.minutes * _MINUTE_S
                spans.append((first, first + length))
                self._book.note(MetricGap, f"{key.name} has a gap")
        for delay, _ in self._book.planned(MetricDelay):
            if _is_meant(delay.metric, key):
                spans.append((self._clock.now_ms() / 1000 - delay.seconds, math.inf))
                self._book.note(MetricDelay, f"{key.name} is {delay.seconds} s late")
        return spans


def _is_meant(match: MetricMatch, key: SeriesKey) -> bool:
    return (
        match.namespace in ("", key.namespace)
        and match.name in ("", key.name)
        and (
            not match.dimension_contains
            or any(match.dimension_contains in value for _, value in key.dimensions)
        )
    )
