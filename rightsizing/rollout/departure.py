"""What a rollback goes away from, worked out from everything a crash may have left.

History alone does not say: a killed update leaves no entry in it. So, in this order: an apply of
ours that was interrupted; a lock or pending operations that a killed engine left, with the
configuration file saying what it was applying; else the newest update.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rightsizing.errors import ConfigError, NothingToRestore
from rightsizing.model.base import NoData
from rightsizing.model.rollout import RolloutState
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, UpdateKind
from rightsizing.rollout.target import Departure
from rightsizing.stack.applied import AppliedUpdate, applied_updates, sizing_id
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.intent import Intent

NEWER_THAN_ALL = sys.maxsize
UNKNOWN_SIZING = StackSizing(None, 0, RolloutState())


def find_departure(
    history: Sequence[HistoryEntry],
    file: StackFile,
    intent: Intent | None,
    *,
    killed: str | None,
    anything: bool,
) -> Departure:
    """What the stack is at, or was being brought to.

    Args:
        intent: an interrupted apply of ours, if any.
        killed: what a killed engine left behind, as a sentence; None when nothing was left.
        anything: the target is named, so that a destroyed stack may be brought back too.

    Raises:
        NothingToRestore: the stack was never updated, or was destroyed.
    """
    updates = applied_updates(history)
    newest = updates[0] if updates else None
    if intent is not None and not _overtaken(intent, newest):
        sizing = intent.target.sizing()
        note = f"an apply of {sizing_id(sizing)} was interrupted at {intent.started:%H:%M} UTC"
        return Departure(sizing, sizing_id(sizing), None, NEWER_THAN_ALL, (note,))
    if newest is None:
        raise NothingToRestore(
            "there is nothing to roll back to: the stack has no finished update; nothing was "
            "changed, `rightsize apply` applies what its file says"
        )
    if killed is not None:
        return _killed(file, newest, killed)
    _require_running(history, newest, anything=anything)
    notes = _unapplied(file, newest)
    if isinstance(newest.sizing, NoData):
        note = f"what runs now is unknown: {newest.sizing.reason}"
        return Departure(UNKNOWN_SIZING, None, newest, newest.entry.sequence, (*notes, note))
    return Departure(newest.sizing, sizing_id(newest.sizing), newest, newest.entry.sequence, notes)


def _overtaken(intent: Intent, newest: AppliedUpdate | None) -> bool:
    """True when history has an update that finished after the intent was put down.

    It is the intent's own, completed but not recorded, or somebody else's later one: either way it
    says better than the intent what the stack is at.
    """
    return newest is not None and newest.entry.sequence > intent.last_sequence


def _killed(file: StackFile, newest: AppliedUpdate, killed: str) -> Departure:
    attempted = _file_sizing(file)
    if attempted is None or isinstance(newest.sizing, NoData):
        return Departure(UNKNOWN_SIZING, None, None, NEWER_THAN_ALL, (killed,))
    if sizing_id(attempted) == sizing_id(newest.sizing):
        # the file was put back since, or the killed update changed something else: the newest good
        # update is what to restore, whatever it was
        return Departure(attempted, None, None, NEWER_THAN_ALL, (killed,))
    return Departure(attempted, sizing_id(attempted), None, NEWER_THAN_ALL, (killed,))


def _require_running(
    history: Sequence[HistoryEntry], newest: AppliedUpdate, *, anything: bool
) -> None:
    destroyed = max(
        (entry.sequence for entry in history if entry.kind is UpdateKind.DESTROY), default=0
    )
    if destroyed > newest.entry.sequence and not anything:
        raise NothingToRestore(
            f"there is nothing to roll back: the stack was destroyed by operation {destroyed}; "
            "name what to bring back with --to, or apply the configuration again"
        )


def _unapplied(file: StackFile, newest: AppliedUpdate) -> tuple[str, ...]:
    """A note when the file holds sizes nobody applied, since they are about to be overwritten."""
    found = _file_sizing(file)
    if found is None:
        return (f"{file.path.name} cannot be read as sizes; its sizing keys are written anew",)
    if not isinstance(newest.sizing, NoData) and sizing_id(found) != sizing_id(newest.sizing):
        return (f"{file.path.name} says {sizing_id(found)}, which was never applied",)
    return ()


def _file_sizing(file: StackFile) -> StackSizing | None:
    try:
        return file.sizing()
    except ConfigError:
        return None
