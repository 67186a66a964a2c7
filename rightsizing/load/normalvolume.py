"""How many requests are normal, from what was measured of a service. Pure."""

from __future__ import annotations

import numpy as np

from rightsizing.load.arrivals import FloatArray, IntArray
from rightsizing.model.base import NoData

HOUR_MS = 3_600_000
HOURS_A_DAY = 24
LEAST_COVERED = 0.8  # of an hour, for its rate to count


def normal_volume_rps(
    timestamp_ms: IntArray, interval_s: FloatArray, requests: FloatArray
) -> float | NoData:
    """Requests a second in a usual busy hour: the median over days of each day's busiest hour.

    Args:
        timestamp_ms: start of each row; rows of several instances at the same time add up.
        interval_s: length of each row, seconds.
        requests: in each row; NaN: not measured.
    """
    known = np.isfinite(requests)
    if not known.any():
        return NoData("no requests were measured")
    moments, first = np.unique(timestamp_ms[known], return_index=True)
    hour_of_moment = moments // HOUR_MS
    hours, index = np.unique(hour_of_moment, return_inverse=True)
    covered_s = np.bincount(index, weights=interval_s[known][first], minlength=len(hours))
    row_hour = np.searchsorted(hours, timestamp_ms[known] // HOUR_MS)
    counted = np.bincount(row_hour, weights=requests[known], minlength=len(hours))
    whole = covered_s >= LEAST_COVERED * HOUR_MS / 1000
    if not whole.any():
        return NoData("no whole hour was measured")
    rates = counted[whole] / covered_s[whole]
    days, day_index = np.unique(hours[whole] // HOURS_A_DAY, return_inverse=True)
    busiest = np.zeros(len(days))
    np.maximum.at(busiest, day_index, rates)
    found = float(np.median(busiest))
    return found if found > 0 else NoData("there was no request")
