"""Looks at containers and hosts: CPU and memory as a share of their limits.

CPU is what was used between two looks; the first look at a resource therefore tells no CPU. Of a
workload with several resources the busiest counts, since one hot copy is what an alert is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rightsizing.measure.sampling import Clock, Sample, SampleSource, SystemClock
from rightsizing.monitor.reading import Readings, WorkloadReading

_SHORTEST_S = 0.5  # CPU over less is mostly rounding of the counters


@dataclass(frozen=True, slots=True)
class _Seen:
    lifetime: str
    at_s: float
    cpu_seconds: float


@dataclass(slots=True)
class SampledSource:
    """A Docker engine's containers or this host, through what ``measure`` samples."""

    source: SampleSource
    clock: Clock = field(default_factory=SystemClock)
    _seen: dict[tuple[str, str], _Seen] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The source's own."""
        return self.source.name

    def look(self) -> Readings:
        """Sample everything once. Raises TelemetryError when the source does not answer."""
        reading = self.source.read()
        now_s = self.clock.steady_s()
        found: dict[str, WorkloadReading] = {}
        current: dict[tuple[str, str], _Seen] = {}
        for sample in reading.samples:
            cpu = self._cpu_ratio(sample, now_s, current)
            memory = _ratio(sample.memory_bytes, sample.capacity_memory_bytes)
            before = found.get(sample.workload)
            found[sample.workload] = WorkloadReading(
                workload=sample.workload,
                up=True,  # it runs; whether it answers is its own metrics' to say
                cpu_ratio=_larger(cpu, None if before is None else before.cpu_ratio),
                memory_ratio=_larger(memory, None if before is None else before.memory_ratio),
            )
        self._seen = current  # resources that are gone are forgotten
        return Readings(tuple(found.values()), reading.missing)

    def _cpu_ratio(
        self, sample: Sample, now_s: float, current: dict[tuple[str, str], _Seen]
    ) -> float | None:
        if sample.cpu_seconds is None:
            return None
        key = (sample.workload, sample.resource_id)
        at_s = now_s if sample.counted_at_s is None else sample.counted_at_s
        before = self._seen.get(key)
        if before is not None and before.lifetime == sample.lifetime:
            span_s = at_s - before.at_s
            if 0 <= span_s < _SHORTEST_S:
                current[key] = before  # too soon; the next look has a longer span
                return None
        current[key] = _Seen(sample.lifetime, at_s, sample.cpu_seconds)
        if before is None or before.lifetime != sample.lifetime or at_s <= before.at_s:
            return None
        used = sample.cpu_seconds - before.cpu_seconds
        return None if used < 0 else _ratio(used / (at_s - before.at_s), sample.capacity_cores)


def _ratio(used: float | None, capacity: float | None) -> float | None:
    return None if used is None or not capacity else used / capacity


def _larger(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return max(first, second)
