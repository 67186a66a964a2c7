"""What stops a rollout from outside: requests, signals, changes behind its back, a person."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rightsizing.errors import PlanRejected
from rightsizing.model.rollout import Slot
from rightsizing.model.verdict import ArmLook, JudgePolicy, Look, Metric
from rightsizing.rollout.beginning import find_beginning
from rightsizing.rollout.controller import resume_rollout, start_rollout
from rightsizing.rollout.interruption import InterruptibleClock, Interruption
from rightsizing.rollout.journal import rollout_ids
from rightsizing.rollout.looks import LooksRead
from rightsizing.rollout.requests import (
    RequestKind,
    RolloutRequest,
    put_request,
    read_request,
)
from rightsizing.rollout.run import RolloutOutcome, RolloutRun, WatchedFleet
from rightsizing.rollout.traffic import TrafficChange

POLICY = JudgePolicy(required=(Metric.ERRORS,), min_load_coverage=0, warm_up_looks=0, margin=4.0)


@dataclass
class Equal:
    """A minute a poll, both arms alike; ``meanwhile`` is called at each."""

    world: Any
    meanwhile: Callable[[], None] = field(default=lambda: None)

    def server_now_ms(self) -> int:
        return int(self.world.clock.seconds) // 60 * 60_000

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        del canary_weight
        self.meanwhile()
        now = int(self.world.clock.seconds * 1000)
        arm = ArmLook(requests=60_000, errors=600)
        looks = tuple(
            Look(start_ms=start, baseline=arm, canary=arm)
            for start in range(after_ms, now - 59_999, 60_000)
        )
        return LooksRead(looks, now)


@dataclass
class Listener:
    """The listener of the fake cloud."""

    world: Any

    def weights(self) -> dict[Slot, int]:
        found = self.world.cloud.named("listener")[-1][1]["defaultActions"]
        return {Slot(slot): weight for slot, weight in found.items()}

    def set_weights(self, weights: Any) -> TrafficChange:
        before = self.weights()
        identity, _ = self.world.cloud.named("listener")[-1]
        wanted = {slot.value: weight for slot, weight in weights.items()}
        self.world.cloud.things[identity] = ("listener", {"defaultActions": wanted})
        return TrafficChange(before, weights)


def run_of(world: Any, meanwhile: Callable[[], None] = lambda: None, **options: Any) -> RolloutRun:
    looks = Equal(world, meanwhile)
    return RolloutRun(
        driver=world.driver,
        stack=world.stack,
        read=world.read,
        watch=lambda _key: WatchedFleet(Listener(world), looks),
        clock=world.clock,
        machine=world.clock,
        policy=POLICY,
        settle_s=0.0,
        **options,
    )


@pytest.fixture
def deployed(world: Any) -> Any:
    """The sizes before phase 1, applied and recorded as good."""
    world.plan(world.phase0())
    world.apply()
    return world


def weights(world: Any) -> dict[str, int]:
    return world.cloud.named("listener")[-1][1]["defaultActions"]


def ask(world: Any, kind: RequestKind) -> Callable[[], None]:
    record_dir = world.stack.record_dir

    def asked() -> None:
        put_request(record_dir, rollout_ids(record_dir)[-1], RolloutRequest(kind=kind, by="ann"))

    return asked


def test_another_process_pauses_it(deployed: Any) -> None:
    """Obeyed at the next poll, weights kept, and the request is gone: resuming goes on."""
    run = run_of(deployed, ask(deployed, RequestKind.PAUSE))
    result = start_rollout(run, deployed.reference_release(), 1)
    assert (result.outcome, result.exit_code) == (RolloutOutcome.PAUSED, 10)
    assert "asked to pause by ann" in result.sentence
    assert weights(deployed) == {"a": 950, "b": 50}
    assert read_request(deployed.stack.record_dir, result.rollout_id) is None
    done = resume_rollout(run_of(deployed), result.rollout_id)
    assert done.outcome is RolloutOutcome.FINISHED


def test_another_process_takes_it_back(deployed: Any) -> None:
    """An abort is not replaced by a later pause."""
    abort, pause = ask(deployed, RequestKind.ABORT), ask(deployed, RequestKind.PAUSE)
    run = run_of(deployed, lambda: (abort(), pause())[0])
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.ROLLED_BACK
    assert "asked to abort by ann" in result.sentence
    assert weights(deployed) == {"a": 100}


def test_a_signal_pauses_it(deployed: Any) -> None:
    """Between two polls, the weight stays."""
    run = run_of(deployed, interrupted=lambda: "Ctrl-C" if deployed.driver.ups > 2 else "")
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "interrupted by Ctrl-C" in result.sentence


def test_a_change_of_the_declaration_pauses_it(deployed: Any) -> None:
    """Nothing is applied together with it; put back, the rollout goes on."""
    path = deployed.stack.config_path
    image = "image: trader:1"

    def edit() -> None:
        path.write_text(path.read_text().replace(image, "image: trader:2"))

    result = start_rollout(run_of(deployed, edit), deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "Pulumi.dev.yaml was changed since the rollout began" in result.sentence
    path.write_text(path.read_text().replace("image: trader:2", image))
    done = resume_rollout(run_of(deployed), result.rollout_id)
    assert done.outcome is RolloutOutcome.FINISHED


def test_an_update_by_somebody_else_pauses_it(deployed: Any) -> None:
    """A plain update in the middle of a stage: said by its number, and undone by resuming."""
    done = []

    def by_hand() -> None:
        if not done:
            done.append(True)
            stage = deployed.file().sizing()
            deployed.plan(deployed.phase1())
            deployed.pulumi_up()
            deployed.plan(stage)

    result = start_rollout(run_of(deployed, by_hand), deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "by hand" in result.sentence
    assert resume_rollout(run_of(deployed), result.rollout_id).outcome is RolloutOutcome.FINISHED


def test_a_person_lets_each_step_in(deployed: Any) -> None:
    """Three judged weights: three pauses, each resumed by a person, then the end."""
    run = run_of(deployed, let_in=lambda _sentence: False)
    result = start_rollout(run, deployed.reference_release(), 1)
    pauses = 0
    while result.outcome is RolloutOutcome.PAUSED:
        assert "by a person only" in result.sentence
        pauses += 1
        result = resume_rollout(run, result.rollout_id)
    assert result.outcome is RolloutOutcome.FINISHED
    assert pauses == 3


def test_small_steps_are_let_in_by_looks_without_harm(deployed: Any) -> None:
    """With a margin no canary can show in time, the steps before the last go on; the last holds."""
    strict = POLICY.model_copy(update={"margin": 1.001, "horizon_looks": 20})
    run = run_of(deployed, bake_looks=5)
    result = start_rollout(
        RolloutRun(**{**{f: getattr(run, f) for f in run.__slots__}, "policy": strict}),
        deployed.reference_release(),
        1,
    )
    assert result.outcome is RolloutOutcome.PAUSED
    assert "weight-50 is held" in result.sentence
    assert weights(deployed) == {"a": 500, "b": 500}


def test_a_hand_typed_update_is_verified_first(world: Any) -> None:
    """No record of it: live facts agree, so it is a good beginning, and the ledger says so."""
    world.plan(world.phase0())
    world.pulumi_up()
    run = run_of(world)
    assert find_beginning(run).record is None
    number = find_beginning(run, verify=True).record
    assert number is not None
    record = world.ledger.read().numbered(number)
    assert record.verdict.value == "good"


def test_nothing_applied_is_no_beginning(world: Any) -> None:
    """One sentence with the next command."""
    with pytest.raises(PlanRejected, match="run `rightsize apply`"):
        find_beginning(run_of(world))


def test_a_signal_is_remembered_and_wakes_a_wait(tmp_path: Path) -> None:
    """The first one is noted, the second one ends the process as usual."""
    del tmp_path
    with Interruption() as interruption:
        clock = InterruptibleClock(interruption)
        os.kill(os.getpid(), signal.SIGTERM)
        clock.sleep(3600)  # returns at once
        assert interruption.signal_name == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
