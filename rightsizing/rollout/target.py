"""Which update a rollback goes back to, and away from what.

Pure: from stack history, the ledger's records and the quarantine list. The rule:

- away from: what an interrupted operation was applying, else what the newest update applied;
- back to: the newest update older than that which succeeded, has other release, phase or live
  sizes, is not quarantined, and whose record says ``good``. When no such update is good, the newest
  ``unverified`` one, and that is said. Nothing else is ever chosen without being named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rightsizing.errors import ConfigError, NothingToRestore, PlanRejected
from rightsizing.model.base import NoData
from rightsizing.model.quarantine import QuarantineEntry, find_quarantined
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.applied import DECLARED, AppliedUpdate, SizingId, sizing_id
from rightsizing.stack.ledger import LedgerReading
from rightsizing.stack.record import ReleaseRecord, Verdict

_RECORD_NUMBER = re.compile(r"^\d{1,6}$")
_RELEASE = re.compile(r"^(?P<prefix>[0-9a-f]{4,64})(@(?P<phase>\d))?$")
_UNCHANGED = "nothing was changed, `rightsize history` lists what was applied"
_RESTORABLE = (Verdict.GOOD, Verdict.UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Departure:
    """What a rollback leaves. ``update`` is None when history has no entry of it.

    Only updates with a sequence below ``before`` are older than it. ``sizing_id`` None: unknown, so
    that every older update differs from it.
    """

    sizing: StackSizing
    sizing_id: SizingId | None
    update: AppliedUpdate | None
    before: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What a rollback restores, and the newest record about it."""

    update: AppliedUpdate
    sizing: StackSizing
    record: ReleaseRecord | None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = f"{sizing_id(self.sizing)} of update {self.update.entry.sequence}"
        return name if self.record is None else f"{name} (record {self.record.number})"


def choose_target(
    departure: Departure,
    updates: Sequence[AppliedUpdate],
    reading: LedgerReading,
    quarantined: tuple[QuarantineEntry, ...],
    *,
    to: str | None = None,
) -> Target:
    """The update to restore: by the rule above, or the one ``to`` names.

    ``to`` is a record number, a release id prefix of at least 4 characters with an optional
    ``@phase``, or ``declared``.

    Raises:
        NothingToRestore: no update qualifies; the message says why the newest ones do not.
        ConfigError: ``to`` names nothing, or more than one release.
        PlanRejected: ``to`` names a quarantined release.
    """
    candidates = tuple(_candidates(updates, reading))
    if to is not None:
        return _named(to, candidates, reading, quarantined)
    older = [
        target
        for target in candidates
        if target.update.entry.sequence < departure.before
        and sizing_id(target.sizing) != departure.sizing_id
    ]
    allowed = [target for target in older if not _quarantined(target, quarantined)]
    for verdict in _RESTORABLE:
        for target in allowed:
            if _verdict(target) is verdict:
                return target if verdict is Verdict.GOOD else _unverified(target)
    raise NothingToRestore(_why_nothing(updates, older, allowed))


def _candidates(updates: Sequence[AppliedUpdate], reading: LedgerReading) -> Iterator[Target]:
    """Updates that ran to their end and whose sizing can be read, newest first."""
    for update in updates:
        if update.succeeded and not isinstance(update.sizing, NoData):
            yield Target(update, update.sizing, reading.of(update.entry))


def _named(
    to: str,
    candidates: Sequence[Target],
    reading: LedgerReading,
    quarantined: tuple[QuarantineEntry, ...],
) -> Target:
    matches = _matcher(to, reading)
    found = [target for target in candidates if matches(target)]
    if not found:
        known = dict.fromkeys(str(sizing_id(target.sizing)) for target in candidates)
        raise ConfigError(
            f"--to {to} names no update that succeeded; history has {', '.join(known) or 'none'}"
        )
    releases = {target.sizing.release.id if target.sizing.release else None for target in found}
    if len(releases) > 1:
        raise ConfigError(f"--to {to} names {len(releases)} releases; give more characters")
    entry = _quarantined(found[0], quarantined)
    if entry is not None:
        raise PlanRejected(
            f"--to {to} is {sizing_id(found[0].sizing)}, which is quarantined ({entry.reason}); "
            "nothing was changed, run `rightsize quarantine lift` first if you are sure"
        )
    chosen = found[0]
    return chosen if _verdict(chosen) is not Verdict.UNVERIFIED else _unverified(chosen)


def _matcher(to: str, reading: LedgerReading) -> Callable[[Target], bool]:
    if to == DECLARED:
        return lambda target: target.sizing.release is None
    if _RECORD_NUMBER.match(to):
        record = reading.numbered(int(to))
        if record is not None:
            update = record.update
            return lambda target: update is not None and update.same_times(target.update.entry)
    match = _RELEASE.match(to)
    if match is None:
        raise ConfigError(
            f"--to {to} must be a record number, a release id (4 characters or more, with an "
            f"optional @phase), or {DECLARED!r}"
        )
    prefix, phase = match.group("prefix"), match.group("phase")
    return lambda target: (
        target.sizing.release is not None
        and target.sizing.release.id.startswith(prefix)
        and phase in (None, str(target.sizing.phase))
    )


def _quarantined(
    target: Target, quarantined: tuple[QuarantineEntry, ...]
) -> QuarantineEntry | None:
    release = target.sizing.release
    if release is None:
        return None
    return find_quarantined(quarantined, release.id, target.sizing.phase)


def _verdict(target: Target) -> Verdict:
    return Verdict.UNVERIFIED if target.record is None else target.record.verdict


def _unverified(target: Target) -> Target:
    note = (
        f"update {target.update.entry.sequence} was never verified: nobody compared live facts "
        "after it"
    )
    return Target(target.update, target.sizing, target.record, (*target.notes, note))


def _why_nothing(
    updates: Sequence[AppliedUpdate], older: Sequence[Target], allowed: Sequence[Target]
) -> str:
    if not updates:
        return f"there is nothing to roll back to: the stack has no finished update; {_UNCHANGED}"
    if not older:
        return (
            "there is nothing to roll back to: no earlier update that succeeded has another "
            f"release, phase or live size; {_UNCHANGED}"
        )
    if not allowed:
        names = ", ".join(dict.fromkeys(str(sizing_id(target.sizing)) for target in older))
        return (
            f"there is nothing to roll back to: quarantined is {names}; nothing was changed, "
            "`rightsize plan` makes a new release"
        )
    found = ", ".join(
        f"{sizing_id(target.sizing)} is {_verdict(target).value}" for target in allowed[:3]
    )
    return (
        f"there is nothing good to roll back to: {found}; nothing was changed, name one with --to "
        "if you are sure"
    )
