"""Risk: the one setting of sizing, and what follows from it.

Risk is the largest share of time in which a workload may be short of CPU. Within it, being short
has a price, and each workload gets the size at which the next core costs more than the shortage it
would avoid. Both come from the same number: with ``PRICE_TIMES_RISK`` = 3, one more core per mean
core of work must avoid a third of the risk to be bought. Towards a risk of all time the price falls
to nothing, as ``(1 - risk) ** 2``: who accepts being short half of the time hardly pays for less.

The constants were chosen on half of the Bitbrains virtual machines (those whose key hashes to an
even number) and checked on the other half and on Azure's (benchmarks/results/backtest.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.errors import ConfigError

PRICE_TIMES_RISK = 3.0
# Below this share history says little (14 days of 5 minutes are 4,032 intervals, of which 0.3 % are
# 12), so a margin over what was seen takes over: 3 % for each further factor of ten.
SEEN_RATIO = 0.003
MARGIN_PER_DECADE = 0.03
LEAST_RATIO, GREATEST_RATIO = 1e-5, 0.9
# At the default risk. On the development half 1.0, 1.4 and 2.0 let 78, 63 and 57 of 550 workload-
# weeks fail at 1.25, 1.28 and 1.32 times the memory they used (KRR: 93 at 1.28).
MEMORY_PRICE = 1.4
LEAST_MEMORY_PRICE, GREATEST_MEMORY_PRICE = 0.1, 10.0
BOUND_FACTOR = 3.0  # the bounds of a recommendation are its target at 3 times and a third the risk


@unique
class RiskPreset(StrEnum):
    """Named risks, comparable with Compute Optimizer's presets of the same names.

    Compute Optimizer states the share of time above its headroom (P90, P95, P99.5, P99.5); these
    state the share of time above the size itself.
    """

    MAX_SAVINGS = "max-savings"
    BALANCED = "balanced"
    DEFAULT = "default"
    MAX_PERFORMANCE = "max-performance"


_PRESET_RATIO = {
    RiskPreset.MAX_SAVINGS: 0.05,
    RiskPreset.BALANCED: 0.01,
    RiskPreset.DEFAULT: 0.005,
    RiskPreset.MAX_PERFORMANCE: 0.0003,
}


@dataclass(frozen=True, slots=True)
class Risk:
    """Largest share of time (0 to 1) a workload may be predicted short of CPU."""

    short_ratio: float

    def __post_init__(self) -> None:
        if not LEAST_RATIO <= self.short_ratio <= GREATEST_RATIO:
            raise ConfigError(
                f"a risk of {self.short_ratio:.4%} of time is outside {LEAST_RATIO:.3%} to "
                f"{GREATEST_RATIO:.0%}; give a share within it or one of: {', '.join(RiskPreset)}"
            )

    @classmethod
    def parse(cls, text: str) -> Risk:
        """A preset's name, or a percentage of time such as ``0.5`` or ``0.5%``.

        Raises ConfigError for anything else.
        """
        if text in set(RiskPreset):
            return cls(_PRESET_RATIO[RiskPreset(text)])
        try:
            percentage = float(text.removesuffix("%"))
        except ValueError:
            percentage = math.nan
        if math.isnan(percentage):
            raise ConfigError(
                f"risk {text!r} is neither a percentage of time nor one of: {', '.join(RiskPreset)}"
            )
        return cls(percentage / 100)

    @property
    def price(self) -> float:
        """Cores worth buying to avoid all shortage of one mean core of work."""
        return PRICE_TIMES_RISK * (1 - self.short_ratio) ** 2 / self.short_ratio

    @property
    def margin_ratio(self) -> float:
        """What is added to a size where history is too short to show so small a share."""
        return MARGIN_PER_DECADE * max(0.0, math.log10(SEEN_RATIO / self.short_ratio))

    @property
    def looser(self) -> Risk:
        """The risk of the lower bound."""
        return Risk(min(self.short_ratio * BOUND_FACTOR, GREATEST_RATIO))

    @property
    def tighter(self) -> Risk:
        """The risk of the upper bound."""
        return Risk(max(self.short_ratio / BOUND_FACTOR, LEAST_RATIO))

    @property
    def memory_price(self) -> float:
        """What a certain memory failure next week is worth, in sizes of a workload (0.1 to 10).

        1.4 at the default risk. A hundredth of the risk is worth ten times as much, not a hundred
        times: a failure's price grows with its rarity more slowly than that of lacking CPU.
        """
        ratio = _PRESET_RATIO[RiskPreset.DEFAULT] / self.short_ratio
        price = MEMORY_PRICE * math.sqrt(ratio)
        return min(max(price, LEAST_MEMORY_PRICE), GREATEST_MEMORY_PRICE)
