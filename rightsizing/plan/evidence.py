"""How sure measurements can make anyone, by distribution-free day coverage.

After n whole days, one may be 95 % sure that the largest daily maximum seen covers a share p of
all days, where p ** n = 0.05 (Wilks, "Determination of sample sizes for setting tolerance limits",
1941): 7 days 65.2 %, 14 days 80.7 %, 32 days 91.1 %, 59 days 95.0 %. Days are taken as
exchangeable; a trend or a month's end outside the window is not covered by this figure.
"""

from __future__ import annotations

import math

from rightsizing.plan.case import Utilisation

SURENESS = 0.95
MEMORY_WINDOW_DAYS = 14  # from grade GOOD on a measured peak may lower a memory limit
INTERVAL_LIMIT_S = 300  # five minutes: longer averages hide the peaks that decide


def day_coverage(days: float) -> float:
    """Share of days, 0-1, whose maximum stays within the largest seen; 95 % sure. 0 for none."""
    whole = math.floor(days)
    if whole < 1:
        return 0.0
    return float((1 - SURENESS) ** (1 / whole))


def days_for_coverage(share: float) -> int:
    """Fewest whole days whose coverage reaches ``share`` (0-1, both excluded)."""
    days = max(1, math.floor(math.log(1 - SURENESS) / math.log(share)))
    while day_coverage(days) < share:  # the floor is at most one day short
        days += 1
    return days


def enough_for_memory(use: Utilisation) -> bool:
    """Whether a measured memory peak may lower a limit: long enough, and fine enough."""
    return (
        use.window_days is not None
        and use.interval_s is not None
        and use.window_days >= MEMORY_WINDOW_DAYS
        and use.interval_s <= INTERVAL_LIMIT_S
    )
