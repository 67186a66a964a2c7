"""The data plane: a clock, what runs now, and the metrics of the minutes that passed.

In simulated mode the clock stands still until ``advance`` moves it, as far and as fast as asked,
and all of the local cloud goes by it: launch times, the Date of every answer. In real time the
plane catches up with the wall clock before anything changes or is asked for. Either way a minute is
simulated once, when it is over, with what ran at its end; what it holds does not depend on how the
advances were cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.cloud.inside import InsideApi
from rightsizing.embedded.cloud.metricstore import MetricStore
from rightsizing.embedded.cloud.plane.arrivals import FloatArray, generators, noise_factors
from rightsizing.embedded.cloud.plane.host import ContainerHost, ContainerUse
from rightsizing.embedded.cloud.plane.live import Arm, LiveReader
from rightsizing.embedded.cloud.plane.publication import rows_of
from rightsizing.embedded.cloud.plane.scenario import Demand, IntArray, Noise, PlaneMode, Scenario
from rightsizing.embedded.cloud.plane.status import ArmTotals, PlaneStatus
from rightsizing.embedded.cloud.plane.traffic import ArmMinutes, Condition, arm_minutes
from rightsizing.embedded.engine.durable import write_durably
from rightsizing.embedded.faults.book import FaultBook, arm_matches
from rightsizing.embedded.faults.plan import Degraded, OomKills
from rightsizing.errors import EmbeddedError
from rightsizing.model.workload import WorkloadKind

MINUTE_MS = 60_000
LONGEST_ADVANCE_MINUTES = 60 * 24 * 31  # a month; more is a mistake
_BLOCK_MINUTES = 720  # simulated together; bounds memory
_CATCH_UP_MINUTES = 60 * 24  # of a server that was down, in real time


class _State(BaseModel):
    scenario: Scenario
    now_ms: int
    next_minute: int  # since 1970: the first that is not simulated yet
    minutes: int = 0
    noise: dict[str, float] = Field(default_factory=dict)
    waits_s: dict[str, dict[str, float]] = Field(default_factory=dict)  # arm -> cohort -> wait
    arms: dict[str, ArmTotals] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the plane works on."""

    metrics: MetricStore
    clock: Clock
    book: FaultBook
    host: ContainerHost | None


@dataclass(frozen=True, slots=True)
class _Offered:
    """A workload's minutes: requests a second, and the noise on work a request that arms share."""

    minutes: IntArray
    requests_per_s: FloatArray
    work_ratio: FloatArray


class Plane:
    """One data plane. Not thread-safe: the application calls it under its lock.

    ``api`` makes clients for reading what runs, and for groups that try again for capacity.
    """

    def __init__(
        self,
        path: Path,
        api: Callable[[str], InsideApi],
        *,
        metrics: MetricStore,
        clock: Clock,
        book: FaultBook,
        host: ContainerHost | None = None,
    ) -> None:
        self._path = path
        self._api = api
        self._around = _Surroundings(metrics, clock, book, host)
        self._state: _State | None = None
        self._reader: LiveReader | None = None
        if path.exists():
            self._state = _State.model_validate_json(path.read_text(encoding="utf-8"))
            self._set_clock()

    @property
    def region(self) -> str | None:
        """The scenario's region; None without a scenario."""
        return None if self._state is None else self._state.scenario.region

    def load(self, scenario: Scenario) -> None:
        """Begin a scenario; a simulated clock begins at the next full minute and never goes back.

        Raises EmbeddedError for a start in the past.
        """
        now = self._around.clock.now_ms()
        if scenario.mode is PlaneMode.SIMULATED and scenario.start_ms is not None:
            if scenario.start_ms < now:
                raise EmbeddedError(
                    f"start_ms {scenario.start_ms} lies before the local cloud's clock, {now}; "
                    "leave it out to start now"
                )
            now = scenario.start_ms
        if scenario.mode is PlaneMode.SIMULATED:
            now = -(-now // MINUTE_MS) * MINUTE_MS
        self._state = _State(scenario=scenario, now_ms=now, next_minute=-(-now // MINUTE_MS))
        self._reader = None
        self._set_clock()
        self._save()

    def stop(self) -> None:
        """Forget the scenario; the clock is the wall's again."""
        self._state = self._reader = None
        self._around.clock.simulate(None)
        self._path.unlink(missing_ok=True)

    def advance(self, minutes: float) -> int:
        """Move the simulated clock; returns its new time in ms. Raises EmbeddedError."""
        state = self._state
        if state is None:
            raise EmbeddedError("no scenario is loaded; load one before advancing the clock")
        if state.scenario.mode is not PlaneMode.SIMULATED:
            raise EmbeddedError("the data plane runs in real time; only a simulated clock advances")
        if not 0 <= minutes <= LONGEST_ADVANCE_MINUTES:
            raise EmbeddedError(
                f"cannot advance by {minutes:g} minutes; give 0 to {LONGEST_ADVANCE_MINUTES}"
            )
        self._run_until(state, state.now_ms + round(minutes * MINUTE_MS))
        return state.now_ms

    def backfill(self, minutes: int) -> None:
        """Make the history before the scenario's start, as if what runs now had run for long.

        Raises EmbeddedError once time has passed in the scenario.
        """
        state = self._state
        if state is None or state.minutes:
            raise EmbeddedError(
                "history can only be made before a loaded scenario's first minute; load it again"
            )
        if not 0 <= minutes <= LONGEST_ADVANCE_MINUTES:
            raise EmbeddedError(
                f"cannot make {minutes} minutes of history; give 0 to {LONGEST_ADVANCE_MINUTES}"
            )
        for first, end in self._blocks(state.next_minute - minutes, state.next_minute):
            self._run_block(state, first, end, settled=True)
        state.arms = {}
        self._save()

    def catch_up(self) -> None:
        """In real time: simulate the minutes that are over by now."""
        state = self._state
        if state is None or state.scenario.mode is not PlaneMode.REAL_TIME:
            return
        now = self._around.clock.now_ms()
        if now // MINUTE_MS > state.next_minute:
            state.next_minute = max(state.next_minute, now // MINUTE_MS - _CATCH_UP_MINUTES)
            self._run_until(state, now)

    def status(self) -> PlaneStatus:
        """Mode, clock, and requests by arm."""
        clock, state = self._around.clock, self._state
        now = clock.now_ms()
        ahead = now - clock.wall_ms()
        if state is None:
            return PlaneStatus(mode=None, now_ms=now, ahead_ms=ahead)
        return PlaneStatus(
            mode=state.scenario.mode,
            now_ms=now,
            ahead_ms=ahead,
            minutes=state.minutes,
            arms=state.arms,
        )

    def _run_until(self, state: _State, until_ms: int) -> None:
        last = until_ms // MINUTE_MS
        if last > state.next_minute:
            self._retry_launches(state)
        for first, end in self._blocks(state.next_minute, last):
            self._run_block(state, first, end)
            state.next_minute = end
            state.minutes += end - first
        state.now_ms = until_ms
        self._set_clock()
        self._save()

    def _blocks(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Stretches of minutes in which no fault begins or ends."""
        cuts = {first, end, *range(first, end, _BLOCK_MINUTES)}
        cuts |= {minute for minute in self._around.book.boundaries() if first < minute < end}
        ordered = sorted(cuts)
        return pairwise(ordered)

    def _run_block(self, state: _State, first: int, end: int, *, settled: bool = False) -> None:
        """Simulate minutes with what runs now; ``settled``: as if it had run since long before."""
        minutes = np.arange(first, end, dtype=np.int64)
        host = self._around.host
        with self._around.clock.at(first * MINUTE_MS):  # when the faults of the block are in force
            arms = self._live(state).arms(host.running() if host is not None else ())
        for workload, demand in sorted(state.scenario.workloads.items()):
            mine = [arm for arm in arms if arm.workload == workload]
            offered = self._offered(state, workload, demand, minutes)
            for arm in mine:
                chosen = _settled(arm) if settled else arm
                result = self._arm_block(state, chosen, demand, offered)
                region = state.scenario.region
                self._around.metrics.put(rows_of(chosen, result, region))
                self._remember(state, arm, result)

    def _offered(self, state: _State, workload: str, demand: Demand, minutes: IntArray) -> _Offered:
        rngs = generators(state.scenario.seed, workload, minutes.tolist())
        draws = np.array([rng.standard_normal(2) for rng in rngs])
        rate = demand.rate.at(minutes * 60)
        noise = self._noise(state, f"{workload} rate", demand.rate_noise, draws[:, 0])
        shared = self._noise(state, f"{workload} work", demand.shared_noise, draws[:, 1])
        return _Offered(minutes, rate * noise, shared)

    def _arm_block(self, state: _State, arm: Arm, demand: Demand, offered: _Offered) -> ArmMinutes:
        name, minutes = f"{arm.workload} {arm.name}", offered.minutes
        rngs = generators(state.scenario.seed, name, minutes.tolist())
        draws = np.array([rng.standard_normal() for rng in rngs])
        own = self._noise(state, name, demand.arm_noise, draws)
        return arm_minutes(
            arm.cohorts,
            demand,
            minutes,
            offered.requests_per_s * arm.weight,
            offered.work_ratio * own,
            rngs=rngs,
            waits_s=state.waits_s.get(name, {}),
            condition=self._condition(arm, int(minutes[0]) * MINUTE_MS),
        )

    def _condition(self, arm: Arm, moment_ms: int) -> Condition:
        book = self._around.book
        degraded = [
            fault
            for fault in book.lasting(Degraded, moment_ms)
            if arm_matches(fault, arm.workload, arm.slot)
        ]
        killed = [
            fault
            for fault in book.lasting(OomKills, moment_ms)
            if arm_matches(fault, arm.workload, arm.slot)
        ]
        return Condition(
            work_ratio=float(np.prod([fault.work_ratio for fault in degraded])),
            error_ratio=min(sum(fault.error_ratio for fault in degraded), 1.0),
            oom_killed=bool(killed),
        )

    def _noise(self, state: _State, name: str, noise: Noise, innovations: FloatArray) -> FloatArray:
        factors, last = noise_factors(noise, innovations, state.noise.get(name))
        state.noise[name] = last
        return factors

    def _remember(self, state: _State, arm: Arm, result: ArmMinutes) -> None:
        name = f"{arm.workload} {arm.name}"
        state.waits_s[name] = result.waits_s
        totals = state.arms.setdefault(name, ArmTotals(workload=arm.workload, slot=arm.slot))
        totals.requests += int(result.requests.sum())
        totals.served += int(result.served.sum())
        totals.failed += int(result.failed.sum())
        kills = int(result.oom_kills.sum())
        totals.oom_kills += kills
        host = self._around.host
        if arm.kind is WorkloadKind.CONTAINER and host is not None:
            if kills:
                host.out_of_memory(arm.name, kills)
            host.show_use(arm.name, _container_use(arm, result))

    def _retry_launches(self, state: _State) -> None:
        """A group that lacks instances tries again, as Auto Scaling does all the time."""
        api = self._api(state.scenario.region)
        for group in _short_groups(
            api.pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups")
        ):
            api.client("autoscaling").set_desired_capacity(
                AutoScalingGroupName=group[0], DesiredCapacity=group[1]
            )

    def _live(self, state: _State) -> LiveReader:
        if self._reader is None:
            self._reader = LiveReader(self._api(state.scenario.region), state.scenario)
        return self._reader

    def _set_clock(self) -> None:
        state = self._state
        simulated = state is not None and state.scenario.mode is PlaneMode.SIMULATED
        self._around.clock.simulate(state.now_ms if simulated and state is not None else None)

    def _save(self) -> None:
        assert self._state is not None
        write_durably(self._path, self._state.model_dump_json())


def _container_use(arm: Arm, result: ArmMinutes) -> ContainerUse:
    """The last minute's use, taken to go on."""
    cohort = arm.cohorts[0]
    return ContainerUse(
        since_s=float(int(result.minutes[-1]) * 60),
        cores=float(result.cpu_ratio[0, -1]) * cohort.cores,
        memory_bytes=int(result.memory_ratio[0, -1] * cohort.memory_bytes),
        throttled_ratio=float(result.throttled_ratio[0, -1]),
    )


def _settled(arm: Arm) -> Arm:
    return replace(arm, cohorts=tuple(replace(cohort, started_s=0) for cohort in arm.cohorts))


def _short_groups(groups: Iterable[dict[str, object]]) -> list[tuple[str, int]]:
    return [
        (str(group["AutoScalingGroupName"]), int(str(group["DesiredCapacity"])))
        for group in groups
        if len(group.get("Instances") or ()) < int(str(group["DesiredCapacity"]))  # type: ignore[arg-type]
    ]
