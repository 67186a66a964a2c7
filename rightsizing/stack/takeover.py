"""Whether the slot that takes over a fleet's traffic starts with as many instances as serve now.

A slot is filled with its least instances, and the weight moves once these are healthy. The slot it
relieves may run more, because the autoscaler has added some for the present load. The sizing knows
nothing of load, so this is said before anybody says yes; who applies decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rightsizing.model.facts import FleetFacts, SlotFacts
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.livefacts import LiveFact


def takeover_notes(facts: Sequence[LiveFact], sizing: StackSizing) -> tuple[str, ...]:
    """One sentence for every fleet whose traffic moves to fewer instances than serve it now."""
    return tuple(
        note for fact in facts if isinstance(fact, FleetFacts) for note in _of_fleet(fact, sizing)
    )


def _of_fleet(fact: FleetFacts, sizing: StackSizing) -> Iterator[str]:
    fleet = sizing.rollout.fleets.get(fact.workload)
    state = None if fleet is None else fleet.slot(fleet.live)
    if fleet is None or state is None:
        return
    if any(slot.slot is fleet.live and slot.weight > 0 for slot in fact.slots):
        return  # it serves already
    held = sum(
        _running(slot)
        for slot in fact.slots
        if slot.slot is fleet.live
        and all(kind == state.fleet_size.instance_type for kind, _ in slot.running_types)
    )
    first = max(state.fleet_size.min_instances, held)
    for slot in fact.slots:
        if slot.weight > 0 and _running(slot) > first:
            yield (
                f"{fact.workload}: slot {fleet.live.value} takes over with {first} instances, "
                f"while slot {slot.slot.value} serves with {_running(slot)}; raise min_instances, "
                "or apply when the load is low"
            )


def _running(slot: SlotFacts) -> int:
    return sum(count for _, count in slot.running_types)
