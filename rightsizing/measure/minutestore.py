"""A service's past from the measurement store: the same columns that everything is sized by."""

from __future__ import annotations

from typing import Any

from rightsizing.errors import TelemetryError
from rightsizing.measure.store import Store
from rightsizing.model.servicepast import PastRow, ServicePast, past_of

SOURCE = "store"
_COLUMNS = (
    "resource_id",
    "timestamp_ms",
    "requests",
    "errors",
    "latency_p99_ms",
    "latency_mean_ms",
    "cpu_cores_mean",
    "capacity_cores",
    "instances",
)


def stored_minutes(store: Store, workload: str) -> ServicePast:
    """What the store holds of one workload's requests.

    Raises TelemetryError when it holds none, StoreError when it cannot be read.
    """
    table = store.measurements([workload]).select(*_COLUMNS).to_pyarrow()
    rows = [_row(row) for row in table.to_pylist()]
    if not any(row.requests is not None for row in rows):
        raise TelemetryError(
            f"the store holds no requests of workload {workload!r}; `rightsize measure` reads them "
            "for services behind a load balancer, or give a file of minutes"
        )
    return past_of(rows, SOURCE)


def _row(row: dict[str, Any]) -> PastRow:
    used, cores = row["cpu_cores_mean"], row["capacity_cores"]
    instances = row["instances"]
    return PastRow(
        resource=row["resource_id"],
        start_ms=row["timestamp_ms"],
        requests=row["requests"],
        # a load balancer reports no failures as no figure at all
        errors=0.0 if row["errors"] is None and row["requests"] is not None else row["errors"],
        latency_p99_ms=row["latency_p99_ms"] or None,
        latency_mean_ms=row["latency_mean_ms"] or None,
        cpu_share=used / cores if used is not None and cores else None,
        capacity_cores=cores * instances if cores and instances else cores,
    )
