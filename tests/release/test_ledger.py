"""The ledger, the quarantine list, the intent and the lease: what is kept beside the backend."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rightsizing.errors import ConfigError, StackError, StackLocked
from rightsizing.model.base import NoData
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, ResourceState, UpdateKind, UpdateStatus
from rightsizing.stack import durable
from rightsizing.stack.applied import applied_updates
from rightsizing.stack.intent import IntendedSizing, Intent, IntentFile, Operation
from rightsizing.stack.lease import hold_lease
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.outcome import Outcome
from rightsizing.stack.quarantine import Quarantine
from rightsizing.stack.record import Origin, Verdict, recorded_resources

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SIZE = ContainerSize(cpu_millicores=1000, memory_mib=512)
RELEASE = Release(baseline={"app": SIZE})
SIZING = StackSizing(RELEASE, 0, RolloutState())
ID = RELEASE.id


def entry(
    sequence: int,
    *,
    kind: UpdateKind = UpdateKind.UPDATE,
    status: UpdateStatus = UpdateStatus.SUCCEEDED,
    config: dict[str, str] | None = None,
    secret: frozenset[str] = frozenset(),
    environment: dict[str, str] | None = None,
    at: datetime | None = None,
) -> HistoryEntry:
    """A history entry, an hour after the one before."""
    start = at or NOON + timedelta(hours=sequence)
    given = {"rightsizing:release": RELEASE.model_dump_json(), "rightsizing:phase": "0"}
    return HistoryEntry(
        sequence=sequence,
        kind=kind,
        status=status,
        start=start,
        end=start + timedelta(seconds=5),
        message="",
        config=given if config is None else config,
        secret_keys=secret,
        environment=environment or {},
        resource_changes={},
    )


def outcome(verdict: Verdict = Verdict.GOOD) -> Outcome:
    """The smallest outcome."""
    return Outcome(Origin.APPLY, verdict, "because", NoData("no git"), {"python": "3.11"})


def test_records_are_read_back_in_order(tmp_path: Path) -> None:
    """Numbers count from 1, and each record names the one before it."""
    ledger = Ledger(tmp_path)
    first = ledger.append(entry(1), SIZING, outcome(), at=NOON)
    second = ledger.append(entry(2), SIZING, outcome(), at=NOON)
    assert ledger.read().records == (first, second)
    assert (first.number, first.parent, second.number, second.parent) == (1, None, 2, 1)


def test_a_later_record_supersedes_an_earlier_one(tmp_path: Path) -> None:
    """The verdict of an update may change; both records stay."""
    ledger = Ledger(tmp_path)
    first = ledger.append(entry(1), SIZING, outcome(), at=NOON)
    second = ledger.supersede(first, Verdict.ROLLED_BACK, "too slow", at=NOON)
    reading = ledger.read()
    assert reading.of(entry(1)) == second
    assert (second.supersedes, second.release, len(reading.records)) == (1, ID, 2)


def test_records_are_matched_by_time_when_history_was_pruned(tmp_path: Path) -> None:
    """Backends without versions count by position, which shifts; the times do not."""
    ledger = Ledger(tmp_path)
    first = ledger.append(entry(7), SIZING, outcome(), at=NOON)
    shifted = entry(3, at=NOON + timedelta(hours=7))
    assert ledger.read().of(shifted) == first
    assert ledger.read().of(entry(3)) is None


def test_equal_times_are_told_apart_by_sequence(tmp_path: Path) -> None:
    """Two updates within the resolution of the backend's clock keep their own records."""
    ledger = Ledger(tmp_path)
    for sequence in (1, 2):
        verdict = Verdict.GOOD if sequence == 1 else Verdict.BAD
        ledger.append(entry(sequence, at=NOON), SIZING, outcome(verdict), at=NOON)
    reading = ledger.read()
    found = [reading.of(entry(sequence, at=NOON)) for sequence in (1, 2)]
    assert [record.verdict for record in found if record] == [Verdict.GOOD, Verdict.BAD]


def test_an_update_without_a_record_is_adopted(tmp_path: Path) -> None:
    """Someone typed `pulumi up`: unverified when it succeeded, failed when not, and only once."""
    ledger = Ledger(tmp_path)
    history = (
        entry(4, status=UpdateStatus.FAILED),
        entry(3, kind=UpdateKind.REFRESH),
        entry(2, environment={"git.head": "abc123", "git.dirty": "false"}),
        entry(1),
    )
    ledger.append(entry(1), SIZING, outcome(), at=NOON)
    adopted = ledger.adopt(history, at=NOON)
    assert [(r.verdict, r.origin) for r in adopted] == [
        (Verdict.UNVERIFIED, Origin.ADOPTED),
        (Verdict.FAILED, Origin.ADOPTED),
    ]
    assert not isinstance(adopted[0].program, NoData)
    assert adopted[0].program.commit == "abc123"
    assert ledger.adopt(history, at=NOON) == ()


@pytest.mark.parametrize(
    "bad",
    [
        entry(1, config={"rightsizing:phase": "many"}),
        entry(1, secret=frozenset({"rightsizing:release"})),
    ],
    ids=["nonsense", "encrypted"],
)
def test_an_unreadable_update_is_left_alone(tmp_path: Path, bad: HistoryEntry) -> None:
    """Keys that cannot be read are no reason to stop; the update is just no target."""
    assert Ledger(tmp_path).adopt((bad,), at=NOON) == ()
    assert isinstance(applied_updates((bad,))[0].sizing, NoData)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"number": 1}', '{"version": 2}'])
def test_damaged_records_are_reported_and_skipped(tmp_path: Path, content: str) -> None:
    """Whatever the file holds, the others are read and its number is not used again."""
    ledger = Ledger(tmp_path)
    ledger.append(entry(1), SIZING, outcome(), at=NOON)
    (ledger.folder / "000002.json").write_text(content)
    third = ledger.append(entry(2), SIZING, outcome(), at=NOON)
    reading = ledger.read()
    assert [record.number for record in reading.records] == [1, 3]
    assert third.number == 3
    assert reading.damaged[0].startswith("record 000002.json is damaged and was skipped (")


def test_a_renamed_record_is_damaged(tmp_path: Path) -> None:
    """A record must say the number its file has."""
    ledger = Ledger(tmp_path)
    ledger.append(entry(1), SIZING, outcome(), at=NOON)
    (ledger.folder / "000001.json").rename(ledger.folder / "000005.json")
    assert "it says it is number 1" in ledger.read().damaged[0]


def test_a_full_disk_writes_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC is one sentence; the ledger is as it was."""
    ledger = Ledger(tmp_path)
    ledger.append(entry(1), SIZING, outcome(), at=NOON)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(StackError, match="No space left on device"):
        ledger.append(entry(2), SIZING, outcome(), at=NOON)
    assert [path.name for path in ledger.folder.iterdir()] == ["000001.json"]


def test_resources_carry_what_was_resolved_and_nothing_else() -> None:
    """Image ids and numbered templates, no other property: a record holds no secret."""
    template = ResourceState(
        urn="urn:a",
        type="aws:ec2/launchTemplate:LaunchTemplate",
        id="lt-1",
        inputs={},
        outputs={"imageId": "ami-1", "latestVersion": 3, "userData": "secret", "arn": "x"},
    )
    component = ResourceState("urn:b", "rightsizing:index:Fleet", "", {}, {})
    (found,) = recorded_resources((component, template))
    assert (found.id, found.resolved) == ("lt-1", {"imageId": "ami-1", "latestVersion": "3"})


def test_quarantine_is_by_release_and_phase(tmp_path: Path) -> None:
    """Phase 2 of a release is kept out, phase 1 of it is not; adding twice keeps one entry."""
    quarantine = Quarantine(tmp_path)
    first = quarantine.add(ID, 2, reason="slow", at=NOON)
    assert quarantine.add(ID, 2, reason="other", at=NOON) == first
    assert quarantine.find(ID, 1) is None
    assert quarantine.find(ID, 2) == first
    assert len(quarantine.entries()) == 1


def test_the_quarantine_file_is_a_list_anybody_can_read(tmp_path: Path) -> None:
    """The format other programs rely on."""
    Quarantine(tmp_path).add(ID, 1, reason="slow", at=NOON, evidence="e1")
    assert json.loads((tmp_path / "quarantine.json").read_text()) == [
        {
            "release": ID,
            "phase": 1,
            "reason": "slow",
            "at": "2026-11-01T12:00:00Z",
            "evidence": "e1",
        }
    ]


def test_lifting_a_quarantine(tmp_path: Path) -> None:
    """By prefix, at one phase or at all of them."""
    quarantine = Quarantine(tmp_path)
    for phase in (1, 2, 3):
        quarantine.add(ID, phase, reason="slow", at=NOON)
    assert [entry.phase for entry in quarantine.lift(ID[:8], 2)] == [2]
    assert [entry.phase for entry in quarantine.lift(ID[:8])] == [1, 3]
    assert quarantine.lift(ID[:8]) == ()


@pytest.mark.parametrize("content", ["{", '{"entries": []}', '[{"release": "x"}]', "\xff"])
def test_a_damaged_quarantine_lets_nothing_through(tmp_path: Path, content: str) -> None:
    """Unlike a record, a damaged list stops: silence would let a bad release back in."""
    (tmp_path / "quarantine.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match="quarantine list"):
        Quarantine(tmp_path).entries()


def test_an_intent_survives_and_is_cleared(tmp_path: Path) -> None:
    """What is under way is complete in its file, release and all."""
    file = IntentFile(tmp_path)
    assert file.read() is None
    intent = Intent(
        operation=Operation.APPLY,
        started=NOON,
        last_sequence=3,
        current=IntendedSizing.of(SIZING),
        target=IntendedSizing.of(SIZING),
    )
    file.write(intent)
    found = IntentFile(tmp_path).read()
    assert found == intent
    assert isinstance(found, Intent)
    assert found.target.sizing() == SIZING
    file.clear()
    file.clear()
    assert file.read() is None


def test_a_damaged_intent_is_no_data(tmp_path: Path) -> None:
    """It is reported and ignored."""
    (tmp_path / "intent.json").write_text("{")
    assert isinstance(IntentFile(tmp_path).read(), NoData)


def test_the_lease_names_its_holder(tmp_path: Path) -> None:
    """A second command is refused while the first runs, and goes on when it has ended."""
    program = (
        "import sys; from pathlib import Path; from rightsizing.stack.lease import hold_lease\n"
        f"with hold_lease(Path({str(tmp_path)!r}), 'apply'): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StackLocked, match=rf"rightsize apply \(process {holder.pid}\)"),
            hold_lease(tmp_path, "rollback"),
        ):
            pass
        holder.kill()
    with hold_lease(tmp_path, "rollback"):
        pass
