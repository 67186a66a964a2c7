"""What a back-test of the judge found, as plain figures a report can show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rightsizing.model.base import NoData
from rightsizing.model.verdict import Calibration, JudgePolicy, Metric, MetricCalibration


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of replays with its 95 % interval."""

    hits: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Hits over trials."""
        return self.hits / self.trials if self.trials else 0.0


@dataclass(frozen=True, slots=True)
class RatioFigures:
    """What the judge made of a canary worse by ``ratio``; 1 is an equal one."""

    ratio: float
    rolled_back: Rate
    promoted: Rate
    median_minutes: float | NoData  # to roll back

    @property
    def undecided(self) -> float:
        """Share of replays without a verdict at the horizon."""
        trials = self.rolled_back.trials
        return (trials - self.rolled_back.hits - self.promoted.hits) / trials if trials else 0.0


@dataclass(frozen=True, slots=True)
class MetricFigures:
    """One metric's replays. ``false_alarms`` and ``wrong_promotions`` grant automatic mode."""

    metric: Metric
    fitted: MetricCalibration
    false_alarms: Rate
    wrong_promotions: Rate
    by_ratio: tuple[RatioFigures, ...]


@dataclass(frozen=True, slots=True)
class TrafficOutlook:
    """Minutes a verdict needs at the measured traffic with a share of it on the canary.

    ``promote_half``, ``promote_most``: by when half and nine in ten equal canaries are promoted.
    """

    metric: Metric
    canary_share: float
    events_per_minute: float  # of both arms together
    promote_half: float | NoData
    promote_most: float | NoData
    detect_minutes: tuple[tuple[float, float | NoData], ...]  # (ratio, median)


@dataclass(frozen=True, slots=True)
class CanaryBacktest:
    """The whole back-test. ``written`` is the calibration's file, if one was written.

    ``policy`` is of the replays; ``outlooks`` are of one of ``stages`` that share its alpha.
    """

    workload: str
    source: str
    start: datetime
    end: datetime
    step_s: int
    halves: tuple[tuple[str, ...], tuple[str, ...]]
    requests_per_minute: float | NoData
    busy_cpu_share: float | NoData  # 99.9th percentile
    policy: JudgePolicy
    stages: int
    metrics: tuple[MetricFigures, ...]
    outlooks: tuple[TrafficOutlook, ...]
    calibration: Calibration
    notes: tuple[str, ...]
    written: str | None
