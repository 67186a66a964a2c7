"""Apply: phases in order, the way back shown before yes, live facts as the judge."""

from __future__ import annotations

from typing import Any

import pytest

from rightsizing.errors import (
    ConfigError,
    FactsMismatch,
    PlanRejected,
    StackError,
    StackLocked,
    StackMissing,
    UpdateFailed,
)
from rightsizing.stack.apply import ApplyPlan
from rightsizing.stack.inverse import Reversal

World = Any  # the class lives in conftest.py, which tests cannot import


def test_facts_equal_to_the_release_make_a_good_record(world: World) -> None:
    """Applied, compared, recorded with versions and resources."""
    world.apply()
    world.plan(world.phase1())
    result = world.apply()
    result.require_match()
    assert result.applied
    record = result.record
    assert (record.release, record.phase) == (world.reference_release().id, 1)
    assert record.verdict.value == "good"
    assert record.facts.matches
    assert len(record.facts.digest) == 64
    assert record.versions["driver"] == "embedded"
    assert {resource.type for resource in record.resources} == {
        "aws:autoscaling/group:Group",
        "aws:lb/listener:Listener",
        "docker:index/container:Container",
    }
    assert record.update.sequence == 2
    assert world.intents.read() is None


def test_the_way_back_is_shown_before_yes(world: World) -> None:
    """A new slot is deleted again and weight moves back; the container is replaced again."""
    world.apply()
    world.plan(world.phase1())
    plans: list[ApplyPlan] = []
    world.apply(confirm=lambda plan: plans.append(plan) or True)
    reversals = {step.step.name: step.reversal for step in plans[0].inverse.steps}
    assert reversals == {
        "group-b": Reversal.DELETION,
        "listener": Reversal.WEIGHT_MOVE,
        "container": Reversal.REPLACEMENT,
    }
    assert plans[0].inverse.minutes == 1
    assert [step.step.name for step in plans[0].inverse.slow] == ["container"]


def test_no_changes_nothing(world: World) -> None:
    """Without a yes nothing runs and nothing is recorded."""
    result = world.apply(confirm=lambda _plan: False)
    assert not result.applied
    assert world.driver.ups == 0
    assert world.ledger.read().records == ()
    assert world.intents.read() is None


def test_a_file_changed_after_its_preview_is_not_applied(world: World) -> None:
    """What was agreed to is what runs: an edit while the question waits stops the apply."""
    world.apply()
    world.plan(world.phase1())

    def agree(_plan: ApplyPlan) -> bool:
        world.plan(world.phase2())
        return True

    with pytest.raises(ConfigError, match="was changed since its preview was shown"):
        world.apply(confirm=agree)
    assert world.driver.ups == 1


def test_a_phase_out_of_order_is_refused(world: World) -> None:
    """From phase 0 to 2 while phase 1 changes sizes: one sentence that says what to do."""
    world.apply()
    world.plan(world.phase2())
    with pytest.raises(PlanRejected, match=r"phase 2 is out of order: the stack is at phase 0"):
        world.apply()
    assert world.driver.ups == 1


def test_an_empty_stack_may_start_at_any_phase(world: World) -> None:
    """Nothing runs that could be taken by surprise."""
    world.plan(world.phase2())
    assert world.apply().facts.matches


def test_going_to_a_lower_phase_is_allowed(world: World) -> None:
    """Order is about going forward."""
    world.plan(world.phase2())
    world.apply()
    world.plan(world.phase1())
    assert world.apply().facts.matches


def test_a_mismatch_is_recorded_bad_and_has_its_exit_code(world: World) -> None:
    """The update succeeded and the cloud is not as it says: FactsMismatch, exit code 5."""
    world.apply()
    world.plan(world.phase1())
    result = world.apply(read=lambda _workloads: world.cloud.facts()[:1], settle_seconds=30)
    assert result.record.verdict.value == "bad"
    with pytest.raises(FactsMismatch, match="app: container should be one running") as raised:
        result.require_match()
    assert raised.value.exit_code == 5


def test_waiting_is_bounded_and_says_what_for(world: World) -> None:
    """30 seconds at most: pauses of 1, 2, 4, 8 and 15, so the clock stands at 30."""
    said: list[str] = []
    before = world.clock.monotonic()
    world.apply(read=lambda _workloads: (), settle_seconds=30, say=said.append)
    assert [sentence.split(":")[0] for sentence in said] == [
        "waiting, at most 30 s more",
        "waiting, at most 29 s more",
        "waiting, at most 27 s more",
        "waiting, at most 23 s more",
        "waiting, at most 15 s more",
    ]
    assert world.clock.monotonic() >= before + 30


def test_facts_that_settle_late_are_good(world: World) -> None:
    """Eventual consistency: the third reading matches."""
    readings = iter(range(10))
    result = world.apply(read=lambda _workloads: world.cloud.facts() if next(readings) >= 2 else ())
    assert result.facts.matches
    assert next(readings) == 3


def test_a_failed_update_is_recorded(world: World) -> None:
    """The record says failed and why, the error reaches the caller."""
    world.apply()
    world.plan(world.phase1())
    world.driver.fail_on = "container"
    with pytest.raises(UpdateFailed, match="container failed"):
        world.apply()
    assert world.verdicts()[-1][1] == "failed"
    assert "container failed" in world.ledger.read().records[-1].reason
    assert world.intents.read() is None


def test_a_failed_update_is_rolled_back_from_any_mixture(world: World) -> None:
    """Half of phase 1 is live; rollback brings the declared sizes back."""
    world.apply()
    world.plan(world.phase1())
    world.driver.fail_on = "container"
    with pytest.raises(UpdateFailed):
        world.apply()
    world.driver.fail_on = None
    result = world.rollback()
    assert result.exit_code == 0
    assert result.plan.target.release is None
    assert world.quarantine.find(world.reference_release().id, 1) is not None


def test_a_locked_stack_leaves_no_trace(world: World) -> None:
    """Somebody else's update runs: nothing is recorded, nothing is under way."""
    world.driver.lock = "alive"
    with pytest.raises(StackLocked):
        world.apply()
    assert world.ledger.read().records == ()
    assert world.intents.read() is None


def test_a_dead_lock_is_broken_and_said(world: World) -> None:
    """A killed update left its lock: its holder is dead, so the apply goes on and looks first."""
    world.driver.lock = "dead"
    result = world.apply()
    assert result.facts.matches
    assert "lock" in result.plan.notes[0]


def test_half_a_rollback_is_finished_first(world: World) -> None:
    """Applying over an interrupted rollback would hide it."""
    world.apply()
    world.plan(world.phase1())
    world.apply()
    world.driver.fail_on = "listener"
    world.rollback()
    world.driver.fail_on = None
    with pytest.raises(StackError, match="a rollback to declared was interrupted"):
        world.apply()
    world.rollback()
    assert world.apply().facts.matches


def test_drift_is_put_right_by_an_apply(world: World) -> None:
    """A listener changed by hand: the preview shows it, the update undoes it."""
    world.apply()
    identity, _ = world.cloud.named("listener")[0]
    world.cloud.things[identity] = ("listener", {"defaultActions": {"a": 1, "b": 9}})
    result = world.apply()
    assert [step.name for step in result.plan.preview.changes] == ["listener"]
    assert result.facts.matches


def test_a_missing_stack_file_is_a_sentence(world: World) -> None:
    """The message lists the stacks there are."""
    world.stack.config_path.rename(world.stack.project_dir / "Pulumi.other.yaml")
    with pytest.raises(StackMissing, match="stacks with a file there: other"):
        world.apply()


def test_nonsense_in_the_file_is_a_sentence(world: World) -> None:
    """Edited by hand to nonsense: file, key and value are named, nothing runs."""
    path = world.stack.config_path
    path.write_text(path.read_text() + "  rightsizing:release: {baseline: 7}\n")
    with pytest.raises(ConfigError, match=r"Pulumi.dev.yaml: rightsizing:release.baseline: .* 7"):
        world.apply()
    assert world.driver.ups == 0
