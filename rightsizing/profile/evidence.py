"""How far a profile can be trusted: grade and statement, from whole days.

Samples within a day resemble each other, days much less; so days, not samples, are counted. A day
counts when it holds at least half of the samples it should.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rightsizing.model.profile import Evidence, Grade
from rightsizing.profile.quantiles import covered_day_share
from rightsizing.units import MILLISECONDS_PER_DAY, SECONDS_PER_DAY

DAY_COVERAGE = 0.5  # share of a day's samples that makes it count (chosen by us)
DAY_CONFIDENCE = 0.95
FAIR_DAYS, GOOD_DAYS, STRONG_DAYS = 7, 14, 32  # one week; Compute Optimizer's 14 and 32 days
# An average over more than this hides the peaks that size CPU (chosen by us; CloudWatch's basic
# monitoring averages over 5 minutes, hosts' own tools over 1 to 10).
LONGEST_AVERAGE_S = 900


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was measured when. ``daily_samples`` has one count a day that holds any."""

    daily_samples: Sequence[int]
    interval_s: int
    start_ms: int
    end_ms: int
    cpu_samples: int
    cpu_peak_samples: int  # of these, how many gave the peak within the interval
    capacities: tuple[float, ...] = ()  # cores, each that was in force for a day, oldest first

    @property
    def averages_only(self) -> bool:
        """True when no interval gave its CPU peak."""
        return self.cpu_samples > 0 and self.cpu_peak_samples == 0


def grade_evidence(coverage: Coverage) -> Evidence:
    """Grade the evidence and say why in one sentence."""
    expected_a_day = SECONDS_PER_DAY / coverage.interval_s
    full_days = sum(
        1 for samples in coverage.daily_samples if samples >= expected_a_day * DAY_COVERAGE
    )
    span_ms = coverage.end_ms - coverage.start_ms
    # A span of 14 days that starts at noon touches 15 calendar days; it is still 14 days.
    days = min(full_days, max(math.ceil(span_ms / MILLISECONDS_PER_DAY - 1e-9), 1))
    samples = sum(coverage.daily_samples)
    expected = max(round(span_ms / 1000 / coverage.interval_s), samples)
    hidden_peaks = coverage.averages_only and coverage.interval_s > LONGEST_AVERAGE_S
    grade = _grade(samples, days)
    if hidden_peaks and grade.rank > Grade.WEAK.rank:
        grade = Grade.WEAK
    return Evidence(
        grade=grade,
        days=float(days),
        samples=samples,
        expected_samples=expected,
        interval_s=coverage.interval_s,
        start_ms=coverage.start_ms,
        end_ms=coverage.end_ms,
        statement=_statement(coverage, days, samples, expected, hidden_peaks=hidden_peaks),
    )


def no_evidence(reason: str) -> Evidence:
    """Evidence of a workload nobody measured."""
    return Evidence(
        grade=Grade.NONE,
        days=0.0,
        samples=0,
        expected_samples=0,
        interval_s=0,
        start_ms=0,
        end_ms=0,
        statement=reason,
    )


def _grade(samples: int, days: int) -> Grade:
    if samples == 0:
        return Grade.NONE
    if days >= STRONG_DAYS:
        return Grade.STRONG
    if days >= GOOD_DAYS:
        return Grade.GOOD
    return Grade.FAIR if days >= FAIR_DAYS else Grade.WEAK


def _statement(
    coverage: Coverage, days: int, samples: int, expected: int, *, hidden_peaks: bool
) -> str:
    unseen = 1 - covered_day_share(days, DAY_CONFIDENCE)
    seen = f"{days} days, {samples:,} of {expected:,} intervals of {coverage.interval_s} s"
    sure = f"with {DAY_CONFIDENCE:.0%} confidence at most {unseen:.1%} of days exceed what was seen"
    parts = [seen, sure]
    if len(coverage.capacities) > 1:
        changes = " -> ".join(f"{cores:g}" for cores in coverage.capacities)
        parts.append(f"capacity changed in between ({changes} cores)")
    if coverage.averages_only:
        parts.append("CPU is the mean of each interval, so shorter peaks are not in it")
    if hidden_peaks:
        parts.append(f"averages over more than {LONGEST_AVERAGE_S} s are weak evidence")
    return "; ".join(parts)
