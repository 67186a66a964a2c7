"""What a change really saved: before and after, against a workload that was not changed.

Difference in differences on proportions. Without the change the workload's cost is taken to have
moved as its control's did:

    expected after = mean before * (control's mean after / control's mean before)
    saved a day    = expected after - mean after

The control is, of all workloads that were not changed, the one whose days before most resemble the
workload's, each series over its own mean. Resemblance is the root mean square of the differences,
at most 0.2 (chosen by us: a fifth of the mean). Without one there is no figure. The interval comes
from a circular block bootstrap (Politis and Romano 1992) in blocks of a week, the same days drawn
for both: its standard error, times Student's quantile for as many blocks as there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from rightsizing.model.base import NoData
from rightsizing.units import HOURS_PER_MONTH

Array = NDArray[np.float64]
LEAST_DAYS_BEFORE = 14
LEAST_DAYS_AFTER = 14
BLOCK_DAYS = 7
LEAST_BLOCKS = 4  # shorter blocks where there are not so many weeks: too few have no spread
MOST_DIFFERENCE = 0.2
LEVEL = 0.9
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_RESAMPLES = 2000
_SEED = 20_240_229  # any; fixed so that the same bill gives the same interval


@dataclass(frozen=True, slots=True)
class MeasuredSaving:
    """A measured saving, dollars a month of 730 hours, with its interval at ``LEVEL``.

    ``difference`` is how far the control's days before were from the workload's, 0-1.
    """

    workload: str
    control: str
    days_before: int
    days_after: int
    difference: float
    before_usd_per_month: float
    expected_usd_per_month: float
    after_usd_per_month: float
    low_usd_per_month: float
    high_usd_per_month: float

    @property
    def saving_usd_per_month(self) -> float:
        """Expected less actual cost."""
        return self.expected_usd_per_month - self.after_usd_per_month

    @property
    def shown(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low_usd_per_month > 0 or self.high_usd_per_month < 0


def measured_saving(
    daily_usd: Mapping[str, Array], workload: str, change: int, changed: frozenset[str]
) -> MeasuredSaving | NoData:
    """Compare a workload before and after day ``change`` with its best control.

    ``daily_usd`` holds dollars a day by workload, all of the same days, NaN for days without
    charges; ``change`` is the index of the first day after. Workloads in ``changed`` are no
    controls. A day on which either has no charge is left out for both.
    """
    if workload not in daily_usd:
        return NoData(f"the bill has no charges of {workload}")
    own = daily_usd[workload]
    if np.isfinite(own[:change]).sum() < LEAST_DAYS_BEFORE:
        return NoData(
            f"{workload} has {int(np.isfinite(own[:change]).sum())} days of charges before the "
            f"change, {LEAST_DAYS_BEFORE} are needed"
        )
    if np.isfinite(own[change:]).sum() < LEAST_DAYS_AFTER:
        return NoData(
            f"{workload} has {int(np.isfinite(own[change:]).sum())} days of charges after the "
            f"change, {LEAST_DAYS_AFTER} are needed"
        )
    control, difference = _control(daily_usd, workload, change, changed)
    if control is None:
        nearest = (
            "" if not np.isfinite(difference) else f"; the nearest differs by {difference:.2f}"
        )
        return NoData(
            f"no workload that was not changed resembles {workload} before the change within "
            f"{MOST_DIFFERENCE:g} of the mean{nearest}; without a control the saving is not known"
        )
    return _compared(daily_usd, workload, control, change, difference)


def _control(
    daily_usd: Mapping[str, Array], workload: str, change: int, changed: frozenset[str]
) -> tuple[str | None, float]:
    """The nearest control; None when even that is too far. And how far the nearest is."""
    own = daily_usd[workload]
    found = []
    for name in sorted(daily_usd):
        if name == workload or name in changed:
            continue
        both = np.isfinite(own) & np.isfinite(daily_usd[name])
        enough = both[:change].sum() >= LEAST_DAYS_BEFORE
        if not enough or both[change:].sum() < LEAST_DAYS_AFTER:
            continue
        one, two = own[:change][both[:change]], daily_usd[name][:change][both[:change]]
        if one.mean() <= 0 or two.mean() <= 0:
            continue
        apart = one / one.mean() - two / two.mean()
        found.append((float(np.sqrt(np.mean(apart**2))), name))
    if not found:
        return None, float("inf")
    difference, name = min(found)
    return (name if difference <= MOST_DIFFERENCE else None), difference


def _compared(
    daily_usd: Mapping[str, Array], workload: str, control: str, change: int, difference: float
) -> MeasuredSaving:
    own, other = daily_usd[workload], daily_usd[control]
    both = np.isfinite(own) & np.isfinite(other)
    first = np.column_stack([own, other])[:change][both[:change]]
    second = np.column_stack([own, other])[change:][both[change:]]
    before, after = first.mean(axis=0), second.mean(axis=0)
    expected = before[0] * after[1] / before[1]
    random = np.random.default_rng(_SEED)
    drawn_before, drawn_after = _block_means(first, random), _block_means(second, random)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(drawn_before[:, 1] > 0, drawn_after[:, 1] / drawn_before[:, 1], 1.0)
    saved = drawn_before[:, 0] * ratio - drawn_after[:, 0]
    half = float(np.std(saved)) * _widening(len(first), len(second))
    low, high = expected - after[0] - half, expected - after[0] + half
    return MeasuredSaving(
        workload=workload,
        control=control,
        days_before=len(first),
        days_after=len(second),
        difference=difference,
        before_usd_per_month=float(before[0] * DAYS_PER_MONTH),
        expected_usd_per_month=float(expected * DAYS_PER_MONTH),
        after_usd_per_month=float(after[0] * DAYS_PER_MONTH),
        low_usd_per_month=float(low * DAYS_PER_MONTH),
        high_usd_per_month=float(high * DAYS_PER_MONTH),
    )


def _widening(days_before: int, days_after: int) -> float:
    """Standard errors to either side: Student's, for as many blocks as there are.

    Resampling so few blocks gives a variance that is short by (blocks - 1) / blocks.
    """
    blocks = [days / _block_days(days) for days in (days_before, days_after)]
    short = max(count / (count - 1) for count in blocks)
    return float(student.ppf((1 + LEVEL) / 2, sum(blocks) - 2) * np.sqrt(short))


def _block_days(days: int) -> int:
    return min(BLOCK_DAYS, days // LEAST_BLOCKS)


def _block_means(days: Array, random: np.random.Generator) -> Array:
    """Means of resampled series, resamples x columns; blocks wrap around the end."""
    length = len(days)
    block = _block_days(length)
    count = -(-length // block)
    starts = random.integers(0, length, size=(_RESAMPLES, count))
    places = (starts[:, :, None] + np.arange(block)) % length
    return np.asarray(days[places.reshape(_RESAMPLES, -1)[:, :length]].mean(axis=1))
