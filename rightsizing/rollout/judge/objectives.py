"""A judge's absolute limits from a workload's objectives or a case's KPI table.

Latency objectives become counts where they can: "99th percentile at most 100 ms" is "at most 1 % of
requests over 100 ms", which a sequential test holds exactly. The bound in ms has to be given to
whatever counts the slow requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rightsizing.model.base import NoData
from rightsizing.model.verdict import JudgePolicy
from rightsizing.plan.case import Kpi
from rightsizing.plan.criteria import Criterion

SLOW_RATIO_OF_P99 = 0.01  # by definition of the 99th percentile


@dataclass(frozen=True, slots=True)
class Objectives:
    """The policy with its absolute limits, and the latency over which a request is slow, ms."""

    policy: JudgePolicy
    latency_bound_ms: float | NoData


def objectives_of(criteria: Sequence[Criterion], policy: JudgePolicy | None = None) -> Objectives:
    """Take over every upper limit that the judge can hold; the policy's others stay."""
    base = JudgePolicy() if policy is None else policy
    most = {item.kpi: item.maximum for item in criteria if item.maximum is not None}
    limits: dict[str, float] = {}
    if Kpi.ERROR_RATIO in most and 0 < most[Kpi.ERROR_RATIO] < 1:
        limits["max_error_ratio"] = most[Kpi.ERROR_RATIO]
    if Kpi.LATENCY_P99_MS in most:
        limits["max_slow_ratio"] = SLOW_RATIO_OF_P99
    if Kpi.LATENCY_MEAN_MS in most:
        limits["max_latency_mean_ms"] = most[Kpi.LATENCY_MEAN_MS]
    if Kpi.CPU_MEAN_24H_PCT in most:
        limits["cpu_ceiling"] = most[Kpi.CPU_MEAN_24H_PCT] / 100
    if Kpi.MEMORY_PCT in most:
        limits["memory_ceiling"] = most[Kpi.MEMORY_PCT] / 100
    bound = most.get(Kpi.LATENCY_P99_MS)
    return Objectives(
        policy=base.model_copy(update=limits),
        latency_bound_ms=NoData("no objective names a 99th percentile of latency")
        if bound is None
        else bound,
    )
