"""Watching what an update left: a breach has an outcome, also where going back is refused."""

from __future__ import annotations

from typing import Any

from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import ArmLook, JudgePolicy, Look
from rightsizing.rollout.looks import LooksRead
from rightsizing.rollout.run import RolloutRun, WatchedFleet
from rightsizing.rollout.watch import WatchOutcome, watch_stack


class KilledEveryMinute:
    """Looks at a container that runs out of memory."""

    def server_now_ms(self) -> int:
        return 0

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        canary = ArmLook(restarts=1, oom_kills=1, healthy_targets=1, expected_targets=1)
        look = Look(
            start_ms=after_ms, canary_weight=canary_weight, baseline=ArmLook(), canary=canary
        )
        return LooksRead((look,), look.end_ms)


def run_of(world: Any) -> RolloutRun:
    """Watches the app for ten minutes; nothing moves traffic."""

    def watch(_key: str) -> WatchedFleet:
        raise AssertionError("no fleet has a former slot")

    return RolloutRun(
        driver=world.driver,
        stack=world.stack,
        read=world.read,
        watch=watch,
        clock=world.clock,
        machine=world.clock,
        settle_s=0.0,
        soak_s=600.0,
        solo=lambda _key: KilledEveryMinute(),
    )


def app_only(world: Any) -> StackSizing:
    """Phase 1 with fewer cores for the app; the fleet stays in its slot."""
    release = world.release({"1": {"app": ContainerSize(cpu_millicores=4000, memory_mib=15_667)}})
    return StackSizing(release, 1, RolloutState())


def test_a_breach_is_rolled_back(world: Any) -> None:
    """Out of memory: the sizes before phase 1 are back."""
    world.apply()
    world.plan(app_only(world))
    world.apply()
    found = watch_stack(run_of(world), {"app": JudgePolicy()})
    assert (found.outcome, found.exit_code) == (WatchOutcome.ROLLED_BACK, 9), found.sentence
    assert world.file().sizing().release is None


def test_a_breach_under_a_locked_stack_is_not_restored(world: Any) -> None:
    """Somebody else's update is under way: the breach and the lock are both said, exit code 7."""
    world.apply()
    world.plan(app_only(world))
    world.apply()
    world.driver.lock = "alive"
    found = watch_stack(run_of(world), {"app": JudgePolicy()})
    assert (found.outcome, found.exit_code) == (WatchOutcome.NOT_RESTORED, 7)
    assert "out_of_memory" in found.sentence
    assert "is locked" in found.sentence
