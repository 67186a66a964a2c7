"""Rollouts on the local cloud: the real program and engine, simulated traffic, facts by boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightsizing.rollout.controller import resume_rollout, start_rollout
from rightsizing.rollout.journal import read_journal, rollout_ids
from rightsizing.rollout.run import RolloutOutcome
from rightsizing.stack.intent import IntentFile
from rightsizing.stack.quarantine import Quarantine

pytestmark = pytest.mark.slow

OLD_SERVES = [("a", (("m5.xlarge", 2),), 100)]
AGAIN = ("look", "verdict", "step_intended")
NEW_SERVES = [("b", (("m7g.large", 2),), 100)]


def kinds(site: Any, rollout_id: str) -> list[str]:
    entries = read_journal(site.stack.record_dir, rollout_id).entries
    return [entry.event.kind for entry in entries]


def nothing_left(site: Any) -> None:
    """No orphan by tag, nothing pending, no lock, no intent."""
    assert site.orphans() == ()
    assert site.driver.pending_operations(site.stack) == ()
    assert site.driver.cancel(site.stack) is False
    assert IntentFile(site.stack.record_dir).read() is None


def test_a_sufficient_size_is_promoted(site: Any, rolloutsite: Any) -> None:
    """Filled, weighed, judged on simulated traffic, settled, watched, retired."""
    release = rolloutsite.release_of(rolloutsite.GOOD)
    result = start_rollout(site.run(), release, 1)
    assert (result.outcome, result.exit_code) == (RolloutOutcome.FINISHED, 0), result.sentence
    assert site.serving() == NEW_SERVES
    nothing_left(site)
    found = kinds(site, result.rollout_id)
    assert found.count("step_applied") == 5  # fill, weight-50, settled, soak, retired
    assert "look" in found


def test_a_size_without_the_memory_is_taken_back(site: Any, rolloutsite: Any) -> None:
    """3 GiB in use on 2 GiB: killed within the first minutes, traffic back, quarantined."""
    release = rolloutsite.release_of(rolloutsite.SMALL)
    result = start_rollout(site.run(), release, 1)
    assert (result.outcome, result.exit_code) == (RolloutOutcome.ROLLED_BACK, 9), result.sentence
    assert "out_of_memory" in result.sentence
    assert site.facts() == OLD_SERVES
    nothing_left(site)
    assert Quarantine(site.stack.record_dir).find(release.id, 1) is not None
    back = result.progress.rolled_back
    assert back is not None
    assert back.traffic_s is not None
    assert back.traffic_s < 60  # what is promised


def test_a_size_without_the_cores_is_taken_back_before_it_serves_all(
    site: Any, rolloutsite: Any
) -> None:
    """2.4 cores in use; two of one vCPU at 80 % hold 1.6: known before the last weight."""
    release = rolloutsite.release_of(rolloutsite.LEAN)
    result = start_rollout(site.run(), release, 1)
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert "too small" in result.sentence
    assert "at most 2" in result.sentence
    assert site.facts() == OLD_SERVES
    nothing_left(site)


@pytest.mark.proof
def test_a_breach_in_the_soak_is_taken_back(site: Any, rolloutsite: Any) -> None:
    """Nobody knows the cores, so the size gets everything; the soak is watched, not slept."""
    release = rolloutsite.release_of(rolloutsite.LEAN)
    result = start_rollout(site.run(cores={}, shares=(20.0, 100.0), soak_s=3600.0), release, 1)
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert "web at soak" in result.sentence
    assert site.facts() == OLD_SERVES
    nothing_left(site)


@pytest.mark.proof
def test_killed_at_every_step_and_resumed(
    site: Any, rolloutsite: Any, kill_at: Callable[[int, str], None]
) -> None:
    """Killed before and after every line of the journal, one after the other: it still ends well.

    Each process notes that it resumes, then one more event, and dies around the next.
    """
    release = rolloutsite.release_of(rolloutsite.GOOD)
    earlier = len(rollout_ids(site.stack.record_dir))
    kill_at(2, "before")
    deaths = 0
    result = None
    known = stuck = 0
    while result is None:
        names = rollout_ids(site.stack.record_dir)[earlier:]
        try:
            if names:
                result = resume_rollout(site.run(), names[0])
            else:
                result = start_rollout(site.run(), release, 1)
        except BaseException as death:
            if type(death).__name__ != "Killed":
                raise
            deaths += 1
            assert deaths < 200, kinds(site, names[0])
            (name,) = rollout_ids(site.stack.record_dir)[earlier:]
            # a look comes before its verdict, and a step that was begun is begun again: then the
            # event to die at is the one after that; and a soak that is resumed looks again before
            # it ends, so a death that brought nothing new is put off by one event more
            entries = read_journal(site.stack.record_dir, name).entries
            reached = {(item.event.kind, getattr(item.event, "stage", "")) for item in entries}
            stuck = stuck + 1 if len(reached) == known else 0
            known = len(reached)
            last = [kind for kind in kinds(site, name) if kind != "resumed"][-1]
            kill_at((3 if last in AGAIN else 2) + stuck, "after" if deaths % 2 else "before")
    assert result.outcome is RolloutOutcome.FINISHED, result.sentence
    assert site.serving() == NEW_SERVES
    nothing_left(site)
    found = kinds(site, result.rollout_id)
    fresh = [kind for kind in found if kind != "resumed"]
    assert deaths > 10
    assert fresh[0] == "started"
    assert fresh[-1] == "finished"


STEPS = [
    ("step_applied", "fill", "before"),
    ("step_applied", "weight-50", "before"),
    ("step_applied", "settled", "before"),
    ("step_applied", "retired", "before"),
]


@pytest.mark.parametrize(("kind", "stage", "when"), STEPS, ids=str)
@pytest.mark.proof
def test_killed_at_a_step_and_rolled_back(
    site: Any, rolloutsite: Any, monkeypatch: pytest.MonkeyPatch, kind: str, stage: str, when: str
) -> None:
    """From whatever a death leaves, taking the rollout back restores what ran before it."""
    from rightsizing.rollout.journal import JournalWriter

    class Killed(BaseException):
        """The process is gone."""

    real = JournalWriter.append

    def append(self: JournalWriter, event: Any) -> Any:
        met = event.kind == kind and getattr(event, "stage", "") == stage
        if met and when == "before":
            raise Killed
        entry = real(self, event)
        if met:
            raise Killed
        return entry

    release = rolloutsite.release_of(rolloutsite.GOOD)
    monkeypatch.setattr(JournalWriter, "append", append)
    with pytest.raises(Killed):
        start_rollout(site.run(soak_s=60.0), release, 1)
    monkeypatch.setattr(JournalWriter, "append", real)
    name = rollout_ids(site.stack.record_dir)[-1]
    result = resume_rollout(site.run(), name, abort="tried")
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert site.facts() == OLD_SERVES
    nothing_left(site)
