"""Where a pool's demand may go over a commitment's term, from its own past alone.

Weekly means follow a random walk in logarithms. Its spread over a lag is the mean square of past
changes over 1 to 26 weeks, each lag's shrunk towards what the shorter lags imply, and never less
than the worst lag implies: a fleet that has halved within a month once may do so again. A trend is
trusted as far as the spread allows; one upwards only beyond its own standard error, since buying
waits for growth at no cost and shrinkage cannot be undone. Scenarios are quantiles of a multiplier
with heavy tails (Student, 4 degrees of freedom), the same quantile for all weeks of a scenario:
demand that falls does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from rightsizing.model.hourlyusage import Array

HOURS_PER_DAY = 24
HOURS_PER_WEEK = 168
WEEKS_PER_YEAR = 365 / 7
# Chosen on the generated series and the forward fleet of benchmarks/commitments.py; round figures.
PRIOR_SPREAD = 0.25  # of a year's change in logarithms, before there is evidence
PRIOR_TREND = 0.4  # standard deviation of yearly trends
PRIOR_WEEKS = 8.0  # weight of a prior, in independent changes
GROWTH_OF_SPREAD = 0.8  # exponent of variance over lag: between a steady level (0) and a walk (1)
SCENARIOS = 20
MAX_WEEKS = 105
MIN_WEEKS = 4
_LAGS = (1, 2, 4, 8, 13, 26)
_FREEDOM = 4
_SHORTEST_WORST_LAG = 4  # weeks; changes of single weeks are noise as often as risk
PACE = 0.08  # of a level bought at one review, over the spread of four weeks
_FLOOR = 1e-3  # of the last year's mean: a week without demand has no logarithm


def _scenario_points() -> Array:
    middles = (np.arange(SCENARIOS) + 0.5) / SCENARIOS
    points = np.asarray(student.ppf(middles, _FREEDOM), dtype=float)
    return points / float(points.std())


_POINTS = _scenario_points()


@dataclass(frozen=True, slots=True)
class Outlook:
    """``multipliers`` of the present level, scenarios x fortnights of the term; yearly ``trend``
    as trusted (of the logarithm); ``pace``, the most of a level to buy at one review where an
    alternative waits: a family whose level may halve within a month is learned about first."""

    multipliers: Array
    trend: float
    pace: float

    @classmethod
    def of(cls, history: Array, term_years: int = 1) -> Outlook | None:
        """Outlook from hourly demand, oldest first (NaN: no data); None below four weeks."""
        weeks = _weekly(history)
        if weeks.size < MIN_WEEKS or not (weeks > 0).any():
            return None
        floor = _FLOOR * float(weeks[-52:].mean())
        logs = np.log(np.maximum(weeks[-MAX_WEEKS:], max(floor, 1e-12)))
        variance = _variance_by_lag(logs)
        trend, doubt = _trend(logs, variance[4])
        ahead = np.arange(1.0, WEEKS_PER_YEAR * term_years, 2.0)
        lags = np.array([0, *variance], dtype=float)
        spread = np.interp(ahead, lags, [0.0, *variance.values()])
        worst = max(
            value / lag**GROWTH_OF_SPREAD
            for lag, value in variance.items()
            if lag >= _SHORTEST_WORST_LAG
        )
        spread = np.maximum(spread, worst * ahead**GROWTH_OF_SPREAD)
        years = ahead / WEEKS_PER_YEAR
        deviation = np.sqrt(spread + (doubt * years) ** 2)
        cautious = min(trend, max(0.0, trend - doubt))
        logs_ahead = cautious * years + np.outer(_POINTS, deviation)
        pace = min(1.0, PACE / float(variance[4]) ** 0.5)
        return cls(np.exp(np.clip(logs_ahead, -50, 50)), trend, pace)


def _weekly(history: Array) -> Array:
    """Means of whole weeks up to the end; weeks without any data are left out."""
    weeks = len(history) // HOURS_PER_WEEK
    table = history[len(history) - weeks * HOURS_PER_WEEK :].reshape(weeks, HOURS_PER_WEEK)
    known = ~np.isnan(table)
    counts = known.sum(axis=1)
    sums = np.where(known, table, 0.0).sum(axis=1)
    return np.asarray(sums[counts > 0] / counts[counts > 0])


def _variance_by_lag(logs: Array) -> dict[int, float]:
    found: dict[int, float] = {}
    prior = PRIOR_SPREAD**2 / WEEKS_PER_YEAR
    shorter = 1
    for lag in _LAGS:
        prior *= (lag / shorter) ** GROWTH_OF_SPREAD
        if len(logs) > lag + 1:
            changes = logs[lag:] - logs[:-lag]
            independent = (len(logs) - lag) / lag
            prior = (float((changes**2).mean()) * independent + prior * PRIOR_WEEKS) / (
                independent + PRIOR_WEEKS
            )
        found[lag] = prior
        shorter = lag
    return found


def _trend(logs: Array, variance_of_four_weeks: float) -> tuple[float, float]:
    """Yearly trend, shrunk towards none, and its standard error."""
    years = (len(logs) - 1) / WEEKS_PER_YEAR
    yearly = max(variance_of_four_weeks * WEEKS_PER_YEAR / 4, PRIOR_SPREAD**2 / 4)
    precision = years / yearly
    doubt = (precision + PRIOR_TREND**-2) ** -0.5
    span = years - 4 / WEEKS_PER_YEAR  # between the middles of the first and last four weeks
    if span <= 0.1:
        return 0.0, doubt
    slope = (float(logs[-4:].mean()) - float(logs[:4].mean())) / span
    return slope * precision * doubt**2, doubt
