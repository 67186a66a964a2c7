"""The stages of a rollout: from what runs now to a release at a phase, each one stack update. Pure.

    fill      every fleet's other slot gets the new size at weight 0; what cannot be run twice, or
              needs no second slot, changes in place, and its downtime is said
    weight-N  the other slot takes N %, by capacity: at 50 % a core of either slot has the same load
    weight-full-load   the other slot has, a core, the load the old one had alone
    settled   the other slot takes everything; this is what ``plan.slots.settle_rollout`` says
    soak      the same, watched; no update
    retired   the old slots are emptied

Release and phase are the new ones from the first stage on, and the live slot is the one that holds
the new size. So whatever stage a crash leaves, the stack says that it is at the new release, and a
rollback from there goes to the update before it and never to a half-moved weight.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from itertools import pairwise

from rightsizing.errors import ConfigError
from rightsizing.model.release import Release
from rightsizing.model.rollout import FleetRollout, RolloutState, Slot, SlotState
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.plan.slots import FULL_WEIGHT, SETTLED, retire_old_slots, settle_rollout
from rightsizing.rollout.progress import WEIGHT_STAGE, RolloutProgress
from rightsizing.stack.applied import live_size
from rightsizing.stack.comparison import expected_slots

DEFAULT_SHARES = (5.0, 25.0, 50.0, 100.0)  # %, the last one is everything
WEIGHT_TOTAL = 1000  # so that a share is exact to 0.1 %; a single weight stays under 999
ALL = 100.0
FULL_LOAD = f"{WEIGHT_STAGE}full-load"
FULL_LOAD_SHARE = -1.0  # no percentage: it follows from both slots' cores
MOST_OF_TRAFFIC = 0.92  # there, so that the old slot stays a baseline; covers the 90 % asked for

# Cores a slot of this size starts with; only ratios matter.
SlotCapacity = Callable[[FleetSize], float]


@unique
class StageKind(StrEnum):
    """What a stage is for."""

    FILL = "fill"
    SHIFT = "shift"
    SETTLE = "settle"
    SOAK = "soak"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. ``sizing`` is what its update applies; ``share`` the step's percentage."""

    name: str
    kind: StageKind
    sizing: StackSizing
    share: float = 0.0
    downtime: tuple[str, ...] = ()  # a sentence for each workload that is stopped to change it

    @property
    def needs_update(self) -> bool:
        """False for the soak, which only watches."""
        return self.kind is not StageKind.SOAK

    @property
    def is_judged(self) -> bool:
        """Both slots serve, so they can be compared."""
        return self.kind is StageKind.SHIFT


@dataclass(frozen=True, slots=True)
class NextStage:
    """What to do next: ``stage`` None means that nothing is left. ``reason`` in one sentence."""

    stage: Stage | None
    reason: str


def plan_stages(
    current: StackSizing,
    release: Release,
    phase: int,
    workloads: Sequence[Workload],
    *,
    shares: Sequence[float] = DEFAULT_SHARES,
    capacity: SlotCapacity | None = None,
    full_load: bool = False,
) -> tuple[Stage, ...]:
    """All stages from ``current`` to ``release`` at ``phase``; none when that already applies.

    Args:
        workloads: as declared; a fleet that may not run twice keeps its slot and changes in place.
        shares: percentages, rising, the last one 100.
        capacity: cores of a slot; without it both slots count alike.
        full_load: with one more weight before everything. At 50 % both slots share the load, so a
            core of the new one has less than it will have alone, and proves nothing about that.

    Raises ConfigError for shares that do not rise to 100.
    """
    _check_shares(shares)
    final = _settled(current, release, phase, workloads)
    before = _running_slots(current, release, phase, final.fleets)
    moving = tuple(
        key
        for key, fleet in final.fleets.items()
        if key in before and _serving(before[key]) != fleet.live
    )
    downtime = tuple(_downtime(current, release, phase, workloads))
    target = StackSizing(release, phase, final)
    stages: list[Stage] = []
    if moving:
        weigh = _Weighing(before, final, moving, capacity)
        filled = replace(target, rollout=weigh.at("fill", 0.0))
        stages.append(Stage("fill", StageKind.FILL, filled, 0.0, downtime))
        for share in shares[:-1]:
            name = f"{WEIGHT_STAGE}{share:g}"
            sizing = replace(target, rollout=weigh.at(name, share))
            stages.append(Stage(name, StageKind.SHIFT, sizing, share))
        if full_load:
            sizing = replace(target, rollout=weigh.at(FULL_LOAD, FULL_LOAD_SHARE))
            stages.append(Stage(FULL_LOAD, StageKind.SHIFT, sizing, FULL_LOAD_SHARE))
    elif target == current or (not downtime and _same(current, target, workloads)):
        return ()
    stages.append(Stage(SETTLED, StageKind.SETTLE, target, ALL, () if moving else downtime))
    stages.append(Stage("soak", StageKind.SOAK, target, ALL))
    retired = retire_old_slots(final)
    if retired != final:
        rollout = retired.model_copy(update={"step": "retired"})
        stages.append(Stage("retired", StageKind.RETIRE, replace(target, rollout=rollout), ALL))
    return tuple(stages)


def next_stage(
    stages: Sequence[Stage], progress: RolloutProgress, applied: StackSizing | None
) -> NextStage:
    """The stage to do, from the journal and from what the newest update applied.

    A step that was begun and not noted as applied is done again; so is one whose update is no
    longer what the stack is at (None: not known). Doing a stage twice changes nothing. The soak
    applies nothing, so in its place the stage before it is done again, and then it.
    """
    names = [stage.name for stage in stages]
    unfinished = progress.unfinished_step
    if unfinished is not None:
        return NextStage(stages[names.index(unfinished)], f"{unfinished} was begun, not finished")
    if progress.applied is None:
        return NextStage(stages[0], "nothing was applied yet")
    done = names.index(progress.applied)
    if applied != stages[done].sizing:
        again = [stage for stage in stages[: done + 1] if stage.needs_update][-1]
        return NextStage(again, f"the stack is no longer as {progress.applied} left it")
    if done + 1 == len(stages):
        return NextStage(None, "all stages are done")
    return NextStage(stages[done + 1], f"{progress.applied} is done")


def moving_fleets(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Fleets whose traffic moves to their other slot: those that are judged."""
    shifts = [stage for stage in stages if stage.kind is StageKind.SHIFT]
    if not shifts:
        return ()
    fleets = shifts[0].sizing.rollout.fleets
    return tuple(
        key for key, fleet in fleets.items() if all(_weight(fleet, slot) > 0 for slot in Slot)
    )


def changed_in_place(
    current: StackSizing, stages: Sequence[Stage], workloads: Sequence[Workload]
) -> tuple[str, ...]:
    """Workloads that get another size without a second slot: they are watched by themselves."""
    moving = moving_fleets(stages)
    target = stages[-1].sizing
    return tuple(
        workload.key
        for workload in workloads
        if workload.size is not None
        and workload.key not in moving
        and live_size(current, workload.key, workload.size)
        != live_size(target, workload.key, workload.size)
    )


def canary_share(fleet: FleetRollout) -> float:
    """Share (0-1) of the traffic that the live slot, which holds the new size, has by weight."""
    total = sum(_weight(fleet, slot) for slot in Slot)
    return _weight(fleet, fleet.live) / total


@dataclass(frozen=True, slots=True)
class _Weighing:
    """Weights between the slots before and those at the end."""

    before: Mapping[str, FleetRollout]
    final: RolloutState
    moving: tuple[str, ...]
    capacity: SlotCapacity | None

    def at(self, step: str, share: float) -> RolloutState:
        fleets = dict(self.final.fleets)
        for key in self.moving:
            fleets[key] = self._fleet(key, share)
        return RolloutState(step=step, fleets=fleets)

    def _fleet(self, key: str, share: float) -> FleetRollout:
        fleet = self.final.fleets[key]
        slot = _serving(self.before[key])
        old, new = self.before[key].slot(slot), fleet.slot(fleet.live)
        assert old is not None  # the serving slot holds a size
        assert new is not None  # FleetRollout refuses a live slot without one
        weight_old, weight_new = FULL_WEIGHT, 0
        if share != 0:
            ratio = self._ratio(old.size, new.size)
            odds = share / (ALL - share) * ratio
            if share == FULL_LOAD_SHARE:
                part = min(ratio, MOST_OF_TRAFFIC)
                odds = part / (1 - part)
            weight_new = min(max(round(WEIGHT_TOTAL * odds / (1 + odds)), 1), WEIGHT_TOTAL - 1)
            weight_old = WEIGHT_TOTAL - weight_new
        states = {
            slot: SlotState(size=old.size, weight=weight_old),
            slot.other: SlotState(size=new.size, weight=weight_new),
        }
        return FleetRollout(live=slot.other, a=states[Slot.A], b=states[Slot.B])

    def _ratio(self, old: FleetSize | ContainerSize, new: FleetSize | ContainerSize) -> float:
        """Capacity of the new slot over the old one's; 1 when either is not known."""
        if isinstance(old, ContainerSize) or isinstance(new, ContainerSize):
            return 1.0  # one container a slot: no second one will share what it cannot carry
        if self.capacity is None:
            return 1.0
        cores_old, cores_new = self.capacity(old), self.capacity(new)
        return cores_new / cores_old if cores_old > 0 and cores_new > 0 else 1.0


def _settled(
    current: StackSizing, release: Release, phase: int, workloads: Sequence[Workload]
) -> RolloutState:
    """Where it ends: as ``settle_rollout`` says, singletons in the slot they have."""
    proxied = {workload.key for workload in workloads if workload.proxied}
    final = settle_rollout(current, release, phase, proxied)
    fleets = dict(final.fleets)
    before = _running_slots(current, release, phase, proxied)
    for workload in workloads:
        size = release.size_at(workload.key, phase)
        if workload.may_run_twice or not isinstance(size, FleetSize) or workload.key not in fleets:
            continue
        slot = _serving(before[workload.key])
        alone = SlotState(size=size, weight=FULL_WEIGHT)
        fleets[workload.key] = FleetRollout(
            live=slot,
            a=alone if slot is Slot.A else None,
            b=alone if slot is Slot.B else None,
        )
    return final.model_copy(update={"fleets": fleets})


def _running_slots(
    current: StackSizing, release: Release, phase: int, slotted: Collection[str]
) -> dict[str, FleetRollout]:
    """Slots as they are now: of the release's fleets, and of its containers among ``slotted``."""
    found = {}
    for key in release.workloads():
        size = release.size_at(key, phase)
        if isinstance(size, FleetSize) or (isinstance(size, ContainerSize) and key in slotted):
            declared = release.baseline.get(key, size)
            now = current.size_of(key, declared)
            assert not isinstance(now, ServiceSize)  # size_of refuses another kind
            found[key] = expected_slots(current, key, now)
    return found


def _serving(fleet: FleetRollout) -> Slot:
    """The slot with most of the traffic: of a half-moved fleet, the one that carries the load."""
    other = fleet.live.other
    return other if _weight(fleet, other) > _weight(fleet, fleet.live) else fleet.live


def _weight(fleet: FleetRollout, slot: Slot) -> int:
    state = fleet.slot(slot)
    return 0 if state is None else state.weight


def _same(current: StackSizing, target: StackSizing, workloads: Sequence[Workload]) -> bool:
    """Whether every workload already has its size and no slot or weight is to change."""
    for workload in workloads:
        if workload.size is None:
            continue
        now = live_size(current, workload.key, workload.size)
        if now != live_size(target, workload.key, workload.size):
            return False
        if workload.has_slots and not isinstance(now, ServiceSize):
            slots = expected_slots(current, workload.key, now)
            if slots != expected_slots(target, workload.key, now):
                return False
    return current.release == target.release and current.phase == target.phase


def _downtime(
    current: StackSizing, release: Release, phase: int, workloads: Sequence[Workload]
) -> list[str]:
    """A sentence for each workload that is stopped before its successor starts."""
    target = StackSizing(release, phase, RolloutState())
    found = []
    for workload in workloads:
        if workload.size is None or workload.may_run_twice:
            continue
        now = live_size(current, workload.key, workload.size)
        then = target.size_of(workload.key, workload.size)
        if now == then or workload.kind is WorkloadKind.HOST:
            continue
        found.append(
            f"{workload.key} may not run twice: it is stopped, changed from {now} to {then} in "
            "place and started again, and is down meanwhile"
        )
    return found


def _check_shares(shares: Sequence[float]) -> None:
    rising = all(low < high for low, high in pairwise(shares))
    if not shares or shares[0] <= 0 or shares[-1] != ALL or not rising:
        shown = ", ".join(f"{share:g}" for share in shares) or "none"
        raise ConfigError(f"the weights are {shown} %; they must rise and end at 100")
