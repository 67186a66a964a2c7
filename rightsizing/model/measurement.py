"""Utilisation of one workload over one interval: the store's schema, column by column.

Absolute amounts with the capacity beside them, never a bare percentage. A null cell means "not
measured in this interval". One row is one (workload, resource, timestamp); timestamps are interval
starts, UTC, milliseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

SCHEMA_VERSION = 1


@unique
class ColumnType(StrEnum):
    """Storage type of a column, independent of any engine."""

    STRING = "string"
    INT64 = "int64"
    FLOAT64 = "float64"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the store. ``minimum``: values below it are refused as bad data."""

    name: str
    type: ColumnType
    unit: str
    required: bool
    meaning: str
    minimum: float | None = 0.0


MEASUREMENT_COLUMNS: tuple[Column, ...] = (
    Column("workload", ColumnType.STRING, "key", True, "stable key of the workload", None),
    Column("resource_id", ColumnType.STRING, "id", True, "ASG, task group or container", None),
    Column("timestamp_ms", ColumnType.INT64, "ms UTC", True, "start of the interval", 0),
    Column("interval_s", ColumnType.INT64, "s", True, "length of the interval", 1),
    Column("source", ColumnType.STRING, "name", True, "cloudwatch, docker, host or file", None),
    Column("cpu_cores_mean", ColumnType.FLOAT64, "cores", False, "mean use per instance"),
    Column("cpu_cores_max", ColumnType.FLOAT64, "cores", False, "peak use of any instance"),
    Column("capacity_cores", ColumnType.FLOAT64, "cores", False, "limit of one instance"),
    Column("memory_bytes_mean", ColumnType.FLOAT64, "bytes", False, "mean use per instance"),
    Column("memory_bytes_max", ColumnType.FLOAT64, "bytes", False, "peak use of any instance"),
    Column("capacity_memory_bytes", ColumnType.FLOAT64, "bytes", False, "limit of one instance"),
    Column("instances", ColumnType.FLOAT64, "count", False, "instances or tasks in service"),
    Column("network_in_bytes_per_s", ColumnType.FLOAT64, "bytes/s", False, "per instance"),
    Column("network_out_bytes_per_s", ColumnType.FLOAT64, "bytes/s", False, "per instance"),
    Column("disk_read_bytes_per_s", ColumnType.FLOAT64, "bytes/s", False, "EBS or disk"),
    Column("disk_write_bytes_per_s", ColumnType.FLOAT64, "bytes/s", False, "EBS or disk"),
    Column("disk_read_ops_per_s", ColumnType.FLOAT64, "1/s", False, "EBS or disk"),
    Column("disk_write_ops_per_s", ColumnType.FLOAT64, "1/s", False, "EBS or disk"),
    Column("cpu_credit_balance", ColumnType.FLOAT64, "credits", False, "T families: lowest"),
    Column("cpu_throttled_ratio", ColumnType.FLOAT64, "0-1", False, "share of periods throttled"),
    Column("oom_kills", ColumnType.FLOAT64, "count", False, "out-of-memory kills in the interval"),
    Column("requests", ColumnType.FLOAT64, "count", False, "requests in the interval"),
    Column("errors", ColumnType.FLOAT64, "count", False, "failed requests in the interval"),
    Column("latency_mean_ms", ColumnType.FLOAT64, "ms", False, "mean response time"),
    Column("latency_max_ms", ColumnType.FLOAT64, "ms", False, "slowest response"),
    Column("latency_p99_ms", ColumnType.FLOAT64, "ms", False, "99th percentile"),
)


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows or metrics that were not stored, and why."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class MeasureReport:
    """What a measuring run did. ``observed`` rows are in the store once, however often it ran."""

    source: str
    workloads: int
    observed: int
    new: int
    skipped: tuple[Skip, ...] = ()
    failures: tuple[str, ...] = ()  # one sentence per resource that could not be read
    notes: tuple[Skip, ...] = ()  # rows that were stored, but with something to know about them

    @property
    def complete(self) -> bool:
        """True when no resource failed."""
        return not self.failures
