"""The rollout's journal: what survives a crash, who may write, and what is refused."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, StackError, StackLocked
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.verdict import ArmLook, Decision, Look, Quality
from rightsizing.rollout import journal as journal_module
from rightsizing.rollout.events import (
    Aborted,
    Event,
    Finished,
    Judged,
    Looked,
    Paused,
    Promoted,
    Resumed,
    Retired,
    RolledBack,
    Started,
    StepApplied,
    StepIntended,
)
from rightsizing.rollout.journal import (
    FENCE_FILE,
    JournalWriter,
    claim_journal,
    journal_path,
    next_rollout_id,
    read_journal,
    rollout_ids,
)
from rightsizing.rollout.judge.judgement import judge
from rightsizing.rollout.progress import RolloutStatus
from rightsizing.stack.intent import IntendedSizing

ROLLOUT = "0001-4f2a9c1be077-p1"


class StillClock:
    """A second passes at each look."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return float(self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += int(seconds)


def started() -> Started:
    sizing = IntendedSizing(release=Release(baseline={}), phase=0, rollout=RolloutState())
    return Started(current=sizing, target=sizing, stages=("fill", "weight-5", "settled"))


def look(minute: int = 0) -> Look:
    arm = ArmLook(requests=600, errors=1, slow=2)
    return Look(start_ms=minute * 60_000, baseline=arm, canary=arm)


def looked(minute: int, stage: str = "fill") -> Looked:
    return Looked(stage=stage, workload="web", look=look(minute))


STORY: tuple[Event, ...] = (
    started(),
    StepIntended(stage="fill", rollout=RolloutState()),
    StepApplied(stage="fill", record=3),
    looked(0),
    looked(1),
    Paused(reason="lunch"),
    Resumed(),
    StepIntended(stage="settled", rollout=RolloutState()),
    StepApplied(stage="settled"),
    Promoted(),
    Retired(),
    Finished(sentence="done"),
)


def written(folder: Path, events: tuple[Event, ...] = STORY) -> JournalWriter:
    writer = claim_journal(folder, ROLLOUT, StillClock())
    for event in events:
        writer.append(event)
    return writer


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Every event, numbered from 1, and the fold says finished."""
    written(tmp_path)
    reading = read_journal(tmp_path, ROLLOUT)
    assert tuple(entry.event for entry in reading.entries) == STORY
    assert [entry.number for entry in reading.entries] == list(range(1, len(STORY) + 1))
    assert reading.progress is not None
    assert reading.progress.status is RolloutStatus.FINISHED
    assert reading.torn is None


def test_every_line_is_on_the_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flush of the file an event; the folder's too when the file is new."""
    flushed: list[int] = []
    writer = claim_journal(tmp_path, ROLLOUT, StillClock())
    monkeypatch.setattr(journal_module.os, "fsync", flushed.append)
    writer.append(started())
    assert len(flushed) == 2
    writer.append(Paused(reason="x"))
    assert len(flushed) == 3


def test_a_stale_writer_is_refused(tmp_path: Path) -> None:
    """The second claim fences the first off, whatever it still wants to do."""
    first = written(tmp_path, STORY[:1])
    second = claim_journal(tmp_path, ROLLOUT, StillClock())
    with pytest.raises(StackLocked, match="taken over"):
        first.append(STORY[1])
    with pytest.raises(StackLocked, match="fencing token 2, ours is 1"):
        first.require_current()
    second.append(STORY[1])
    assert [entry.token for entry in second.read().entries] == [1, 2]


def test_tokens_rise_even_when_the_fence_is_lost(tmp_path: Path) -> None:
    """A deleted fence must not hand out a token that was used before."""
    written(tmp_path, STORY[:1])
    claim_journal(tmp_path, ROLLOUT, StillClock()).append(STORY[1])
    (tmp_path / FENCE_FILE).unlink()
    assert claim_journal(tmp_path, ROLLOUT, StillClock()).token == 3


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(min_value=1, max_value=400))
def test_any_truncation_leaves_a_prefix(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Cut anywhere: what is read is a prefix of the story, and the next append goes on from it."""
    folder = tmp_path_factory.mktemp("cut")
    writer = written(folder, STORY[:5])
    path = journal_path(folder, ROLLOUT)
    content = path.read_bytes()
    kept = content[: max(len(content) - cut, 0)]
    path.write_bytes(kept)
    reading = read_journal(folder, ROLLOUT)
    events = tuple(entry.event for entry in reading.entries)
    assert events == STORY[: kept.count(b"\n")]
    assert (reading.torn is None) == (kept.endswith(b"\n") or not kept)
    if events:
        writer.append(Paused(reason="after the cut"))
        assert len(read_journal(folder, ROLLOUT).entries) == len(events) + 1


@pytest.mark.parametrize("damage", ["changed", "removed", "swapped", "not json"])
def test_a_corrupt_middle_is_refused(tmp_path: Path, damage: str) -> None:
    """One sentence: where, what is known, that nothing was changed, and the next command."""
    writer = written(tmp_path, STORY[:6])
    path = journal_path(tmp_path, ROLLOUT)
    lines = path.read_bytes().splitlines(keepends=True)
    if damage == "changed":
        lines[3] = lines[3].replace(b'"requests":600', b'"requests":601')
    elif damage == "removed":
        del lines[3]
    elif damage == "swapped":
        lines[3], lines[4] = lines[4], lines[3]
    else:
        lines[3] = b"\x00\xff\n"
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()
    for act in (lambda: read_journal(tmp_path, ROLLOUT), lambda: writer.append(STORY[6])):
        with pytest.raises(StackError) as caught:
            act()
        message = str(caught.value)
        assert f"corrupt at line 4 of {len(lines)}" in message
        assert "the lines before say running, fill applied" in message
        assert "`rightsize rollback`" in message
        assert "\n" not in message
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("before", "event", "why"),
    [
        (0, StepIntended(stage="fill", rollout=RolloutState()), "begins with started"),
        (1, started(), "begun already"),
        (1, StepApplied(stage="fill"), "not the step intended last"),
        (1, StepIntended(stage="weight-6", rollout=RolloutState()), "no stage weight-6"),
        (3, looked(0, "weight-5"), "not the stage applied last"),
        (3, Retired(), "not promoted"),
        (3, RolledBack(outcome="restored", sentence="x"), "not aborted"),
        (len(STORY), Paused(reason="x"), "finished"),
    ],
)
def test_events_that_cannot_follow_are_refused(
    tmp_path: Path, before: int, event: Event, why: str
) -> None:
    """A controller that lost its way must not write nonsense down."""
    writer = written(tmp_path, STORY[:before])
    with pytest.raises(StackError, match=why):
        writer.append(event)


def test_after_an_abort_only_the_way_back_follows(tmp_path: Path) -> None:
    """No further step; looks and the outcome are still noted."""
    writer = written(tmp_path, (*STORY[:3], Aborted(reason="harm")))
    with pytest.raises(StackError, match="only the way back"):
        writer.append(StepIntended(stage="settled", rollout=RolloutState()))
    writer.append(RolledBack(outcome="restored", sentence="as before", traffic_s=2.5))
    assert writer.progress is not None
    assert writer.progress.status is RolloutStatus.ABORTED


def test_a_step_without_its_end_is_unfinished(tmp_path: Path) -> None:
    """Intended and not applied: it may have happened."""
    writer = written(tmp_path, (*STORY[:5], STORY[7]))
    progress = writer.progress
    assert progress is not None
    assert (progress.applied, progress.unfinished_step) == ("fill", "settled")


def test_a_verdict_is_computed_again_from_the_journal(tmp_path: Path) -> None:
    """The judge says the same of the looks that were kept; later looks do not count."""
    writer = written(tmp_path, (*STORY[:3], *(looked(minute) for minute in range(8))))
    progress = writer.progress
    assert progress is not None
    shell = Judged(
        stage="fill",
        workload="web",
        looks=6,
        now_ms=7 * 60_000,
        decision=Decision.CONTINUE,
        quality=Quality.GOOD,
        reason="",
    )
    verdict = judge(progress.evidence_of(shell))
    writer.append(
        shell.model_copy(
            update={
                "decision": verdict.decision,
                "quality": verdict.quality,
                "reason": verdict.reason,
            }
        )
    )
    writer.append(looked(8))
    read = read_journal(tmp_path, ROLLOUT).progress
    assert read is not None
    assert read.verdict is not None
    again = judge(read.evidence_of(read.verdict))
    assert (again.decision, again.reason) == (read.verdict.decision, read.verdict.reason)
    assert len(again.evidence.looks) == 6


def test_ids_count_and_are_in_order(tmp_path: Path) -> None:
    """By number, not by time or name length."""
    assert next_rollout_id(tmp_path, "ab" * 32, 1) == "0001-abababababab-p1"
    for name in ("0002-aa-p1", "10000-aa-p2", "0001-bb-p1"):
        written_to = journal_path(tmp_path, name)
        written_to.parent.mkdir(exist_ok=True)
        written_to.touch()
    assert rollout_ids(tmp_path) == ("0001-bb-p1", "0002-aa-p1", "10000-aa-p2")
    assert next_rollout_id(tmp_path, "cc", 3) == "10001-cc-p3"


def test_an_unknown_rollout_is_named(tmp_path: Path) -> None:
    """With those that exist; and no id reaches outside the folder."""
    written(tmp_path, STORY[:1])
    with pytest.raises(ConfigError, match=f"no rollout 0009-aa-p1; the newest are: {ROLLOUT}"):
        read_journal(tmp_path, "0009-aa-p1")
    with pytest.raises(ConfigError, match="no id of a rollout"):
        read_journal(tmp_path, "../../etc/passwd")


def test_a_refused_write_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: one sentence, and the sound lines stay."""
    writer = written(tmp_path, STORY[:2])

    def full(descriptor: int, data: bytes, offset: int) -> int:
        os.write(descriptor, b"")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal_module.os, "pwrite", full)
        with pytest.raises(StackError, match="No space left"):
            writer.append(STORY[2])
    assert [entry.event for entry in writer.read().entries] == list(STORY[:2])
    writer.append(STORY[2])


def test_lines_are_json_and_private(tmp_path: Path) -> None:
    """Readable with any tool; by its owner only."""
    written(tmp_path)
    path = journal_path(tmp_path, ROLLOUT)
    kinds = [json.loads(line)["entry"]["event"]["kind"] for line in path.read_text().splitlines()]
    assert kinds[:3] == ["started", "step_intended", "step_applied"]
    assert path.stat().st_mode & 0o777 == 0o600
