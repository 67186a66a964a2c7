"""Compare live facts with a stack's sizing: one sentence for everything that is not as it says.

Pure. What is compared: of a fleet's slots that each exists once, its range, the types and number of
running instances, and the weight; of a service its task size and range; of a container its limits
and that it runs, once in each of its slots if it has any (their weights are the proxy's own). The
desired count is the autoscaler's and must only lie in the range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rightsizing.model.facts import (
    ContainerFacts,
    FactsReport,
    FleetFacts,
    Mismatch,
    ServiceFacts,
    SlotFacts,
    WorkloadFacts,
)
from rightsizing.model.rollout import FleetRollout, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.stack.livefacts import LiveFact, Unreadable

NOTHING = "nothing"
_ONLY_SLOT_WEIGHT = 100  # as rightsizing.sizing gives it; compared only with 0


def compare_facts(
    facts: Sequence[LiveFact], sizing: StackSizing, workloads: Sequence[Workload]
) -> FactsReport:
    """Hold the facts against the sizing. A workload without a fact is a mismatch."""
    read = tuple(fact for fact in facts if not isinstance(fact, Unreadable))
    unreadable = tuple((fact.workload, fact.why) for fact in facts if isinstance(fact, Unreadable))
    lost = {workload for workload, _ in unreadable}
    mismatches: list[Mismatch] = []
    for workload in workloads:
        own = [fact for fact in read if fact.workload == workload.key]
        if workload.key not in lost or own:
            mismatches.extend(_compare(workload, own, sizing))
    declared = {workload.key for workload in workloads}
    mismatches.extend(
        Mismatch(fact.workload, "workload", "gone, since nothing declares it", _describe(fact))
        for fact in read
        if fact.workload not in declared and _costs(fact)
    )
    return FactsReport(facts=read, mismatches=tuple(mismatches), unreadable=unreadable)


def expected_slots(
    sizing: StackSizing, workload: str, size: FleetSize | ContainerSize
) -> FleetRollout:
    """Slots as the program makes them: the rollout's, else slot a at full weight."""
    found = sizing.rollout.fleets.get(workload)
    return found or FleetRollout(live=Slot.A, a=SlotState(size=size, weight=_ONLY_SLOT_WEIGHT))


def _compare(
    workload: Workload, facts: Sequence[WorkloadFacts], sizing: StackSizing
) -> Iterator[Mismatch]:
    if workload.size is None or workload.kind is WorkloadKind.HOST:
        return
    size = sizing.size_of(workload.key, workload.size)
    if isinstance(size, FleetSize):
        slots = [slot for fact in facts if isinstance(fact, FleetFacts) for slot in fact.slots]
        yield from _compare_fleet(workload.key, expected_slots(sizing, workload.key, size), slots)
    elif isinstance(size, ServiceSize):
        services = [fact for fact in facts if isinstance(fact, ServiceFacts)]
        yield from _compare_service(workload.key, size, services)
    else:
        containers = [fact for fact in facts if isinstance(fact, ContainerFacts)]
        if workload.proxied:
            slots_now = expected_slots(sizing, workload.key, size)
            yield from _compare_slotted(workload.key, slots_now, containers)
        else:
            yield from _compare_container(workload.key, size, containers)


def _compare_fleet(
    key: str, expected: FleetRollout, slots: Sequence[SlotFacts]
) -> Iterator[Mismatch]:
    alone = expected.a is None or expected.b is None
    for slot in Slot:
        state = expected.slot(slot)
        found = [facts for facts in slots if facts.slot is slot]
        if len(found) > 1 or bool(found) != (state is not None):
            wanted = NOTHING if state is None else "one Auto Scaling group"
            names = ", ".join(facts.group_name for facts in found) or NOTHING
            yield Mismatch(key, f"slot {slot.value}", wanted, names)
        if state is not None:
            for facts in found:
                yield from _compare_slot(key, state, facts, alone=alone)


def _compare_slot(
    key: str, state: SlotState, facts: SlotFacts, *, alone: bool
) -> Iterator[Mismatch]:
    name = f"slot {facts.slot.value}"
    size = state.fleet_size
    wanted_range = f"{size.min_instances}-{size.max_instances}"
    found_range = f"{facts.min_instances}-{facts.max_instances}"
    if wanted_range != found_range:
        yield Mismatch(key, f"{name} instance range", wanted_range, found_range)
    total = sum(count for _, count in facts.running_types)
    right_type = all(kind == size.instance_type for kind, _ in facts.running_types)
    if not right_type or not size.min_instances <= total <= size.max_instances:
        wanted = f"{wanted_range} x {size.instance_type}"
        yield Mismatch(key, f"{name} running instances", wanted, _types(facts))
    # one slot alone has all the traffic whatever its weight, unless that is 0
    if facts.weight != state.weight and not (alone and facts.weight > 0):
        yield Mismatch(key, f"{name} weight", str(state.weight), str(facts.weight))


def _compare_service(
    key: str, size: ServiceSize, found: Sequence[ServiceFacts]
) -> Iterator[Mismatch]:
    if len(found) != 1:
        names = ", ".join(fact.task_definition for fact in found) or NOTHING
        yield Mismatch(key, "ECS service", "one service", names)
    for fact in found:
        if fact.size != size:
            yield Mismatch(key, "task size and range", str(size), str(fact.size))


def _compare_container(
    key: str, size: ContainerSize, found: Sequence[ContainerFacts]
) -> Iterator[Mismatch]:
    running = [fact for fact in found if fact.running]
    if len(running) != 1:
        names = ", ".join(fact.container for fact in running)
        stopped = ", ".join(fact.container for fact in found if not fact.running)
        shown = names or (f"{stopped}, stopped" if stopped else NOTHING)
        yield Mismatch(key, "container", "one running container", shown)
    for fact in running:
        if fact.size != size:
            yield Mismatch(key, "limits", str(size), f"{fact.size} ({fact.container})")


def _compare_slotted(
    key: str, expected: FleetRollout, found: Sequence[ContainerFacts]
) -> Iterator[Mismatch]:
    for slot in (*Slot, None):
        own = [fact for fact in found if fact.slot is slot]
        state = None if slot is None else expected.slot(slot)
        name = "container" if slot is None else f"slot {slot.value}"
        if state is None:
            running = ", ".join(fact.container for fact in own if fact.running)
            if running:
                yield Mismatch(key, name, NOTHING, running)
        else:
            assert isinstance(state.size, ContainerSize)  # as the declaration's size is
            for difference in _compare_container(key, state.size, own):
                yield replace(difference, fact=f"{name} {difference.fact}")


def _types(facts: SlotFacts) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in facts.running_types) or NOTHING


def _costs(fact: WorkloadFacts) -> bool:
    """Whether an undeclared workload still runs something."""
    return fact.running if isinstance(fact, ContainerFacts) else True


def _describe(fact: WorkloadFacts) -> str:
    if isinstance(fact, FleetFacts):
        return ", ".join(f"{slot.group_name} ({_types(slot)})" for slot in fact.slots)
    if isinstance(fact, ServiceFacts):
        return fact.task_definition
    return fact.container
