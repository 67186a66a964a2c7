"""Stages: what every one of them keeps, whatever runs now and whatever the release says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.errors import ConfigError
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.model.update import PHASE_KEY, RELEASE_KEY, ROLLOUT_KEY
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.plan.slots import retire_old_slots, settle_rollout
from rightsizing.rollout.events import (
    Started,
    StepApplied,
    StepIntended,
)
from rightsizing.rollout.progress import RolloutProgress, follow
from rightsizing.rollout.stages import (
    Stage,
    StageKind,
    canary_share,
    moving_fleets,
    next_stage,
    plan_stages,
)
from rightsizing.stack.applied import sizing_id
from rightsizing.stack.comparison import expected_slots
from rightsizing.stack.intent import IntendedSizing

OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
LOOP_OLD = ContainerSize(cpu_millicores=16_000, memory_mib=15_667)
LOOP_NEW = ContainerSize(cpu_millicores=4_000, memory_mib=15_667)
NOTHING = StackSizing(None, 0, RolloutState())
WEB = Workload(key="web", kind=WorkloadKind.FLEET, size=OLD, may_run_twice=True)
SOLO = Workload(key="solo", kind=WorkloadKind.FLEET, size=OLD)
LOOP = Workload(key="loop", kind=WorkloadKind.CONTAINER, size=LOOP_OLD)
CORES = {"m5.xlarge": 4.0, "m7g.large": 2.0, "c7g.large": 2.0, "r6g.medium": 1.0}


def cores(size: FleetSize) -> float:
    """Of a slot at its least instances."""
    return CORES[size.instance_type] * max(size.min_instances, 1)


def release_of(**sizes: FleetSize | ContainerSize) -> Release:
    """One phase, from the declared sizes."""
    baseline = {"web": OLD, "solo": OLD, "loop": LOOP_OLD}
    return Release(baseline={key: baseline[key] for key in sizes}, phases={"1": dict(sizes)})


def slots_of(sizing: StackSizing, key: str = "web") -> FleetRollout:
    return expected_slots(sizing, key, OLD)


def weights(stage: Stage, key: str = "web") -> dict[str, int]:
    fleet = slots_of(stage.sizing, key)
    return {slot.value: state.weight for slot in Slot if (state := fleet.slot(slot)) is not None}


def test_a_fleet_moves_in_the_default_steps() -> None:
    """Fill at 0, then 5, 25, 50 and 100 %, soak, retire."""
    stages = plan_stages(NOTHING, release_of(web=NEW), 1, [WEB])
    assert [(stage.name, weights(stage)) for stage in stages] == [
        ("fill", {"a": 100, "b": 0}),
        ("weight-5", {"a": 950, "b": 50}),
        ("weight-25", {"a": 750, "b": 250}),
        ("weight-50", {"a": 500, "b": 500}),
        ("settled", {"a": 0, "b": 100}),
        ("soak", {"a": 0, "b": 100}),
        ("retired", {"b": 100}),
    ]
    assert [stage.is_judged for stage in stages] == [False, True, True, True, False, False, False]
    assert [stage.needs_update for stage in stages].index(False) == 5
    assert moving_fleets(stages) == ("web",)


def test_at_half_a_core_of_either_slot_has_the_same_load() -> None:
    """8 cores before, 4 after: 2/3 and 1/3 of the traffic; at 5 %: odds 5/95 x 4/8."""
    stages = {
        stage.name: stage
        for stage in plan_stages(NOTHING, release_of(web=NEW), 1, [WEB], capacity=cores)
    }
    assert weights(stages["weight-50"]) == {"a": 667, "b": 333}
    odds = 5 / 95 * 4 / 8  # a share of 2.564 %
    assert weights(stages["weight-5"])["b"] == round(1000 * odds / (1 + odds))
    assert canary_share(slots_of(stages["weight-50"].sizing)) == pytest.approx(1 / 3, abs=1e-3)


def test_what_may_not_run_twice_changes_in_place_with_its_downtime_said() -> None:
    """One slot before and after, no weights to move, one sentence a workload."""
    stages = plan_stages(NOTHING, release_of(solo=NEW, loop=LOOP_NEW), 1, [SOLO, LOOP])
    assert [stage.name for stage in stages] == ["settled", "soak"]
    assert weights(stages[0], "solo") == {"a": 100}
    assert slots_of(stages[0].sizing, "solo").a == SlotState(size=NEW, weight=100)
    solo, loop = stages[0].downtime
    assert solo.startswith("solo may not run twice: it is stopped, changed from m5.xlarge x 2-6")
    assert "16 cores, 15667 MiB to 4 cores" in loop


def test_a_singleton_beside_a_moving_fleet_is_changed_once() -> None:
    """With the first stage, so that it is watched as long as the canary."""
    stages = plan_stages(NOTHING, release_of(web=NEW, loop=LOOP_NEW), 1, [WEB, LOOP])
    assert [len(stage.downtime) for stage in stages] == [1, 0, 0, 0, 0, 0, 0]
    assert stages[0].sizing.size_of("loop", LOOP_OLD) == LOOP_NEW


def test_a_range_alone_needs_no_canary() -> None:
    """Same instances: one update in place."""
    wider = OLD.model_copy(update={"max_instances": 9})
    stages = plan_stages(NOTHING, release_of(web=wider), 1, [WEB])
    assert [stage.name for stage in stages] == ["settled", "soak"]
    assert moving_fleets(stages) == ()


def test_nothing_to_do_has_no_stages() -> None:
    """From its own end, a rollout is empty."""
    release = release_of(web=NEW)
    done = plan_stages(NOTHING, release, 1, [WEB])[-1].sizing
    assert plan_stages(done, release, 1, [WEB]) == ()


@pytest.mark.parametrize("shares", [(), (5.0, 25.0), (50.0, 25.0, 100.0), (0.0, 100.0), (120.0,)])
def test_shares_rise_to_everything(shares: tuple[float, ...]) -> None:
    """Else the sentence shows what was given."""
    with pytest.raises(ConfigError, match="must rise and end at 100"):
        plan_stages(NOTHING, release_of(web=NEW), 1, [WEB], shares=shares)


TYPES = st.sampled_from(sorted(CORES))
SIZES = st.builds(
    lambda kind, low, more: FleetSize(
        instance_type=kind, min_instances=low, max_instances=max(low + more, 1)
    ),
    TYPES,
    st.integers(0, 4),
    st.integers(0, 4),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[StackSizing, Release, tuple[Workload, ...]]:
    """Fleets in any consistent state, some of them singletons, and a release to go to."""
    keys = ("web", "solo", "other")[: draw(st.integers(1, 3))]
    baseline, wanted, fleets, workloads = {}, {}, {}, []
    for key in keys:
        twice = draw(st.booleans())
        now, wanted[key] = draw(SIZES), draw(SIZES)
        live = draw(st.sampled_from(Slot))
        kept = draw(st.none() | SIZES) if twice else None
        states = {
            live: SlotState(size=now, weight=100),
            live.other: None if kept is None else SlotState(size=kept, weight=0),
        }
        if draw(st.booleans()) or kept is not None or live is Slot.B:
            fleets[key] = FleetRollout(live=live, a=states[Slot.A], b=states[Slot.B])
        baseline[key] = now
        workloads.append(Workload(key=key, kind=WorkloadKind.FLEET, size=now, may_run_twice=twice))
    release = Release(baseline=baseline, phases={"1": wanted})
    current = StackSizing(release, 0, RolloutState(fleets=fleets))
    return current, release, tuple(workloads)


def serving(fleet: FleetRollout) -> FleetSize:
    live = fleet.slot(fleet.live)
    assert live is not None
    return live.size


def of(sizing: StackSizing, workload: Workload) -> FleetRollout:
    assert isinstance(workload.size, FleetSize)
    size = sizing.size_of(workload.key, workload.size)
    assert isinstance(size, FleetSize)
    return expected_slots(sizing, workload.key, size)


@given(situation=situations())
def test_every_stage_is_a_configuration_that_can_be_applied(
    situation: tuple[StackSizing, Release, tuple[Workload, ...]],
) -> None:
    """Somebody serves, the live slot exists and holds the release's size, weights are in range."""
    current, release, workloads = situation
    for stage in plan_stages(current, release, 1, workloads, capacity=cores):
        values = {
            RELEASE_KEY: release.model_dump(mode="json"),
            PHASE_KEY: 1,
            ROLLOUT_KEY: stage.sizing.rollout.model_dump(mode="json"),
        }
        assert parse_stack_sizing(values) == stage.sizing
        for fleet in stage.sizing.rollout.fleets.values():
            present = [state for slot in Slot if (state := fleet.slot(slot)) is not None]
            assert sum(state.weight for state in present) > 0
            assert fleet.slot(fleet.live) is not None


@given(situation=situations())
def test_the_end_is_what_plan_writes(
    situation: tuple[StackSizing, Release, tuple[Workload, ...]],
) -> None:
    """Settled is ``settle_rollout``'s for what may run twice; the last retires its old slots."""
    current, release, workloads = situation
    stages = plan_stages(current, release, 1, workloads)
    plain = settle_rollout(current, release, 1)
    retired = retire_old_slots(plain)
    for stage in stages:
        for workload in workloads:
            if not workload.may_run_twice:
                continue
            found = stage.sizing.rollout.fleets[workload.key]
            if stage.kind in {StageKind.SETTLE, StageKind.SOAK}:
                assert found == plain.fleets[workload.key]
            if stage is stages[-1] and stage.kind is StageKind.RETIRE:
                assert found == retired.fleets[workload.key]


@given(situation=situations())
def test_until_it_is_retired_going_back_moves_weight_only(
    situation: tuple[StackSizing, Release, tuple[Workload, ...]],
) -> None:
    """The slot that served before holds the same size in every prefix of the stages."""
    current, release, workloads = situation
    stages = plan_stages(current, release, 1, workloads, capacity=cores)
    for stage in stages:
        if stage.kind is StageKind.RETIRE:
            continue
        for workload in workloads:
            before, now = of(current, workload), of(stage.sizing, workload)
            if now.live is before.live:  # changed in place, or not at all
                continue
            old = now.slot(before.live)
            assert old is not None
            assert old.size == serving(before)


@given(situation=situations())
def test_what_may_not_run_twice_is_never_doubled(
    situation: tuple[StackSizing, Release, tuple[Workload, ...]],
) -> None:
    """One slot in every stage, and the one it had."""
    current, release, workloads = situation
    for stage in plan_stages(current, release, 1, workloads):
        for workload in workloads:
            if not workload.may_run_twice:
                fleet = of(stage.sizing, workload)
                assert fleet.slot(fleet.live.other) is None
                assert fleet.live is of(current, workload).live


@given(situation=situations())
def test_the_canary_gets_more_with_every_stage(
    situation: tuple[StackSizing, Release, tuple[Workload, ...]],
) -> None:
    """Shares rise from 0 to 1; and every stage counts as the new release for a rollback."""
    current, release, workloads = situation
    stages = plan_stages(current, release, 1, workloads, capacity=cores)
    for key in moving_fleets(stages):
        shares = [canary_share(stage.sizing.rollout.fleets[key]) for stage in stages]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len({sizing_id(stage.sizing) for stage in stages}) <= 1


@given(situation=situations(), data=st.data())
def test_a_restart_goes_on_where_it_was(
    situation: tuple[StackSizing, Release, tuple[Workload, ...]], data: st.DataObject
) -> None:
    """Stopped after any number of events, the next stage is the first not proven done."""
    current, release, workloads = situation
    stages = plan_stages(current, release, 1, workloads)
    if not stages:
        return
    done = data.draw(st.integers(0, len(stages)))
    half = done < len(stages) and data.draw(st.booleans())
    progress = begun(stages, current)
    for stage in stages[:done]:
        progress = follow(progress, StepIntended(stage=stage.name, rollout=stage.sizing.rollout))
        progress = follow(progress, StepApplied(stage=stage.name))
    if half:
        unfinished = stages[done]
        event = StepIntended(stage=unfinished.name, rollout=unfinished.sizing.rollout)
        progress = follow(progress, event)
    now = stages[done - 1].sizing if done else current
    found = next_stage(stages, progress, now)
    assert found.stage == (stages[done] if done < len(stages) else None)
    if done and not half:
        foreign = replace(now, rollout=RolloutState(step="somebody else's"))
        # the soak applies nothing, so what is before it is done again
        again = stages[done - 1] if stages[done - 1].needs_update else stages[done - 2]
        assert next_stage(stages, progress, foreign).stage == again
        assert next_stage(stages, progress, None).stage == again


def begun(stages: tuple[Stage, ...], current: StackSizing) -> RolloutProgress:
    names: Mapping[str, Stage] = {stage.name: stage for stage in stages}
    event = Started(
        current=IntendedSizing.of(current),
        target=IntendedSizing.of(stages[-1].sizing),
        stages=tuple(names),
    )
    return follow(None, event)
