"""The rollout's loop on an engine that can be killed: forward, back, paused, resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rightsizing.errors import (
    CredentialsError,
    PlanRejected,
    StackError,
    StackLocked,
    TelemetryError,
    Throttled,
)
from rightsizing.model.rollout import Slot
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import ArmLook, JudgePolicy, Look, Metric
from rightsizing.plan.slots import settle_rollout
from rightsizing.rollout.controller import resume_rollout, start_rollout
from rightsizing.rollout.events import RolledBack
from rightsizing.rollout.journal import claim_journal, read_journal, rollout_ids
from rightsizing.rollout.looks import LooksRead
from rightsizing.rollout.run import RolloutOutcome, RolloutRun, WatchedFleet
from rightsizing.rollout.traffic import TrafficChange

# a wide margin, so that a few looks let a canary in without a calibration
POLICY = JudgePolicy(required=(Metric.ERRORS,), min_load_coverage=0, warm_up_looks=0, margin=4.0)


@dataclass
class FakeLooks:
    """A minute a poll, of so many errors among 60,000 requests of each arm."""

    world: Any
    canary_errors: int = 600
    baseline_errors: int = 600
    silent: bool = False
    throttled: int = 0  # so many questions for the clock are not answered

    def server_now_ms(self) -> int:
        if self.throttled:
            self.throttled -= 1
            raise Throttled("CloudWatch: Rate exceeded")
        return int(self.world.clock.seconds) // 60 * 60_000

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        if self.silent:
            raise TelemetryError("CloudWatch does not answer")
        now = int(self.world.clock.seconds * 1000)
        looks = tuple(
            Look(
                start_ms=start,
                canary_weight=0.5,
                baseline=ArmLook(requests=60_000, errors=self.baseline_errors),
                canary=ArmLook(requests=60_000, errors=self.canary_errors),
            )
            for start in range(after_ms, now - 59_999, 60_000)
        )
        return LooksRead(looks, now)


@dataclass
class FakeTraffic:
    """The listener of the fake cloud."""

    world: Any

    def weights(self) -> dict[Slot, int]:
        found = self.world.cloud.named("listener")[-1][1]["defaultActions"]
        return {Slot(slot): weight for slot, weight in found.items()}

    def set_weights(self, weights: Mapping[Slot, int]) -> TrafficChange:
        before = self.weights()
        self.world.reaper.effect()
        identity, _ = self.world.cloud.named("listener")[-1]
        wanted = {slot.value: weight for slot, weight in weights.items()}
        self.world.cloud.things[identity] = ("listener", {"defaultActions": wanted})
        return TrafficChange(before, weights)


def run_of(world: Any, looks: FakeLooks, **options: Any) -> RolloutRun:
    return RolloutRun(
        driver=world.driver,
        stack=world.stack,
        read=world.read,
        watch=lambda _key: WatchedFleet(FakeTraffic(world), looks),
        clock=world.clock,
        policy=POLICY,
        settle_s=0.0,
        machine=world.clock,
        **options,
    )


@pytest.fixture
def deployed(world: Any) -> Any:
    """The sizes before phase 1, applied and recorded as good; web may run twice."""
    world.plan(world.phase0())
    world.apply()
    return world


def weights(world: Any) -> dict[str, int]:
    return world.cloud.named("listener")[-1][1]["defaultActions"]


def test_a_good_canary_is_promoted_and_the_old_slot_retired(deployed: Any) -> None:
    """All stages in order; at the end only the new size runs, and the app has its new limits."""
    result = start_rollout(run_of(deployed, FakeLooks(deployed)), deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.FINISHED, result.sentence
    assert weights(deployed) == {"b": 100}
    assert deployed.cloud.named("group-a") == []
    (_, app) = deployed.cloud.named("container")[0]
    assert app["cpu"] == 4000
    kinds = [
        entry.event.kind
        for entry in read_journal(deployed.stack.record_dir, result.rollout_id).entries
    ]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("step_applied") == 7
    assert kinds.index("promoted") < kinds.index("retired")


def test_a_bad_canary_is_rolled_back_and_quarantined(deployed: Any) -> None:
    """Ten times the errors: traffic first, then the stack; the release is not tried again."""
    before = deployed.cloud.facts()
    release = deployed.reference_release()
    bad = FakeLooks(deployed, canary_errors=6000)
    result = start_rollout(run_of(deployed, bad), release, 1)
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert "harm" in result.sentence
    after = deployed.cloud.facts()
    assert [fact.workload for fact in after] == [fact.workload for fact in before]
    assert weights(deployed) == {"a": 100}
    assert deployed.cloud.named("group-b") == []
    assert deployed.file().sizing().phase == 0
    assert deployed.quarantine.find(release.id, 1) is not None
    back = result.progress.rolled_back
    assert isinstance(back, RolledBack)
    assert back.traffic_s is not None
    assert back.configuration_s is not None
    assert back.traffic_s < back.configuration_s


def test_traffic_moves_before_the_stack_does(deployed: Any) -> None:
    """When the update fails half-way, traffic is already safe; what is left is said."""
    looks = FakeLooks(deployed, canary_errors=6000)
    moved: list[dict[Slot, int]] = []

    class Watching(FakeTraffic):
        def set_weights(self, weights: Mapping[Slot, int]) -> TrafficChange:
            if not moved:
                deployed.driver.fail_on = "group-b"  # the rollback's update does not complete
            moved.append(dict(weights))
            return super().set_weights(weights)

    run = replace(
        run_of(deployed, looks), watch=lambda _key: WatchedFleet(Watching(deployed), looks)
    )
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.TRAFFIC_ONLY
    assert "rightsize rollback" in result.sentence
    assert moved == [{Slot.A: 100, Slot.B: 0}]
    assert weights(deployed)["a"] == 100
    deployed.driver.fail_on = None
    result = resume_rollout(run, result.rollout_id)
    assert result.outcome is RolloutOutcome.ROLLED_BACK
    assert weights(deployed) == {"a": 100}


def test_a_source_that_does_not_answer_pauses_and_is_resumed(deployed: Any) -> None:
    """Never promoted and never blamed: held for a while, then paused with the weight kept."""
    looks = FakeLooks(deployed, silent=True)
    run = run_of(deployed, looks)
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "CloudWatch does not answer" in result.sentence
    assert weights(deployed) == {"a": 950, "b": 50}
    with pytest.raises(PlanRejected, match="is unfinished"):
        start_rollout(run, deployed.reference_release(), 1)
    looks.silent = False
    assert resume_rollout(run, result.rollout_id).outcome is RolloutOutcome.FINISHED


def test_a_clock_that_is_throttled_at_the_start_is_asked_again(deployed: Any) -> None:
    """Twice refused costs two polls, and nothing else."""
    looks = FakeLooks(deployed, throttled=2)
    result = start_rollout(run_of(deployed, looks), deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.FINISHED, result.sentence


def test_a_clock_that_stays_throttled_pauses_and_is_resumed(deployed: Any) -> None:
    """At the start of a rollout and of its resumption: the journal says paused each time."""
    looks = FakeLooks(deployed, throttled=10**6)
    run = run_of(deployed, looks)
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "Rate exceeded" in result.sentence
    again = resume_rollout(run, result.rollout_id)
    assert again.outcome is RolloutOutcome.PAUSED
    assert again.progress.paused is not None
    looks.throttled = 0
    assert resume_rollout(run, result.rollout_id).outcome is RolloutOutcome.FINISHED


def test_a_cloud_that_cannot_be_read_pauses(deployed: Any) -> None:
    """Credentials end in the middle: paused where it is, and resumed with others."""

    def watch(_key: str) -> WatchedFleet:
        raise CredentialsError("the session has expired")

    run = run_of(deployed, FakeLooks(deployed))
    result = start_rollout(replace(run, watch=watch), deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "session has expired" in result.sentence
    assert resume_rollout(run, result.rollout_id).outcome is RolloutOutcome.FINISHED


@dataclass
class FailingSoak(FakeLooks):
    """Answers until everything is on the new size, then not any more."""

    back: bool = False

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        alone = weights(self.world).get("b") == 100
        if alone and not self.back:
            raise TelemetryError("CloudWatch does not answer")
        return super().read(after_ms, canary_weight=canary_weight)


def test_a_soak_without_data_never_ends_well(deployed: Any) -> None:
    """A soak of 2 min, shorter than data may be missing: paused, and watched once resumed."""
    looks = FailingSoak(deployed)
    run = run_of(deployed, looks, soak_s=120.0)
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED, result.sentence
    assert not result.progress.retired
    # its announced end is over by now, but nobody has looked
    again = resume_rollout(run, result.rollout_id)
    assert again.outcome is RolloutOutcome.PAUSED
    looks.back = True
    assert resume_rollout(run, result.rollout_id).outcome is RolloutOutcome.FINISHED


def test_what_was_changed_by_hand_in_the_soak_is_put_right(deployed: Any) -> None:
    """No update, so history does not show it: the live facts do, before the old slot goes."""

    class Meddling(FakeLooks):
        done = False

        def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
            if weights(deployed).get("b") == 100 and not self.done:
                self.done = True
                FakeTraffic(deployed).set_weights({Slot.A: 50, Slot.B: 50})
            return super().read(after_ms, canary_weight=canary_weight)

    run = run_of(deployed, Meddling(deployed))
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.FINISHED, result.sentence
    assert weights(deployed) == {"b": 100}
    events = [e.event for e in read_journal(deployed.stack.record_dir, result.rollout_id).entries]
    applied = [event.stage for event in events if event.kind == "step_applied"]
    assert applied[-5:] == ["settled", "soak", "settled", "soak", "retired"]


def test_a_foreign_update_in_the_soak_is_applied_over_when_resumed(deployed: Any) -> None:
    """The pause says so, and the resumption does it instead of pausing again."""

    class Foreign(FakeLooks):
        done = False

        def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
            if weights(deployed).get("b") == 100 and not self.done:
                self.done = True
                deployed.plan(deployed.phase0())
                deployed.pulumi_up()
            return super().read(after_ms, canary_weight=canary_weight)

    run = run_of(deployed, Foreign(deployed))
    result = start_rollout(run, deployed.reference_release(), 1)
    assert result.outcome is RolloutOutcome.PAUSED
    assert "has changed the stack during soak" in result.sentence
    again = resume_rollout(run, result.rollout_id)
    assert again.outcome is RolloutOutcome.FINISHED, again.sentence
    assert weights(deployed) == {"b": 100}


def test_an_abort_after_a_foreign_update_does_not_end_at_a_weight(deployed: Any) -> None:
    """What was good before that update is the canary's own stage; that is left too."""
    run = run_of(deployed, FakeLooks(deployed, silent=True))
    paused = start_rollout(run, deployed.reference_release(), 1)
    deployed.plan(deployed.phase2())
    deployed.pulumi_up()
    result = resume_rollout(run, paused.rollout_id, abort="not like this")
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert weights(deployed) == {"a": 100}
    assert deployed.cloud.named("group-b") == []
    assert deployed.file().sizing().phase == 0


def test_an_abort_is_possible_after_the_declaration_was_changed(deployed: Any) -> None:
    """The stages are not those that were begun any more: only the way back is open."""
    run = run_of(deployed, FakeLooks(deployed, silent=True))
    paused = start_rollout(run, deployed.reference_release(), 1)
    path = deployed.stack.config_path
    alone = "web:\n      may_run_twice: false\n"
    path.write_text(path.read_text().replace("web:\n", alone, 1))
    with pytest.raises(StackError, match="does not fit the declaration"):
        resume_rollout(run, paused.rollout_id)
    result = resume_rollout(run, paused.rollout_id, abort="declared otherwise")
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert weights(deployed) == {"a": 100}


def test_a_rollout_buys_nothing(deployed: Any) -> None:
    """A confirmed purchase is refused before anything begins, and withdrawn on the way back."""
    deployed.confirm_purchase()
    with pytest.raises(PlanRejected, match="a rollout buys nothing"):
        start_rollout(run_of(deployed, FakeLooks(deployed)), deployed.reference_release(), 1)
    assert rollout_ids(deployed.stack.record_dir) == ()


def test_a_purchase_confirmed_meanwhile_is_not_bought_by_the_way_back(deployed: Any) -> None:
    """Confirmed while the canary was paused: no update has it in its configuration."""
    run = run_of(deployed, FakeLooks(deployed, silent=True))
    paused = start_rollout(run, deployed.reference_release(), 1)
    deployed.confirm_purchase()
    result = resume_rollout(run, paused.rollout_id, abort="not now")
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    declared = deployed.file().declaration().commitments
    assert declared.confirmed is None
    assert not declared.empty
    assert all("confirmed" not in str(entry.config) for entry in deployed.driver.entries)


def test_an_abort_takes_everything_back(deployed: Any) -> None:
    """From a pause, by a person's word."""
    run = run_of(deployed, FakeLooks(deployed, silent=True))
    paused = start_rollout(run, deployed.reference_release(), 1)
    result = resume_rollout(run, paused.rollout_id, abort="changed my mind")
    assert result.outcome is RolloutOutcome.ROLLED_BACK
    assert "changed my mind" in result.sentence
    assert weights(deployed) == {"a": 100}


def test_a_failed_update_is_taken_back(deployed: Any) -> None:
    """No capacity for the new slot: the old one serves on, nothing is left over."""
    deployed.driver.fail_on = "group-b"
    result = start_rollout(run_of(deployed, FakeLooks(deployed)), deployed.reference_release(), 1)
    assert result.outcome in {RolloutOutcome.ROLLED_BACK, RolloutOutcome.TRAFFIC_ONLY}
    assert weights(deployed) == {"a": 100}
    assert deployed.cloud.named("group-b") == []


def test_a_release_that_already_runs_is_refused(deployed: Any) -> None:
    """Phase 0 is what is applied."""
    settled = settle_rollout(deployed.file().sizing(), deployed.reference_release(), 0)
    deployed.plan(StackSizing(deployed.reference_release(), 0, settled))
    deployed.apply()
    with pytest.raises(PlanRejected, match="already runs"):
        start_rollout(run_of(deployed, FakeLooks(deployed)), deployed.reference_release(), 0)


def test_a_controller_that_was_replaced_stops(deployed: Any) -> None:
    """It is fenced off at its next word, before any further effect."""
    looks = FakeLooks(deployed)

    class Usurped(FakeLooks):
        def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
            record_dir = deployed.stack.record_dir
            claim_journal(record_dir, rollout_ids(record_dir)[-1], deployed.clock)
            return looks.read(after_ms, canary_weight=canary_weight)

    with pytest.raises(StackLocked, match="taken over"):
        start_rollout(run_of(deployed, Usurped(deployed)), deployed.reference_release(), 1)
    assert weights(deployed) == {"a": 950, "b": 50}
    (name,) = rollout_ids(deployed.stack.record_dir)
    done = resume_rollout(run_of(deployed, looks), name)
    assert done.outcome is RolloutOutcome.FINISHED


def sweep(world: Any) -> None:
    """Delete what runs and is not in the engine's state."""
    known = {identity for identity, _ in world.driver.state.values()}
    for identity in [identity for identity in world.cloud.things if identity not in known]:
        del world.cloud.things[identity]


@pytest.mark.slow
@pytest.mark.parametrize("errors", [600, 6000], ids=["promoted", "rolled back"])
@pytest.mark.proof
def test_killed_at_many_effects_and_resumed(
    make_world: Callable[[], Any], mortal_disk: Callable[[Any], None], errors: int
) -> None:
    """Wherever the process dies, resuming ends where an undisturbed run ends, nothing doubled.

    What a killed creation leaves outside the engine's state is swept first, as by its tags.
    """
    at = 1 if errors == 600 else 4
    while True:
        at += 6  # every sixth effect: all of them take minutes
        world = make_world()
        mortal_disk(world.reaper)
        world.plan(world.phase0())
        world.apply()
        run = run_of(world, FakeLooks(world, canary_errors=errors), shares=(50.0, 100.0))
        world.reaper.arm(at)
        killed = False
        try:
            start_rollout(run, world.reference_release(), 1)
        except BaseException as death:
            if type(death).__name__ != "Killed":
                raise
            killed = True
        world.reaper.arm(None)
        if not killed:
            break
        sweep(world)
        if rollout_ids(world.stack.record_dir):
            name = rollout_ids(world.stack.record_dir)[-1]
            result = resume_rollout(run, name)
        else:
            result = start_rollout(run, world.reference_release(), 1)
        wanted = RolloutOutcome.FINISHED if errors == 600 else RolloutOutcome.ROLLED_BACK
        assert result.outcome is wanted, (at, result.sentence)
        left, gone = ("b", "a") if errors == 600 else ("a", "b")
        assert weights(world) == {left: 100}, at
        assert len(world.cloud.named(f"group-{left}")) == 1, at
        assert world.cloud.named(f"group-{gone}") == [], at
        assert len(world.cloud.named("container")) == 1, at
        assert world.intents.read() is None
    assert at > 20
