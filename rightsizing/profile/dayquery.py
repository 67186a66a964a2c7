"""One row a (workload, day) from measurements: a single Ibis expression, the same on every engine.

``day_rows`` groups once by hour and the hours by day. Daily figures are counts, maxima and sums of
integers; bins come from arithmetic that IEEE 754 fixes (see ``profile.histograms``) and leave the
engine as one integer an interval, which ``profile.dayrows`` counts: grouping by bin would cost more
than all the rest. So DuckDB and Spark give the same bits, in whatever order rows arrive.

``content_of`` asks first what the measurements hold, so that columns nobody measured cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
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
# Bins of an interval in one integer: each plus one, 0 not measured, with so much room for all but
# the first. A logarithmic bin of the largest rate is 4,235.
CODE_BITS = 13
MOST_NAMED = 1_000  # more workloads than this are not named in a query one by one

_RATES = MappingProxyType(
    {
        "network": ("network_in_bytes_per_s", "network_out_bytes_per_s"),
        "disk_bytes": ("disk_read_bytes_per_s", "disk_write_bytes_per_s"),
        "disk_ops": ("disk_read_ops_per_s", "disk_write_ops_per_s"),
    }
)
_BINS = pa.list_(pa.int64())
# What the lists of integers hold, in order.
BIN_LISTS = MappingProxyType(
    {
        "demand_codes": ("cpu", "memory"),
        "rate_codes": ("network", "disk_bytes", "disk_ops"),
    }
)
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
        plain=any(not row["several"] and not row["resized"] for row in found),
    )


def interval_parts(measurements: ir.Table, content: Content) -> list[tuple[ir.Table, Content]]:
    """Intervals of workloads of several resources, of resized ones and of the others, each with
    what it holds; of the first the busiest resource of each interval.

    What the first two need costs as much as all the rest, and most workloads do not need it.
    """
    intervals = interval_table(measurements, content)
    marked = sorted({*content.several, *content.resized})
    if len(marked) > MOST_NAMED or not content.plain:
        return [(busiest(intervals) if content.several else intervals, content)]
    parts = []
    if content.several:
        parts.append((busiest(intervals.filter(_.workload.isin(content.several))), content))
    resized = sorted(set(content.resized) - set(content.several))
    if resized:
        parts.append((intervals.filter(_.workload.isin(resized)), content))
    rest = intervals.filter(_.workload.notin(marked)) if marked else intervals
    return [*parts, (rest, replace(content, several=(), resized=()))]


def day_rows(intervals: ir.Table, content: Content) -> ir.Table:
    """One row a (workload, day) of an interval table, in no order, for ``dayrows.conformed``.

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


def _daily(intervals: ir.Table, content: Content) -> ir.Table:
    figures = _figures(content)
    codes = {name: _codes(intervals, columns, content) for name, columns in BIN_LISTS.items()}
    lists = {name: code for name, code in codes.items() if code is not None}
    hours = intervals.group_by("workload", hour=_.timestamp_ms // MILLISECONDS_PER_HOUR).aggregate(
        **figures, **{name: code.collect() for name, code in lists.items()}
    )
    daily = {name: _over_hours(name) for name in figures}
    daily |= {name: _[name].collect().flatten() for name in lists}
    if content.cpu:
        daily["hours"] = _hour().collect(where=None if content.cpu_whole else _.cpu_samples > 0)
        if "cpu_cores_max" in content.whole:  # every sample is a peak
            daily["cpu_peak_samples"] = _.cpu_samples.sum()
    return hours.group_by("workload", day=_.hour // 24).aggregate(**daily)


def _figures(content: Content) -> dict[str, Any]:
    """Figures of an hour that the day's are made from."""
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
    if content.cpu:
        figures |= {
            "cpu_samples": _.count() if content.cpu_whole else _.cpu.count(),
            "cpu_sum": _.cpu_mean.sum(),
            "cpu_max": _.cpu.max(),
            "cpu_at_limit": _.at_limit.sum(),
        }
        if "capacity_cores" not in content.whole:
            unknown = _.cpu.notnull() & _.capacity_cores.isnull()
            figures["cpu_without_capacity"] = _.count(where=unknown)
        if "cpu_cores_max" not in content.whole:
            figures["cpu_peak_samples"] = _.cpu_is_peak.sum()
    if content.memory:
        figures |= {
            "memory_samples": _.count() if content.memory_whole else _.memory.count(),
            "memory_sum": _.memory_mean.sum(),
            "memory_max": _.memory.max(),
            "memory_near_limit": _.near_limit.sum(),
        }
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
    return figures


def _over_hours(name: str) -> ir.Scalar:
    """The day's figure from its hours'."""
    if name == "start_ms":
        return _[name].min()
    if name in {"end_ms", "interval_s"} or name.startswith("capacity_") or name.endswith("_max"):
        return _[name].max()
    return _[name].sum()


def _hour() -> ir.StructValue:
    mean = _.cpu_sum.cast("float64") / _.cpu_samples.cast("float64") / float(SUM_STEPS)
    return ibis.struct(
        {
            "hour": (_.hour % 24).cast("int32"),
            "max": _.cpu_max.cast("float32"),
            "mean": mean.cast("float32"),
        }
    )


def _codes(intervals: ir.Table, columns: Sequence[str], content: Content) -> ir.IntegerValue | None:
    """Bins of these columns in one integer an interval; None when nothing of them was measured."""
    code: ir.IntegerValue | None = None
    for column in columns:
        own = _code(intervals, column, content)
        if code is not None:
            code = code * 2**CODE_BITS
        if own is not None:
            code = own if code is None else code + own
    return code


def _code(intervals: ir.Table, column: str, content: Content) -> ir.IntegerValue | None:
    """The bin plus one, 0 where not measured; None when that is everywhere."""
    match column:
        case "cpu":
            # Bins under several capacities are kept apart: see ``_bins_by_capacity``.
            if not content.cpu or content.resized:
                return None
            binned = cpu_bin(intervals.cpu, intervals.capacity_cores) + 1
            whole = content.cpu_whole and "capacity_cores" in content.whole
            return binned if whole else ibis.coalesce(binned, 0)
        case "memory":
            if not content.memory:
                return None
            return _log_code(intervals.memory, whole=content.memory_whole)
        case _:
            if not content.measures(*_RATES[column]):
                return None
            return _log_code(intervals[column], whole=False)


def _log_code(value: ir.NumericValue, *, whole: bool) -> ir.IntegerValue:
    code = log_bin(value) + 1
    # Not ``coalesce``: engines' ``greatest`` skips null, so null has a bin.
    return code if whole else value.notnull().ifelse(code, 0)


def _parts(intervals: ir.Table, content: Content) -> list[ir.Table]:
    """Answers by (workload, day) that need a grouping of their own."""
    parts = []
    if content.measures("oom_kills"):
        parts.append(_kills(intervals))
    if content.resized:
        parts.append(_last_capacities(intervals, content))
        if content.cpu:
            parts.append(_bins_by_capacity(intervals))
    if content.mixed_intervals:
        parts.append(_intervals(intervals))
    return parts


def _bins_by_capacity(intervals: ir.Table) -> ir.Table:
    """CPU bins under each capacity that was in force on a day."""
    known = intervals.filter(_.cpu.notnull(), _.capacity_cores.notnull())
    by_capacity = known.group_by(
        "workload", "capacity_cores", day=_.timestamp_ms // MILLISECONDS_PER_DAY
    ).aggregate(codes=(cpu_bin(_.cpu, _.capacity_cores) + 1).collect())
    held = ibis.struct({"value": _.capacity_cores, "codes": _.codes})
    return by_capacity.group_by("workload", "day").aggregate(cpu_codes=held.collect())


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
