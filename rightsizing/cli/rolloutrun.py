"""What a rollout is run with, for this invocation: clients, clock, judgements, watched fleets.

Where the local cloud's data plane has a simulated clock, the rollout waits by that one, and says
so: hours then pass in seconds, and every duration of waiting is simulated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from rightsizing.cli.live import ENDPOINT_VARIABLE, aws_clients, facts_reader
from rightsizing.cli.progress import step_lines
from rightsizing.cli.session import Session
from rightsizing.errors import CatalogError, RightsizingError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.docker import connect
from rightsizing.model.base import NoData
from rightsizing.model.declaration import StackDeclaration
from rightsizing.model.release import Release
from rightsizing.model.rollout import Slot
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import JudgePolicy
from rightsizing.plan.criteria import criteria_of_slos
from rightsizing.rollout.awsfleet import (
    FleetPlace,
    arm_metrics,
    find_slots,
    lone_fleet,
    watched_fleet,
)
from rightsizing.rollout.calibrationfile import automatic_refusals, calibration_for
from rightsizing.rollout.containerlooks import ContainerLooks
from rightsizing.rollout.events import Started
from rightsizing.rollout.interruption import InterruptibleClock, Interruption
from rightsizing.rollout.judge.objectives import objectives_of
from rightsizing.rollout.looks import LookReader
from rightsizing.rollout.orphans import TagSweep
from rightsizing.rollout.prospect import BAKE_LOOKS, Judgement, judgement_of
from rightsizing.rollout.proxied import ProxiedContainers
from rightsizing.rollout.readiness import Conditions
from rightsizing.rollout.run import LookSource, RolloutRun, WatchedFleet
from rightsizing.rollout.servedload import read_served_load
from rightsizing.rollout.stages import Stage, moving_fleets
from rightsizing.stack.clock import Clock
from rightsizing.stack.livefacts import Scope

SIMULATED_KILLS = ("Rightsizing/Simulated", "OomKills")  # the local cloud's own metric
MINUTES_AN_UPDATE = 5  # taken for each stack update when the rollout's length is estimated


@dataclass(frozen=True, slots=True)
class Options:
    """The options a rollout is run with."""

    shares: Sequence[float]
    soak_s: float
    poll_s: float
    let_in: Callable[[str], bool] | None = None


@dataclass
class RolloutSetup:
    """Builds runs and conditions for one stack."""

    session: Session
    interruption: Interruption
    started: Started | None = None  # of a rollout that is resumed
    judgements: Mapping[str, Judgement] = field(default_factory=dict)

    @cached_property
    def declaration(self) -> StackDeclaration:
        """Declared workloads."""
        return self.session.declaration

    @cached_property
    def aws(self) -> AwsClients:
        """Clients of the stack's region."""
        return aws_clients(self.session)

    @property
    def uses_aws(self) -> bool:
        """Whether anything of the stack is in AWS."""
        return bool(self.declaration.fleets or self.declaration.services)

    @cached_property
    def proxies(self) -> ProxiedContainers | None:
        """Containers behind a proxy; None when the stack has none."""
        declared = self.declaration.containers.values()
        if not any(item.proxy is not None for item in declared):
            return None
        return ProxiedContainers(self.session.stack, connect)

    @cached_property
    def simulated(self) -> bool:
        """Whether the local cloud's clock is simulated."""
        url = os.environ.get(ENDPOINT_VARIABLE)
        if not self.declaration.embedded or url is None:
            return False
        from rightsizing.embedded.cloud.dataplane import DataPlane
        from rightsizing.embedded.cloud.plane.scenario import PlaneMode

        return DataPlane(url).status().mode is PlaneMode.SIMULATED

    @cached_property
    def clock(self) -> Clock:
        """What the rollout waits by."""
        if not self.simulated:
            return InterruptibleClock(self.interruption)
        from rightsizing.embedded.cloud.dataplane import DataPlane, SimulatedClock

        return SimulatedClock(DataPlane(os.environ[ENDPOINT_VARIABLE]))

    def listening(self) -> AbstractContextManager[object]:
        """Receives a proxy's log for the block, where there is a proxy."""
        return nullcontext() if self.proxies is None else self.proxies

    def cores(self, sizings: Sequence[StackSizing], release: Release) -> dict[str, float]:
        """vCPU by instance type: of what is declared, runs and is to come."""
        if self.started is not None:
            return dict(self.started.cores)
        sizes = [item.size for item in self.declaration.fleets.values()]
        sizes += [size for size in release.baseline.values() if isinstance(size, FleetSize)]
        for phase in release.phases.values():
            sizes += [size for size in phase.values() if isinstance(size, FleetSize)]
        for sizing in sizings:
            for fleet in sizing.rollout.fleets.values():
                states = (fleet.a, fleet.b)
                sizes += [s.size for s in states if s and isinstance(s.size, FleetSize)]
        found = {}
        for kind in {size.instance_type for size in sizes}:
            try:
                found[kind] = float(self.session.catalog.shape(kind).vcpus)
            except CatalogError as error:
                self.session.remark(f"weights are not by capacity: {error}")
        return found

    def judge_by(self, stages: Sequence[Stage], cores: Mapping[str, float]) -> dict[str, Judgement]:
        """How each moving workload is judged, from its objectives, past and present load.

        Raises TelemetryError for a fleet without traffic: a canary of it could not be judged.
        """
        found = {}
        for key in moving_fleets(stages):
            calibration = calibration_for(self.session.stack.record_dir, key)
            if key in self.declaration.containers:
                objectives = objectives_of(criteria_of_slos(self.declaration.containers[key].slos))
                bound = objectives.latency_bound_ms
                found[key] = Judgement(
                    key,
                    objectives.policy,
                    calibration,
                    None if isinstance(bound, NoData) else bound / 1000,
                    {},
                )
                continue
            place = self._place(key, cores)
            slots = find_slots(place)
            serving = stages[0].sizing.rollout.fleets[key].live.other
            arm = arm_metrics(place, serving, slots[serving])
            now_ms = LookReader(self.aws, arm, arm).server_now_ms()
            load = read_served_load(self.aws, arm, now_ms)
            objectives = objectives_of(criteria_of_slos(self.declaration.fleets[key].slos))
            found[key] = judgement_of(key, objectives, calibration, load)
        return found

    def run(self, options: Options, cores: Mapping[str, float]) -> RolloutRun:
        """The run; ``judgements`` have to be known by now, except where one is resumed."""
        session = self.session
        bounds = {
            key: item.latency_bound_s
            for key, item in self.judgements.items()
            if item.latency_bound_s is not None
        }
        if self.started is not None:
            bounds = dict(self.started.latency_bounds_s)
        return RolloutRun(
            driver=self.session.driver,
            stack=session.stack,
            read=facts_reader(session),
            watch=lambda key: self._watch(key, cores, bounds.get(key)),
            clock=self.clock,
            policies={key: item.policy for key, item in self.judgements.items()},
            calibrations={key: item.calibration for key, item in self.judgements.items()},
            shares=options.shares,
            full_load=True,
            cores=cores,
            latency_bounds_s=bounds,
            bake_looks=BAKE_LOOKS,
            soak_s=options.soak_s,
            poll_s=options.poll_s,
            say=session.remark,
            solo=lambda key: self.alone(key, cores),
            let_in=options.let_in,
            sweep=TagSweep(
                self.session.driver,
                session.stack,
                self.aws if self.uses_aws else None,
                connect if self.declaration.containers else None,
            ),
            interrupted=lambda: self.interruption.signal_name or "",
            listener=step_lines(session),
        )

    def refusals(self) -> tuple[str, ...]:
        """Why steps are let in by a person only; none: the judge may do it alone."""
        return tuple(
            f"{key}: {reason}"
            for key, item in self.judgements.items()
            for reason in automatic_refusals(item.calibration, item.policy)
        )

    def conditions(
        self, expected: timedelta, cores: Mapping[str, float], *, allow_dirty: bool
    ) -> Conditions:
        """What preflight asks beside the stack."""
        settings = self.session.settings
        return Conditions(
            aws=self.aws if self.uses_aws else None,
            dimension_values=self._dimensions(cores),
            windows=settings.freeze_windows,
            expected=expected,
            usd_an_hour=self._usd_an_hour,
            budget_usd_an_hour=settings.rollout_budget_usd,
            allow_dirty=allow_dirty,
        )

    def absolute_policies(self) -> dict[str, JudgePolicy]:
        """Each workload's own objectives, for what serves alone."""
        return {
            workload.key: objectives_of(criteria_of_slos(workload.slos)).policy
            for workload in self.declaration.workloads()
        }

    def alone(self, key: str, cores: Mapping[str, float]) -> LookSource | None:
        """Looks at a workload that serves alone; None where nothing measures it."""
        if key in self.declaration.containers:
            return ContainerLooks(connect, self._scope, key, self.clock)
        if key in self.declaration.fleets:
            return lone_fleet(self._place(key, cores), self._live(key))
        return None

    @property
    def _scope(self) -> Scope:
        return Scope(self.session.stack.project, self.session.stack.name)

    def _place(
        self, key: str, cores: Mapping[str, float], bound_s: float | None = None
    ) -> FleetPlace:
        kills = SIMULATED_KILLS if self.declaration.embedded else None
        return FleetPlace(self.aws, self._scope, key, cores, bound_s, kills)

    def _live(self, key: str) -> Slot:
        """The slot with the size that the stack file says; it is rewritten by every step."""
        self.session.reread()
        fleet = self.session.sizing.rollout.fleets.get(key)
        return Slot.A if fleet is None else fleet.live

    def _watch(self, key: str, cores: Mapping[str, float], bound_s: float | None) -> WatchedFleet:
        if self.proxies is not None and key in self.declaration.containers:
            return self.proxies.watch(key)
        return watched_fleet(self._place(key, cores, bound_s), self._live(key))

    def _dimensions(self, cores: Mapping[str, float]) -> frozenset[str]:
        """Whatever an alarm about the stack's fleets may name."""
        found: set[str] = set()
        for key in self.declaration.fleets:
            for slot in find_slots(self._place(key, cores)).values():
                found |= {
                    slot.group_name,
                    slot.load_balancer,
                    slot.target_group_arn.split(":")[-1],
                }
        return frozenset(found)

    def _usd_an_hour(self, size: FleetSize) -> float | NoData:
        try:
            price = self.session.catalog.price(size.instance_type, self.declaration.region)
        except RightsizingError as error:
            return NoData(str(error))
        if isinstance(price, NoData):
            return price
        return float(price.usd_per_hour) * max(size.min_instances, 1)
