"""What so many days can say: intervals of a share by whole days, and what they cannot certify.

Minutes of one day resemble each other, so the day is the unit: a day is drawn or left out as a
whole, and "no day was short" bounds the share of short days by the rule of three (exactly, by
Clopper and Pearson), not the share of short minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

FloatArray = NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class ShortageEvidence:
    """Minutes with demand above capacity, as seen in a replay.

    ``share`` of measured minutes; ``lower`` and ``upper`` its 95 % interval by resampling days.
    When no day was short resampling cannot see beyond 0, so ``upper`` is then None.
    ``days_short_at_most``: with 95 % confidence the share of days with any short minute is at most
    this. ``days_needed``: days without a short one that would certify the asked bound as a share
    of days.
    """

    share: float
    lower: float
    upper: float | None
    days: int
    days_short: int
    days_short_at_most: float
    days_needed: int

    def sentence(self, bound: float) -> str:
        """For people; ``bound`` is what was asked for (0 to 1)."""
        seen = f"{self.days_short} of {self.days} days had a short minute"
        limit = f"95 % sure that at most {self.days_short_at_most:.1%} of days do"
        text = f"{seen}: {limit}."
        if self.days_short_at_most > bound:
            text += (
                f" {self.days} days cannot certify {bound:.2%} of days; {self.days_needed:,} days "
                "without a short minute would."
            )
        return text


def shortage_evidence(
    short_minutes: FloatArray, minutes: FloatArray, *, bound: float, seed: int
) -> ShortageEvidence:
    """Evidence from minutes short and minutes measured by day, both of shape (days,)."""
    known = minutes > 0
    short, measured = short_minutes[known], minutes[known]
    days = len(short)
    share = float(short.sum() / measured.sum())
    days_short = int((short > 0).sum())
    lower, upper = 0.0, None
    if days_short:
        draws = np.random.default_rng(seed).integers(0, days, (RESAMPLES, days))
        shares = short[draws].sum(axis=1) / measured[draws].sum(axis=1)
        tail = (1 - CONFIDENCE) / 2
        lower, upper = (float(value) for value in np.quantile(shares, [tail, 1 - tail]))
    return ShortageEvidence(
        share=share,
        lower=lower,
        upper=upper,
        days=days,
        days_short=days_short,
        days_short_at_most=upper_share(days_short, days),
        days_needed=days_to_certify(bound),
    )


def standard_error(short_minutes: FloatArray, minutes: FloatArray) -> float:
    """Of the share of short minutes, days being the sample (ratio estimator; Cochran, 1977)."""
    known = minutes > 0
    short, measured = short_minutes[known], minutes[known]
    if len(short) < 2:
        return 0.0
    share = short.sum() / measured.sum()
    spread = float(np.sum((short - share * measured) ** 2)) / (len(short) - 1)
    return math.sqrt(spread / len(short)) / float(measured.mean())


def upper_share(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Clopper-Pearson upper limit; with no event 1 - (1 - confidence)^(1/trials), about 3/n."""
    if trials == 0 or events >= trials:
        return 1.0
    return float(betaincinv(events + 1, trials - events, confidence))


def days_to_certify(bound: float, confidence: float = CONFIDENCE) -> int:
    """Days without an event that bound the share of days with one: ln(1 - c) / ln(1 - bound)."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-bound))
