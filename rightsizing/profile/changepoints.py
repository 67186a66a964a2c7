"""Change points: from which day on a workload's daily level is what it is now.

A level shift (deploy, traffic moved, cache resized) makes older days a poor guide, in either
direction. The last shift of each workload is sought in windows that end today and grow from 14 days
to the whole history, so a shift that was later undone does not hide a newer one. Least squares
proposes the day; it is accepted only by tests that spikes, weekends, autocorrelated noise and
steady growth fail (``last_changes``). Everything is vectorised over workloads, on a log scale: the
unit does not matter, a shift is a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.profile.rows import BoolArray, FloatArray, IntArray, in_blocks, row_median

MINIMUM_DAYS = 7  # measured days on each side: a whole week, so that a weekend is no shift
PENDING_DAYS = 3  # a shift of the last 3 to 6 days is reported, not yet accepted
MINIMUM_RATIO = 1.2  # smallest accepted shift of the median, up; 1 / 1.2 down (chosen by us)
# Gain asked of a shift, in units of the noise's variance: 3 log n, the usual penalty of PELT and
# binary segmentation on daily data (Truong et al. 2020, Selective review of change points).
PENALTY = 3.0
SAME_SIDE_WEEKDAYS = 6  # of 7 weekdays whose own medians must move the same way
_WINDOWS = (14, 21, 28, 42, 63)  # days; the whole history comes last
MINIMUM_SIGMAS = 2.5  # smallest shift in standard deviations of one day (chosen by us)
_WEEKDAYS_KNOWN = 21  # measured days from which each weekday's deviation is estimated
_LEAST_AUTOCORRELATION = 0.4  # 14 days cannot rule it out, and days do resemble the day before
_LEAST_NOISE = 0.02  # sigma on the log scale, so that rounding is not taken for noiselessness
_LEAST_LEVEL = 1e-3  # of the workload's largest day: below this a level counts as zero
_MEDIAN_VARIANCE = np.pi / 2  # of a sample median over that of the mean, Gaussian noise


@dataclass(frozen=True, slots=True)
class ChangePoints:
    """The last accepted level shift of each of W workloads.

    ``first_day`` is the column from which days may be used: 0 without a shift. ``level_ratio`` is
    the median after over the median before (1.0 without). ``pending`` marks a level that moved
    within the last 3 to 6 measured days: too few to size on, so the rule abstains from the new
    level and ``first_day`` keeps both sides in view; whoever sizes must not go below the larger.
    """

    first_day: IntArray
    level_ratio: FloatArray
    pending: BoolArray

    def after(self, daily: FloatArray) -> FloatArray:
        """A copy of (W, D) daily figures with what precedes the change points made NaN."""
        columns = np.arange(daily.shape[1])
        return np.where(columns[None, :] >= self.first_day[:, None], daily, np.nan)


def last_changes(daily: FloatArray) -> ChangePoints:
    """The last level shift of each row of ``daily`` (W, D).

    Figures are non-negative; NaN, infinite and negative ones count as not measured.

    A day k is accepted as the start of a new level when all of these hold, with x the logarithm of
    the daily figure less its weekday's usual deviation:

    - at least 7 measured days lie on each side, and the level changes on day k itself;
    - the medians of x differ by at least log 1.2, and their squared difference exceeds ``3 log n``
      times its variance under noise that is as large (median absolute deviation) and as
      autocorrelated (lag 1, bias corrected) as what remains around the two medians;
    - at least 6 of the 7 weekdays, each compared with itself, moved the same way;
    - two levels fit better than a straight line, which is a trend (see ``trend``).
    """
    rows, _ = daily.shape
    first_day = np.zeros(rows, dtype=np.int64)
    ratio = np.ones(rows)
    pending = np.zeros(rows, dtype=np.bool_)
    for block in in_blocks(rows, daily.shape[1] * 12):
        usable = np.isfinite(daily[block]) & (daily[block] >= 0)
        part = np.where(usable, daily[block], np.nan)
        first_day[block], ratio[block], pending[block] = _last_changes(part)
    return ChangePoints(first_day, ratio, pending)


def _last_changes(daily: FloatArray) -> tuple[IntArray, FloatArray, BoolArray]:
    rows, days = daily.shape
    first_day = np.zeros(rows, dtype=np.int64)
    ratio = np.ones(rows)
    if days < MINIMUM_DAYS + PENDING_DAYS:
        return first_day, ratio, np.zeros(rows, dtype=np.bool_)
    level, column = _measured_last(_log_level(daily))
    measured = np.isfinite(level).sum(axis=1)
    weekday = column % 7
    level = level - _weekday_deviation(level, weekday, measured)
    searching = measured >= 2 * MINIMUM_DAYS
    for window in (*(w for w in _WINDOWS if w < days), days):
        # A workload with fewer days than the window was searched whole in a smaller one.
        smaller = max((w for w in _WINDOWS if w < window), default=0)
        chosen = np.flatnonzero(searching & (measured > smaller))
        if not len(chosen) or window < 2 * MINIMUM_DAYS:
            continue
        tail = level[chosen, days - window :]
        split = _best_split(tail)
        accepted, shift = _is_shift(tail, split, weekday[chosen, days - window :], measured[chosen])
        found = chosen[accepted]
        first_day[found] = column[found, days - window + split[accepted]]
        ratio[found] = np.exp(shift[accepted])
        searching[found] = False
    return first_day, ratio, _pending(level)


def _log_level(daily: FloatArray) -> FloatArray:
    """Natural logarithm, with zeros lifted to a thousandth of the workload's largest day."""
    largest = np.max(np.where(np.isfinite(daily), daily, 0.0), axis=1, keepdims=True)
    floor = np.where(largest > 0, largest * _LEAST_LEVEL, 1.0)
    return np.log(np.maximum(daily, floor))


def _measured_last(level: FloatArray) -> tuple[FloatArray, IntArray]:
    """Shift each row's measured days, in order, to the right end; and the columns they came from.

    What is left over on the left is NaN.
    """
    order = np.argsort(np.isfinite(level), axis=1, kind="stable")
    return np.take_along_axis(level, order, axis=1), order


def _weekday_deviation(level: FloatArray, weekday: IntArray, measured: IntArray) -> FloatArray:
    """How far each day's weekday usually is from the 7-day mean around it; 0 under 3 weeks.

    The median over weeks: the one week that holds a shift does not move it.
    """
    days = level.shape[1]
    deviation = np.zeros_like(level)
    enough = np.flatnonzero(measured >= _WEEKDAYS_KNOWN)
    if not len(enough):
        return deviation
    x, day = level[enough], weekday[enough]
    padded = np.concatenate((np.zeros((len(x), 1)), np.cumsum(np.nan_to_num(x), axis=1)), axis=1)
    around = np.full_like(x, np.nan)
    around[:, 3 : days - 3] = (padded[:, 7:] - padded[:, :-7]) / 7
    # Windows that reach into the unmeasured left end have no mean.
    start = (days - measured[enough])[:, None]
    around[np.arange(days)[None, :] < start + 3] = np.nan
    departure = x - around
    usual = np.stack([row_median(np.where(day == w, departure, np.nan)) for w in range(7)], axis=1)
    usual = np.nan_to_num(usual - np.nanmean(usual, axis=1, keepdims=True))
    deviation[enough] = np.take_along_axis(usual, day, axis=1)
    return deviation


def _sums(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Running count and sum of measured days, with a leading zero."""
    zero = np.zeros((len(x), 1))
    known = np.isfinite(x)
    return (
        np.concatenate((zero, np.cumsum(known, axis=1)), axis=1),
        np.concatenate((zero, np.cumsum(np.where(known, x, 0.0), axis=1)), axis=1),
    )


def _best_split(x: FloatArray) -> IntArray:
    """The column at which two means fit best, at least 7 measured days from both ends.

    On running medians of three, which keep a step and drop a lone spike.
    """
    count, total = _sums(_median_of_three(x))
    left, right = count[:, :-1], count[:, -1:] - count[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = total[:, :-1] / left - (total[:, -1:] - total[:, :-1]) / right
        gain = gap**2 * left * right / (left + right)
    gain[(left < MINIMUM_DAYS) | (right < MINIMUM_DAYS) | ~np.isfinite(gain)] = -1.0
    best: IntArray = np.argmax(gain, axis=1)
    return best


def _median_of_three(x: FloatArray) -> FloatArray:
    smooth = x.copy()
    before, here, after = x[:, :-2], x[:, 1:-1], x[:, 2:]
    middle = np.maximum(np.minimum(before, here), np.minimum(np.maximum(before, here), after))
    smooth[:, 1:-1] = np.where(np.isfinite(before), middle, here)
    return smooth


def _is_shift(
    x: FloatArray, split: IntArray, weekday: IntArray, measured: IntArray
) -> tuple[BoolArray, FloatArray]:
    """Which proposed splits are accepted, and the shift of the median (log scale)."""
    known = np.isfinite(x)
    later = np.arange(x.shape[1])[None, :] >= split[:, None]
    before, after = np.where(later, np.nan, x), np.where(later, x, np.nan)
    low, high = row_median(before), row_median(after)
    shift = high - low
    n_before, n_after = (known & ~later).sum(axis=1), (known & later).sum(axis=1)
    possible = (n_before >= MINIMUM_DAYS) & (n_after >= MINIMUM_DAYS)
    rest = x - np.where(later, high[:, None], low[:, None])
    with np.errstate(divide="ignore"):
        of_day, of_mean = _noise(rest, measured >= _WEEKDAYS_KNOWN)
        variance = _MEDIAN_VARIANCE * of_mean * (1 / n_before + 1 / n_after)
    significant = shift**2 > PENALTY * np.log(np.maximum(measured, 2)) * variance
    large = np.abs(shift) >= np.maximum(np.log(MINIMUM_RATIO), MINIMUM_SIGMAS * np.sqrt(of_day))
    accepted = possible & significant & large & _is_edge(x, split, low, high)
    # The remaining tests are dearer, and few rows get this far.
    left = np.flatnonzero(accepted)
    if len(left):
        same = np.zeros(len(left), dtype=np.int64)
        for day in range(7):
            of_day = weekday[left] == day
            moved = row_median(np.where(of_day, after[left], np.nan)) - row_median(
                np.where(of_day, before[left], np.nan)
            )
            # A weekday that one side has not measured cannot speak against the shift.
            same += (np.sign(moved) == np.sign(shift[left])) | np.isnan(moved)
        accepted[left] = (same >= SAME_SIDE_WEEKDAYS) & _beats_line(x[left], split[left])
    return accepted, shift


def _is_edge(x: FloatArray, split: IntArray, low: FloatArray, high: FloatArray) -> BoolArray:
    """True where the level changes at the split itself.

    A split is proposed at least 7 days from both ends; where the shift is nearer to one, some days
    between are on the wrong side.
    """
    smooth = _median_of_three(x)
    first = np.take_along_axis(smooth, split[:, None], axis=1)[:, 0]
    last = np.take_along_axis(smooth, np.maximum(split - 1, 0)[:, None], axis=1)[:, 0]
    is_new = np.abs(first - high) < np.abs(first - low)
    was_old = np.abs(last - low) < np.abs(last - high)
    edge: BoolArray = is_new & was_old
    return edge


def _noise(rest: FloatArray, adjusted: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Variance of one day, outliers clipped; and of the mean, times n: x (1 + rho) / (1 - rho)."""
    known = np.isfinite(rest)
    scale = np.maximum(1.4826 * row_median(np.abs(rest)), _LEAST_NOISE)
    clipped = np.where(known, np.clip(rest, -3 * scale[:, None], 3 * scale[:, None]), 0.0)
    squares = (clipped**2).sum(axis=1)
    products = (clipped[:, 1:] * clipped[:, :-1]).sum(axis=1)
    n = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = np.where(squares > 0, products / squares, 0.0)
        # Two fitted levels pull the estimate down by about (2 + 6 rho) / n (Kendall 1954, twice).
        rho = np.where(n > 12, (n * rho + 2) / (n - 6), rho)
    rho = np.clip(rho, _LEAST_AUTOCORRELATION, 0.9)
    fitted = 2 + np.where(adjusted, 7, 0)  # two levels, and weekdays where those were taken off
    variance = np.maximum(squares / np.maximum(n - fitted, 1), _LEAST_NOISE**2)
    return variance, variance * (1 + rho) / (1 - rho)


def _beats_line(x: FloatArray, split: IntArray) -> BoolArray:
    """True where two levels leave smaller squares than a straight line does."""
    smooth = _median_of_three(x)
    known = np.isfinite(smooth)
    n = known.sum(axis=1)
    day = np.where(known, np.arange(x.shape[1])[None, :], 0.0)
    value = np.where(known, smooth, 0.0)
    day_mean, mean = day.sum(axis=1) / n, value.sum(axis=1) / n
    day = np.where(known, day - day_mean[:, None], 0.0)
    value = np.where(known, value - mean[:, None], 0.0)
    squares = (value**2).sum(axis=1)
    line = squares - (day * value).sum(axis=1) ** 2 / np.maximum((day**2).sum(axis=1), 1e-12)
    later = (np.arange(x.shape[1])[None, :] >= split[:, None]) & known
    n_after = later.sum(axis=1)
    after = np.where(later, value, 0.0).sum(axis=1)  # the mean is zero, so before is its opposite
    steps = squares - after**2 * (1 / n_after + 1 / np.maximum(n - n_after, 1))
    better: BoolArray = steps < line
    return better


def _pending(x: FloatArray) -> BoolArray:
    """True where the last 3 to 6 days all lie beyond the 14 before, by the smallest shift."""
    found = np.zeros(len(x), dtype=np.bool_)
    days = x.shape[1]
    for recent in range(PENDING_DAYS, MINIMUM_DAYS):
        if days < recent + MINIMUM_DAYS:
            break
        new = x[:, days - recent :]
        old = x[:, max(days - recent - 14, 0) : days - recent]
        # Comparisons with NaN (fewer days than asked) are False.
        enough = np.isfinite(old).sum(axis=1) >= MINIMUM_DAYS
        known_old = np.where(np.isfinite(old), old, new[:, :1])
        above = new.min(axis=1) - known_old.max(axis=1)
        below = known_old.min(axis=1) - new.max(axis=1)
        found |= enough & (np.maximum(above, below) >= np.log(MINIMUM_RATIO))
    return found
