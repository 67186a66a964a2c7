"""Samples of one resource gathered into intervals: mean and peak CPU, memory, rates, throttling.

The use between two samples is spread evenly over the time between them, so it lands in the right
intervals when it crosses a border. Nothing is assumed about a time that was not sampled: a gap
longer than an interval, a counter that went back and a clock that jumped all begin anew. Kills for
lack of memory are events: they stay whole, and one that restarts the resource counts too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rightsizing.measure.sampling import RATE_COLUMNS, Sample

LEAST_COVERAGE = 0.5  # share of an interval that must be sampled for it to be kept (chosen by us)
JUMP_TOLERANCE_SECONDS = 2.0  # wall and steady clock may part this far between two samples

_COUNTERS = ("cpu_seconds", *RATE_COLUMNS, "cpu_periods", "cpu_throttled_periods")

Row = dict[str, Any]  # a row of the store, by column; only ever turned into a table


@dataclass(slots=True)
class OpenInterval:
    """What an unfinished interval holds so far."""

    start_ms: int
    covered_s: float = 0.0
    used: dict[str, float] = field(default_factory=dict)  # growth of counters
    cpu_peak_cores: float | None = None
    memory_sum: float = 0.0
    memory_samples: int = 0
    memory_peak: float | None = None

    def add_use(self, used: dict[str, float], seconds: float, share: float) -> None:
        """Add a share of the growth between two samples that were ``seconds`` apart."""
        self.covered_s += seconds * share
        for name, value in used.items():
            self.used[name] = self.used.get(name, 0.0) + value * share
        if "cpu_seconds" in used:
            cores = used["cpu_seconds"] / seconds
            self.cpu_peak_cores = max(self.cpu_peak_cores or 0.0, cores)

    def add_memory(self, memory_bytes: float | None) -> None:
        """Add one reading of memory in use."""
        if memory_bytes is not None:
            self.memory_sum += memory_bytes
            self.memory_samples += 1
            self.memory_peak = max(self.memory_peak or 0.0, memory_bytes)


@dataclass(slots=True)
class Finished:
    """What one sample brought to an end: rows, and a sentence for each thing left out."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Use:
    """Growth of counters between two moments, which the steady clock says are ``seconds`` apart."""

    growth: dict[str, float]
    from_ms: int
    until_ms: int
    seconds: float


@dataclass(slots=True)
class Accumulator:
    """One resource's last sample and open interval. Plain data, so it survives a restart."""

    interval_s: int
    last: Sample | None = None
    last_wall_ms: int = 0
    last_steady_s: float | None = None  # None after a restart: the steady clock began again
    open: OpenInterval | None = None
    finished_until_ms: int = 0
    oom_kills: float | None = None  # that no finished row holds yet

    def add(self, sample: Sample, wall_ms: int, steady_s: float) -> Finished:
        """Take a sample; returns the intervals it finished and what was left out."""
        finished = Finished()
        if self.last is not None and _is_same_reading(self.last, sample):
            return finished
        elapsed_s, trouble = self._elapsed(sample, wall_ms, steady_s)
        if elapsed_s is not None and self.last is not None:
            use = _Use(_growth(self.last, sample), self.last_wall_ms, wall_ms, elapsed_s)
            self._spread(use, finished)
        elif trouble:
            finished.left_out.append(trouble)
        interval = self._interval_at(wall_ms, finished)
        interval.add_memory(sample.memory_bytes)
        self._add_kills(sample)
        self.last, self.last_wall_ms, self.last_steady_s = sample, wall_ms, steady_s
        return finished

    def partial(self) -> Row | None:
        """The open interval as a row when enough of it is covered; it stays open."""
        return None if self.open is None else self._row(self.open)

    def forget_steady_clock(self) -> None:
        """Say that the process restarted: only the wall clock links to the last sample."""
        self.last_steady_s = None

    def _add_kills(self, sample: Sample) -> None:
        """Count kills whatever happened around them: most of them end a lifetime."""
        if sample.oom_kills is None:
            return
        known = self.last.oom_kills if self.last is not None and self.last.oom_kills else 0.0
        # Below what is known, the source began to count anew.
        new = sample.oom_kills - known if sample.oom_kills >= known else sample.oom_kills
        self.oom_kills = (self.oom_kills or 0.0) + new

    def _elapsed(self, sample: Sample, wall_ms: int, steady_s: float) -> tuple[float | None, str]:
        """Seconds since the last sample, or None and why its counters cannot be compared."""
        if self.last is None:
            return None, ""
        wall_s = (wall_ms - self.last_wall_ms) / 1000
        elapsed_s = wall_s if self.last_steady_s is None else steady_s - self.last_steady_s
        counted_s = elapsed_s
        if sample.counted_at_s is not None and self.last.counted_at_s is not None:
            counted_s = sample.counted_at_s - self.last.counted_at_s
        parted_s = max(abs(wall_s - elapsed_s), abs(counted_s - elapsed_s))
        if parted_s > JUMP_TOLERANCE_SECONDS or min(wall_s, counted_s) <= 0:
            return None, "the clock jumped; the time around it is left out"
        if sample.lifetime != self.last.lifetime:
            return None, "restarted; the time around it is left out"
        if _went_back(self.last, sample):
            return None, "a counter went back; the time around it is left out"
        if elapsed_s > self.interval_s:
            return None, "not sampled for longer than an interval"
        return counted_s, ""

    def _spread(self, use: _Use, finished: Finished) -> None:
        from_ms = use.from_ms
        while from_ms < use.until_ms:
            interval = self._interval_at(from_ms, finished)
            until_ms = min(use.until_ms, interval.start_ms + self.interval_s * 1000)
            share = (until_ms - from_ms) / (use.until_ms - use.from_ms)
            interval.add_use(use.growth, use.seconds, share)
            from_ms = until_ms

    def _interval_at(self, wall_ms: int, finished: Finished) -> OpenInterval:
        """The open interval that holds a moment; an earlier or later one is closed first."""
        interval_ms = self.interval_s * 1000
        start_ms = wall_ms // interval_ms * interval_ms
        if self.open is not None and self.open.start_ms != start_ms:
            self._close(self.open, finished)
            self.open = None
        if self.open is None:
            self.open = OpenInterval(start_ms)
        return self.open

    def _close(self, interval: OpenInterval, finished: Finished) -> None:
        if interval.start_ms < self.finished_until_ms:
            finished.left_out.append("the clock went back into intervals that are already stored")
            return
        row = self._row(interval)
        if row is not None:
            finished.rows.append(row)
            self.oom_kills = None if self.oom_kills is None else 0.0
            self.finished_until_ms = interval.start_ms + self.interval_s * 1000
        elif interval.covered_s > 0:
            finished.left_out.append("an interval of which less than half was sampled")

    def _row(self, interval: OpenInterval) -> Row | None:
        if self.last is None or interval.covered_s < LEAST_COVERAGE * self.interval_s:
            return None
        used, seconds = interval.used, interval.covered_s
        row: Row = {
            "workload": self.last.workload,
            "resource_id": self.last.resource_id,
            "timestamp_ms": interval.start_ms,
            "interval_s": self.interval_s,
            "cpu_cores_mean": used["cpu_seconds"] / seconds if "cpu_seconds" in used else None,
            "cpu_cores_max": interval.cpu_peak_cores,
            "capacity_cores": self.last.capacity_cores,
            "memory_bytes_mean": (
                interval.memory_sum / interval.memory_samples if interval.memory_samples else None
            ),
            "memory_bytes_max": interval.memory_peak,
            "capacity_memory_bytes": self.last.capacity_memory_bytes,
            "instances": 1.0,
            "oom_kills": self.oom_kills,
        }
        for counter, column in RATE_COLUMNS.items():
            row[column] = used[counter] / seconds if counter in used else None
        periods = used.get("cpu_periods")
        if periods:
            row["cpu_throttled_ratio"] = min(1.0, used.get("cpu_throttled_periods", 0) / periods)
        elif periods is not None:
            row["cpu_throttled_ratio"] = 0.0  # a limit is set and no period ran
        return row


def _is_same_reading(last: Sample, sample: Sample) -> bool:
    """Whether the source gave its last reading again, as an engine does when asked too often."""
    return (
        sample.counted_at_s is not None
        and sample.counted_at_s == last.counted_at_s
        and sample.lifetime == last.lifetime
    )


def _growth(last: Sample, sample: Sample) -> dict[str, float]:
    """Growth of every counter that both samples have."""
    before, after = asdict(last), asdict(sample)
    return {
        name: after[name] - before[name]
        for name in _COUNTERS
        if after[name] is not None and before[name] is not None
    }


def _went_back(last: Sample, sample: Sample) -> bool:
    return any(value < 0 for value in _growth(last, sample).values())
