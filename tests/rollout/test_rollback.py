"""Rollback: which update it goes back to, what it proves, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rightsizing.errors import ConfigError, NothingToRestore, PlanRejected, StackLocked
from rightsizing.model.stackconfig import StackSizing
from rightsizing.rollout.restoration import RollbackOutcome, RollbackPlan
from rightsizing.stack.applied import sizing_id
from rightsizing.stack.inverse import Reversal

World = Any  # the class lives in conftest.py, which tests cannot import


def at_phase1(world: World) -> None:
    """Before-state deployed and recorded, then phase 1."""
    world.apply()
    world.plan(world.phase1())
    world.apply()


def test_facts_after_rollback_equal_the_first_release(world: World) -> None:
    """Up at the declared sizes, phase 1, rollback: the live facts are the first ones again."""
    world.apply()
    first = world.cloud.facts()
    world.plan(world.phase1())
    assert world.apply().facts.matches
    assert world.cloud.facts() != first
    result = world.rollback()
    assert (result.outcome, result.exit_code) == (RollbackOutcome.RESTORED, 0)
    # the container was replaced twice, so only its id differs
    restored = [
        replace(fact, container="") if hasattr(fact, "container") else fact
        for fact in world.cloud.facts()
    ]
    assert restored == [
        replace(fact, container="") if hasattr(fact, "container") else fact for fact in first
    ]


def test_the_file_says_what_was_restored(world: World) -> None:
    """Going back to declared sizes removes the three keys and nothing else."""
    before = world.stack.config_path.read_text()
    at_phase1(world)
    world.rollback()
    assert world.stack.config_path.read_text() == before


def test_the_way_back_is_a_weight_move_while_the_old_slot_is_kept(world: World) -> None:
    """The fleet needs no new group: its listener moves, and the new slot is deleted."""
    at_phase1(world)
    plans: list[RollbackPlan] = []
    world.rollback(confirm=lambda plan: plans.append(plan) or True)
    reversals = {step.step.name: step.reversal for step in plans[0].diff.steps}
    assert reversals == {
        "listener": Reversal.WEIGHT_MOVE,
        "group-b": Reversal.DELETION,
        "container": Reversal.REPLACEMENT,
    }


def test_a_slot_that_was_refilled_since_is_not_filled_again_to_idle(world: World) -> None:
    """Phase 2 took slot a: back at phase 1 only slot b runs, and nothing had to start first."""
    at_phase1(world)
    world.plan(world.phase2())
    world.apply()
    made = world.cloud.made
    result = world.rollback()
    assert result.outcome is RollbackOutcome.RESTORED
    assert world.cloud.named("group-a") == []
    assert world.cloud.made == made  # phase 2 changed no container, so nothing is created
    assert world.file().sizing().rollout.fleets["web"].a is None


def test_what_was_left_is_quarantined_and_marked(world: World) -> None:
    """The bad release at its phase is refused from now on; the ledger says rolled back."""
    at_phase1(world)
    result = world.rollback(reason="latency doubled")
    release = world.reference_release()
    assert result.quarantined.release == release.id
    assert world.quarantine.find(release.id, 1).reason == "latency doubled"
    assert world.quarantine.find(release.id, 0) is None
    assert world.verdicts() == [
        ("declared", "good"),
        (f"{release.short_id}@1", "rolled_back"),
        ("declared", "good"),
    ]
    world.plan(world.phase1())
    with pytest.raises(PlanRejected, match=r"quarantined .*latency doubled"):
        world.apply()


def test_a_rollback_buys_nothing(world: World) -> None:
    """A confirmation that no update has seen is withdrawn before the update, and that is said."""
    at_phase1(world)
    world.confirm_purchase()
    said: list[str] = []
    assert world.rollback(say=said.append).exit_code == 0
    assert any("the confirmation is withdrawn" in sentence for sentence in said)
    declared = world.file().declaration().commitments
    assert declared.confirmed is None
    assert not declared.empty
    assert "confirmed" not in str(world.driver.entries[-1].config)


def test_what_may_be_bought_stays_in_the_program(world: World) -> None:
    """An update saw the confirmation, so a rollback must not take the purchase out again."""
    world.apply()
    world.confirm_purchase()
    world.plan(world.phase1())
    world.apply()
    assert world.rollback().exit_code == 0
    assert world.file().declaration().commitments.confirmed is not None


def test_a_second_rollback_does_not_return_to_the_bad_release(world: World) -> None:
    """No ping-pong: what was rolled back is never a target."""
    at_phase1(world)
    world.rollback()
    with pytest.raises(NothingToRestore):
        world.rollback()


def test_one_phase_at_a_time(world: World) -> None:
    """From phase 2 the first rollback goes to phase 1, the second to the declared sizes."""
    at_phase1(world)
    world.plan(world.phase2())
    world.apply()
    assert sizing_id(world.rollback().plan.target) == sizing_id(world.phase1())
    assert sizing_id(world.file().sizing()) == sizing_id(world.phase1())
    assert world.rollback().plan.target.release is None
    assert world.verdicts()[-1] == ("declared", "good")


def test_hand_typed_updates_are_adopted_and_restored(world: World) -> None:
    """`pulumi up` typed by hand has no record: adopted as unverified, and gone back from."""
    world.pulumi_up()
    world.plan(world.phase1())
    world.pulumi_up()
    result = world.rollback()
    assert result.outcome is RollbackOutcome.RESTORED
    assert "never verified" in " ".join(result.plan.notes)
    assert world.verdicts()[0] == ("declared", "unverified")
    assert world.verdicts()[1][1] == "rolled_back"


def test_a_good_update_is_preferred_to_a_newer_unverified_one(world: World) -> None:
    """Declared good, phase 1 typed by hand, phase 2 applied: back to declared, which is proven."""
    world.apply()
    world.plan(world.phase1())
    world.pulumi_up()
    world.plan(world.phase2())
    world.apply()
    assert world.rollback().plan.target.release is None


def test_nothing_to_roll_back_to_changes_nothing(world: World) -> None:
    """An empty history, and a first update: one sentence, no effect."""
    with pytest.raises(NothingToRestore, match="no finished update"):
        world.rollback()
    world.apply()
    before = world.stack.config_path.read_text(), world.cloud.facts()
    with pytest.raises(NothingToRestore, match="no earlier update"):
        world.rollback()
    assert (world.stack.config_path.read_text(), world.cloud.facts()) == before


def test_declining_puts_the_file_back(world: World) -> None:
    """Without a yes the file and the cloud are as they were."""
    at_phase1(world)
    before = world.stack.config_path.read_text(), world.cloud.facts()
    result = world.rollback(confirm=lambda _plan: False)
    assert (result.outcome, result.exit_code) == (RollbackOutcome.DECLINED, 1)
    assert (world.stack.config_path.read_text(), world.cloud.facts()) == before
    assert world.intents.read() is None


def test_ctrl_c_at_the_question_puts_the_file_back(world: World) -> None:
    """An interrupt while the user reads the diff changes nothing."""
    at_phase1(world)
    before = world.stack.config_path.read_text()

    def interrupted(_plan: RollbackPlan) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.rollback(confirm=interrupted)
    assert world.stack.config_path.read_text() == before


def test_a_live_lock_is_never_broken(world: World) -> None:
    """An update that runs is waited for, not fought."""
    at_phase1(world)
    before = world.stack.config_path.read_text()
    world.driver.lock = "alive"
    with pytest.raises(StackLocked):
        world.rollback()
    assert world.stack.config_path.read_text() == before


def test_a_failed_update_of_the_rollback_is_an_outcome(world: World) -> None:
    """One workload cannot be changed: partly restored (6), recorded, and finished by a re-run."""
    at_phase1(world)
    world.driver.fail_on = "container"  # comes after the listener's weight move
    result = world.rollback()
    assert (result.outcome, result.exit_code) == (RollbackOutcome.PARTLY_RESTORED, 6)
    assert "container failed" in result.sentence
    assert world.verdicts()[-1][1] == "failed"
    world.driver.fail_on = None
    again = world.rollback()
    assert again.outcome is RollbackOutcome.RESTORED
    assert "continued" in again.plan.notes[0]
    assert world.intents.read() is None


def test_partly_restored_when_only_some_workloads_are_back(world: World) -> None:
    """The fleet is back and the container is not: exit code 6."""
    at_phase1(world)

    def stubborn(_workloads: object) -> Any:
        return tuple(
            replace(fact, running=False) if hasattr(fact, "container") else fact
            for fact in world.cloud.facts()
        )

    result = world.rollback(read=stubborn, settle_seconds=5)
    assert (result.outcome, result.exit_code) == (RollbackOutcome.PARTLY_RESTORED, 6)
    assert "app: container should be one running container" in result.sentence
    assert world.verdicts()[-1] == ("declared", "bad")
    assert world.rollback().outcome is RollbackOutcome.RESTORED  # the same target, not an older one


def test_failed_when_nothing_is_back(world: World) -> None:
    """The first change already fails: exit code 7, and the facts are as before."""
    at_phase1(world)
    before = world.cloud.facts()
    world.driver.fail_on = "listener"
    result = world.rollback()
    assert (result.outcome, result.exit_code) == (RollbackOutcome.FAILED, 7)
    assert world.cloud.facts() == before
    assert result.quarantined is not None


def test_drift_behind_our_back_is_found_and_undone(world: World) -> None:
    """A group changed by hand is put right too, since the rollback reads the live cloud."""
    at_phase1(world)
    identity, properties = world.cloud.named("group-a")[0]
    world.cloud.things[identity] = ("group-a", {**properties, "max": 1})
    assert world.rollback().outcome is RollbackOutcome.RESTORED
    assert world.cloud.named("group-a")[0][1]["max"] == 6


def test_a_planned_but_never_applied_release_is_not_what_is_left(world: World) -> None:
    """The file says phase 2 but phase 1 runs: phase 1 is left, and the overwriting is said."""
    at_phase1(world)
    world.plan(world.phase2())
    result = world.rollback()
    assert result.plan.leaving == sizing_id(world.phase1())
    assert "never applied" in " ".join(result.plan.notes)
    assert world.quarantine.find(world.reference_release().id, 2) is None


def test_keys_edited_to_nonsense_do_not_stop_a_rollback(world: World) -> None:
    """The three keys are written anew, whatever somebody typed into them."""
    at_phase1(world)
    path = world.stack.config_path
    path.write_text(path.read_text().replace("rightsizing:phase: 1", "rightsizing:phase: lots"))
    assert world.rollback().outcome is RollbackOutcome.RESTORED


def test_former_declared_sizes_are_restored(world: World) -> None:
    """The declaration was edited since: the sizes of then become a release of their own."""
    at_phase1(world)
    path = world.stack.config_path
    path.write_text(
        path.read_text().replace("memory_mib: 15667}\n      image", "memory_mib: 99}\n      image")
    )
    result = world.rollback()
    assert result.outcome is RollbackOutcome.RESTORED
    assert "the former ones are restored" in " ".join(result.plan.notes)
    assert world.cloud.named("container")[0][1]["memory"] == 15_667


def test_to_names_a_release_a_phase_or_a_record(world: World) -> None:
    """--to takes a prefix with a phase, a record number, or `declared`."""
    at_phase1(world)
    world.plan(world.phase2())
    world.apply()
    release = world.reference_release()
    targets: list[object] = []
    for to in (f"{release.id[:8]}@1", "2", "declared", "1"):
        world.rollback(to=to, confirm=lambda plan: bool(targets.append(sizing_id(plan.target))))
    phase1, declared = (
        sizing_id(world.phase1()),
        sizing_id(StackSizing(None, 0, world.phase0().rollout)),
    )
    assert targets == [phase1, phase1, declared, declared]


@pytest.mark.parametrize(
    ("to", "error", "message"),
    [
        ("ffffffff", ConfigError, "names no update that succeeded; history has .*@1, declared"),
        ("999", ConfigError, "must be a record number"),
        ("abc", ConfigError, "4 characters or more"),
        ("no such", ConfigError, "must be a record number"),
    ],
)
def test_to_that_names_nothing(world: World, to: str, error: type[Exception], message: str) -> None:
    """One sentence that lists what there is."""
    at_phase1(world)
    with pytest.raises(error, match=message):
        world.rollback(to=to)


def test_to_a_quarantined_release_is_refused(world: World) -> None:
    """Naming what was rolled back is no way around the quarantine; lifting it is."""
    at_phase1(world)
    world.rollback()
    name = world.reference_release().short_id
    with pytest.raises(PlanRejected, match="quarantined"):
        world.rollback(to=name)
    world.quarantine.lift(name)
    assert world.rollback(to=name).outcome is RollbackOutcome.RESTORED
    assert world.file().sizing() == world.phase1()


def test_a_damaged_record_is_said_and_skipped(world: World) -> None:
    """A record cut short by a full disk neither crashes nor hides the others."""
    at_phase1(world)
    (world.ledger.folder / "000002.json").write_text("{")
    result = world.rollback()
    assert result.outcome is RollbackOutcome.RESTORED
    assert "record 000002.json is damaged" in " ".join(result.plan.notes)
