"""Trend of a daily figure: Theil-Sen slope, whether it is more than noise, and where it leads.

The slope is the median over all pairs of days of their slopes (Sen 1968), so up to 29 % of days may
be outliers. It counts only when the Mann-Kendall test, with its variance enlarged for days that
resemble the day before (Yue and Wang 2004), finds it at 1 %. Vectorised over workloads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from rightsizing.profile.rows import BoolArray, FloatArray, in_blocks, row_median

MINIMUM_DAYS = 7  # measured days; with fewer the test cannot tell a weekend from a trend
SIGNIFICANCE = 0.01  # two-sided
_LARGEST_AUTOCORRELATION = 0.95


@dataclass(frozen=True, slots=True)
class Trends:
    """Trends of W workloads, in the unit of the daily figure.

    ``slope_per_day`` and ``level`` (on the line, at the last column) are NaN with fewer than two
    measured days. ``z`` is the Mann-Kendall statistic, above zero upwards, 0 where there are fewer
    than 7 measured days; ``significant`` says that it passes the test.
    """

    slope_per_day: FloatArray
    level: FloatArray
    z: FloatArray
    significant: BoolArray

    def projected(self, days: float) -> FloatArray:
        """The line so many days after the last column, not below zero; level if insignificant."""
        slope = np.where(self.significant, self.slope_per_day, 0.0)
        line: FloatArray = np.maximum(self.level + slope * days, 0.0)
        return line


def trends_of(daily: FloatArray) -> Trends:
    """Trends of the rows of ``daily`` (W, D); NaN = not measured."""
    rows, days = daily.shape
    slope, level, z = np.full(rows, np.nan), np.full(rows, np.nan), np.zeros(rows)
    for block in in_blocks(rows, max(days * (days - 1), 1)):
        part = np.where(np.isfinite(daily[block]), daily[block], np.nan)
        slope[block], level[block], z[block] = _trends(part)
    critical = float(ndtri(1 - SIGNIFICANCE / 2))
    return Trends(slope, level, z, np.abs(z) > critical)


def _trends(daily: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    rows, days = daily.shape
    if days < 2:
        return np.full(rows, np.nan), np.full(rows, np.nan), np.zeros(rows)
    earlier, later = np.triu_indices(days, k=1)
    rise = daily[:, later] - daily[:, earlier]
    slope = row_median(rise / (later - earlier))
    known = np.isfinite(daily)
    day = np.arange(days, dtype=np.float64)
    middle_day = row_median(np.where(known, day, np.nan))
    level = row_median(daily) + slope * (days - 1 - middle_day)
    n = known.sum(axis=1)
    score = np.nansum(np.sign(rise), axis=1)
    variance = np.maximum(n * (n - 1) * (2 * n + 5) - _tie_correction(daily), 0) / 18
    variance = variance * _enlargement(daily - slope[:, None] * day, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (score - np.sign(score)) / np.sqrt(variance)
    return slope, level, np.where((n >= MINIMUM_DAYS) & np.isfinite(z), z, 0.0)


def _tie_correction(daily: FloatArray) -> FloatArray:
    """``sum t (t - 1)(2 t + 5)`` over groups of t equal days (Kendall 1975)."""
    ordered = np.sort(daily, axis=1)
    rows, days = ordered.shape
    correction = np.zeros(rows)
    run = np.ones(rows)
    for column in range(1, days + 1):
        same = (
            ordered[:, column] == ordered[:, column - 1]
            if column < days
            else np.zeros(rows, dtype=np.bool_)
        )
        correction += np.where(same, 0.0, run * (run - 1) * (2 * run + 5))
        run = np.where(same, run + 1, 1.0)
    return correction


def _enlargement(rest: FloatArray, n: FloatArray) -> FloatArray:
    """``1 + 2 sum (1 - k/n) rho^k``: how much autocorrelation adds to the variance; at least 1.

    ``rest`` is without the trend. A small sample reads the lag-1 autocorrelation rho too low by
    about ``(1 + 4 rho) / n`` (Kendall 1954, for a fitted line), which is added back.
    """
    known = np.isfinite(rest)
    centred = np.where(known, rest - row_median(rest)[:, None], 0.0)
    scale = 1.4826 * row_median(np.where(known, np.abs(centred), np.nan))[:, None]
    clipped = np.where(scale > 0, np.clip(centred, -3 * scale, 3 * scale), centred)
    squares = (clipped**2).sum(axis=1)
    products = (clipped[:, 1:] * clipped[:, :-1]).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = np.where(squares > 0, products / squares, 0.0)
        rho = np.where(n > 8, (n * rho + 1) / (n - 4), rho)
    rho = np.clip(rho, 0.0, _LARGEST_AUTOCORRELATION)
    lags = np.arange(1, rest.shape[1])
    weight = np.maximum(1 - lags[None, :] / np.maximum(n, 1)[:, None], 0.0)
    added: FloatArray = 1 + 2 * (weight * rho[:, None] ** lags).sum(axis=1)
    return added
