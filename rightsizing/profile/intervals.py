"""The measurements of a workload as one row an interval, in Ibis expressions.

A workload may have several resource ids (the two slots of a fleet); what sizes an instance is the
busiest of them, so ``busiest`` keeps, for each interval, the largest demand of any and the largest
capacity among them. Runs unchanged on every engine Ibis has. Nothing here reads a value or keeps a
table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import ibis
from ibis import _
from ibis.expr import types as ir

from rightsizing.profile.histograms import AT_LIMIT_RATIO

NEAR_LIMIT_RATIO = 0.95  # memory at 95 % and more: reclaim has begun, use says little (by us)
CREDITS_EXHAUSTED = 1.0  # less than one credit is under a minute of one vCPU
# Amounts that are summed are counted in steps of 2 ** -20 (cores, ratios, instances) or in bytes:
# sums of integers do not depend on the order, and this scaling is exact.
SUM_STEPS = 2**20

_MOST_CORES = 1e6
_MOST_BYTES = float(2**46)  # 64 TiB, twice the largest instance; a day of seconds still adds up
_MOST = 1e18
# Least and largest value of a column that can be a reading; outside it is not measured. A capacity
# of 0 is a machine that is off. NaN compares as larger than any number in DuckDB and Spark.
RANGES = MappingProxyType(
    {
        "cpu_cores_mean": (0.0, _MOST_CORES),
        "cpu_cores_max": (0.0, _MOST_CORES),
        "capacity_cores": (1e-6, _MOST_CORES),
        "memory_bytes_mean": (0.0, _MOST_BYTES),
        "memory_bytes_max": (0.0, _MOST_BYTES),
        "capacity_memory_bytes": (1.0, _MOST_BYTES),
        "instances": (0.0, _MOST_CORES),
        "network_in_bytes_per_s": (0.0, _MOST),
        "network_out_bytes_per_s": (0.0, _MOST),
        "disk_read_bytes_per_s": (0.0, _MOST),
        "disk_write_bytes_per_s": (0.0, _MOST),
        "disk_read_ops_per_s": (0.0, _MOST),
        "disk_write_ops_per_s": (0.0, _MOST),
        "cpu_credit_balance": (0.0, _MOST),
        "cpu_throttled_ratio": (0.0, 1.0),
        "oom_kills": (0.0, _MOST_CORES),
    }
)


@dataclass(frozen=True, slots=True)
class Content:
    """What measurements hold, so that a query need not ask of every row what holds of none."""

    measured: frozenset[str]  # columns of RANGES with a value in any row
    whole: frozenset[str]  # of them, those with a value within its range in every row
    mixed_intervals: bool  # rows differ in interval_s, or some are not positive
    several: tuple[str, ...] = ()  # workloads of several resources, sorted
    resized: tuple[str, ...] = ()  # workloads whose capacity changes, sorted
    plain: bool = True  # some workload is neither

    def measures(self, *columns: str) -> bool:
        """True when any of these columns holds a value."""
        return not self.measured.isdisjoint(columns)

    @property
    def cpu(self) -> bool:
        """True when any row measured CPU."""
        return self.measures("cpu_cores_max", "cpu_cores_mean")

    @property
    def always(self) -> bool:
        """True when every row measured CPU or memory."""
        return self.cpu_whole or self.memory_whole

    @property
    def cpu_whole(self) -> bool:
        """True when every row measured CPU."""
        return not self.whole.isdisjoint({"cpu_cores_max", "cpu_cores_mean"})

    @property
    def memory_whole(self) -> bool:
        """True when every row measured memory."""
        return not self.whole.isdisjoint({"memory_bytes_max", "memory_bytes_mean"})

    @property
    def memory(self) -> bool:
        """True when any row measured memory."""
        return self.measures("memory_bytes_max", "memory_bytes_mean")


def interval_table(measurements: ir.Table, content: Content) -> ir.Table:
    """One row a measurement: demands, capacities, and 0/1 marks of censored demand.

    A value outside ``RANGES`` counts as not measured; a row without a positive interval or with a
    time before 1970 does not count at all. ``cpu_mean``, ``throttled`` and ``instances`` are
    integers, in steps of 1 / ``SUM_STEPS``; ``memory_mean`` is whole bytes.
    """
    valid = measurements.filter(_.timestamp_ms >= 0)
    if content.mixed_intervals:
        valid = valid.filter(_.interval_s > 0)
    read = _reader(valid, content)
    cpu, cpu_mean = read("cpu_cores_max", "cpu_cores_mean"), read("cpu_cores_mean", "cpu_cores_max")
    memory = read("memory_bytes_max", "memory_bytes_mean")
    memory_mean = read("memory_bytes_mean", "memory_bytes_max")
    rows = valid.select(
        "workload",
        "timestamp_ms",
        "interval_s",
        cpu=cpu,
        cpu_is_peak=read("cpu_cores_max").notnull().cast("int64"),
        cpu_mean=_steps(cpu_mean),
        capacity_cores=read("capacity_cores"),
        memory=memory,
        memory_mean=memory_mean.floor().cast("int64"),
        capacity_memory=read("capacity_memory_bytes"),
        instances=_steps(read("instances")),
        network=_larger(read("network_in_bytes_per_s"), read("network_out_bytes_per_s")),
        disk_bytes=_sum(read("disk_read_bytes_per_s"), read("disk_write_bytes_per_s")),
        disk_ops=_sum(read("disk_read_ops_per_s"), read("disk_write_ops_per_s")),
        throttled=_steps(read("cpu_throttled_ratio")),
        credits=read("cpu_credit_balance"),
        oom_kills=read("oom_kills"),
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
    )


def _reader(rows: ir.Table, content: Content) -> Callable[..., ir.NumericValue]:
    """A function that gives the first of some columns that holds a reading, else null."""

    def one(name: str) -> ir.NumericValue:
        if name in content.whole:
            return rows[name]
        lowest, highest = RANGES[name]
        usable = (rows[name] >= lowest) & (rows[name] <= highest)
        return usable.ifelse(rows[name], ibis.null("float64"))

    def first(*names: str) -> ir.NumericValue:
        held = [name for name in names if name in content.measured]
        if not held:
            return ibis.null("float64")
        return one(held[0]) if held[0] in content.whole else ibis.coalesce(*map(one, held))

    return first


def _steps(value: ir.NumericValue) -> ir.IntegerValue:
    return (value * float(SUM_STEPS)).floor().cast("int64")


def _larger(left: ir.NumericValue, right: ir.NumericValue) -> ir.NumericValue:
    # Network bandwidth is per direction, so the busier one counts.
    return ibis.greatest(ibis.coalesce(left, right), ibis.coalesce(right, left))


def _sum(left: ir.NumericValue, right: ir.NumericValue) -> ir.NumericValue:
    # A side that was not measured adds nothing; both missing is missing.
    both = ibis.coalesce(left, 0.0) + ibis.coalesce(right, 0.0)
    return (left.notnull() | right.notnull()).ifelse(both, ibis.null("float64"))
