"""A load by the minute: what a workload had to do, whatever capacity it had at the time.

In absolute amounts (cores in use, or requests a second), never a percentage of a capacity that
scaling itself changes. That is what makes a decision a fixed point: replaying the load that was
recorded while the decision applied gives the same load, hence the same decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsizing.errors import TelemetryError
from rightsizing.units import MILLISECONDS_PER_DAY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MINUTES_PER_DAY = 1440
MS_PER_MINUTE = 60_000
FINE_STEP_S = 300  # up to here an interval's mean stands for its minutes
COARSE_STEP_S = 1800  # up to here means are joined by lines; beyond, only the clock can be judged
LEAST_DAYS = 3
MOST_DAYS = 1_100  # three years by the minute; a longer span is a wrong date


@dataclass(frozen=True, slots=True)
class Load:
    """Mean load of each minute from midnight UTC of the first day to the end of the last.

    ``values`` has shape (days * 1440,), NaN where nothing was measured. ``step_s`` is the interval
    of the measurements. ``unit`` is "cores" or "requests/s".
    """

    key: str
    unit: str
    start_ms: int
    step_s: int
    values: FloatArray

    @property
    def days(self) -> int:
        """Calendar days covered, the first and last possibly in part."""
        return len(self.values) // MINUTES_PER_DAY

    @property
    def by_clock_only(self) -> bool:
        """True when the step is too coarse to replay anything that reacts within minutes."""
        return self.step_s > COARSE_STEP_S

    @property
    def joined(self) -> bool:
        """True when minutes lie on lines between coarser means, so that reactions are flattered."""
        return FINE_STEP_S < self.step_s <= COARSE_STEP_S

    @property
    def hole_share(self) -> float:
        """Share of minutes without a measurement between the first and the last one."""
        seen = np.flatnonzero(np.isfinite(self.values))
        span = seen[-1] - seen[0] + 1
        return float(1 - len(seen) / span)

    def weekday_of(self, day: int) -> int:
        """0 for Monday of a day counted from the first."""
        return int((self.start_ms // MILLISECONDS_PER_DAY + day + 3) % 7)  # 1970-01-01: a Thursday

    def first_days(self, days: int) -> Load:
        """The load of the first so many days."""
        return Load(
            self.key, self.unit, self.start_ms, self.step_s, self.values[: days * MINUTES_PER_DAY]
        )


def load_of(
    key: str, unit: str, timestamps_ms: IntArray, interval_s: int, amounts: FloatArray
) -> Load:
    """A load from interval means, in any order; the last of two rows of one interval counts.

    Args:
        key: the workload's.
        unit: of ``amounts``, "cores" or "requests/s".
        timestamps_ms: interval starts.
        interval_s: length of every interval; whole minutes.
        amounts: mean over each interval, NaN where not measured.

    Raises TelemetryError when there is nothing to replay: no measurement, no traffic at all, fewer
    than three days or more than MOST_DAYS, or intervals that are no whole minutes.
    """
    known = np.isfinite(amounts)
    if not known.any():
        raise TelemetryError(f"{key} has no measurement of its load, so nothing can be replayed")
    if interval_s % 60 or interval_s <= 0:
        raise TelemetryError(
            f"{key} has intervals of {interval_s} s; replay needs whole minutes, so sum or average "
            "the measurements to 60 s first"
        )
    if float(np.nanmin(amounts)) < 0:
        raise TelemetryError(
            f"{key} has a load of {float(np.nanmin(amounts)):g} {unit}; loads are at least 0, so "
            "look for the counter that went backwards"
        )
    if not float(np.nanmax(amounts)) > 0:
        raise TelemetryError(
            f"{key} had no traffic: all {int(known.sum()):,} intervals are 0, so any policy at its "
            "minimum serves it; look whether the right metric was measured"
        )
    stamps = timestamps_ms[known]
    first, last = int(stamps.min()), int(stamps.max()) + interval_s * 1000
    start = first // MILLISECONDS_PER_DAY * MILLISECONDS_PER_DAY
    days = -(-(last - start) // MILLISECONDS_PER_DAY)
    if (last - first) / MILLISECONDS_PER_DAY < LEAST_DAYS:
        raise TelemetryError(
            f"{key} has {(last - first) / MILLISECONDS_PER_DAY:.1f} days of load; choosing a "
            f"scaling policy needs at least {LEAST_DAYS}, and 14 to see two weeks"
        )
    if days > MOST_DAYS:
        raise TelemetryError(
            f"{key} spans {days:,} days, at most {MOST_DAYS:,} are replayed; one of its timestamps "
            "is wrong, or give less"
        )
    minutes = interval_s // 60
    slots = np.full(-(-days * MINUTES_PER_DAY // minutes), np.nan)
    slots[(stamps - start) // (interval_s * 1000)] = amounts[known]
    if interval_s <= FINE_STEP_S or interval_s > COARSE_STEP_S:
        values = np.repeat(slots, minutes)
    else:
        values = _joined(slots, minutes)
    return Load(key, unit, start, interval_s, values[: days * MINUTES_PER_DAY])


def _joined(means: FloatArray, minutes: int) -> FloatArray:
    """Minutes on lines between the middles of neighbouring intervals; holes stay holes."""
    centres = (np.arange(len(means)) + 0.5) * minutes
    at = np.arange(len(means) * minutes) + 0.5
    known = np.isfinite(means)
    lines = np.interp(at, centres[known], means[known])
    lines[~np.repeat(known, minutes)] = np.nan
    return np.asarray(lines, dtype=np.float64)
