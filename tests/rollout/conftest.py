"""A small world to roll out in: an engine with the faults of a real one, and a cloud in memory.

The engine keeps state apart from the cloud, so that a kill between the two leaves exactly what a
real one leaves: a changed cloud with an old state, an orphan after half a replacement, a lock, no
entry in history. A kill is final: a dead process writes nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rightsizing.errors import StackLocked, UpdateFailed
from rightsizing.model.base import NoData
from rightsizing.model.facts import ContainerFacts, FleetFacts, SlotFacts
from rightsizing.model.phased import CommitmentsDeclaration
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import (
    HistoryEntry,
    OperationResult,
    PropertyChange,
    ResourceState,
    Step,
    StepOp,
    UpdateKind,
    UpdateStatus,
)
from rightsizing.rollout.rollback import rollback
from rightsizing.stack import durable, provenance
from rightsizing.stack.apply import apply_stack
from rightsizing.stack.comparison import expected_slots
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import DriverName, StackRef
from rightsizing.stack.intent import IntentFile
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.quarantine import Quarantine

WEB_OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
WEB_NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
WEB_NEWER = FleetSize(instance_type="r7g.medium", min_instances=1, max_instances=4)
APP_OLD = ContainerSize(cpu_millicores=16_000, memory_mib=15_667)
APP_NEW = ContainerSize(cpu_millicores=4_000, memory_mib=15_667)

STACK_FILE = """\
# the trading stack
config:
  rightsizing:fleets:
    web:
      size: {kind: fleet, instance_type: m5.xlarge, min_instances: 2, max_instances: 6}
      ami: {x86_64: ami-0abc, arm64: ami-0def}
  rightsizing:containers:
    app:
      size: {kind: container, cpu_millicores: 16000, memory_mib: 15667}
      image: trader:1
"""
TYPES = {
    "group": "aws:autoscaling/group:Group",
    "listener": "aws:lb/listener:Listener",
    "container": "docker:index/container:Container",
}


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing may handle it."""


@dataclass
class Reaper:
    """Kills the process at its n-th effect on the outside world; dead processes have none."""

    at: int | None = None
    effects: int = 0
    dead: bool = False

    def effect(self) -> None:
        """Called before every effect."""
        if self.dead:
            raise Killed
        self.effects += 1
        if self.effects == self.at:
            self.dead = True
            raise Killed

    def arm(self, at: int | None) -> None:
        """A new process, to be killed at this effect (None: never)."""
        self.at, self.effects, self.dead = at, 0, False


class FakeClock:
    """Time that passes only when looked at or waited for."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        self.seconds += 1
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class FakeCloud:
    """What really runs, by physical id: (logical name, properties)."""

    things: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    made: int = 0

    def create(self, name: str, properties: Mapping[str, Any]) -> str:
        self.made += 1
        identity = f"{name}-{self.made:04}"
        self.things[identity] = (name, dict(properties))
        return identity

    def named(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        return [(key, props) for key, (own, props) in sorted(self.things.items()) if own == name]

    def facts(self) -> tuple[FleetFacts | ContainerFacts, ...]:
        listeners = self.named("listener")
        weights = listeners[-1][1]["defaultActions"] if listeners else {}
        slots = tuple(
            SlotFacts(
                slot=slot,
                group_name=identity,
                min_instances=props["min"],
                max_instances=props["max"],
                desired_instances=props["min"],
                running_types=((props["type"], props["min"]),),
                weight=weights.get(slot.value, 0),
            )
            for slot in Slot
            for identity, props in self.named(f"group-{slot.value}")
        )
        containers = tuple(
            ContainerFacts(
                workload="app",
                container=identity,
                size=ContainerSize(cpu_millicores=props["cpu"], memory_mib=props["memory"]),
                running=True,
                simulated=True,
            )
            for identity, props in self.named("container")
        )
        return (*((FleetFacts("web", slots),) if slots else ()), *containers)


class FakeDriver:
    """A StackDriver over ``FakeCloud``. State is its own; ``refresh`` reads the cloud into it."""

    name = DriverName.EMBEDDED

    def __init__(self, cloud: FakeCloud, clock: FakeClock, reaper: Reaper) -> None:
        self.cloud, self.clock, self.reaper = cloud, clock, reaper
        self.state: dict[str, tuple[str, dict[str, Any]]] = {}  # name -> (id, properties)
        self.entries: list[HistoryEntry] = []
        self.pending: tuple[str, ...] = ()
        self.lock: str | None = None  # None, "dead" or "alive"
        self.fail_on: str | None = None  # this resource cannot be changed
        self.ups = 0

    def create(self, stack: StackRef) -> None:
        return None

    def exists(self, stack: StackRef) -> bool:
        return True

    def desired(self, stack: StackRef) -> dict[str, dict[str, Any]]:
        file = StackFile.load(stack.config_path)
        sizing, declared = file.sizing(), file.declaration()
        web = sizing.size_of("web", declared.fleets["web"].size)
        app = sizing.size_of("app", declared.containers["app"].size)
        assert isinstance(web, FleetSize)
        assert isinstance(app, ContainerSize)
        rollout = expected_slots(sizing, "web", web)
        found: dict[str, dict[str, Any]] = {}
        weights = {}
        for slot in Slot:
            state = rollout.slot(slot)
            if state is not None:
                weights[slot.value] = state.weight
                found[f"group-{slot.value}"] = {
                    "type": state.size.instance_type,
                    "min": state.size.min_instances,
                    "max": state.size.max_instances,
                }
        found["listener"] = {"defaultActions": weights}
        found["container"] = {"cpu": app.cpu_millicores, "memory": app.memory_mib}
        return found

    def plan(
        self, stack: StackRef, state: Mapping[str, tuple[str, dict[str, Any]]]
    ) -> list[tuple[Step, str, dict[str, Any] | None]]:
        wanted = self.desired(stack)
        steps = []
        for name, props in wanted.items():
            known = state.get(name)
            if known is None:
                op = StepOp.CREATE
            elif known[1] == props:
                op = StepOp.SAME
            elif known[1].get("type") != props.get("type") or known[1].get("cpu") != props.get(
                "cpu"
            ):
                op = StepOp.REPLACE
            else:
                op = StepOp.UPDATE
            changes = tuple(
                PropertyChange(key, None if known is None else known[1].get(key), value)
                for key, value in props.items()
                if known is None or known[1].get(key) != value
            )
            steps.append((self.step(name, op, changes), name, props))
        gone = [name for name in state if name not in wanted]
        return [*steps, *((self.step(name, StepOp.DELETE), name, None) for name in gone)]

    @staticmethod
    def step(name: str, op: StepOp, changes: tuple[PropertyChange, ...] = ()) -> Step:
        kind = TYPES[name.split("-", 1)[0]]
        return Step(op, f"urn:pulumi:dev::proj::{kind}::{name}", kind, changes)

    def refreshed(self) -> dict[str, tuple[str, dict[str, Any]]]:
        return {
            name: (identity, dict(self.cloud.things[identity][1]))
            for name, (identity, _) in self.state.items()
            if identity in self.cloud.things
        }

    def preview(
        self, stack: StackRef, *, refresh: bool = False, listener: object = None
    ) -> OperationResult:
        state = self.refreshed() if refresh else self.state
        steps = tuple(step for step, _, _ in self.plan(stack, state))
        return OperationResult(UpdateStatus.SUCCEEDED, steps)

    def up(
        self,
        stack: StackRef,
        *,
        message: str,
        refresh: bool = False,
        listener: object = None,
    ) -> OperationResult:
        if self.lock is not None:
            raise StackLocked("the stack is locked by process 7")
        self.ups += 1
        start = self.clock.now()
        self.reaper.effect()
        self.lock = "dead"  # what everybody else sees if this process dies from here on
        if refresh:
            self.state = self.refreshed()
        done: list[Step] = []
        for step, name, props in self.plan(stack, dict(self.state)):
            if name == self.fail_on and step.op is not StepOp.SAME:
                self.finish(stack, message, start, UpdateStatus.FAILED)
                raise UpdateFailed(f"{len(done)} of the steps were applied, then {name} failed")
            self.carry_out(step, name, props)
            done.append(step)
        self.pending = ()
        self.finish(stack, message, start, UpdateStatus.SUCCEEDED)
        return OperationResult(UpdateStatus.SUCCEEDED, tuple(done))

    def carry_out(self, step: Step, name: str, props: dict[str, Any] | None) -> None:
        """One step: the cloud first, then the state; a kill may come before either."""
        if step.op is StepOp.SAME:
            return
        self.reaper.effect()
        known = self.state.get(name)
        self.pending = (step.urn,)
        if step.op is StepOp.DELETE:
            assert known is not None
            self.cloud.things.pop(known[0], None)
            self.reaper.effect()
            del self.state[name]
        elif step.op is StepOp.UPDATE:
            assert known is not None
            assert props is not None
            self.cloud.things[known[0]] = (name, dict(props))
            self.reaper.effect()
            self.state[name] = (known[0], props)
        else:
            assert props is not None
            identity = self.cloud.create(name, props)
            self.reaper.effect()
            self.state[name] = (identity, props)
            if known is not None:
                self.cloud.things.pop(known[0], None)
        self.pending = ()

    def finish(self, stack: StackRef, message: str, start: datetime, status: UpdateStatus) -> None:
        self.reaper.effect()
        values = StackFile.load(stack.config_path).values()
        self.entries.append(
            HistoryEntry(
                sequence=len(self.entries) + 1,
                kind=UpdateKind.UPDATE,
                status=status,
                start=start,
                end=self.clock.now(),
                message=message,
                config={
                    key: value if isinstance(value, str) else json.dumps(value)
                    for key, value in values.items()
                },
                secret_keys=frozenset(),
                environment={},
                resource_changes={},
            )
        )
        self.lock = None

    def refresh(self, stack: StackRef, *, message: str) -> OperationResult:
        self.state = self.refreshed()
        return OperationResult(UpdateStatus.SUCCEEDED, ())

    def destroy(self, stack: StackRef, *, message: str) -> OperationResult:
        raise NotImplementedError

    def history(self, stack: StackRef) -> tuple[HistoryEntry, ...]:
        return tuple(reversed(self.entries))

    def outputs(self, stack: StackRef) -> Mapping[str, Any]:
        return {}

    def resources(self, stack: StackRef) -> tuple[ResourceState, ...]:
        return tuple(
            ResourceState(self.step(name, StepOp.SAME).urn, TYPES[name.split("-")[0]], key, {}, {})
            for name, (key, _) in self.state.items()
        )

    def pending_operations(self, stack: StackRef) -> tuple[str, ...]:
        return self.pending

    def cancel(self, stack: StackRef) -> bool:
        if self.lock == "alive":
            raise StackLocked("the stack is locked by process 7, which is alive")
        self.reaper.effect()
        broken, self.lock = self.lock is not None, None
        return broken


@dataclass
class World:
    """A project folder, its engine and its cloud, with the commands a user types."""

    stack: StackRef
    cloud: FakeCloud
    clock: FakeClock
    reaper: Reaper
    driver: FakeDriver

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stack.record_dir)

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.stack.record_dir)

    @property
    def intents(self) -> IntentFile:
        return IntentFile(self.stack.record_dir)

    def file(self) -> StackFile:
        return StackFile.load(self.stack.config_path)

    def read(self, _workloads: Sequence[object]) -> tuple[Any, ...]:
        return self.cloud.facts()

    def plan(self, sizing: StackSizing) -> None:
        """What `rightsize plan` does at its end."""
        self.file().write_sizing(sizing)

    def confirm_purchase(self) -> None:
        """What `rightsize commit approve --confirm` writes, for one savings plan."""
        plan = {
            "decisions": [
                {
                    "offering_id": "offer",
                    "kind": "compute-sp",
                    "term_years": 1,
                    "payment": "no-upfront",
                    "hourly_commitment": "0.05",
                    "start": "2026-12-01T00:00:00Z",
                    "reason": "base load",
                }
            ]
        }
        proposed = CommitmentsDeclaration.model_validate({"phase": 1, "plan": plan})
        confirmed = {
            "digest": proposed.digest,
            "release": self.reference_release().id,
            "phase": 1,
            "at": "2026-12-01T00:00:00Z",
            "purchase_at": "2026-12-02T00:00:00Z",
        }
        self.file().write_declared(
            "commitments", {"phase": 1, "plan": plan, "confirmed": confirmed}
        )

    def pulumi_up(self) -> None:
        """A plain `pulumi up`, typed by hand."""
        self.driver.up(self.stack, message="by hand")

    def apply(self, **options: Any) -> Any:
        """`rightsize apply --yes`."""
        given = {"read": self.read, "confirm": lambda _plan: True, "clock": self.clock, **options}
        return apply_stack(self.driver, self.stack, **given)

    def rollback(self, **options: Any) -> Any:
        """`rightsize rollback --yes`."""
        given = {"read": self.read, "confirm": lambda _plan: True, "clock": self.clock, **options}
        return rollback(self.driver, self.stack, **given)

    def release(self, phases: Mapping[str, Mapping[str, Any]]) -> Release:
        """A release from the old sizes, with these phases."""
        return Release(
            baseline={"web": WEB_OLD, "app": APP_OLD},
            phases={phase: dict(sizes) for phase, sizes in phases.items()},
        )

    def phase0(self) -> StackSizing:
        """The sizes before phase 1."""
        return StackSizing(self.reference_release(), 0, RolloutState())

    def phase1(self) -> StackSizing:
        """Fleet web moved to slot b with the old slot kept; app with fewer cores."""
        return StackSizing(
            self.reference_release(), 1, both_slots(WEB_OLD, 0, WEB_NEW, 100, Slot.B)
        )

    def phase2(self) -> StackSizing:
        """Fleet web moved back to slot a with a third size."""
        return StackSizing(
            self.reference_release(), 2, both_slots(WEB_NEWER, 100, WEB_NEW, 0, Slot.A)
        )

    def reference_release(self) -> Release:
        """Phase 1 moves web and app, phase 2 moves web again."""
        return self.release({"1": {"web": WEB_NEW, "app": APP_NEW}, "2": {"web": WEB_NEWER}})

    def verdicts(self) -> list[tuple[str, str]]:
        """(name, verdict) of the newest record about each update, oldest update first."""
        reading = self.ledger.read()
        found = (reading.of(entry) for entry in self.driver.entries)
        return [(record.name, record.verdict.value) for record in found if record is not None]


def both_slots(
    a: FleetSize, a_weight: int, b: FleetSize, b_weight: int, live: Slot
) -> RolloutState:
    """Fleet web with both slots filled."""
    return RolloutState(
        fleets={
            "web": FleetRollout(
                live=live,
                a=SlotState(size=a, weight=a_weight),
                b=SlotState(size=b, weight=b_weight),
            )
        }
    )


def build_world(folder: Path) -> World:
    """A project with a stack file and nothing deployed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: proj\nruntime: python\nmain: infra/\n")
    (folder / "infra").mkdir()
    (folder / "infra" / "__main__.py").write_text("# the program\n")
    (folder / "Pulumi.dev.yaml").write_text(STACK_FILE)
    stack = StackRef(folder, "proj", "dev")
    cloud, clock, reaper = FakeCloud(), FakeClock(), Reaper()
    return World(stack, cloud, clock, reaper, FakeDriver(cloud, clock, reaper))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh world."""
    return build_world(tmp_path / "project")


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[[], World]:
    """Fresh worlds, one a call."""
    numbers = iter(range(10_000))
    return lambda: build_world(tmp_path / f"project-{next(numbers)}")


@pytest.fixture
def mortal_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reaper], None]:
    """Let a reaper kill the process before and after every durable write, without flushing.

    Git is left out: it is asked on the way, and hundreds of processes would take a minute.
    """

    def arm(reaper: Reaper) -> None:
        real_write = durable._write_beside

        def write(target: Path, content: bytes, mode: int) -> Path:
            reaper.effect()
            return real_write(target, content, mode)

        def synced(_folder: Path) -> None:
            reaper.effect()

        monkeypatch.setattr(durable, "_write_beside", write)
        monkeypatch.setattr(durable, "sync_folder", synced)
        monkeypatch.setattr(provenance, "run_git", lambda *_: NoData("no git"))
        monkeypatch.setattr(durable.os, "fsync", lambda _: None)

    return arm
