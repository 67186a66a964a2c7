"""KRR (robusta-dev/krr), strategies ``simple`` and ``simple_limit``, and its enforcer.

Kept exactly, with the defaults of the code: 336 hours; at least 100 points over all pods; CPU of
``simple`` is the largest of the pods' 95th percentiles as PromQL's ``quantile_over_time`` reads it;
``simple_limit`` takes the 66th (request) and 96th (limit) percentile of all pods' points pooled, as
numpy reads it; memory is the largest peak + 15 %, with OOM data (opt-in) at least 1.25 times the
limit that was hit; up to the next millicore and MiB, at least 10 millicores and 100 MiB. The
enforcer patches a value that differs by more than 20 % of the old one, each on its own.

Assumed: a point is an interval of the grid, not a step of 75 seconds. ``simple`` sets no CPU limit,
so its request stands for the limit; of ``simple_limit`` the limit is replayed, not the request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rightsizing.backtest.peers.evidence import measured_points
from rightsizing.backtest.rule import Limits
from rightsizing.backtest.series import DemandSeries, FloatArray
from rightsizing.model.base import NoData
from rightsizing.units import BYTES_PER_MIB, MILLICORES_PER_CORE

_LOOKBACK_DAYS = 14  # history_duration = 336 h
_MINIMUM_POINTS = 100
_MEMORY_BUFFER_RATIO = 0.15
_OOM_BUFFER_RATIO = 0.25
_MINIMUM_CORES = 10 / MILLICORES_PER_CORE
_MINIMUM_BYTES = 100 * BYTES_PER_MIB
_ENFORCED_DIFFERENCE_PCT = 20.0


@dataclass(frozen=True, slots=True)
class KrrRecommendation:
    """Requests and limits as KRR prints them, in cores and bytes; memory request = limit."""

    cpu_request_cores: float | NoData
    cpu_limit_cores: float | NoData
    memory_bytes: float | NoData


@dataclass(frozen=True, slots=True)
class Krr:
    """One strategy. ``pooled`` reads the percentiles over all pods' points, not pod by pod."""

    name: str
    request_percentile: float
    limit_percentile: float | None  # None: no CPU limit is set
    pooled: bool

    source: ClassVar[str] = "github.com/robusta-dev/krr, robusta_krr/strategies"
    review_days: ClassVar[int] = 7

    @property
    def description(self) -> str:
        """The percentiles of this strategy."""
        limit = (
            "" if self.limit_percentile is None else f" (limit: P{self.limit_percentile:g}, pooled)"
        )
        return (
            f"P{self.request_percentile:g} of CPU{limit}, peak of memory + "
            f"{_MEMORY_BUFFER_RATIO:.0%}, {_LOOKBACK_DAYS} days"
        )

    def recommend(
        self, pods: Sequence[DemandSeries], *, oom_limits_bytes: Sequence[float] = ()
    ) -> KrrRecommendation:
        """What KRR prints for one container of these pods, whose grids end on the same day.

        ``oom_limits_bytes`` are the memory limits at which the container was OOM-killed; passing
        any is KRR's ``--use_oomkill_data``.
        """
        windows = [pod.last(_LOOKBACK_DAYS) for pod in pods]
        cpu = [window.measured_cpu_cores for window in windows]
        memory = [window.measured_memory_bytes for window in windows]
        return KrrRecommendation(
            cpu_request_cores=self._cpu_cores(cpu, self.request_percentile),
            cpu_limit_cores=NoData("the strategy sets no CPU limit")
            if self.limit_percentile is None
            else self._cpu_cores(cpu, self.limit_percentile),
            memory_bytes=_memory_bytes(memory, max(oom_limits_bytes, default=0.0)),
        )

    def propose(self, past: Sequence[DemandSeries]) -> tuple[Limits, ...]:
        """CPU limit (or request where none is set) and memory, each workload as one pod."""
        found = []
        for series in past:
            says = self.recommend([series])
            cpu = says.cpu_request_cores if self.limit_percentile is None else says.cpu_limit_cores
            found.append(Limits(cpu_cores=cpu, memory_bytes=says.memory_bytes))
        return tuple(found)

    def accept(self, current: Limits, proposed: Limits) -> Limits:
        """The enforcer: a value moves when it differs by more than 20 % of what is in force."""
        return Limits(
            cpu_cores=_enforced(current.cpu_cores, proposed.cpu_cores),
            memory_bytes=_enforced(current.memory_bytes, proposed.memory_bytes),
        )

    def _cpu_cores(self, pods: Sequence[FloatArray], percentile: float) -> float | NoData:
        points = measured_points(_pooled(pods), at_least=_MINIMUM_POINTS, what="CPU")
        if isinstance(points, NoData):
            return points
        if self.pooled:
            demand = float(np.percentile(points, percentile))
        else:
            demand = max(
                promql_quantile(pod, round(percentile / 100, 2)) for pod in pods if len(pod)
            )
        rounded = math.ceil(demand * MILLICORES_PER_CORE) / MILLICORES_PER_CORE
        return max(rounded, _MINIMUM_CORES)


SIMPLE = Krr("krr-simple", 95, None, pooled=False)
SIMPLE_LIMIT = Krr("krr-simple-limit", 66, 96, pooled=True)


def promql_quantile(values: FloatArray, quantile: float) -> float:
    """Prometheus' ``quantile_over_time``: linear between ranks 0 to n - 1 of the sorted values."""
    ordered = np.sort(values)
    rank = quantile * (len(ordered) - 1)
    lower = max(0, math.floor(rank))
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - math.floor(rank)
    return float(ordered[lower] * (1 - weight) + ordered[upper] * weight)


def _pooled(pods: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate(list(pods)) if pods else np.empty(0)


def _memory_bytes(pods: Sequence[FloatArray], oom_limit_bytes: float) -> float | NoData:
    points = measured_points(_pooled(pods), at_least=_MINIMUM_POINTS, what="memory")
    if isinstance(points, NoData):
        return points
    need = max(
        float(points.max()) * (1 + _MEMORY_BUFFER_RATIO), oom_limit_bytes * (1 + _OOM_BUFFER_RATIO)
    )
    return float(max(math.ceil(need / BYTES_PER_MIB) * BYTES_PER_MIB, _MINIMUM_BYTES))


def _enforced(current: float | NoData, proposed: float | NoData) -> float | NoData:
    if isinstance(proposed, NoData):
        return current
    if isinstance(current, NoData) or current == 0:
        return proposed
    moved_pct = abs(proposed - current) / abs(current) * 100
    return proposed if moved_pct > _ENFORCED_DIFFERENCE_PCT else current
