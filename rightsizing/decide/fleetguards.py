"""What forbids a reduction, for many workloads at once: one set of flags a workload and resource.

The same tests as ``decide.guards`` makes of a single profile, as sums over the columns of a day
table. Days before an accepted change point do not count, as they do not count for the target;
kills do, until the limit they broke has been raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, unique

import numpy as np
import numpy.typing as npt

from rightsizing.profile.daytable import DayTable
from rightsizing.profile.evidence import DAY_COVERAGE, LONGEST_AVERAGE_S
from rightsizing.profile.rows import BoolArray, FloatArray, IntArray
from rightsizing.units import MILLISECONDS_PER_DAY, SECONDS_PER_DAY

CENSORED_RATIO = 0.005  # share of intervals at a limit: as many lie outside P99.5 anyway
THROTTLED_RATIO = 0.01  # as SizingPolicy.maximum_throttled_ratio


@unique
class Guard(IntFlag):
    """Evidence against a reduction; 0: none."""

    WEAK_EVIDENCE = 1  # too few full days, or averages over more than 15 minutes
    AT_LIMIT = 2  # CPU at its limit
    THROTTLED = 4
    OUT_OF_CREDITS = 8
    NEAR_LIMIT = 16  # memory near its limit
    KILLED = 32  # for lack of memory, under a limit not above the present one
    PENDING = 64  # the level moved within the last 3 to 6 days
    UNMEASURED = 128  # the resource, or the capacity it is a share of


CENSORED = Guard.AT_LIMIT | Guard.THROTTLED | Guard.OUT_OF_CREDITS | Guard.NEAR_LIMIT | Guard.KILLED
GuardArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class FleetGuards:
    """(W,) flags of ``Guard`` against less CPU and against less memory."""

    cpu: GuardArray
    memory: GuardArray


def fleet_guards(
    table: DayTable, cpu_start: IntArray, memory_start: IntArray, *, minimum_days: int
) -> FleetGuards:
    """Guards of W workloads, without ``PENDING`` and ``UNMEASURED``.

    Args:
        table: daily statistics.
        cpu_start: (W,) column from which CPU counts.
        memory_start: (W,) column from which memory counts.
        minimum_days: full days before anything is reduced.
    """
    columns = np.arange(table.days)[None, :]
    cpu_days, memory_days = columns >= cpu_start[:, None], columns >= memory_start[:, None]
    censored = _censored(table, cpu_days, memory_days)
    coarse = _has_coarse_averages(table, cpu_days)
    few_cpu = _full_days(table, table.cpu_samples, cpu_days) < minimum_days
    few_memory = _full_days(table, table.memory_samples, memory_days) < minimum_days
    return FleetGuards(
        cpu=censored | _flag(few_cpu | coarse, Guard.WEAK_EVIDENCE),
        memory=censored | _flag(few_memory | coarse, Guard.WEAK_EVIDENCE),
    )


def _full_days(table: DayTable, samples: IntArray, counted: BoolArray) -> FloatArray:
    """Days with half of their samples, at most the days between the first sample and the last."""
    samples = np.where(counted, samples, 0)
    expected = SECONDS_PER_DAY / np.maximum(table.interval_s, 1)
    full = (samples >= expected[:, None] * DAY_COVERAGE) & (samples > 0)
    held = counted & (table.samples > 0)
    first = np.where(held, table.start_ms, np.iinfo(np.int64).max).min(axis=1)
    last = np.where(held, table.end_ms, 0).max(axis=1)
    span = np.where(held.any(axis=1), last - first, 0) / MILLISECONDS_PER_DAY
    days: FloatArray = np.minimum(full.sum(axis=1), np.maximum(np.ceil(span - 1e-9), 1.0))
    return days


def _has_coarse_averages(table: DayTable, counted: BoolArray) -> BoolArray:
    """CPU known only as means over intervals so long that they hide its peaks."""
    measured = (counted & (table.cpu_samples > 0)).any(axis=1)
    has_peaks = (counted & (table.cpu_peak_samples > 0)).any(axis=1)
    return measured & ~has_peaks & (table.interval_s > LONGEST_AVERAGE_S)


def _censored(table: DayTable, cpu_days: BoolArray, memory_days: BoolArray) -> GuardArray:
    def share(marked: FloatArray | IntArray, of: IntArray, counted: BoolArray) -> FloatArray:
        total = np.where(counted, of, 0).sum(axis=1)
        found: FloatArray = np.where(counted, marked, 0).sum(axis=1) / np.maximum(total, 1)
        return found

    binned = table.cpu_samples - table.cpu_without_capacity
    at_limit = share(table.cpu_at_limit, binned, cpu_days) > CENSORED_RATIO
    throttled = share(table.throttled_sum, table.throttled_samples, cpu_days) > THROTTLED_RATIO
    drained = share(table.credits_exhausted, table.credit_samples, cpu_days) > CENSORED_RATIO
    near = share(table.memory_near_limit, table.memory_samples, memory_days) > CENSORED_RATIO
    return (
        _flag(at_limit, Guard.AT_LIMIT)
        | _flag(throttled, Guard.THROTTLED)
        | _flag(drained, Guard.OUT_OF_CREDITS)
        | _flag(near, Guard.NEAR_LIMIT)
        | _flag(_killed(table), Guard.KILLED)
    )


def _killed(table: DayTable) -> BoolArray:
    """Where a process was killed under a limit that has not been raised since."""
    kills = table.kills_by_limit
    limit = table.memory_capacity_bytes[kills.row]
    # A comparison with an unknown limit is False, so its kills count.
    present = (kills.count > 0) & ~(kills.value < limit)
    found = np.zeros(len(table.workloads), dtype=np.bool_)
    found[kills.row[present]] = True
    return found


def _flag(marked: BoolArray, guard: Guard) -> GuardArray:
    return np.where(marked, np.uint8(guard), np.uint8(0))
