"""The fault book: which faults are planned, how often each was met, and what was injected.

Kept by the local cloud's server in ``faults.json``, written before a fault takes effect, so that a
one-shot fault stays one shot when it kills its witness or the server itself is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field

from rightsizing.embedded.engine.durable import write_durably
from rightsizing.embedded.faults.plan import (
    CallMatch,
    Degraded,
    Fault,
    FaultPlan,
    OomKills,
    UnhealthyTargets,
)
from rightsizing.model.base import FrozenModel

_MINUTE_MS = 60_000
_Kind = TypeVar("_Kind")


class Injection(FrozenModel):
    """One thing that was made to go wrong. ``fault`` is its place in the plan, from 0."""

    number: int
    at_ms: int  # by the local cloud's clock
    fault: int
    kind: str
    what: str


class _Entry(BaseModel):
    fault: Fault
    planned_ms: int
    met: int = 0  # matching calls so far
    injected: int = 0


class _Content(BaseModel):
    entries: list[_Entry] = Field(default_factory=list)
    injections: list[Injection] = Field(default_factory=list)
    # ECS services taken back by their circuit breaker: service -> (looks left, old definition)
    rolled_back: dict[str, tuple[int, str]] = Field(default_factory=dict)


class FaultBook:
    """Thread-safe. ``now_ms`` is the local cloud's clock."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        self._path = path
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._content = _Content()
        if path.exists():
            self._content = _Content.model_validate_json(path.read_text(encoding="utf-8"))

    def plan(self, plan: FaultPlan, *, keep: bool = False) -> None:
        """Replace the plan, or add to it; what was injected so far stays listed."""
        with self._lock:
            now = self._now_ms()
            added = [_Entry(fault=fault, planned_ms=now) for fault in plan.faults]
            kept = self._content.entries if keep else []
            self._content.entries = [*kept, *added]
            if not keep:
                self._content.rolled_back = {}
            self._save()

    def forget_injections(self) -> None:
        """Start a new list of what was injected."""
        with self._lock:
            self._content.injections = []
            self._save()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The plan."""
        return tuple(entry.fault for entry in self._content.entries)

    @property
    def injections(self) -> tuple[Injection, ...]:
        """What was injected, oldest first."""
        return tuple(self._content.injections)

    def meet(self, kind: type[_Kind], what: str, matches: Callable[[_Kind], bool]) -> _Kind | None:
        """The first counted fault of a kind that matches and is due; it is counted and listed."""
        with self._lock:
            for index, entry in enumerate(self._content.entries):
                fault = entry.fault
                if not isinstance(fault, kind) or not matches(fault):
                    continue
                after = getattr(fault, "after", 0)
                times = getattr(fault, "times", None)
                if times is not None and entry.met >= after + times:
                    continue
                entry.met += 1
                due = entry.met > after
                if due:
                    self._list(index, entry, what)
                self._save()
                if due:
                    return fault
        return None

    def watch(self, kind: type[_Kind], matches: Callable[[_Kind], bool]) -> _Kind | None:
        """The first fault of a kind that matches, without counting."""
        return next(
            (fault for fault in self.faults if isinstance(fault, kind) and matches(fault)), None
        )

    def lasting(self, kind: type[_Kind], moment_ms: int) -> Iterator[_Kind]:
        """Faults of a kind that are in force at a moment; listed when first met."""
        for index, entry in enumerate(self._content.entries):
            fault = entry.fault
            if not isinstance(fault, kind):
                continue
            first, last = _span_ms(entry)
            if first <= moment_ms and (last is None or moment_ms < last):
                if not entry.injected:
                    with self._lock:
                        self._list(index, entry, f"{fault.kind} is in force")
                        self._save()
                yield fault

    def planned(self, kind: type[_Kind]) -> Iterator[tuple[_Kind, int]]:
        """Faults of a kind with the moment (ms) they were planned at."""
        for entry in self._content.entries:
            if isinstance(entry.fault, kind):
                yield entry.fault, entry.planned_ms

    def note(self, kind: type[object], what: str) -> None:
        """List the first fault of a kind as injected, once."""
        with self._lock:
            for index, entry in enumerate(self._content.entries):
                if isinstance(entry.fault, kind) and not entry.injected:
                    self._list(index, entry, what)
                    self._save()
                    return

    def boundaries(self) -> set[int]:
        """Minutes since 1970 at which a lasting fault begins or ends."""
        found: set[int] = set()
        for entry in self._content.entries:
            if isinstance(entry.fault, UnhealthyTargets | OomKills | Degraded):
                first, last = _span_ms(entry)
                found.add(first // _MINUTE_MS)
                if last is not None:
                    found.add(last // _MINUTE_MS)
        return found

    def roll_back(self, service: str, definition: str, looks: int) -> None:
        """Remember that a service goes back to its old task definition after some looks."""
        with self._lock:
            self._content.rolled_back[service] = (looks, definition)
            self._save()

    def look(self, service: str) -> str | None:
        """One description of a service; its old definition once it shows the way back."""
        with self._lock:
            found = self._content.rolled_back.get(service)
            if found is None:
                return None
            looks, definition = found
            if looks <= 0:
                return definition
            self._content.rolled_back[service] = (looks - 1, definition)
            self._save()
            return None

    def forget_roll_back(self, service: str) -> None:
        """A later update takes the service out of it."""
        with self._lock:
            if self._content.rolled_back.pop(service, None) is not None:
                self._save()

    def _list(self, index: int, entry: _Entry, what: str) -> None:
        entry.injected += 1
        self._content.injections.append(
            Injection(
                number=len(self._content.injections) + 1,
                at_ms=self._now_ms(),
                fault=index,
                kind=entry.fault.kind,
                what=what,
            )
        )

    def _save(self) -> None:
        write_durably(self._path, self._content.model_dump_json(indent=1))


def call_matches(match: CallMatch, service: str, operation: str, body: bytes) -> bool:
    """Whether a call is meant."""
    return (
        match.service in ("", service)
        and fnmatchcase(operation, match.operation)
        and (not match.contains or match.contains.encode() in body)
    )


def arm_matches(fault: OomKills | Degraded | UnhealthyTargets, workload: str, slot: str) -> bool:
    """Whether an arm is meant."""
    return fault.workload in ("", workload) and fault.slot in ("", slot)


def _span_ms(entry: _Entry) -> tuple[int, int | None]:
    fault = entry.fault
    assert isinstance(fault, UnhealthyTargets | OomKills | Degraded)
    first = (entry.planned_ms // _MINUTE_MS + fault.from_minute) * _MINUTE_MS
    return first, None if fault.minutes is None else first + fault.minutes * _MINUTE_MS
