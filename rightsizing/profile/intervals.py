"""The measurements of a workload as one row an interval, in Ibis expressions.

A workload may have several resource ids (the two slots of a fleet); what sizes an instance is the
busiest of them, so ``busiest`` keeps, for each interval, the largest demand of any and the largest
capacity among them. Runs unchanged on every engine Ibis has. Nothing here reads a value or keeps a
table: each query below is one scan.
"""

from __future__ import annotations

import ibis
from ibis import _
from ibis.expr import types as ir

from rightsizing.profile.histograms import cpu_bin, log_bin
from rightsizing.units import MILLISECONDS_PER_DAY

AT_LIMIT_RATIO = 0.98  # CPU at 98 % of capacity and more counts as at the limit (chosen by us)
NEAR_LIMIT_RATIO = 0.95  # memory at 95 % and more: reclaim has begun, use says little (by us)
CREDITS_EXHAUSTED = 1.0  # less than one credit is under a minute of one vCPU


def interval_table(measurements: ir.Table) -> ir.Table:
    """One row a measurement: demands, capacities, and 0/1 marks of censored demand."""
    rows = measurements.select(
        "workload",
        "timestamp_ms",
        "interval_s",
        day=_.timestamp_ms // MILLISECONDS_PER_DAY,
        cpu=ibis.coalesce(_.cpu_cores_max, _.cpu_cores_mean),
        cpu_is_peak=_.cpu_cores_max.notnull().cast("int64"),
        cpu_mean=ibis.coalesce(_.cpu_cores_mean, _.cpu_cores_max),
        capacity_cores=_positive(_.capacity_cores),
        memory=ibis.coalesce(_.memory_bytes_max, _.memory_bytes_mean),
        memory_mean=ibis.coalesce(_.memory_bytes_mean, _.memory_bytes_max),
        capacity_memory=_positive(_.capacity_memory_bytes),
        instances=_.instances,
        network=_larger(_.network_in_bytes_per_s, _.network_out_bytes_per_s),
        disk_bytes=_sum(_.disk_read_bytes_per_s, _.disk_write_bytes_per_s),
        disk_ops=_sum(_.disk_read_ops_per_s, _.disk_write_ops_per_s),
        throttled=_.cpu_throttled_ratio,
        credits=_.cpu_credit_balance,
        oom_kills=_.oom_kills,
    )
    return rows.mutate(
        at_limit=(_.cpu >= _.capacity_cores * AT_LIMIT_RATIO).cast("int64"),
        near_limit=(_.memory >= _.capacity_memory * NEAR_LIMIT_RATIO).cast("int64"),
        exhausted=(_.credits < CREDITS_EXHAUSTED).cast("int64"),
    )


def busiest(intervals: ir.Table) -> ir.Table:
    """One row a (workload, timestamp) of workloads with several resources."""
    return intervals.group_by("workload", "timestamp_ms").aggregate(
        interval_s=_.interval_s.max(),
        cpu=_.cpu.max(),
        cpu_is_peak=_.cpu_is_peak.max(),
        cpu_mean=_.cpu_mean.max(),
        capacity_cores=_.capacity_cores.max(),
        memory=_.memory.max(),
        memory_mean=_.memory_mean.max(),
        capacity_memory=_.capacity_memory.max(),
        instances=_.instances.sum(),
        network=_.network.max(),
        disk_bytes=_.disk_bytes.max(),
        disk_ops=_.disk_ops.max(),
        throttled=_.throttled.max(),
        exhausted=_.exhausted.max(),
        oom_kills=_.oom_kills.sum(),
        at_limit=_.at_limit.max(),
        near_limit=_.near_limit.max(),
        day=_.day.min(),
    )


def daily_table(intervals: ir.Table) -> ir.Table:
    """One row a (workload, day): counts, sums and maxima, so that days merge by adding."""
    usable = _.cpu.notnull() | _.memory.notnull()
    return intervals.group_by("workload", "day").aggregate(
        start_ms=_.timestamp_ms.min(where=usable),
        end_ms=(_.timestamp_ms + _.interval_s * 1000).max(where=usable),
        samples=usable.cast("int64").sum(),
        cpu_samples=_.cpu.count(),
        cpu_without_capacity=(_.cpu.notnull() & _.capacity_cores.isnull()).cast("int64").sum(),
        cpu_peak_samples=_.cpu_is_peak.sum(),
        cpu_mean_sum=_.cpu_mean.sum(),
        cpu_max=_.cpu.max(),
        capacity_cores=_last(_.capacity_cores),
        at_limit=_.at_limit.sum(),
        throttled_sum=_.throttled.sum(),
        throttled_samples=_.throttled.count(),
        exhausted=_.exhausted.sum(),
        credit_samples=_.exhausted.count(),
        memory_samples=_.memory.count(),
        memory_mean_sum=_.memory_mean.sum(),
        memory_max=_.memory.max(),
        capacity_memory=_last(_.capacity_memory),
        near_limit=_.near_limit.sum(),
        instances_sum=_.instances.sum(),
        instances_samples=_.instances.count(),
        instances_max=_.instances.max(),
    )


def cpu_bin_counts(intervals: ir.Table) -> ir.Table:
    """(workload, day, capacity_cores, bin, count) of CPU samples with a known capacity."""
    known = intervals.filter(_.cpu.notnull(), _.capacity_cores.notnull())
    return known.group_by(
        "workload", "day", "capacity_cores", bin=cpu_bin(_.cpu, _.capacity_cores)
    ).aggregate(count=_.count())


def log_bin_counts(intervals: ir.Table, column: str) -> ir.Table:
    """(workload, bin, count) of a column in logarithmic bins."""
    known = intervals.filter(intervals[column].notnull())
    return known.group_by("workload", bin=log_bin(known[column])).aggregate(count=_.count())


def oom_kill_counts(intervals: ir.Table) -> ir.Table:
    """(workload, capacity_memory, kills): under which limit processes were killed."""
    killed = intervals.filter(_.oom_kills > 0)
    return killed.group_by("workload", "capacity_memory").aggregate(kills=_.oom_kills.sum())


def interval_counts(intervals: ir.Table) -> ir.Table:
    """(workload, interval_s, count) of intervals that measured CPU or memory."""
    usable = intervals.filter(_.cpu.notnull() | _.memory.notnull())
    return usable.group_by("workload", "interval_s").aggregate(count=_.count())


def _last(column: ir.NumericColumn) -> ir.NumericScalar:
    # What was in force at the day's end: a limit lowered at noon is the limit from then on.
    return column.argmax(_.timestamp_ms, where=column.notnull())


def _positive(column: ir.NumericValue) -> ir.NumericValue:
    # A powered-off machine reports a capacity of 0; that is no capacity.
    return (column > 0).ifelse(column, ibis.null("float64"))


def _larger(left: ir.NumericValue, right: ir.NumericValue) -> ir.NumericValue:
    # Network bandwidth is per direction, so the busier one counts.
    return ibis.greatest(ibis.coalesce(left, right), ibis.coalesce(right, left))


def _sum(left: ir.NumericValue, right: ir.NumericValue) -> ir.NumericValue:
    # A side that was not measured adds nothing; both missing is missing.
    both = ibis.coalesce(left, 0.0) + ibis.coalesce(right, 0.0)
    return (left.notnull() | right.notnull()).ifelse(both, ibis.null("float64"))
