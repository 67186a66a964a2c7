"""Looks at the two slots of a container behind HAProxy: a ``run.LookSource``.

A look is what was added between two readings: requests and failures by HAProxy's counters,
latencies by its log, CPU, memory, restarts and kills by the Docker engine. A look is as long as the
rollout's poll, whole seconds and at least ``least_s``; nothing is kept but the last reading, so
what happened while no controller ran is in no look. Everything is of this machine, whose clock is
the only one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rightsizing.model.rollout import Slot
from rightsizing.model.verdict import ArmLook, Look
from rightsizing.rollout.containerusage import (
    ArmUsage,
    ContainerReading,
    ContainerUsage,
    usage_between,
)
from rightsizing.rollout.haproxycounters import BackendCounters, ServerCounters, read_counters
from rightsizing.rollout.haproxylog import HaproxyLog, LatencyTally
from rightsizing.rollout.haproxysocket import HaproxySocket
from rightsizing.rollout.looks import LooksRead
from rightsizing.stack.clock import Clock

P99 = 0.99
LEAST_S = 1
# Lines may lag the counters by what is under way; more than this is lost, and its latency unknown.
LOST_SHARE, LOST_LINES = 0.05, 10


@dataclass(frozen=True, slots=True)
class ProxiedArm:
    """One arm: its slot and its server in the backend. One container is expected in it."""

    slot: Slot
    server: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """Totals at one moment."""

    wall_ms: int
    monotonic_s: float
    counters: BackendCounters
    containers: Mapping[Slot, Mapping[str, ContainerReading]]


@dataclass(slots=True)
class ProxyLooks:
    """Reads looks at two slots of one workload. ``log`` None: latencies are not measured.

    ``usage`` None: CPU and memory are not measured.
    """

    api: HaproxySocket
    backend: str
    workload: str
    baseline: ProxiedArm
    canary: ProxiedArm
    clock: Clock
    log: HaproxyLog | None = None
    usage: ContainerUsage | None = None
    least_s: int = LEAST_S
    _last: _Reading | None = field(default=None, init=False)

    def server_now_ms(self) -> int:
        """This machine's clock. The first look begins here. Raises RightsizingError."""
        self._last = self._read()
        if self.log is not None:
            self.log.take()
        return self._last.wall_ms

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        """The look from the last reading to now, if that is ``least_s`` or longer.

        Args:
            after_ms: end of the newest look so far, ms since 1970 UTC; a clock set back gives no
                look until it has passed.
            canary_weight: the canary's share (0-1) of both arms' traffic, as set.

        Raises:
            StackError: HAProxy does not answer.
            TelemetryError: a server is unknown to it, or the Docker engine does not answer.
        """
        last = self._last
        if last is None:
            return LooksRead((), self.server_now_ms(), "the first reading was just taken")
        if self.clock.monotonic() - last.monotonic_s < self.least_s:
            return LooksRead((), self._wall_ms(), "the look has only begun")
        now = self._read()
        tallies = self.log.take() if self.log is not None else {}
        self._last = now
        if now.counters.process != last.counters.process:
            return LooksRead((), now.wall_ms, "HAProxy was restarted, its counters began anew")
        seconds = now.monotonic_s - last.monotonic_s
        length_s = max(round(seconds), 1)
        start_ms = max(now.wall_ms - length_s * 1000, after_ms)
        if start_ms > now.wall_ms:
            return LooksRead((), now.wall_ms, "this machine's clock was set back")
        look = Look(
            start_ms=start_ms,
            length_s=length_s,
            canary_weight=canary_weight,
            baseline=self._arm(self.baseline, last, now, seconds, tallies),
            canary=self._arm(self.canary, last, now, seconds, tallies),
        )
        return LooksRead((look,), max(now.wall_ms, look.end_ms))

    def _arm(
        self,
        arm: ProxiedArm,
        last: _Reading,
        now: _Reading,
        seconds: float,
        tallies: Mapping[str, LatencyTally],
    ) -> ArmLook:
        counted = self._counted(arm, last, now)
        tally = self._complete(counted, tallies.get(arm.server, LatencyTally()))
        used: ArmUsage | None = None
        if self.usage is not None:
            used = usage_between(last.containers[arm.slot], now.containers[arm.slot], seconds)
        healthy = None if counted is None else counted.healthy
        if used is not None and healthy is not False:
            healthy = used.running > 0
        bound = None if self.log is None else self.log.latency_bound_ms
        return ArmLook(
            requests=None if counted is None else counted.requests,
            errors=None if counted is None else counted.errors,
            slow=None if tally is None or bound is None else tally.slow,
            latency_p99_ms=None if tally is None else tally.quantile_ms(P99),
            latency_mean_ms=None if tally is None else tally.mean_ms(),
            cpu_share=None if used is None else used.cpu_share,
            memory_share=None if used is None else used.memory_share,
            capacity_cores=None if used is None else used.capacity_cores,
            restarts=0 if used is None else used.restarts,
            oom_kills=0 if used is None else used.oom_kills,
            healthy_targets=None if healthy is None else int(healthy),
            expected_targets=1,
        )

    def _counted(self, arm: ProxiedArm, last: _Reading, now: _Reading) -> ServerCounters | None:
        """What a server was sent at first: what the other one passed on to it is left out.

        The backend has these two servers, so whatever leaves one is answered by the other.
        """
        other = self.canary if arm is self.baseline else self.baseline
        own, theirs = (
            now.counters.servers[item.server].since(last.counters.servers[item.server])
            for item in (arm, other)
        )
        if own is None or theirs is None:
            return None
        requests = max(own.requests - theirs.redispatched, own.errors)
        return replace(own, requests=requests)

    def _complete(self, counted: ServerCounters | None, tally: LatencyTally) -> LatencyTally | None:
        """The tally, unless the log lost too much of what was counted."""
        if self.log is None or counted is None:
            return None
        lost = counted.requests - counted.redispatched - tally.requests
        return None if lost > LOST_LINES + LOST_SHARE * counted.requests else tally

    def _read(self) -> _Reading:
        arms = (self.baseline, self.canary)
        containers: dict[Slot, Mapping[str, ContainerReading]] = {}
        if self.usage is not None:
            containers = {arm.slot: self.usage.read(self.workload, arm.slot) for arm in arms}
        counters = read_counters(self.api, self.backend, [arm.server for arm in arms])
        return _Reading(self._wall_ms(), self.clock.monotonic(), counters, containers)

    def _wall_ms(self) -> int:
        return round(self.clock.now().timestamp() * 1000)
