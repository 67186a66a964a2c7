"""KPIs of every workload since a moment, from the store."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import cast

from rightsizing.cli.session import Session
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


def observed_kpis(session: Session, *, since: datetime | None) -> dict[str, ObservedKpis]:
    """Aggregates of what was measured from ``since`` on; a workload without rows is left out."""
    start = None if since is None else int(since.timestamp() * 1000)
    rows = session.store.measurements(start_ms=start).select("workload", *_COLUMNS)
    samples: dict[str, list[IntervalSample]] = defaultdict(list)
    for row in rows.to_pyarrow().to_pylist():
        workload = cast("str", row.pop("workload"))
        samples[workload].append(IntervalSample(**row))
    return {key: observe_kpis(found) for key, found in samples.items()}
