"""The route of one rollback: from what, to what, and whether it continues an interrupted one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.release import Release
from rightsizing.model.size import ServiceSize, Size
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry
from rightsizing.rollout.departure import NEWER_THAN_ALL, find_departure
from rightsizing.rollout.target import Departure, Target, choose_target
from rightsizing.stack.applied import (
    AppliedUpdate,
    SizingId,
    applied_updates,
    live_size,
    live_sizes,
    sizing_id,
)
from rightsizing.stack.comparison import expected_slots
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.intent import Intent, Operation
from rightsizing.stack.ledger import LedgerReading
from rightsizing.stack.record import ReleaseRecord, UpdateRef


@dataclass(frozen=True, slots=True)
class Route:
    """From ``leaving`` to ``target``. ``record`` is about the update that is restored.

    ``leaving_id`` None: what was applied last is not known.
    """

    leaving: StackSizing
    leaving_id: SizingId | None
    target: StackSizing
    record: ReleaseRecord | None
    restoring: UpdateRef | None
    notes: tuple[str, ...]
    continues: Intent | None = None


def find_route(
    history: Sequence[HistoryEntry],
    file: StackFile,
    reading: LedgerReading,
    quarantined: tuple[QuarantineEntry, ...],
    intent: Intent | NoData | None,
    *,
    pending: tuple[str, ...],
    broken_lock: bool,
    to: str | None,
) -> Route:
    """Continue an interrupted rollback, or choose where to go.

    Args:
        intent: what the intent file says; NoData when it is damaged, which is only noted.
        pending: operations of a killed update in the engine's state.
        broken_lock: whether the lock of a dead engine process was just broken.
        to: the target the user named, if any.

    Raises:
        NothingToRestore, ConfigError, PlanRejected: as ``choose_target`` does.
    """
    updates = applied_updates(history)
    notes = list(reading.damaged)
    if isinstance(intent, NoData):
        notes.append(intent.reason)
        intent = None
    unfinished = intent if intent is not None and _is_unfinished_rollback(intent, updates) else None
    if unfinished is not None and to is None:
        return _resumed(unfinished, history, reading, notes)
    if unfinished is not None:
        left = unfinished.current.sizing()
        departure = Departure(left, sizing_id(left), None, NEWER_THAN_ALL)
    else:
        apply_intent = (
            intent if intent is not None and intent.operation is Operation.APPLY else None
        )
        departure = find_departure(
            history,
            file,
            apply_intent,
            killed=_killed(pending, reading, broken_lock=broken_lock),
            anything=to is not None,
        )
    target = choose_target(departure, updates, reading, quarantined, to=to)
    sizing, more = _restored_sizing(target, file)
    if departure.sizing_id is not None:
        sizing = _without_lost_slots(sizing, departure.sizing, file)
    return Route(
        leaving=departure.sizing,
        leaving_id=departure.sizing_id,
        target=sizing,
        record=target.record,
        restoring=UpdateRef.of(target.update.entry),
        notes=(*notes, *departure.notes, *target.notes, *more),
    )


def _is_unfinished_rollback(intent: Intent, updates: Sequence[AppliedUpdate]) -> bool:
    """False when somebody has applied something else since: the intent is then out of date."""
    if intent.operation is not Operation.ROLLBACK:
        return False
    newest = updates[0] if updates else None
    if newest is None or newest.entry.sequence <= intent.last_sequence:
        return True
    return not isinstance(newest.sizing, NoData) and sizing_id(newest.sizing) == sizing_id(
        intent.target.sizing()
    )


def _resumed(
    intent: Intent, history: Sequence[HistoryEntry], reading: LedgerReading, notes: list[str]
) -> Route:
    restoring = intent.restoring
    entry = next(
        (entry for entry in history if restoring is not None and restoring.same_times(entry)), None
    )
    leaving, target = intent.current.sizing(), intent.target.sizing()
    word = "did not restore everything" if intent.completed else "was interrupted"
    notes.append(
        f"the rollback to {sizing_id(target)} of {intent.started:%Y-%m-%d %H:%M} UTC {word}; it is "
        "continued"
    )
    return Route(
        leaving=leaving,
        leaving_id=sizing_id(leaving),
        target=target,
        record=None if entry is None else reading.of(entry),
        restoring=restoring,
        notes=tuple(notes),
        continues=intent,
    )


def _killed(pending: tuple[str, ...], reading: LedgerReading, *, broken_lock: bool) -> str | None:
    """What a killed engine left that the newest record does not know of yet."""
    known = reading.records[-1].pending if reading.records else ()
    if set(pending) - set(known):
        return (
            f"{len(pending)} operations of a killed update are pending, the first on {pending[0]}"
        )
    if broken_lock:
        return "a killed update had left its lock"
    return None


def _without_lost_slots(target: StackSizing, leaving: StackSizing, file: StackFile) -> StackSizing:
    """The target without idle slots that hold something else, or nothing, by now.

    Filling one again would start instances that serve nobody, and the weight would wait for them.
    """
    try:
        found = file.declaration()
    except ConfigError:
        return target
    declared: dict[str, Size] = {key: item.size for key, item in found.fleets.items()}
    declared |= {key: item.size for key, item in found.containers.items() if item.proxy}
    fleets = dict(target.rollout.fleets)
    for workload in fleets.keys() & declared.keys():
        rollout = fleets[workload]
        size = live_size(leaving, workload, declared[workload])
        if isinstance(size, ServiceSize):
            continue
        slot = rollout.live.other
        idle, held = rollout.slot(slot), expected_slots(leaving, workload, size).slot(slot)
        if idle is not None and idle.weight == 0 and (held is None or held.size != idle.size):
            fleets[workload] = rollout.model_copy(update={slot.value: None})
    return replace(target, rollout=target.rollout.model_copy(update={"fleets": fleets}))


def _restored_sizing(target: Target, file: StackFile) -> tuple[StackSizing, tuple[str, ...]]:
    """The target's keys, and what the declaration changed since.

    Without a release the sizes are the declared ones. When those were edited since, the old ones
    become the baseline of a release of their own, so that they are what is restored.
    """
    then = target.update.declaration
    try:
        now = file.declaration()
    except ConfigError:
        return target.sizing, ()
    if isinstance(then, NoData):
        return target.sizing, ()
    before = live_sizes(target.sizing, then.workloads())
    after = live_sizes(target.sizing, now.workloads())
    changed = sorted(key for key in before.keys() & after.keys() if before[key] != after[key])
    if not changed:
        return target.sizing, ()
    if target.sizing.release is not None:
        note = f"declared sizes of {', '.join(changed)} were edited since; these stay as edited"
        return target.sizing, (note,)
    baseline = Release(baseline={key: before[key] for key in before.keys() & after.keys()})
    note = f"declared sizes of {', '.join(changed)} were edited since; the former ones are restored"
    return StackSizing(baseline, 0, target.sizing.rollout), (note,)
