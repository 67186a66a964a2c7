"""Whether predicted exceedance came true, over workload-weeks.

Three checks. Upper bounds: the share of weeks whose exceedance stayed within the predicted 90 %
bound. Coverage where it matters: among predictions over five minutes a month, by fifths of the
prediction, the share whose randomised probability integral transform is at most 0.9; exact for
discrete counts, where a bound alone is met too often (Czado, Gneiting and Held, Predictive model
assessment for count data, Biometrics 65, 2009). Reliability: the slope of log observed on log
predicted by quasi-Poisson regression, 1 where high predictions are as much higher as what follows.
Intervals come from resampling workloads, since weeks of one workload resemble each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.backtest.bootstrap import draw_counts
from rightsizing.backtest.forecast import BOUND, WeekForecast
from rightsizing.backtest.scores import IntArray, Outcome
from rightsizing.backtest.series import FloatArray
from rightsizing.model.base import NoData
from rightsizing.units import MINUTES_PER_MONTH

LEAST_MINUTES = 5.0  # a month; below, a prediction says "next to never" and is checked by its bound
FIFTHS = 5
_RESAMPLES = 200
_CONVERGED = 1e-6  # largest step of a slope
_NEWTON_STEPS = 30
_SAME = 1e-9  # shares closer than this are the same count of steps


@dataclass(frozen=True, slots=True)
class Fifth:
    """One fifth of the predictions over five minutes a month, by size."""

    lowest_minutes: float  # a month
    highest_minutes: float
    workload_weeks: int
    expected_minutes: float  # a month, mean predicted
    observed_minutes: float  # a month, mean observed
    covered_ratio: float  # share with randomised PIT at most 0.9
    covered_low: float  # 2.5 % and 97.5 % of resampled workloads
    covered_high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """One rule's forecasts against what followed."""

    rule: str
    workload_weeks: int
    bound_held_ratio: float  # share of workload-weeks within the 90 % upper bound
    bound_held_low: float  # 2.5 % of resampled workloads
    over_five_minutes: int  # predictions over five minutes a month
    fifths: tuple[Fifth, ...]
    reliability_slope: float | NoData
    slope_low: float | NoData  # 2.5 % and 97.5 % of resampled workloads
    slope_high: float | NoData
    observed_over_expected: float | NoData  # sums over all predictions


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Predictions with what followed, one a workload-week."""

    workload: IntArray
    expected_minutes: FloatArray  # a month
    observed_minutes: FloatArray
    within_bound: FloatArray  # 0 or 1
    pit: FloatArray  # randomised


def calibrate(
    rule: str, weeks: Sequence[WeekForecast], outcome: Outcome, *, seed: int
) -> Calibration | NoData:
    """Check the forecasts of one rule; NoData where it made none of a scored week."""
    pairs = _pairs(weeks, outcome, np.random.default_rng(seed))
    if pairs is None:
        return NoData(f"{rule} predicts nothing")
    workloads, cluster = np.unique(pairs.workload, return_inverse=True)
    counts = draw_counts(len(workloads), seed, _RESAMPLES)
    held = _resampled_mean(pairs.within_bound, cluster, counts)
    over = pairs.expected_minutes > LEAST_MINUTES
    slope, slopes = _slopes(pairs, cluster, counts)
    expected = float(pairs.expected_minutes.sum())
    return Calibration(
        rule=rule,
        workload_weeks=len(cluster),
        bound_held_ratio=float(pairs.within_bound.mean()),
        bound_held_low=float(np.quantile(held, 0.025)),
        over_five_minutes=int(over.sum()),
        fifths=_fifths(pairs, np.flatnonzero(over), cluster, counts),
        reliability_slope=slope,
        slope_low=_quantile(slopes, 0.025),
        slope_high=_quantile(slopes, 0.975),
        observed_over_expected=(
            float(pairs.observed_minutes.sum()) / expected
            if expected > 0
            else NoData("nothing was predicted to exceed")
        ),
    )


def _pairs(
    weeks: Sequence[WeekForecast], outcome: Outcome, generator: np.random.Generator
) -> _Pairs | None:
    parts: list[_Pairs] = []
    for item in weeks:
        steps = outcome.steps[item.rows, item.week]
        known = (steps > 0) & ~np.isnan(item.forecasts.expected_ratio)
        if not known.any():
            continue
        observed = outcome.exceeded[item.rows, item.week][known] / steps[known]
        draws = item.forecasts.draws[known]
        below = (draws < observed[:, None] - _SAME).sum(axis=1)
        at_most = (draws <= observed[:, None] + _SAME).sum(axis=1)
        # With S draws the observation has S + 1 places among them; ties share theirs at random.
        places = below + generator.random(len(below)) * (at_most - below + 1)
        within = observed <= item.forecasts.upper_ratio[known] + _SAME
        parts.append(
            _Pairs(
                workload=item.rows[known],
                expected_minutes=item.forecasts.expected_ratio[known] * MINUTES_PER_MONTH,
                observed_minutes=observed * MINUTES_PER_MONTH,
                within_bound=within.astype(np.float64),
                pit=places / (draws.shape[1] + 1),
            )
        )
    if not parts:
        return None
    return _Pairs(
        workload=np.concatenate([part.workload for part in parts]),
        expected_minutes=np.concatenate([part.expected_minutes for part in parts]),
        observed_minutes=np.concatenate([part.observed_minutes for part in parts]),
        within_bound=np.concatenate([part.within_bound for part in parts]),
        pit=np.concatenate([part.pit for part in parts]),
    )


def _fifths(
    pairs: _Pairs, chosen: IntArray, cluster: IntArray, counts: FloatArray
) -> tuple[Fifth, ...]:
    if chosen.size < FIFTHS:
        return ()
    order = chosen[np.argsort(pairs.expected_minutes[chosen], kind="stable")]
    found = []
    for rows in np.array_split(order, FIFTHS):
        covered = (pairs.pit[rows] <= BOUND).astype(np.float64)
        resampled = _resampled_mean(covered, cluster[rows], counts)
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        found.append(
            Fifth(
                lowest_minutes=float(pairs.expected_minutes[rows].min()),
                highest_minutes=float(pairs.expected_minutes[rows].max()),
                workload_weeks=len(rows),
                expected_minutes=float(pairs.expected_minutes[rows].mean()),
                observed_minutes=float(pairs.observed_minutes[rows].mean()),
                covered_ratio=float(covered.mean()),
                covered_low=float(low),
                covered_high=float(high),
            )
        )
    return tuple(found)


def _quantile(values: FloatArray, quantile: float) -> float | NoData:
    return float(np.quantile(values, quantile)) if values.size else NoData("no line was fitted")


def _resampled_mean(values: FloatArray, cluster: IntArray, counts: FloatArray) -> FloatArray:
    """(resamples,) mean of the values of the drawn workloads; NaN where none was drawn."""
    workloads = counts.shape[1]
    total = counts @ np.bincount(cluster, weights=values, minlength=workloads)
    size = counts @ np.bincount(cluster, minlength=workloads).astype(np.float64)
    mean = np.full(len(total), np.nan)
    np.divide(total, size, out=mean, where=size > 0)
    return mean


def _slopes(
    pairs: _Pairs, cluster: IntArray, counts: FloatArray
) -> tuple[float | NoData, FloatArray]:
    """Slope over all predictions above zero, and over each resample of workloads."""
    positive = pairs.expected_minutes > 0
    x = np.log(pairs.expected_minutes[positive])
    y = pairs.observed_minutes[positive]
    if x.size < 2 or np.ptp(x) < _SAME or y.sum() <= 0:
        return NoData("too few predictions to fit a line"), np.zeros(0)
    weights = np.concatenate([np.ones((1, x.size)), counts[:, cluster[positive]]])
    fitted = quasi_poisson_slopes(x, y, weights)
    return float(fitted[0]), fitted[1:][np.isfinite(fitted[1:])]


def quasi_poisson_slopes(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Slope b of log E[y] = a + b x for each row of ``weights``; NaN where it does not converge.

    Args:
        x: (N,) regressors.
        y: (N,) not negative.
        weights: (R, N) not negative.
    """
    centred = x - x.mean()
    with np.errstate(all="ignore"):
        level = np.log((weights @ y) / weights.sum(axis=1))
        slope = np.zeros(len(weights))
        for _ in range(_NEWTON_STEPS):
            mean = np.exp(np.clip(level[:, None] + slope[:, None] * centred, -50, 50))
            rest = weights * (y - mean)
            weighted = weights * mean
            gradient = rest.sum(axis=1), rest @ centred
            curve = weighted.sum(axis=1), weighted @ centred, weighted @ centred**2
            determinant = curve[0] * curve[2] - curve[1] ** 2
            step = (curve[2] * gradient[0] - curve[1] * gradient[1]) / determinant
            level = level + np.clip(step, -1, 1)
            step = (curve[0] * gradient[1] - curve[1] * gradient[0]) / determinant
            slope = slope + np.clip(step, -1, 1)
            moving = ~(np.abs(step) <= _CONVERGED)
            if not moving.any():
                break
        slope[moving] = np.nan
    return slope
