"""Since when the present sizes are in force, and what is said before traffic moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rightsizing.cli.commands.checking import check
from rightsizing.cli.kpis import idle_groups
from rightsizing.cli.session import Session
from rightsizing.errors import ConfigError
from rightsizing.plan.slots import retire_old_slots
from rightsizing.stack.applied import applied_updates, in_force_since
from rightsizing.stack.apply import ApplyPlan

if TYPE_CHECKING:
    from conftest import World


def apply_phase1(world: World) -> None:
    """The declared sizes, then phase 1."""
    world.apply()
    world.plan(world.phase1())
    world.apply()


def since(world: World) -> Any:
    """What the check counts its days from."""
    return in_force_since(applied_updates(world.driver.history(world.stack)))


def test_a_retired_slot_or_a_repeated_update_does_not_restart_the_watch(world: World) -> None:
    """Phase 1 is watched from its own update on, whatever else is applied later."""
    assert since(world) is None
    apply_phase1(world)
    first = world.driver.entries[-1].end
    world.pulumi_up()
    sizing = world.file().sizing()
    world.plan(type(sizing)(sizing.release, 1, retire_old_slots(sizing.rollout)))
    world.apply()
    assert since(world) == first


def test_another_size_restarts_the_watch(world: World) -> None:
    """Phase 2, and the way back to phase 1, each count from their own update."""
    apply_phase1(world)
    world.plan(world.phase2())
    world.apply()
    assert since(world) == world.driver.entries[-1].end
    world.rollback()
    assert since(world) == world.driver.entries[-1].end


def test_a_slot_that_takes_over_with_fewer_instances_is_said(world: World) -> None:
    """The autoscaler runs 5 in slot a; slot b would start with its least, 2."""
    world.apply()
    world.plan(world.phase1())
    (_, group), *_ = world.cloud.named("group-a")
    seen: list[ApplyPlan] = []
    world.apply(confirm=lambda plan: seen.append(plan) is None and False)
    group["min"] = 5  # as many as the fake cloud runs
    world.apply(confirm=lambda plan: seen.append(plan) is None and False)
    assert seen[0].notes == ()
    (note,) = seen[1].notes
    assert note.startswith("web: slot b takes over with 2 instances, while slot a serves with 5")


def test_groups_of_slots_without_traffic_are_known_by_name(world: World) -> None:
    """At phase 1 slot b serves; slot a is idle, and stays left out once it is retired."""
    rollout = world.phase1().rollout
    assert idle_groups(rollout) == (("web", "web-a-"),)
    assert idle_groups(retire_old_slots(rollout)) == (("web", "web-a-"),)


def test_a_phase_that_is_not_applied_has_no_success_to_judge(world: World) -> None:
    """At phase 1, criteria of phase 2 would be judged by measurements of phase 1."""
    apply_phase1(world)
    session = Session(str(world.stack.project_dir), "dev", None, as_json=True, debug=False)
    session.__dict__["driver"] = world.driver
    with pytest.raises(ConfigError, match=r"phase 2 is not applied \(phase 1 is\)"):
        check.main(["--phase", "2", "--when", "after"], obj=session, standalone_mode=False)
