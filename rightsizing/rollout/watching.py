"""Looking and judging while both slots serve, and while the new size serves alone.

Each look and verdict is in the journal before it is acted on. Data that cannot be used holds the
rollout where it is, and pauses it when that lasts; harm ends the watching with an abort.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from rightsizing.errors import RightsizingError
from rightsizing.model.verdict import Decision, Evidence
from rightsizing.rollout.events import Aborted, Event, Judged, Looked, Paused
from rightsizing.rollout.journal import JournalWriter
from rightsizing.rollout.judge.judgement import judge
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.run import LookSource, RolloutRun, WatchedFleet
from rightsizing.rollout.soaking import judge_soak
from rightsizing.rollout.stages import Stage, canary_share, moving_fleets
from rightsizing.rollout.stopsigns import Stop, stack_changed, stop_asked, world_changed

PERSON_LOOKS = 30  # before a person is asked at the last weight; chosen by us
SERVING_ALONE = 0.5  # the weight noted with a look that compares nothing


def ready(progress: RolloutProgress, stage: Stage, fleets: Sequence[str]) -> bool:
    """Whether every fleet may go on from a judged stage, as far as looks can tell.

    At the last one each has to be shown safe. Before it, looks without harm are enough where the
    rollout says so: so small a share may never show more, and it is the least that can be risked.
    Where a person decides, they are shown what half an hour has brought.
    """
    return all(_is_ready(progress, stage, key) for key in fleets)


def _is_ready(progress: RolloutProgress, stage: Stage, key: str) -> bool:
    verdict = progress.verdict_of(key)
    if verdict is None or verdict.decision is Decision.PROMOTE:
        return verdict is not None
    started = progress.started
    looks = started.bake_looks
    if stage.name == progress.deciding_stage:
        looks = PERSON_LOOKS if started.by_person else 0
    warm_up = progress.policy_of(stage.name, key).warm_up_looks
    baked = looks > 0 and verdict.looks >= warm_up + looks
    return baked and not verdict.quality.blocks_rollback


@dataclass(frozen=True, slots=True)
class Watching:
    """Watches one stage. ``note`` writes an event; ``changed`` serve alone, in place."""

    run: RolloutRun
    writer: JournalWriter
    stages: Sequence[Stage]
    changed: Sequence[str]
    note: Callable[[Event], None]

    @property
    def progress(self) -> RolloutProgress:
        found = self.writer.progress
        assert found is not None  # begun before it is watched
        return found

    def shift(self, stage: Stage) -> Stop | None:
        """Until every fleet is let in (None), one is harmed, or it is no use."""
        moving = moving_fleets(self.stages)
        fleets = {key: self.run.watch(key) for key in moving}
        alone = self._alone(self.changed)
        began = _began({key: fleet.looks for key, fleet in fleets.items()} | alone)
        held_since = self.run.clock.monotonic()
        while not ready(self.progress, stage, moving):
            self.run.clock.sleep(self.run.poll_s)
            stop = self._stop(stage)
            if stop is not None:
                return stop
            held: list[str] = []
            for key, fleet in fleets.items():
                stop = self._judge(stage, key, fleet, began, held)
                if stop is not None:
                    return stop
            stop = self._look_alone(stage, alone, began, held)
            if stop is not None:
                return stop
            if not held:
                held_since = self.run.clock.monotonic()
            elif self.run.clock.monotonic() - held_since >= self.run.hold_s:
                return _held(stage, held)
        return None

    def soak(self, stage: Stage, until: datetime) -> Stop | None:
        """Until ``until`` (None), or until something that serves alone is harmed.

        It never ends unwatched: not before the first poll, and not while data is missing.
        """
        moving = moving_fleets(self.stages)
        sources = {key: self.run.watch(key).looks for key in moving}
        sources |= self._alone(self.changed)
        began = _began(sources)
        held_since = self.run.clock.monotonic()
        held = ["it was not looked at yet"] if self.run.soak_s > 0 else []
        while True:
            remaining = (until - self.run.clock.now()).total_seconds()
            if remaining <= 0 and not held:
                return None
            poll_s = self.run.poll_s
            self.run.clock.sleep(min(poll_s, remaining) if remaining > 0 else poll_s)
            held = []
            stop = self._stop(stage) or self._look_alone(stage, sources, began, held)
            if stop is not None:
                return stop
            if not held:
                held_since = self.run.clock.monotonic()
            elif self.run.clock.monotonic() - held_since >= self.run.hold_s:
                return _held(stage, held)

    def _alone(self, keys: Sequence[str]) -> dict[str, LookSource]:
        found = {key: self.run.solo(key) for key in keys}
        return {key: source for key, source in found.items() if source is not None}

    def _stop(self, stage: Stage) -> Stop | None:
        return (
            stop_asked(self.run, self.writer)
            or world_changed(self.run, self.progress.started.fingerprint, program=False)
            or stack_changed(self.run, stage)
        )

    def _judge(
        self,
        stage: Stage,
        key: str,
        fleet: WatchedFleet,
        began: dict[str, int],
        held: list[str],
    ) -> Aborted | None:
        """One poll of a fleet with two serving slots; what holds it is added to ``held``."""
        share = canary_share(stage.sizing.rollout.fleets[key])
        known = self.progress.looks_of(key)
        try:
            after_ms = known[-1].end_ms if known else _since(began, key, fleet.looks)
            read = fleet.looks.read(after_ms, canary_weight=share)
        except RightsizingError as error:
            held.append(f"{key}: {error}")
            return None
        for look in read.looks:
            self.note(Looked(stage=stage.name, workload=key, look=look))
        progress = self.progress
        verdict = judge(
            Evidence(
                looks=(*known, *read.looks),
                policy=progress.policy_of(stage.name, key),
                calibration=progress.calibration_of(key),
                now_ms=read.now_ms,
            )
        )
        self.note(
            Judged(
                stage=stage.name,
                workload=key,
                looks=len(known) + len(read.looks),
                now_ms=read.now_ms,
                decision=verdict.decision,
                quality=verdict.quality,
                tripwires=verdict.tripwires,
                reason=verdict.reason,
            )
        )
        if verdict.decision is Decision.HOLD:
            held.append(f"{key}: {verdict.reason}")
        if verdict.decision is Decision.ROLL_BACK:
            return Aborted(reason=f"{key} at {stage.name}: {verdict.reason}")
        return None

    def _look_alone(
        self,
        stage: Stage,
        sources: Mapping[str, LookSource],
        began: dict[str, int],
        held: list[str],
    ) -> Aborted | None:
        """One poll of what serves alone, against its absolute limits."""
        for key, source in sources.items():
            known = self.progress.looks_of(key)
            try:
                after_ms = known[-1].end_ms if known else _since(began, key, source)
                read = source.read(after_ms, canary_weight=SERVING_ALONE)
            except RightsizingError as error:
                held.append(f"{key}: {error}")
                continue
            for look in read.looks:
                self.note(Looked(stage=stage.name, workload=key, look=look))
            verdict = judge_soak((*known, *read.looks), self.progress.policy_of(stage.name, key))
            if verdict.decision is Decision.HOLD:
                held.append(f"{key}: {verdict.reason}")
            if verdict.decision is Decision.ROLL_BACK:
                return Aborted(reason=f"{key} at {stage.name}: {verdict.reason}")
        return None


def _began(sources: Mapping[str, LookSource]) -> dict[str, int]:
    """The clocks of the sources that answer; the others are asked again at every poll."""
    found = {}
    for key, source in sources.items():
        with suppress(RightsizingError):
            found[key] = source.server_now_ms()
    return found


def _since(began: dict[str, int], key: str, source: LookSource) -> int:
    """From when on a source is looked at. Raises RightsizingError when it still does not answer."""
    if key not in began:
        began[key] = source.server_now_ms()
    return began[key]


def _held(stage: Stage, held: Sequence[str]) -> Paused:
    return Paused(reason=f"{stage.name} is held, its weight stays; {held[0]}")
