"""One row a (workload, day) from measurements: a single Ibis expression, the same on every engine.

``day_rows`` counts bins, hours and daily figures in the engine and joins them by (workload, day);
what leaves the engine is a thousandth to a hundredth of what went in. Everything in a row is a
count, a maximum or a sum of integers, and bins come from arithmetic that IEEE 754 fixes (see
``profile.histograms``), so DuckDB and Spark give the same bits, in whatever order rows arrive.

``content_of`` asks first what the measurements hold, so that columns nobody measured cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ibis
import pyarrow as pa
from ibis import _
from ibis.expr import types as ir

from rightsizing.profile.histograms import cpu_bin, log_bin
from rightsizing.profile.intervals import (
    RANGES,
    SUM_STEPS,
    Content,
    busiest,
    interval_table,
)
from rightsizing.units import MILLISECONDS_PER_DAY

MILLISECONDS_PER_HOUR = MILLISECONDS_PER_DAY // 24
PACKED = 2**32  # a bin and its count in one integer: bin * PACKED + count
MOST_NAMED = 1_000  # more workloads than this are not named in a query one by one

_BINS = pa.list_(pa.int64())
_COUNTS = ("start_ms", "end_ms", "interval_s", "samples")
_CPU_COUNTS = ("cpu_samples", "cpu_without_capacity", "cpu_peak_samples", "cpu_at_limit", "cpu_sum")
_MEMORY_COUNTS = ("memory_samples", "memory_near_limit", "memory_sum")
_RARE_COUNTS = ("throttled_sum", "throttled_samples", "credits_exhausted", "credit_samples")
# What a (workload, day) comes down to; null in a column means that nothing of it was measured.
DAY_SCHEMA = pa.schema(
    [
        pa.field("workload", pa.string(), nullable=False),
        pa.field("day", pa.int64(), nullable=False),
        *(pa.field(name, pa.int64()) for name in (*_COUNTS, *_CPU_COUNTS, *_MEMORY_COUNTS)),
        *(pa.field(name, pa.int64()) for name in (*_RARE_COUNTS, "instances_sum")),
        pa.field("instances_samples", pa.int64()),
        pa.field("instances_max", pa.int64()),
        pa.field("oom_kills", pa.float64()),
        pa.field("capacity_cores", pa.float64()),
        pa.field("capacity_memory", pa.float64()),
        pa.field("cpu_max", pa.float64()),
        pa.field("memory_max", pa.float64()),
        pa.field(
            "hours",
            pa.list_(
                pa.struct([("hour", pa.int32()), ("max", pa.float32()), ("mean", pa.float32())])
            ),
        ),
        pa.field("cpu_bins", pa.list_(pa.struct([("value", pa.float64()), ("counts", _BINS)]))),
        pa.field("memory_bins", _BINS),
        pa.field("network_bins", _BINS),
        pa.field("disk_bytes_bins", _BINS),
        pa.field("disk_ops_bins", _BINS),
        pa.field("intervals", _BINS),  # interval in s * PACKED + samples; null: all interval_s
        pa.field("kills", pa.list_(pa.struct([("value", pa.float64()), ("kills", pa.float64())]))),
    ]
)


def content_of(measurements: ir.Table) -> Content:
    """Ask the engine what the measurements hold: one scan of the columns, one of the ids."""
    figures: dict[str, ir.Scalar] = {}
    for name, (lowest, highest) in RANGES.items():
        column = measurements[name]
        usable = (column >= lowest) & (column <= highest)
        figures[f"{name} usable"] = usable.sum()
    found = measurements.aggregate(
        rows=_.count(),
        shortest=_.interval_s.min(),
        longest=_.interval_s.max(),
        **figures,
    )
    row = found.to_pyarrow().to_pylist()[0]
    usable_rows = {name: row[f"{name} usable"] or 0 for name in RANGES}
    return with_workloads(
        measurements,
        Content(
            measured=frozenset(name for name, rows in usable_rows.items() if rows),
            whole=frozenset(name for name, rows in usable_rows.items() if rows == row["rows"]),
            mixed_intervals=row["shortest"] != row["longest"] or (row["shortest"] or 0) <= 0,
        ),
    )


def with_workloads(measurements: ir.Table, content: Content) -> Content:
    """The content with the workloads that need more than the others."""
    cores, memory = _.capacity_cores, _.capacity_memory_bytes
    workloads = measurements.group_by("workload").aggregate(
        # The least and the largest differ where there are several; cheaper than counting them.
        several=_.resource_id.min() != _.resource_id.max(),
        resized=(cores.min() != cores.max()).fill_null(False)
        | (memory.min() != memory.max()).fill_null(False),
    )
    kinds = workloads.group_by("several", "resized").aggregate(workloads=_.count())
    found = kinds.to_pyarrow().to_pylist()
    marked: list[dict[str, Any]] = []
    if any(row["several"] or row["resized"] for row in found):
        marked = workloads.filter(_.several | _.resized).to_pyarrow().to_pylist()
    return replace(
        content,
        several=tuple(sorted(row["workload"] for row in marked if row["several"])),
        resized=tuple(sorted(row["workload"] for row in marked if row["resized"])),
        one=any(not row["several"] for row in found),
    )


def interval_parts(measurements: ir.Table, content: Content) -> list[ir.Table]:
    """Workloads of one resource as they are, those of several with the busiest of each interval.

    Grouping by interval costs as much as all the rest, and most workloads do not need it.
    """
    intervals = interval_table(measurements, content)
    if not content.several:
        return [intervals]
    if not content.one or len(content.several) > MOST_NAMED:
        return [busiest(intervals)]
    return [
        busiest(intervals.filter(_.workload.isin(content.several))),
        intervals.filter(_.workload.notin(content.several)),
    ]


def day_rows(intervals: ir.Table, content: Content) -> ir.Table:
    """One row a (workload, day) of an interval table, in no order; columns of ``DAY_SCHEMA``.

    Columns of what ``content`` does not hold are absent.
    """
    rows = _daily(intervals, content)
    for part in _parts(intervals, content):
        joined = rows.left_join(part, ["workload", "day"])
        added = [name for name in part.columns if name not in {"workload", "day"}]
        rows = joined.select(*rows.columns, *added)
    if content.resized:
        rows = rows.mutate(
            capacity_cores=ibis.coalesce(_.last_cores, _.capacity_cores),
            capacity_memory=ibis.coalesce(_.last_memory, _.capacity_memory),
        ).drop("last_cores", "last_memory")
    return rows


def conformed(rows: Sequence[pa.Table]) -> pa.Table:
    """Answers to ``day_rows`` as one table of ``DAY_SCHEMA``, sorted by day and workload."""
    tables = []
    for part in rows:
        arrays = [
            part.column(field.name).cast(field.type)
            if field.name in part.column_names
            else pa.chunked_array([pa.nulls(part.num_rows, field.type)])
            for field in DAY_SCHEMA
        ]
        tables.append(pa.Table.from_arrays(arrays, schema=DAY_SCHEMA))
    whole = pa.concat_tables(tables).combine_chunks()
    return whole.sort_by([("day", "ascending"), ("workload", "ascending")])


def _daily(intervals: ir.Table, content: Content) -> ir.Table:
    # Where every row measured something, no row needs to be asked.
    usable = None if content.always else _.cpu.notnull() | _.memory.notnull()
    figures = {
        "start_ms": _.timestamp_ms.min(where=usable),
        "end_ms": (_.timestamp_ms + _.interval_s * 1000).max(where=usable),
        "interval_s": _.interval_s.max(where=usable),
        "samples": _.count(where=usable),
        "capacity_cores": _.capacity_cores.max(),
        "capacity_memory": _.capacity_memory.max(),
    }
    if content.cpu and "capacity_cores" not in content.whole:
        figures["cpu_without_capacity"] = _.count(where=_.cpu.notnull() & _.capacity_cores.isnull())
    if content.cpu and "cpu_cores_max" not in content.whole:
        figures["cpu_peak_samples"] = _.cpu_is_peak.sum()
    if content.measures("cpu_throttled_ratio"):
        figures |= {"throttled_sum": _.throttled.sum(), "throttled_samples": _.throttled.count()}
    if content.measures("cpu_credit_balance"):
        figures |= {"credits_exhausted": _.exhausted.sum(), "credit_samples": _.exhausted.count()}
    if content.measures("instances"):
        figures |= {
            "instances_sum": _.instances.sum(),
            "instances_samples": _.instances.count(),
            "instances_max": _.instances.max(),
        }
    if content.measures("oom_kills"):
        figures |= {"oom_kills": _.oom_kills.sum()}
    return intervals.group_by("workload", day=_.timestamp_ms // MILLISECONDS_PER_DAY).aggregate(
        **figures
    )


def _parts(intervals: ir.Table, content: Content) -> list[ir.Table]:
    """Answers by (workload, day) that need a grouping of their own."""
    parts = []
    if content.cpu:
        parts += [_hours(intervals, content), _cpu_bins(intervals)]
    if content.memory:
        parts.append(_memory_bins(intervals))
    if content.measures("network_in_bytes_per_s", "network_out_bytes_per_s"):
        parts.append(_log_bins(intervals, "network", "network_bins"))
    if content.measures("disk_read_bytes_per_s", "disk_write_bytes_per_s"):
        parts.append(_log_bins(intervals, "disk_bytes", "disk_bytes_bins"))
    if content.measures("disk_read_ops_per_s", "disk_write_ops_per_s"):
        parts.append(_log_bins(intervals, "disk_ops", "disk_ops_bins"))
    if content.measures("oom_kills"):
        parts.append(_kills(intervals))
    if content.resized:
        parts.append(_last_capacities(intervals, content))
    if content.mixed_intervals:
        parts.append(_intervals(intervals))
    return parts


def _hours(intervals: ir.Table, content: Content) -> ir.Table:
    known = intervals.filter(_.cpu.notnull())
    hours = known.group_by("workload", hour=_.timestamp_ms // MILLISECONDS_PER_HOUR).aggregate(
        max=_.cpu.max(), total=_.cpu_mean.sum(), samples=_.count()
    )
    hour = ibis.struct(
        {
            "hour": (_.hour % 24).cast("int32"),
            "max": _.max.cast("float32"),
            "mean": (_.total.cast("float64") / _.samples.cast("float64") / float(SUM_STEPS)).cast(
                "float32"
            ),
        }
    )
    figures = {
        "hours": hour.collect(),
        "cpu_samples": _.samples.sum(),
        "cpu_sum": _.total.sum(),
        "cpu_max": _.max.max(),
    }
    if "cpu_cores_max" in content.whole:  # every sample is a peak
        figures["cpu_peak_samples"] = _.samples.sum()
    return hours.group_by("workload", day=_.hour // 24).aggregate(**figures)


def _cpu_bins(intervals: ir.Table) -> ir.Table:
    known = intervals.filter(_.cpu.notnull(), _.capacity_cores.notnull())
    bins = known.group_by(
        "workload",
        "capacity_cores",
        day=_.timestamp_ms // MILLISECONDS_PER_DAY,
        bin=cpu_bin(_.cpu, _.capacity_cores),
    ).aggregate(count=_.count(), at_limit=_.at_limit.sum())
    by_capacity = bins.group_by("workload", "day", "capacity_cores").aggregate(
        counts=(_.bin * PACKED + _["count"]).collect(), at_limit=_.at_limit.sum()
    )
    held = ibis.struct({"value": _.capacity_cores, "counts": _.counts})
    return by_capacity.group_by("workload", "day").aggregate(
        cpu_bins=held.collect(), cpu_at_limit=_.at_limit.sum()
    )


def _memory_bins(intervals: ir.Table) -> ir.Table:
    # Daily figures ride along: reading the column a second time would cost more.
    known = intervals.filter(_.memory.notnull())
    bins = known.group_by(
        "workload", day=_.timestamp_ms // MILLISECONDS_PER_DAY, bin=log_bin(_.memory)
    ).aggregate(
        count=_.count(),
        total=_.memory_mean.sum(),
        highest=_.memory.max(),
        near_limit=_.near_limit.sum(),
    )
    return bins.group_by("workload", "day").aggregate(
        memory_bins=(_.bin * PACKED + _["count"]).collect(),
        memory_samples=_["count"].sum(),
        memory_sum=_.total.sum(),
        memory_max=_.highest.max(),
        memory_near_limit=_.near_limit.sum(),
    )


def _log_bins(intervals: ir.Table, column: str, name: str) -> ir.Table:
    known = intervals.filter(_[column].notnull())
    bins = known.group_by(
        "workload", day=_.timestamp_ms // MILLISECONDS_PER_DAY, bin=log_bin(_[column])
    ).aggregate(count=_.count())
    return bins.group_by("workload", "day").aggregate(
        **{name: (_.bin * PACKED + _["count"]).collect()}
    )


def _last_capacities(intervals: ir.Table, content: Content) -> ir.Table:
    """What was in force at the day's end: a limit lowered at noon is the limit from then on."""
    resized = intervals
    if len(content.resized) <= MOST_NAMED:
        resized = intervals.filter(_.workload.isin(content.resized))
    cores, memory = resized.capacity_cores, resized.capacity_memory
    return resized.group_by("workload", day=_.timestamp_ms // MILLISECONDS_PER_DAY).aggregate(
        last_cores=cores.argmax(_.timestamp_ms, where=cores.notnull()),
        last_memory=memory.argmax(_.timestamp_ms, where=memory.notnull()),
    )


def _kills(intervals: ir.Table) -> ir.Table:
    """Under which memory limit processes were killed."""
    limits = (
        intervals.filter(_.oom_kills > 0)
        .group_by("workload", "capacity_memory", day=_.timestamp_ms // MILLISECONDS_PER_DAY)
        .aggregate(kills=_.oom_kills.sum())
    )
    kill = ibis.struct({"value": _.capacity_memory, "kills": _.kills})
    return limits.group_by("workload", "day").aggregate(kills=kill.collect())


def _intervals(intervals: ir.Table) -> ir.Table:
    usable = intervals.filter(_.cpu.notnull() | _.memory.notnull())
    counts = usable.group_by(
        "workload", "interval_s", day=_.timestamp_ms // MILLISECONDS_PER_DAY
    ).aggregate(count=_.count())
    return counts.group_by("workload", "day").aggregate(
        intervals=(_.interval_s * PACKED + _["count"]).collect()
    )
