"""What a recorder reads: one sample of counters and gauges per resource, and the clock it reads by.

Counters only grow within one ``lifetime`` of a resource (a container's start, a machine's boot);
when the lifetime changes they began again at zero.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

# Counters of a sample that become rates (per second) of a row, and the row's column.
RATE_COLUMNS = {
    "network_in_bytes": "network_in_bytes_per_s",
    "network_out_bytes": "network_out_bytes_per_s",
    "disk_read_bytes": "disk_read_bytes_per_s",
    "disk_write_bytes": "disk_write_bytes_per_s",
    "disk_read_ops": "disk_read_ops_per_s",
    "disk_write_ops": "disk_write_ops_per_s",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One resource at one moment. None: the source cannot tell."""

    workload: str
    resource_id: str
    lifetime: str
    counted_at_s: float | None = None  # when the source took the counters, by its own clock
    cpu_seconds: float | None = None  # counter: CPU time used
    memory_bytes: float | None = None  # gauge: working set
    capacity_cores: float | None = None
    capacity_memory_bytes: float | None = None
    network_in_bytes: float | None = None  # counters from here on
    network_out_bytes: float | None = None
    disk_read_bytes: float | None = None
    disk_write_bytes: float | None = None
    disk_read_ops: float | None = None
    disk_write_ops: float | None = None
    cpu_periods: float | None = None
    cpu_throttled_periods: float | None = None
    oom_kills: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All resources at one moment, and a sentence for each that could not be read."""

    samples: tuple[Sample, ...]
    missing: tuple[str, ...] = ()


class SampleSource(Protocol):
    """Something that can be sampled: a Docker engine, this host."""

    @property
    def name(self) -> str:
        """The store's ``source`` of its rows."""
        ...

    def read(self) -> Reading:
        """Sample every resource. Raises TelemetryError when the source does not answer."""
        ...


class Clock(Protocol):
    """Wall time to name intervals by, and steady time to measure them with."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970, UTC; may jump."""
        ...

    def steady_s(self) -> float:
        """Seconds that never jump; any origin."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def steady_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
