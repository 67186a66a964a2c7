"""What one entry of stack history applied: its sizing, and what makes two of them the same.

History holds the whole configuration of every finished update, so it is what a rollback goes back
to. An entry whose keys cannot be read (encrypted, or edited to nonsense) is skipped, with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.declaration import (
    DECLARATION_KEYS,
    NAMESPACE,
    StackDeclaration,
    parse_declaration,
)
from rightsizing.model.size import ContainerSize, FleetSize, Size
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.model.update import (
    SIZING_KEYS,
    HistoryEntry,
    Json,
    UpdateKind,
    UpdateStatus,
)
from rightsizing.model.workload import Workload

_Parsed = TypeVar("_Parsed")
_TEXT_KEYS = (f"{NAMESPACE}:region", f"{NAMESPACE}:owner")  # plain strings, never JSON
_Sizes = tuple["SizingId", dict[str, Size]]
DECLARED = "declared"  # the name of sizing without a release: every size is the declared one


@dataclass(frozen=True, slots=True)
class SizingId:
    """Release, phase and live slot sizes: equal when going from one to the other changes nothing.

    Weights and retained slots are left out: they are how a size was reached, not the size.
    """

    release: str | None
    phase: int
    live: tuple[tuple[str, str], ...]  # (fleet, size of its live slot), sorted

    def __str__(self) -> str:
        return DECLARED if self.release is None else f"{self.release[:12]}@{self.phase}"


def sizing_id(sizing: StackSizing) -> SizingId:
    """What makes this sizing different from another."""
    live = []
    for fleet, rollout in sorted(sizing.rollout.fleets.items()):
        state = rollout.slot(rollout.live)
        if state is not None:
            live.append((fleet, str(state.size)))
    release = None if sizing.release is None else sizing.release.id
    return SizingId(release, sizing.phase, tuple(live))


def live_size(sizing: StackSizing, workload: str, declared: Size) -> Size:
    """The size a workload serves with: of its live slot, else the release's or declared."""
    rollout = sizing.rollout.fleets.get(workload)
    if rollout is not None and isinstance(declared, FleetSize | ContainerSize):
        state = rollout.slot(rollout.live)
        if state is not None:
            return state.size
    return sizing.size_of(workload, declared)


def live_sizes(sizing: StackSizing, workloads: Sequence[Workload]) -> dict[str, Size]:
    """Size each workload serves with, by key; workloads of unknown size left out."""
    return {
        workload.key: live_size(sizing, workload.key, workload.size)
        for workload in workloads
        if workload.size is not None
    }


@dataclass(frozen=True, slots=True)
class AppliedUpdate:
    """One finished update of history with what it applied, or why that cannot be read."""

    entry: HistoryEntry
    sizing: StackSizing | NoData
    declaration: StackDeclaration | NoData

    @property
    def succeeded(self) -> bool:
        """True when the update ran to its end."""
        return self.entry.status is UpdateStatus.SUCCEEDED


def applied_updates(history: Sequence[HistoryEntry]) -> tuple[AppliedUpdate, ...]:
    """Updates (no refreshes, no destroys) with what they applied, newest first."""
    updates = [entry for entry in history if entry.kind is UpdateKind.UPDATE]
    return tuple(applied_update(entry) for entry in sorted(updates, key=_age))


def in_force_since(updates: Sequence[AppliedUpdate]) -> datetime | None:
    """When the sizes that apply now were first in force; None when no update succeeded.

    Later updates that changed no size (tags, an image, a retired slot) do not count.
    """
    since: datetime | None = None
    sizes: _Sizes | NoData | None = None
    for update in updates:  # newest first
        if since is None and not update.succeeded:
            continue
        found = _sizes(update)
        if since is None:
            since, sizes = update.entry.end, found
        elif isinstance(found, NoData) or found != sizes:
            break
        elif update.succeeded:
            since = update.entry.end
    return since


def _sizes(update: AppliedUpdate) -> _Sizes | NoData:
    if isinstance(update.sizing, NoData):
        return update.sizing
    if isinstance(update.declaration, NoData):
        return update.declaration
    return sizing_id(update.sizing), live_sizes(update.sizing, update.declaration.workloads())


def newest_sequence(history: Sequence[HistoryEntry]) -> int:
    """Sequence of the newest entry; 0 for an empty history."""
    return max((entry.sequence for entry in history), default=0)


def newest_update(history: Sequence[HistoryEntry], *, after: int) -> HistoryEntry | None:
    """The newest update that is newer than ``after``; None when there is none."""
    found = [
        entry for entry in history if entry.kind is UpdateKind.UPDATE and entry.sequence > after
    ]
    return max(found, key=lambda entry: entry.sequence, default=None)


def applied_update(entry: HistoryEntry) -> AppliedUpdate:
    """Read the sizing and declaration of one entry."""
    return AppliedUpdate(
        entry, _read(entry, SIZING_KEYS, parse_stack_sizing), _read_declaration(entry)
    )


def _age(entry: HistoryEntry) -> int:
    return -entry.sequence


def _read_declaration(entry: HistoryEntry) -> StackDeclaration | NoData:
    keys = tuple(f"{NAMESPACE}:{key}" for key in DECLARATION_KEYS)
    return _read(entry, keys, parse_declaration)


def _read(
    entry: HistoryEntry, keys: tuple[str, ...], parse: Callable[[Mapping[str, Json]], _Parsed]
) -> _Parsed | NoData:
    secret = sorted(entry.secret_keys.intersection(keys))
    if secret:
        return NoData(f"{secret[0]} of update {entry.sequence} is encrypted")
    values = {
        key: entry.config[key] if key in _TEXT_KEYS else _structured(entry.config[key])
        for key in keys
        if key in entry.config
    }
    try:
        return parse(values)
    except ConfigError as error:
        return NoData(f"update {entry.sequence}: {error}")


def _structured(raw: str) -> Json:
    """Structured values are JSON text in history; a plain string is itself."""
    try:
        return json.loads(raw)
    except ValueError:
        return raw
