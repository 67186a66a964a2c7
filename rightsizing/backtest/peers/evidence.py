"""How much must be measured before a peer says anything."""

from __future__ import annotations

from rightsizing.backtest.peers.orderstatistics import without_nan
from rightsizing.backtest.series import FloatArray
from rightsizing.model.base import NoData


def measured_hours(
    values: FloatArray, interval_s: int, *, at_least: float, what: str
) -> FloatArray | NoData:
    """The measured ones of ``values``, or why their intervals are too few hours."""
    found = without_nan(values)
    hours = len(found) * interval_s / 3600
    if len(found) and hours >= at_least:
        return found
    return NoData(f"{hours:.1f} h of {what} in the lookback, {at_least:g} h are needed")


def measured_points(values: FloatArray, *, at_least: int, what: str) -> FloatArray | NoData:
    """The measured ones of ``values``, or why there are too few of them."""
    found = without_nan(values)
    if len(found) >= max(at_least, 1):
        return found
    return NoData(f"{len(found)} points of {what} in the lookback, {max(at_least, 1)} are needed")
