"""Every verdict of a rollout computed again from its journal, by the judge as it is now.

The journal keeps each look whole and says of how many looks a verdict was made, so nothing else is
needed: no metrics source, no cloud, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rightsizing.errors import ConfigError
from rightsizing.model.recomputation import CanaryRun, JudgedStage, Recomputed, RecordedVerdict
from rightsizing.model.verdict import JudgePolicy, Look
from rightsizing.rollout.events import Entry, Judged, Looked
from rightsizing.rollout.journal import read_journal, rollout_ids
from rightsizing.rollout.judge.judgement import judge
from rightsizing.rollout.progress import RolloutProgress, follow
from rightsizing.rollout.soaking import judge_soak

Advance = Callable[[int, int], None]  # verdicts done, of how many


def newest_rollout(record_dir: Path) -> str:
    """The newest rollout's id. Raises ConfigError when there is none."""
    known = rollout_ids(record_dir)
    if not known:
        raise ConfigError(
            "this stack has no rollout to explain; `rightsize rollout` makes one, and `rightsize "
            "history` lists plain updates"
        )
    return known[-1]


def recompute_run(
    record_dir: Path, rollout_id: str, advance: Advance = lambda _done, _all: None
) -> CanaryRun:
    """Compute all verdicts of a rollout again; nothing is changed and no lock is taken.

    Raises:
        ConfigError: there is no such rollout, or it never began.
        StackError: the journal is corrupt.
    """
    reading = read_journal(record_dir, rollout_id)
    if reading.progress is None:
        raise ConfigError(
            f"rollout {rollout_id} never began, so there is nothing to explain; nothing was "
            "changed by it"
        )
    total = sum(isinstance(entry.event, Judged) for entry in reading.entries)
    found = _Stages()
    for done, item in enumerate(_judged(reading.entries), start=1):
        found.add(*item)
        advance(done, total)
    started = reading.progress.started
    finished = reading.progress.finished
    return CanaryRun(
        rollout_id=rollout_id,
        began=reading.entries[0].at,
        standing=str(reading.progress) if finished is None else finished.sentence,
        policy=started.policy,
        calibration=started.calibration,
        stages=found.stages(reading.entries, started.policy),
        torn=reading.torn,
    )


@dataclass(slots=True)
class _Stages:
    """Verdicts by stage and workload. A stage done again after a crash is a stage of its own."""

    verdicts: dict[tuple[int, str], list[Recomputed]] = field(default_factory=dict)

    def add(self, section: int, event: Judged, verdict: Recomputed) -> None:
        self.verdicts.setdefault((section, event.workload), []).append(verdict)

    def stages(self, entries: tuple[Entry, ...], policy: JudgePolicy) -> tuple[JudgedStage, ...]:
        looks: dict[tuple[int, str], list[Look]] = {}
        names: dict[int, str] = {}
        for section, entry in _sections(entries):
            if isinstance(entry.event, Looked):
                looks.setdefault((section, entry.event.workload), []).append(entry.event.look)
                names[section] = entry.event.stage
            elif isinstance(entry.event, Judged):
                looks.setdefault((section, entry.event.workload), [])
                names[section] = entry.event.stage
        return tuple(
            self._stage(key, names[key[0]], tuple(found), policy)
            for key, found in sorted(looks.items())
        )

    def _stage(
        self, key: tuple[int, str], name: str, looks: tuple[Look, ...], policy: JudgePolicy
    ) -> JudgedStage:
        verdicts = tuple(self.verdicts.get(key, ()))
        if verdicts:
            return JudgedStage(name, key[1], looks, verdicts)
        alone = judge_soak(looks, policy)
        return JudgedStage(name, key[1], looks, (), f"{alone.decision.value}: {alone.reason}")


def _sections(entries: tuple[Entry, ...]) -> Iterator[tuple[int, Entry]]:
    """Each entry with the number of steps applied before it: looks begin anew with each."""
    section = 0
    for entry in entries:
        section += entry.event.kind == "step_applied"
        yield section, entry


def _judged(entries: tuple[Entry, ...]) -> Iterator[tuple[int, Judged, Recomputed]]:
    progress: RolloutProgress | None = None
    for section, entry in _sections(entries):
        event = entry.event
        if isinstance(event, Judged) and progress is not None:
            recorded = RecordedVerdict(event.decision, event.quality, event.tripwires, event.reason)
            again = judge(progress.evidence_of(event))
            yield section, event, Recomputed(entry.number, entry.at, event.looks, recorded, again)
        progress = follow(progress, event)
