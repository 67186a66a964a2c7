"""Live slots follow the phase; the old slot stays until it is retired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.errors import ConfigError
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.model.update import PHASE_KEY, RELEASE_KEY, ROLLOUT_KEY
from rightsizing.plan.slots import retire_old_slots, settle_rollout

M5 = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
M5_WIDER = FleetSize(instance_type="m5.large", min_instances=2, max_instances=8)
R6 = FleetSize(instance_type="r6g.large", min_instances=2, max_instances=4)
RELEASE = Release(baseline={"web": M5}, phases={"1": {"web": M5_WIDER}, "2": {"web": R6}})
NOTHING = StackSizing(None, 0, RolloutState())


def _settled(phase: int, before: StackSizing = NOTHING) -> RolloutState:
    return settle_rollout(before, RELEASE, phase)


def _at(phase: int, rollout: RolloutState) -> StackSizing:
    return StackSizing(RELEASE, phase, rollout)


def test_the_baseline_is_slot_a() -> None:
    """A stack without a rollout runs its declared size in slot a."""
    fleet = _settled(0).fleets["web"]
    assert fleet == FleetRollout(live=Slot.A, a=SlotState(size=M5, weight=100))


def test_a_wider_range_is_changed_in_place() -> None:
    """Same instance type: no new instances are needed."""
    fleet = _settled(1).fleets["web"]
    assert fleet == FleetRollout(live=Slot.A, a=SlotState(size=M5_WIDER, weight=100))


def test_a_new_type_fills_the_other_slot_and_keeps_the_old() -> None:
    """All weight moves; the old size stays at weight 0."""
    first = _settled(1)
    fleet = settle_rollout(_at(1, first), RELEASE, 2).fleets["web"]
    assert fleet == FleetRollout(
        live=Slot.B, a=SlotState(size=M5_WIDER, weight=0), b=SlotState(size=R6, weight=100)
    )


def test_going_back_moves_the_weight_back() -> None:
    """The old slot still holds that very size."""
    first = _settled(1)
    second = settle_rollout(_at(1, first), RELEASE, 2)
    fleet = settle_rollout(_at(2, second), RELEASE, 1).fleets["web"]
    assert fleet == FleetRollout(
        live=Slot.A, a=SlotState(size=M5_WIDER, weight=100), b=SlotState(size=R6, weight=0)
    )


def test_a_third_type_replaces_the_idle_slot() -> None:
    """Only two slots exist; the serving one is never touched."""
    second = settle_rollout(_at(1, _settled(1)), RELEASE, 2)
    c7 = FleetSize(instance_type="c7g.large", min_instances=2, max_instances=4)
    third = Release(baseline={"web": R6}, phases={"1": {"web": c7}})
    fleet = settle_rollout(_at(2, second), third, 1).fleets["web"]
    assert fleet.live is Slot.A
    assert fleet.a == SlotState(size=c7, weight=100)
    assert fleet.b == SlotState(size=R6, weight=0)


def test_a_half_moved_rollout_is_finished() -> None:
    """Weights 90 and 10 become 100 and 0 on the wanted size."""
    half = FleetRollout(
        live=Slot.A, a=SlotState(size=M5, weight=90), b=SlotState(size=R6, weight=10)
    )
    state = RolloutState(step="canary", fleets={"web": half})
    settled = settle_rollout(StackSizing(RELEASE, 0, state), RELEASE, 2)
    assert settled.step == "settled"
    assert settled.fleets["web"].b == SlotState(size=R6, weight=100)
    assert settled.fleets["web"].a == SlotState(size=M5, weight=0)


def test_only_fleets_have_slots() -> None:
    """Containers are changed in place by their own resource."""
    size = ContainerSize(cpu_millicores=1750, memory_mib=15667)
    assert settle_rollout(NOTHING, Release(baseline={"trader": size}), 0).fleets == {}


def test_fleets_of_other_releases_are_left_alone() -> None:
    """A fleet the release does not name keeps its slots."""
    other = FleetRollout(live=Slot.A, a=SlotState(size=R6, weight=100))
    before = StackSizing(None, 0, RolloutState(fleets={"api": other}))
    assert settle_rollout(before, RELEASE, 0).fleets["api"] == other


def test_retiring_empties_the_idle_slot() -> None:
    """And leaves the live one as it is."""
    second = settle_rollout(_at(1, _settled(1)), RELEASE, 2)
    fleet = retire_old_slots(second).fleets["web"]
    assert fleet == FleetRollout(live=Slot.B, b=SlotState(size=R6, weight=100))


def test_a_slot_that_serves_is_not_retired() -> None:
    """Weight 10 means requests are being served."""
    half = FleetRollout(
        live=Slot.A, a=SlotState(size=M5, weight=90), b=SlotState(size=R6, weight=10)
    )
    state = RolloutState(step="canary", fleets={"web": half})
    assert retire_old_slots(state) == state


def test_another_kind_of_size_is_refused() -> None:
    """A release that makes a container of a fleet does not fit this stack."""
    current = StackSizing(
        Release(baseline={"web": ContainerSize(cpu_millicores=100, memory_mib=64)}),
        0,
        RolloutState(),
    )
    with pytest.raises(ConfigError, match="declared as a fleet"):
        settle_rollout(current, RELEASE, 0)


sizes = st.builds(
    FleetSize,
    instance_type=st.sampled_from(["m5.large", "r6g.large", "c7g.large"]),
    min_instances=st.integers(0, 2),
    max_instances=st.integers(2, 4),
)
slots = st.builds(SlotState, size=sizes, weight=st.integers(1, 999))
fleets = st.builds(FleetRollout, live=st.sampled_from(list(Slot)), a=slots, b=slots) | st.builds(
    FleetRollout, live=st.just(Slot.B), a=st.none(), b=slots
)
releases = st.builds(
    lambda base, first, second: Release(
        baseline={"web": base}, phases={"1": {"web": first}, "2": {"web": second}}
    ),
    sizes,
    sizes,
    sizes,
)


@given(fleet=fleets, release=releases, phase=st.integers(0, 3))
def test_settling_twice_changes_nothing(fleet: FleetRollout, release: Release, phase: int) -> None:
    """Idempotent from any state of the slots."""
    before = StackSizing(None, 0, RolloutState(fleets={"web": fleet}))
    once = settle_rollout(before, release, phase)
    assert settle_rollout(StackSizing(release, phase, once), release, phase) == once


@given(fleet=fleets, release=releases, phase=st.integers(0, 3))
def test_a_settled_stack_is_accepted_by_its_reader(
    fleet: FleetRollout, release: Release, phase: int
) -> None:
    """Exactly one slot serves, with the size of the phase; the program's own check agrees."""
    before = StackSizing(None, 0, RolloutState(fleets={"web": fleet}))
    after = settle_rollout(before, release, phase)
    parsed = parse_stack_sizing(
        {
            RELEASE_KEY: release.model_dump(mode="json"),
            PHASE_KEY: phase,
            ROLLOUT_KEY: after.model_dump(mode="json"),
        }
    )
    live = parsed.rollout.fleets["web"]
    weights = [state.weight for state in (live.a, live.b) if state is not None]
    assert sorted(weights) in ([100], [0, 100])
    assert live.slot(live.live) == SlotState(size=release.size_at("web", phase), weight=100)


@given(fleet=fleets, release=releases, phase=st.integers(0, 3))
def test_what_served_keeps_its_size(fleet: FleetRollout, release: Release, phase: int) -> None:
    """The slot that was live holds its old size afterwards, unless it changed only its range."""
    before = StackSizing(None, 0, RolloutState(fleets={"web": fleet}))
    after = settle_rollout(before, release, phase).fleets["web"]
    old, kept = fleet.slot(fleet.live), after.slot(fleet.live)
    assert old is not None
    assert kept is not None
    assert kept.size.instance_type == old.size.instance_type
    if after.live is not fleet.live:
        assert kept.size == old.size
