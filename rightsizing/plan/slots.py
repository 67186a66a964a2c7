"""Which slot of a fleet runs what, when the phase or the release changes.

A fleet has two slots, and so has a container behind a proxy. A new size fills the slot that is not
live and takes all weight; the old slot keeps running at weight 0, unchanged, until it is retired,
so going back is moving weight. A change of a fleet's range alone (same instance type) needs no new
instances and is made in place.
"""

from __future__ import annotations

from collections.abc import Collection

from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing

FULL_WEIGHT = 100
SETTLED = "settled"


def settle_rollout(
    current: StackSizing, release: Release, phase: int, proxied: Collection[str] = ()
) -> RolloutState:
    """The rollout key for ``release`` at ``phase``, starting from what runs now.

    Idempotent: settling on its own result changes nothing. Fleets the release does not name keep
    their slots as they are. ``proxied``: keys of the containers that have slots.
    """
    fleets = dict(current.rollout.fleets)
    for workload in release.workloads():
        wanted = release.size_at(workload, phase)
        if isinstance(wanted, FleetSize) or (
            isinstance(wanted, ContainerSize) and workload in proxied
        ):
            fleets[workload] = _settle(_running(current, release, workload, wanted), wanted)
    return RolloutState(step=SETTLED, fleets=dict(sorted(fleets.items())))


def retire_old_slots(rollout: RolloutState) -> RolloutState:
    """Empty every slot that is neither live nor serving any weight."""
    fleets = {}
    for workload, fleet in rollout.fleets.items():
        other = fleet.slot(fleet.live.other)
        keep = other if other is not None and other.weight > 0 else None
        live = fleet.slot(fleet.live)
        assert live is not None  # FleetRollout refuses a live slot without a size
        fleets[workload] = _rollout(fleet.live, live, keep)
    return rollout.model_copy(update={"fleets": fleets})


def _running(
    current: StackSizing, release: Release, workload: str, wanted: FleetSize | ContainerSize
) -> FleetRollout:
    """A fleet's slots; without an entry, slot a holds the size that applies now."""
    found = current.rollout.fleets.get(workload)
    if found is not None:
        return found
    declared = release.baseline.get(workload, wanted)
    size = current.size_of(workload, declared)
    assert not isinstance(size, ServiceSize)  # size_of refuses another kind than the declared one
    return FleetRollout(live=Slot.A, a=SlotState(size=size, weight=FULL_WEIGHT))


def _settle(fleet: FleetRollout, wanted: FleetSize | ContainerSize) -> FleetRollout:
    live, other = fleet.slot(fleet.live), fleet.slot(fleet.live.other)
    assert live is not None
    serving = SlotState(size=wanted, weight=FULL_WEIGHT)
    if live.size == wanted:
        return _rollout(fleet.live, serving, _idle(other))
    if other is not None and other.size == wanted:
        return _rollout(fleet.live.other, serving, _idle(live))
    if isinstance(wanted, FleetSize) and live.fleet_size.instance_type == wanted.instance_type:
        return _rollout(fleet.live, serving, _idle(other))
    return _rollout(fleet.live.other, serving, _idle(live))


def _idle(state: SlotState | None) -> SlotState | None:
    return None if state is None else SlotState(size=state.size, weight=0)


def _rollout(live: Slot, serving: SlotState, other: SlotState | None) -> FleetRollout:
    if live is Slot.A:
        return FleetRollout(live=live, a=serving, b=other)
    return FleetRollout(live=live, a=other, b=serving)
