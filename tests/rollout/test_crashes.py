"""A rollback or an apply killed at any effect on the outside world is repaired by one rollback.

The reaper counts every durable write (before it and before its flush), every change of the cloud,
every change of the engine's state and the lock. Each number is one crash point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from rightsizing.errors import NothingToRestore
from rightsizing.rollout.restoration import RollbackOutcome

Killed: type[BaseException]
World = Any  # the class lives in conftest.py, which tests cannot import
MAX_EFFECTS = 200  # far above what one command has; the loops end when nothing was killed


def killed_at(world: World, at: int, command: Callable[[], Any]) -> bool:
    """Run a command that is killed at its ``at``-th effect; False when it has fewer."""
    world.reaper.arm(at)
    try:
        command()
    except BaseException as error:
        if type(error).__name__ != "Killed":
            raise
        return True
    finally:
        world.reaper.arm(None)
    return False


def sizes(world: World) -> list[object]:
    """Live facts without the ids, which a replacement changes."""
    found: list[object] = []
    for fact in world.cloud.facts():
        if hasattr(fact, "slots"):
            found.extend(
                (s.slot, s.min_instances, s.max_instances, s.running_types, s.weight)
                for s in fact.slots
            )
        else:
            found.append(fact.size)
    return found


def at_phase1(world: World) -> list[object]:
    """Declared sizes, then phase 1, both good; returns the first live sizes."""
    world.apply()
    first = sizes(world)
    world.plan(world.phase1())
    world.apply()
    return first


def crash_points(
    make_world: Callable[[], World],
    prepare: Callable[[World], Any],
    command: Callable[[World], Any],
) -> Any:
    """(number, world, what prepare returned) for every effect the command has."""
    for at in itertools.count(1):
        assert at < MAX_EFFECTS
        world = make_world()
        prepared = prepare(world)
        if not killed_at(world, at, lambda world=world: command(world)):
            assert at > 10  # the command has effects at all
            return
        yield at, world, prepared


def orphans(world: World) -> set[str]:
    """Ids of what a killed creation left behind: it runs, and the engine knows nothing of it."""
    return set(world.cloud.things) - {identity for identity, _ in world.driver.state.values()}


def test_a_killed_rollback_is_finished_by_another(
    make_world: Callable[[], World], mortal_disk: Callable[[Any], None]
) -> None:
    """Wherever it dies: run again, it restores the same target, or names the orphan it found."""
    for at, world, first in crash_points(
        make_world,
        lambda world: (mortal_disk(world.reaper), at_phase1(world))[1],
        lambda world: world.rollback(),
    ):
        try:
            result = world.rollback(settle_seconds=2)
        except NothingToRestore:  # it died after the last thing that matters
            assert sizes(world) == first, at
        else:
            assert result.plan.target.release is None, at
            if orphans(world):
                assert result.exit_code in {6, 7}, at
                assert all(identity in result.sentence for identity in orphans(world)), at
            else:
                assert result.outcome is RollbackOutcome.RESTORED, at
                assert sizes(world) == first, at
        assert world.file().sizing().release is None, at
        assert world.quarantine.find(world.reference_release().id, 1) is not None, at
        if not orphans(world):
            assert world.intents.read() is None, at
            with pytest.raises(NothingToRestore):  # and never back to what was rolled back
                world.rollback()


def test_a_killed_apply_is_undone_by_a_rollback(
    make_world: Callable[[], World], mortal_disk: Callable[[Any], None]
) -> None:
    """From any mixture an apply of phase 1 leaves, rollback brings the declared sizes back."""

    def prepare(world: World) -> list[object]:
        mortal_disk(world.reaper)
        world.apply()
        first = sizes(world)
        world.plan(world.phase1())
        return first

    for at, world, first in crash_points(make_world, prepare, lambda world: world.apply()):
        try:
            result = world.rollback(settle_seconds=2)
        except NothingToRestore:  # nothing had been started
            assert world.intents.read() is None, at
        else:
            assert result.plan.target.release is None, at
            assert world.file().sizing().release is None, at
            if orphans(world):
                assert result.exit_code in {6, 7}, at
        if not orphans(world):
            assert sizes(world) == first, at


def test_a_killed_apply_is_finished_by_another(
    make_world: Callable[[], World], mortal_disk: Callable[[Any], None]
) -> None:
    """Run again, an apply that was killed brings phase 1, or names the orphan."""

    def prepare(world: World) -> None:
        mortal_disk(world.reaper)
        world.apply()
        world.plan(world.phase1())

    for at, world, _ in crash_points(make_world, prepare, lambda world: world.apply()):
        result = world.apply(settle_seconds=2)
        assert result.facts.matches == (not orphans(world)), at
        assert world.ledger.read().damaged == (), at


def test_a_killed_hand_typed_update_is_undone(make_world: Callable[[], World]) -> None:
    """A plain `pulumi up` killed midway leaves no entry: its lock and the file tell."""

    def prepare(world: World) -> list[object]:
        world.apply()
        first = sizes(world)
        world.plan(world.phase1())
        return first

    for at in range(2, 9):  # effect 1 is before the lock
        world = make_world()
        first = prepare(world)
        assert killed_at(world, at, world.pulumi_up)
        result = world.rollback(settle_seconds=2)
        assert result.plan.target.release is None, at
        if not orphans(world):
            assert result.outcome is RollbackOutcome.RESTORED, at
            assert sizes(world) == first, at


def test_a_plain_up_after_a_kill_is_blind(world: World) -> None:
    """What the tool guards against: the engine says all is the same while the cloud is not."""
    at_phase1(world)
    path = world.stack.config_path
    before = path.read_text()
    path.write_text(before.replace("weight: 100", "weight: 50"))
    assert killed_at(world, 3, world.pulumi_up)  # the listener was changed, the state not
    world.driver.cancel(world.stack)
    path.write_text(before)
    world.pulumi_up()
    blind = world.apply(refresh=False, settle_seconds=2)
    assert [step.op.value for step in blind.plan.preview.changes] == []
    assert [mismatch.fact for mismatch in blind.facts.mismatches] == ["slot b weight"]
    assert world.apply().facts.matches
