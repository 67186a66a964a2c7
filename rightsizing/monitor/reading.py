"""What one look at a workload says, from whatever source, and what a source of looks is.

Ratios are of the workload's own limit. Counters only grow within a process' life and may restart
at 0. None: this source cannot tell, which another source may; a figure is never 0 for want of data.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from rightsizing.model.workload import WORKLOAD_KEY_PATTERN


@dataclass(frozen=True, slots=True)
class WorkloadReading:
    """One workload at one moment."""

    workload: str
    up: bool | None = None  # whether its health check was answered
    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    units: float | None = None  # counter: units of work done
    slow_units: float | None = None  # counter: of those, the ones over the latency bound
    requests: float | None = None  # counter
    errors: float | None = None  # counter
    latency_mean_ms: float | None = None
    units_per_s: float | None = None
    cost_per_unit_usd: float | None = None
    scan_seconds: float | None = None  # of the last guardian scan

    def __post_init__(self) -> None:
        if not WORKLOAD_KEY_PATTERN.match(self.workload):
            raise ValueError(f"workload key {self.workload[:40]!r} is not allowed")

    def merged(self, other: WorkloadReading) -> WorkloadReading:
        """This reading with what only ``other`` knows."""
        known = {
            item.name: getattr(other if getattr(self, item.name) is None else self, item.name)
            for item in fields(self)
        }
        return WorkloadReading(**known)


@dataclass(frozen=True, slots=True)
class Readings:
    """One look at everything a source knows; ``missing``: a sentence for each failure."""

    workloads: tuple[WorkloadReading, ...]
    missing: tuple[str, ...] = ()


class ReadingSource(Protocol):
    """Something that can be looked at, again and again."""

    @property
    def name(self) -> str:
        """For people: ``docker``, ``prometheus http://127.0.0.1:9090``."""
        ...

    def look(self) -> Readings:
        """Look once. Raises TelemetryError when the source as a whole does not answer."""
        ...


def merged(looks: tuple[Readings, ...]) -> dict[str, WorkloadReading]:
    """One reading a workload; where two sources know a figure, the first of ``looks`` counts."""
    found: dict[str, WorkloadReading] = {}
    for look in looks:
        for reading in look.workloads:
            known = found.get(reading.workload)
            found[reading.workload] = reading if known is None else known.merged(reading)
    return found
