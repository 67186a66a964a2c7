"""The PromQL by which each column of the store is read from cAdvisor and node exporter.

Metric names as in cAdvisor's storage/prometheus documentation and node exporter's cpu and meminfo
collectors. Everything is aggregated inside one scrape (job and instance) first and then the largest
is taken over scrapes, so that two jobs that export the same container do not count it twice. An
interval's row comes from the instant at its end; rates and ``*_over_time`` look back over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, unique

WORKLOAD_LABEL = "container_label_rightsizing_workload"  # cAdvisor's name of our Docker label
RESOURCE_LABEL = "id"  # a container's cgroup path, unique on its host
INSTANCE_LABEL = "instance"
_PEAK_S = 60  # a peak is the busiest minute, where scrapes are at most 30 s apart


@unique
class Exporter(StrEnum):
    """Who measured."""

    CADVISOR = "cadvisor"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """One query, the column it fills, and the label that names workload and resource."""

    column: str
    expression: str
    workload_label: str
    resource_label: str


def queries(
    exporter: Exporter,
    interval_s: int,
    *,
    workload_label: str | None = None,
    selector: str = "",
) -> tuple[RangeQuery, ...]:
    """Every query of an exporter.

    Args:
        interval_s: length of the store's intervals.
        workload_label: the label that holds the workload key; None: the exporter's usual one.
        selector: further matchers, as inside braces: ``namespace="shop"``.
    """
    if exporter is Exporter.CADVISOR:
        label = workload_label or WORKLOAD_LABEL
        found = _cadvisor(label, f"{interval_s}s", selector)
        return tuple(RangeQuery(column, text, label, RESOURCE_LABEL) for column, text in found)
    label = workload_label or INSTANCE_LABEL
    found = _node(label, f"{interval_s}s", selector)
    return tuple(RangeQuery(column, text, label, INSTANCE_LABEL) for column, text in found)


def _cadvisor(label: str, span: str, selector: str) -> Iterator[tuple[str, str]]:
    where = ", ".join(part for part in (f'{label}!=""', selector) if part)

    def each(inner: str) -> str:
        one_scrape = f"sum by ({label}, id, job, instance) ({inner})"
        return f"max by ({label}, id) ({one_scrape})"

    def rate(name: str, over: str = span) -> str:
        return f"rate({name}{{{where}}}[{over}])"

    cpu = "container_cpu_usage_seconds_total"
    memory = f"container_memory_working_set_bytes{{{where}}}"
    yield "cpu_cores_mean", each(rate(cpu))
    yield "cpu_cores_max", f"max_over_time({each(rate(cpu, f'{_PEAK_S}s'))}[{span}:{_PEAK_S}s])"
    yield "memory_bytes_mean", each(f"avg_over_time({memory}[{span}])")
    yield "memory_bytes_max", each(f"max_over_time({memory}[{span}])")
    quota, period, shares = (
        f"container_spec_cpu_{name}{{{where}}}" for name in ("quota", "period", "shares")
    )
    limit = f"container_spec_memory_limit_bytes{{{where}}}"
    yield (
        "capacity_cores",
        _limit_or_host(f"{quota} / {period}", f"0 * {shares}", "machine_cpu_cores", label),
    )
    # without a limit cAdvisor says 0; the whole machine is the capacity then
    yield (
        "capacity_memory_bytes",
        _limit_or_host(f"{limit} > 0", f"{limit} == 0", "machine_memory_bytes", label),
    )
    throttled, periods = (
        rate(f"container_cpu_cfs_{name}_total") for name in ("throttled_periods", "periods")
    )
    yield "cpu_throttled_ratio", each(f"{throttled} / ({periods} > 0)")
    yield "oom_kills", each(f"increase(container_oom_events_total{{{where}}}[{span}])")
    for column, name in (
        ("network_in_bytes_per_s", "container_network_receive_bytes_total"),
        ("network_out_bytes_per_s", "container_network_transmit_bytes_total"),
        ("disk_read_bytes_per_s", "container_fs_reads_bytes_total"),
        ("disk_write_bytes_per_s", "container_fs_writes_bytes_total"),
        ("disk_read_ops_per_s", "container_fs_reads_total"),
        ("disk_write_ops_per_s", "container_fs_writes_total"),
    ):
        yield column, each(rate(name))


def _limit_or_host(limited: str, unlimited: str, machine: str, label: str) -> str:
    """The limit where there is one, else 0 plus what the machine of the same scrape has."""
    scrape = f"{label}, id, job, instance"
    host = (
        f"sum by ({scrape}) ({unlimited}) + on (job, instance) group_left () "
        f"max by (job, instance) ({machine})"
    )
    return f"max by ({label}, id) (sum by ({scrape}) ({limited}) or {host})"


def _node(label: str, span: str, selector: str) -> Iterator[tuple[str, str]]:
    also = f", {selector}" if selector else ""
    where = f"{{{selector}}}" if selector else ""
    labels = label if label == INSTANCE_LABEL else f"{label}, {INSTANCE_LABEL}"

    def each(inner: str, aggregate: str = "sum") -> str:
        return f"max by ({labels}) ({aggregate} by ({labels}, job) ({inner}))"

    # waiting for a disk or for the hypervisor is no use of CPU
    busy = f'node_cpu_seconds_total{{mode!~"idle|iowait|steal"{also}}}'
    used = f"(node_memory_MemTotal_bytes{where} - node_memory_MemAvailable_bytes{where})"
    yield "cpu_cores_mean", each(f"rate({busy}[{span}])")
    peak = each(f"rate({busy}[{_PEAK_S}s])")
    yield "cpu_cores_max", f"max_over_time({peak}[{span}:{_PEAK_S}s])"
    yield "memory_bytes_mean", each(f"avg_over_time({used}[{span}:{_PEAK_S}s])")
    yield "memory_bytes_max", each(f"max_over_time({used}[{span}:{_PEAK_S}s])")
    idle = f'node_cpu_seconds_total{{mode="idle"{also}}}'
    yield "capacity_cores", each(idle, "count")
    yield "capacity_memory_bytes", each(f"node_memory_MemTotal_bytes{where}")
    loopback = f'{{device!="lo"{also}}}'
    for column, name, matchers in (
        ("network_in_bytes_per_s", "node_network_receive_bytes_total", loopback),
        ("network_out_bytes_per_s", "node_network_transmit_bytes_total", loopback),
        ("disk_read_bytes_per_s", "node_disk_read_bytes_total", where),
        ("disk_write_bytes_per_s", "node_disk_written_bytes_total", where),
    ):
        yield column, each(f"rate({name}{matchers}[{span}])")
