"""How much to hold now, when the future is not known: one setting for every fleet.

A unit of commitment is worth buying when it is used in its break-even share p/o of the hours now,
and when its year is worth the risk over the outlook's scenarios: what it gains in good ones must be
at least ``loss_aversion`` times what it loses in bad ones. Growth is followed week by week as it
happens, never bought ahead: a week's delay costs a week's discount, a mistake the rest of the term.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.decide.commitments.optimum import lower_quantile
from rightsizing.decide.commitments.outlook import HOURS_PER_DAY, Outlook
from rightsizing.decide.commitments.peerrules import Beside
from rightsizing.errors import ConfigError
from rightsizing.model.hourlyusage import Array

# The least whole number that loses under 2 % of spend on the benchmark's reversed fleet, whose
# usage falls to a twentieth within the scored year.
DEFAULT_LOSS_AVERSION = 5.0
WINDOW_DAYS = 28  # four whole weeks: the level of today with its days and nights
REVIEW_DAYS = 7
_BASE_POINTS = 112  # of the window's distribution; 4 a day for data of days, 1 in 6 hours
_SHARES = np.linspace(1.0, 0.0, 65)[:-1]  # of the level used now, tried from the top


@dataclass(frozen=True, slots=True)
class PurchaseRule:
    """``loss_aversion`` 1 is neutral; more buys less where the past was unsteady. A longer term has
    a longer outlook."""

    loss_aversion: float = DEFAULT_LOSS_AVERSION
    review_days: int = REVIEW_DAYS
    term_years: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.loss_aversion <= 100:
            raise ConfigError(f"the loss aversion is {self.loss_aversion:g}, must be 1 to 100")

    @property
    def name(self) -> str:
        """For tables."""
        return "ours"

    def purchase(
        self, history: Array, ratio: float, held: float, beside: Beside | None = None
    ) -> float:
        """On-demand dollars an hour of coverage to buy now, in addition to ``held``.

        Args:
            history: hourly demand in on-demand dollars up to now (NaN: no data).
            ratio: committed over on-demand price.
            held: coverage in force, in on-demand dollars an hour.
            beside: the Compute plan that covers this pool too. A unit of the pool's own plan must
                then be worth at least what one of the Compute plan is at the same depth of the
                total demand: cheaper is not better for a family that may be left.
        """
        prospect = Prospect.of(history, ratio, self.term_years)
        if prospect is None or prospect.level <= held:
            return 0.0
        other = None if beside is None else Prospect.of(beside.total, beside.ratio, self.term_years)
        level = self._highest(prospect, other)
        most = level if beside is None else level * prospect.outlook.pace
        return max(0.0, min(level - held, most))

    def _highest(self, prospect: Prospect, other: Prospect | None) -> float:
        for share in _SHARES:
            level = share * prospect.level
            needed = 0.0
            if other is not None:
                depth = level / prospect.mean
                needed = max(0.0, other.worth(depth * other.mean, self.loss_aversion))
            if prospect.worth(level, self.loss_aversion) >= needed:
                return float(level)
        return 0.0


@dataclass(frozen=True, slots=True)
class Prospect:
    """Demand now and to come, at a price. ``level`` is the most that pays for itself now."""

    ratio: float
    level: float
    base: Array  # distribution of the last four weeks, sorted
    outlook: Outlook

    @classmethod
    def of(cls, history: Array, ratio: float, term_years: int) -> Prospect | None:
        """None where nothing pays, or where there is too little history or demand to say."""
        outlook = Outlook.of(history, term_years) if ratio < 1 else None
        if outlook is None:
            return None
        level, base = recent_level(history, ratio, outlook.trend)
        return cls(ratio, level, base, outlook) if level > 0 else None

    @property
    def mean(self) -> float:
        """Mean demand of the last four weeks, at today's level."""
        return float(self.base.mean())

    def worth(self, level: float, loss_aversion: float) -> float:
        """Value of the last unit below ``level``, as a share of its on-demand cost."""
        gains = used_share(level, self.base, self.outlook).mean(axis=1) - self.ratio
        return float(np.where(gains > 0, gains, loss_aversion * gains).mean())


def recent_level(history: Array, ratio: float, trend: float) -> tuple[float, Array]:
    """The level used in the break-even share of the last four weeks, and their distribution.

    Growth within the window is taken out: its older hours are raised by the trend.
    """
    hours = min(len(history), WINDOW_DAYS * HOURS_PER_DAY)
    age_years = np.arange(hours, 0, -1) / (365 * HOURS_PER_DAY)
    window = history[len(history) - hours :] * np.exp(max(trend, 0.0) * age_years)
    window = np.sort(window[~np.isnan(window)])
    if not window.size:
        return 0.0, window
    places = ((np.arange(_BASE_POINTS) + 0.5) / _BASE_POINTS * window.size).astype(int)
    return lower_quantile(window, 1 - ratio), window[places]


def used_share(level: float, base: Array, outlook: Outlook) -> Array:
    """Share of hours in which the last unit below ``level`` is used, scenarios x fortnights."""
    needed = level / outlook.multipliers * (1 - 1e-9)  # equal demand is enough
    return 1 - np.searchsorted(base, needed) / base.size


def chance_of_underuse(
    level: float, history: Array, term_years: int = 1, utilisation: float = 0.8
) -> float | None:
    """Chance that coverage of ``level`` is used by less than ``utilisation`` over its term.

    Of the outlook's scenarios; None when the history is too short for one.
    """
    outlook = Outlook.of(history, term_years)
    if outlook is None or level <= 0:
        return None
    _, base = recent_level(history, 0.5, outlook.trend)
    used = np.minimum(base[None, None, :] * outlook.multipliers[:, :, None], level)
    return float((used.mean(axis=(1, 2)) < utilisation * level).mean())
