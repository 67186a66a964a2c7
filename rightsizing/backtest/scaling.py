"""A rule whose CPU limits are multiplied by one factor until it is as safe as wanted.

Rules differ in how much risk they take; multiplied to the same pooled exceedance they can be
compared by cost alone. For continuous limits the factor is exact, an order statistic of demand over
limit; EC2 types come in steps, so there it is found by bisection.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.trial import Mode, Trial
from rightsizing.model.base import NoData

TARGET_EXCEEDANCE = 0.001  # 0.1 % of all measured steps
_LEAST_FACTOR, _GREATEST_FACTOR = 1e-3, 1e4
_HALVINGS = 40


def factor_for(
    trials: Sequence[Trial],
    masks: Sequence[NDArray[np.bool_]],
    rule: str,
    exceedance: float = TARGET_EXCEEDANCE,
) -> float | NoData:
    """The least factor at which at most ``exceedance`` of all steps of the workloads are short.

    ``masks`` choose workloads of each trial. NoData when no factor up to 10,000 does: the rule
    gives next to nothing to workloads that then need something.
    """
    if all(trial.mode is Mode.LIMITS for trial in trials):
        factor = _order_statistic(trials, masks, rule, exceedance)
    else:
        factor = _bisected(trials, masks, rule, exceedance)
    if factor is None or not _LEAST_FACTOR <= factor <= _GREATEST_FACTOR:
        return NoData(
            f"no factor up to {_GREATEST_FACTOR:,.0f} brings it to {exceedance:.2%} exceedance"
        )
    return factor


def _order_statistic(
    trials: Sequence[Trial],
    masks: Sequence[NDArray[np.bool_]],
    rule: str,
    exceedance: float,
) -> float | None:
    parts = [trial.ratios(rule, mask) for trial, mask in zip(trials, masks, strict=True)]
    ratios = np.concatenate(parts)
    if not ratios.size:
        return None
    place = ratios.size - 1 - int(np.floor(exceedance * ratios.size))
    factor = float(np.partition(ratios, place)[place])
    # Rounding in limit x factor must not leave the very step that set the factor short.
    return float(np.nextafter(factor * (1 + 1e-12), np.inf)) if np.isfinite(factor) else None


def _bisected(
    trials: Sequence[Trial],
    masks: Sequence[NDArray[np.bool_]],
    rule: str,
    exceedance: float,
) -> float | None:
    def safe(factor: float) -> bool:
        counts = [
            trial.exceeded(rule, factor, mask) for trial, mask in zip(trials, masks, strict=True)
        ]
        steps = sum(item[1] for item in counts)
        return sum(item[0] for item in counts) <= exceedance * steps

    low, high = _LEAST_FACTOR, 1.0
    while not safe(high):
        low, high = high, high * 4
        if high > _GREATEST_FACTOR:
            return None
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if safe(middle) else (middle, high)
        if high / low < 1.001:
            break
    return high
