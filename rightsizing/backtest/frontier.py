"""Cost against exceedance of one rule at several risks, and the cost at a given exceedance.

Between two risks the frontier is a straight line in the logarithms of both. A risk at which another
is both safer and cheaper is not on the frontier. Exceedance is shifted by half a step in both the
rule and what it is compared with, so that none at all still has a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.series import FloatArray

_MOST_EXTRAPOLATED = 10.0  # two risks that happen to be equally safe would make a vertical line


@dataclass(frozen=True, slots=True, eq=False)
class CostAt:
    """Cost at the exceedances asked for; arrays of their shape."""

    cost: FloatArray
    within: NDArray[np.bool_]  # False: safer than the safest risk, so the cost is extrapolated


def shifted_ratio(exceeded: FloatArray, steps: FloatArray) -> FloatArray:
    """``(exceeded + 1/2) / (steps + 1)``."""
    found: FloatArray = (exceeded + 0.5) / (steps + 1.0)
    return found


def cost_at(exceedance: FloatArray, cost: FloatArray, wanted: FloatArray) -> CostAt:
    """Read the frontier of the last axis at ``wanted``.

    Args:
        exceedance: (..., F) shares above 0, one a risk, in any order.
        cost: (..., F) costs above 0.
        wanted: (...) or (..., Q) shares above 0; Q of them for each frontier.

    Returns:
        (..., Q) costs. A share above the riskiest point's costs what that point does: it may be
        short less than asked, never more. A share below the safest point's lies on the first
        segment carried on, up to ten times the safest point's cost, and is marked as not within.
    """
    order = np.argsort(exceedance, axis=-1, kind="stable")
    x = np.log(np.take_along_axis(exceedance, order, axis=-1))
    y = np.minimum.accumulate(np.log(np.take_along_axis(cost, order, axis=-1)), axis=-1)
    at = np.log(wanted if wanted.ndim == exceedance.ndim else wanted[..., None])
    points = x.shape[-1]
    right = (x[..., None, :] <= at[..., :, None]).sum(axis=-1)  # (..., Q) points not above
    high = np.clip(right, 1, max(points - 1, 1))
    low = high - 1
    high = np.minimum(high, points - 1)
    x_low, x_high = np.take_along_axis(x, low, axis=-1), np.take_along_axis(x, high, axis=-1)
    y_low, y_high = np.take_along_axis(y, low, axis=-1), np.take_along_axis(y, high, axis=-1)
    span = x_high - x_low
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(span > 0, (at - x_low) / span, 0.0)
    log_cost = y_low + np.minimum(share, 1.0) * (y_high - y_low)
    found = np.exp(np.minimum(log_cost, y[..., :1] + np.log(_MOST_EXTRAPOLATED)))
    within = at >= x[..., :1] - 1e-12
    if wanted.ndim != exceedance.ndim:
        found, within = found[..., 0], within[..., 0]
    return CostAt(cost=found, within=within)
