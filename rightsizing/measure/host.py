"""Sampling this host with psutil: the machine as a whole, and groups of processes by name.

A group's CPU time is the growth of its members' own counters; what a process used between the last
sample and its end is not seen. A group's memory is the sum of resident sets, which counts shared
pages once for each process: too high rather than too low.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from rightsizing.errors import ConfigError
from rightsizing.measure.sampling import Reading, Sample
from rightsizing.measure.trace import workload_key

SOURCE = "host"
# Kernel CPU time that is no work. ``guest`` is contained in ``user`` and so not added either.
_NOT_WORK = frozenset({"idle", "iowait", "guest", "guest_nice", "steal"})


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Processes that are one workload: those whose name or command line matches."""

    workload: str
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> ProcessGroup:
        """From ``<workload>=<regular expression>``. Raises ConfigError."""
        workload, separator, expression = text.partition("=")
        if not separator or not workload or not expression:
            raise ConfigError(f"{text!r} is not <workload>=<pattern>, such as trader=trader\\.py")
        if workload_key(workload) != workload:
            raise ConfigError(
                f"{workload!r} cannot be a workload key; use letters, digits, . _ / -"
            )
        try:
            return cls(workload, re.compile(expression))
        except re.error as error:
            raise ConfigError(f"{expression!r} is no regular expression: {error}") from error


class HostSource:
    """Samples the host and the given groups.

    Args:
        groups: process groups; a process may be in several.
        host_workload: workload key of the whole machine; None: ``host/<host name>``.
    """

    name = SOURCE

    def __init__(
        self, groups: Sequence[ProcessGroup] = (), host_workload: str | None = None
    ) -> None:
        self._groups = tuple(groups)
        self._hostname = socket.gethostname()
        self._host_workload = host_workload or workload_key(self._hostname, "host/")
        self._seen: dict[str, dict[tuple[int, float], float]] = {}
        self._used: dict[str, float] = {}
        # Group counters live in this object, so they begin again with it.
        self._lifetime = f"{psutil.boot_time():.0f} {psutil.Process().create_time():.3f} {id(self)}"

    def read(self) -> Reading:
        """Sample the host and every group; a group without processes is reported as missing."""
        members: dict[str, list[tuple[tuple[int, float], float, float]]] = {
            group.workload: [] for group in self._groups
        }
        if self._groups:
            self._collect(members)
        samples, missing = [self._host()], []
        for group in self._groups:
            found = members[group.workload]
            if not found:
                missing.append(f"{group.workload}: no process matches {group.pattern.pattern!r}")
                self._seen.pop(group.workload, None)
                continue
            samples.append(self._group(group.workload, found))
        return Reading(tuple(samples), tuple(missing))

    def _collect(self, members: dict[str, list[tuple[tuple[int, float], float, float]]]) -> None:
        for process in psutil.process_iter(
            ["pid", "name", "cmdline", "create_time", "cpu_times", "memory_info"]
        ):
            facts = process.info
            if facts["cpu_times"] is None or facts["memory_info"] is None:
                continue  # ended meanwhile, or another user's
            text = " ".join([facts["name"] or "", *(facts["cmdline"] or ())])
            identity = (facts["pid"], facts["create_time"])
            seconds = facts["cpu_times"].user + facts["cpu_times"].system
            for group in self._groups:
                if group.pattern.search(text):
                    members[group.workload].append((identity, seconds, facts["memory_info"].rss))

    def _group(
        self, workload: str, found: Sequence[tuple[tuple[int, float], float, float]]
    ) -> Sample:
        before = self._seen.get(workload)
        used = self._used.get(workload, 0.0)
        if before is not None:
            # A process that is new since the last sample used all of its time since then.
            used += sum(
                max(0.0, seconds - before.get(identity, 0.0)) for identity, seconds, _ in found
            )
        self._used[workload] = used
        self._seen[workload] = {identity: seconds for identity, seconds, _ in found}
        return Sample(
            workload=workload,
            resource_id=f"{self._hostname}/{workload}",
            lifetime=self._lifetime,
            cpu_seconds=used,
            memory_bytes=float(sum(resident for _, _, resident in found)),
            capacity_cores=_logical_cores(),
            capacity_memory_bytes=float(psutil.virtual_memory().total),
        )

    def _host(self) -> Sample:
        times = psutil.cpu_times()._asdict()
        memory = psutil.virtual_memory()
        network, disk = psutil.net_io_counters(), psutil.disk_io_counters()
        return Sample(
            workload=self._host_workload,
            resource_id=self._hostname,
            lifetime=f"{psutil.boot_time():.0f}",
            cpu_seconds=sum(value for name, value in times.items() if name not in _NOT_WORK),
            memory_bytes=float(memory.total - memory.available),
            capacity_cores=_logical_cores(),
            capacity_memory_bytes=float(memory.total),
            network_in_bytes=float(network.bytes_recv) if network else None,
            network_out_bytes=float(network.bytes_sent) if network else None,
            disk_read_bytes=float(disk.read_bytes) if disk else None,
            disk_write_bytes=float(disk.write_bytes) if disk else None,
            disk_read_ops=float(disk.read_count) if disk else None,
            disk_write_ops=float(disk.write_count) if disk else None,
        )


def _logical_cores() -> float:
    return float(psutil.cpu_count(logical=True) or 1)
