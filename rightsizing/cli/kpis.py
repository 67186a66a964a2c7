"""KPIs of every workload since a moment, from the store.

A fleet's idle slot is left out: it is kept for the way back, and its rest would hide how busy the
slot is that serves. Its groups are known by their names, which begin with the slot's.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import cast

from infra.components.naming import resource_stem
from rightsizing.cli.session import Session
from rightsizing.model.rollout import RolloutState, Slot
from rightsizing.plan.kpis import IntervalSample, ObservedKpis, observe_kpis

_COLUMNS = (
    "timestamp_ms",
    "interval_s",
    "cpu_cores_mean",
    "capacity_cores",
    "memory_bytes_mean",
    "memory_bytes_max",
    "capacity_memory_bytes",
    "requests",
    "errors",
    "latency_mean_ms",
    "latency_p99_ms",
)


def observed_kpis(
    session: Session, *, since: datetime | None, rollout: RolloutState
) -> dict[str, ObservedKpis]:
    """Aggregates of what was measured from ``since`` on; a workload without rows is left out.

    ``rollout`` is what was applied: the stack file may already hold the next one.
    """
    start = None if since is None else int(since.timestamp() * 1000)
    rows = session.store.measurements(start_ms=start)
    for workload, prefix in idle_groups(rollout):
        idle = (rows.workload == workload) & rows.resource_id.startswith(prefix)
        rows = rows.filter(~idle)
    rows = rows.select("workload", *_COLUMNS)
    samples: dict[str, list[IntervalSample]] = defaultdict(list)
    for row in rows.to_pyarrow().to_pylist():
        workload = cast("str", row.pop("workload"))
        samples[workload].append(IntervalSample(**row))
    return {key: observe_kpis(found) for key, found in samples.items()}


def idle_groups(rollout: RolloutState) -> tuple[tuple[str, str], ...]:
    """(workload, how the names of its idle groups begin) for every slot without traffic."""
    return tuple(
        (workload, f"{resource_stem(workload)}-{slot.value}-")
        for workload, fleet in rollout.fleets.items()
        for slot in Slot
        if (state := fleet.slot(slot)) is None or state.weight == 0
    )
