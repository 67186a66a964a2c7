"""Kubernetes' Vertical Pod Autoscaler, recommender and updater of 1.4 to 1.7, to the unit.

Kept exactly: histograms and percentiles (see ``vpahistogram``); every CPU sample weighs the same;
memory is one peak per 24 hours counted from a pod's first sample, dated to the window's END;
0.5 / 0.9 / 0.95 + 15 % for lower / target / upper; confidence from CPU samples for both resources;
every step truncated to whole millicores and bytes; floors of 25m and 250 MiB a pod; OOM kills.
The updater acts outside [lower, upper], or on a pod of 12 hours whose relative differences sum to
10 %; a pod here is never younger at a daily review.

Assumed: the recommender knows 8 days (its Prometheus history); an interval of the grid stands for
one sample a minute of its value; requests stand for limits. Where a resource was never measured VPA
would give its floor; here it abstains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rightsizing.backtest.peers.vpahistogram import (
    BUCKETS,
    CPU_BUCKETS,
    MEMORY_BUCKETS,
    cpu_bucket_of,
    decay,
)
from rightsizing.backtest.peers.vpamemory import OomKill, memory_peaks
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData
from rightsizing.units import BYTES_PER_MIB, MILLICORES_PER_CORE, SECONDS_PER_DAY

_LOOKBACK_DAYS = 8
_LOWER, _TARGET, _UPPER = 0.5, 0.9, 0.95
_MARGIN_RATIO = 0.15
_MAXIMUM = 10**14  # model.MaxResourceAmount, in millicores and in bytes
_MINIMUM_MILLICORES = 25
_MINIMUM_BYTES = 250 * BYTES_PER_MIB
_MINIMUM_DIFFERENCE = 0.1
_SAMPLE_S = 60  # the recommender reads usage once a minute


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bound, target and upper bound of one resource, in millicores or bytes."""

    lower: int
    target: int
    upper: int


@dataclass(frozen=True, slots=True)
class VpaRecommendation:
    """What the recommender writes for one container."""

    cpu_millicores: Bounds | NoData
    memory_bytes: Bounds | NoData


@dataclass(frozen=True, slots=True)
class VpaLimits(Limits):
    """Targets, with the bounds the updater compares the current requests with."""

    says: VpaRecommendation


@dataclass(frozen=True, slots=True)
class Vpa:
    """Recommender and updater with their default flags."""

    name: str = "vpa"

    description: ClassVar[str] = (
        "decaying histogram (24 h), P90 of CPU and of daily memory peaks + 15 %, daily"
    )
    source: ClassVar[str] = "github.com/kubernetes/autoscaler, vertical-pod-autoscaler 1.4 to 1.7"
    review_days: ClassVar[int] = 1

    def recommend(
        self,
        pods: Sequence[DemandSeries],
        *,
        containers_per_pod: int = 1,
        oom_kills: Sequence[OomKill] = (),
    ) -> VpaRecommendation:
        """Bounds for the container all ``pods`` share: their histograms are added up.

        The pods' grids end on the same day.
        """
        windows = [pod.last(_LOOKBACK_DAYS) for pod in pods]
        confidence = _confidence_of(windows)
        cpu = sum((_cpu_weights(window) for window in windows), np.zeros(BUCKETS))
        memory = _memory_weights(windows, oom_kills)
        return VpaRecommendation(
            cpu_millicores=_bounds(
                [
                    int(CPU_BUCKETS.percentile(cpu, share) * MILLICORES_PER_CORE)
                    for share in (_LOWER, _TARGET, _UPPER)
                ],
                confidence,
                _MINIMUM_MILLICORES // containers_per_pod,
            )
            if cpu.any()
            else NoData(f"no CPU in {_LOOKBACK_DAYS} days"),
            memory_bytes=_bounds(
                [
                    int(MEMORY_BUCKETS.percentile(memory, share))
                    for share in (_LOWER, _TARGET, _UPPER)
                ],
                confidence,
                _MINIMUM_BYTES // containers_per_pod,
            )
            if memory.any()
            else NoData(f"no memory in {_LOOKBACK_DAYS} days"),
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[VpaLimits, ...]:
        """Targets with their bounds, each workload as one pod of one container."""
        return tuple(_limits(self.recommend([series])) for series in past)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """The updater: both requests move to target, or neither does."""
        pairs = [
            (current.cpu_cores, proposed.cpu_cores),
            (current.memory_bytes, proposed.memory_bytes),
        ]
        known = [(old, new) for old, new in pairs if not isinstance(new, NoData)]
        acts = any(isinstance(old, NoData) for old, _ in known) or _outside(current, proposed)
        if not acts:
            difference = sum(
                abs(old - new) / old if old else 1.0
                for old, new in known
                if not isinstance(old, NoData)
            )
            acts = difference >= _MINIMUM_DIFFERENCE
        if not acts:
            return current
        moved = [old if isinstance(new, NoData) else new for old, new in pairs]
        return Limits(cpu_cores=moved[0], memory_bytes=moved[1])


VPA = Vpa()


def confidence_days(lifespan_s: float, samples: float) -> float:
    """Days of history the recommender trusts: the span of CPU samples, or their count at 1/min."""
    return min(lifespan_s / SECONDS_PER_DAY, samples * _SAMPLE_S / SECONDS_PER_DAY)


def _confidence_of(windows: Sequence[DemandSeries]) -> float:
    first, last, samples = np.inf, -np.inf, 0.0
    for window in windows:
        measured = np.flatnonzero(window.cpu_cores >= 0)
        if measured.size:
            first = min(first, float(window.times_s[measured[0]]))
            last = max(last, float(window.times_s[measured[-1]]))
            samples += measured.size * window.interval_s / _SAMPLE_S
    return confidence_days(last - first, samples) if samples else 0.0


def _cpu_weights(window: DemandSeries) -> FloatArray:
    measured = np.flatnonzero(window.cpu_cores >= 0)
    # Usage is kept in whole millicores, cut off, before it is put into a bucket.
    millicores = (window.cpu_cores[measured] * MILLICORES_PER_CORE).astype(np.int64)
    weights = decay(window.times_s[measured], _end_s(window)) * window.interval_s
    found: FloatArray = np.bincount(
        cpu_bucket_of(millicores), weights=weights, minlength=BUCKETS
    ).astype(np.float64)
    return found


def _end_s(window: DemandSeries) -> float:
    """When the grid ends: the same for all pods, so that their histograms can be added."""
    return float((window.first_day + window.days) * SECONDS_PER_DAY)


def _memory_weights(windows: Sequence[DemandSeries], kills: Sequence[OomKill]) -> FloatArray:
    weights = np.zeros(BUCKETS)
    for index, window in enumerate(windows):
        ends_s, peaks = memory_peaks(window, [kill for kill in kills if kill.pod == index])
        for peak, weight in zip(peaks, decay(ends_s, _end_s(window)), strict=True):
            weights[MEMORY_BUCKETS.find(peak)] += weight
    return weights


def _bounds(bases: Sequence[int], confidence: float, floor: int) -> Bounds:
    lower, target, upper = (base + int(base * _MARGIN_RATIO) for base in bases)
    # (1 + 0.001 / c) ** -2 and (1 + 1 / c): with no history, nothing is too small or too large.
    lower = int(lower * (1 + 0.001 / confidence) ** -2) if confidence else 0
    upper = min(int(upper * (1 + 1 / confidence)), _MAXIMUM) if confidence else _MAXIMUM
    return Bounds(max(lower, floor), max(target, floor), max(upper, floor))


def _limits(says: VpaRecommendation) -> VpaLimits:
    cpu, memory = says.cpu_millicores, says.memory_bytes
    return VpaLimits(
        cpu_cores=cpu if isinstance(cpu, NoData) else cpu.target / MILLICORES_PER_CORE,
        memory_bytes=memory if isinstance(memory, NoData) else float(memory.target),
        says=says,
    )


def _outside(current: Limits, proposed: Limits) -> bool:
    if not isinstance(proposed, VpaLimits):
        return False
    cpu, memory = proposed.says.cpu_millicores, proposed.says.memory_bytes
    return _beyond(current.cpu_cores, cpu, 1 / MILLICORES_PER_CORE) or _beyond(
        current.memory_bytes, memory, 1
    )


def _beyond(request: float | NoData, bounds: Bounds | NoData, unit: float) -> bool:
    if isinstance(request, NoData) or isinstance(bounds, NoData):
        return False
    return request < bounds.lower * unit or request > bounds.upper * unit
