"""Other people's buying habits, as rules to be replayed beside ours.

AWS's recommendation is the in-sample optimum of the last 30 days (its recommender looks at history
only); followed monthly it is topped up every month. Ski rental (Wang, Li, Liang, ICAC 2013,
arXiv:1305.5608) reserves a level once its on-demand hours of the last term would have paid for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rightsizing.decide.commitments.optimum import lower_quantile
from rightsizing.decide.commitments.outlook import HOURS_PER_DAY
from rightsizing.model.hourlyusage import Array

_MONTH_DAYS = 28


@dataclass(frozen=True, slots=True)
class Beside:
    """The Compute plan above a pool: the demand of all pools together, and its ratio."""

    total: Array
    ratio: float


class BuyingRule(Protocol):
    """What a replay asks at each review."""

    @property
    def name(self) -> str:
        """For tables."""
        ...

    @property
    def review_days(self) -> int:
        """Days between reviews."""
        ...

    def purchase(
        self, history: Array, ratio: float, held: float, beside: Beside | None = None
    ) -> float:
        """Coverage to buy now in addition to ``held``, on-demand dollars an hour."""
        ...


@dataclass(frozen=True, slots=True)
class PeerRule:
    """A named habit."""

    name: str
    review_days: int
    level: Callable[[Array, float], float]

    def purchase(
        self, history: Array, ratio: float, held: float, beside: Beside | None = None
    ) -> float:
        """As ``BuyingRule``; these habits look at each pool alone."""
        del beside
        return 0.0 if ratio >= 1 else max(0.0, self.level(history, ratio) - held)


def _last(history: Array, days: int) -> Array:
    part = history[-days * HOURS_PER_DAY :]
    return part[~np.isnan(part)]


def _quantile(days: int) -> Callable[[Array, float], float]:
    def level(history: Array, ratio: float) -> float:
        part = _last(history, days)
        return lower_quantile(part, 1 - ratio) if part.size else 0.0

    return level


def _minimum(history: Array, ratio: float) -> float:
    del ratio
    part = _last(history, 30)
    return float(part.min()) if part.size else 0.0


def _ski_rental(history: Array, ratio: float) -> float:
    part = np.sort(_last(history, 365))[::-1]
    needed = int(np.ceil(ratio * 365 * HOURS_PER_DAY))
    return float(part[needed - 1]) if part.size >= needed else 0.0


PEER_RULES: tuple[PeerRule, ...] = (
    PeerRule("AWS monthly", _MONTH_DAYS, _quantile(30)),
    PeerRule("yearly", 365, _quantile(60)),
    PeerRule("min of 30 days", _MONTH_DAYS, _minimum),
    PeerRule("ski rental", 7, _ski_rental),
)
