"""The fault book: counting, what is in force, and its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightsizing.embedded.faults.book import FaultBook, call_matches
from rightsizing.embedded.faults.plan import (
    CallMatch,
    Degraded,
    FaultPlan,
    NoCapacity,
    RefusedCall,
    read_plan,
)
from rightsizing.errors import ConfigError

NOON_MS = 1_767_614_400_000
MINUTE_MS = 60_000


def _book(folder: Path) -> FaultBook:
    return FaultBook(folder / "faults.json", lambda: NOON_MS)


def _meets(book: FaultBook, times: int) -> list[bool]:
    return [book.meet(NoCapacity, "met", lambda _fault: True) is not None for _ in range(times)]


def test_counts_survive_in_the_file(tmp_path: Path) -> None:
    """After one, twice: no, yes | yes, no by another process that reads the same file."""
    book = _book(tmp_path)
    book.plan(FaultPlan(faults=(NoCapacity(after=1, times=2),)))
    assert _meets(book, 2) == [False, True]
    again = _book(tmp_path)
    assert _meets(again, 2) == [True, False]
    assert [(item.number, item.what) for item in again.injections] == [(1, "met"), (2, "met")]
    assert {item.at_ms for item in again.injections} == {NOON_MS}


def test_a_spent_fault_gives_way_to_the_next(tmp_path: Path) -> None:
    """Two of a kind, once each; the list says which was which."""
    book = _book(tmp_path)
    book.plan(FaultPlan(faults=(NoCapacity(granted=1), NoCapacity(granted=2))))
    found = [book.meet(NoCapacity, "met", lambda _fault: True) for _ in range(3)]
    assert [fault and fault.granted for fault in found] == [1, 2, None]
    assert [item.fault for item in book.injections] == [0, 1]


def test_a_lasting_fault_is_in_force_for_its_minutes(tmp_path: Path) -> None:
    """From minute 2 for 3 minutes: 12:02 to 12:04; listed once."""
    book = _book(tmp_path)
    book.plan(FaultPlan(faults=(Degraded(work_ratio=2, from_minute=2, minutes=3),)))
    in_force = [
        minute for minute in range(7) if list(book.lasting(Degraded, NOON_MS + minute * MINUTE_MS))
    ]
    assert in_force == [2, 3, 4]
    assert book.boundaries() == {NOON_MS // MINUTE_MS + 2, NOON_MS // MINUTE_MS + 5}
    assert len(book.injections) == 1


def test_a_new_plan_replaces_and_an_added_one_does_not(tmp_path: Path) -> None:
    """What was injected stays listed until it is forgotten."""
    book = _book(tmp_path)
    book.plan(FaultPlan(faults=(NoCapacity(),)))
    assert _meets(book, 1) == [True]
    book.plan(FaultPlan(faults=(NoCapacity(),)), keep=True)
    assert len(book.faults) == 2
    book.plan(FaultPlan())
    assert (book.faults, len(book.injections)) == ((), 1)
    book.forget_injections()
    assert book.injections == ()


@pytest.mark.parametrize(
    ("match", "meant"),
    [
        (CallMatch(), True),
        (CallMatch(service="ecs"), True),
        (CallMatch(service="ec2"), False),
        (CallMatch(operation="Update*"), True),
        (CallMatch(operation="Create*"), False),
        (CallMatch(contains="news"), True),
        (CallMatch(contains="other"), False),
    ],
)
def test_which_calls_are_meant(match: CallMatch, meant: bool) -> None:
    """Service, wildcard, text in the body."""
    assert call_matches(match, "ecs", "UpdateService", b'{"service": "news"}') is meant


def test_a_plan_file(tmp_path: Path) -> None:
    """Read as it was written; a mistake is named with its place."""
    path = tmp_path / "plan.json"
    plan = FaultPlan(faults=(RefusedCall(call=CallMatch(service="ec2")), NoCapacity()))
    path.write_text(plan.model_dump_json())
    assert read_plan(path) == plan
    path.write_text('{"faults": [{"kind": "no_capacity", "times": 0}]}')
    with pytest.raises(ConfigError, match=r"is wrong at faults\.0\.no_capacity\.times"):
        read_plan(path)
    path.write_text('{"faults": [{"kind": "nonsense"}]}')
    with pytest.raises(ConfigError, match=r"is wrong at faults\.0 "):
        read_plan(path)
