"""The rollout's loop: stage by stage, watched and judged, forward or back.

    next stage -> intended -> stack update -> live facts -> applied -> looks -> verdict -> ...

Everything that was decided is in the journal before it is acted on, and every step can be done
twice, so a controller that was killed anywhere is replaced by running ``resume_rollout``. A verdict
of harm moves the traffic first, which takes seconds, and then rolls the stack back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from rightsizing.errors import (
    FactsMismatch,
    PlanRejected,
    RightsizingError,
    StackError,
    UpdateFailed,
)
from rightsizing.model.base import NoData
from rightsizing.model.release import Release
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import Decision, Evidence, Verdict
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
    Started,
    StepApplied,
    StepIntended,
)
from rightsizing.rollout.journal import (
    ROLLOUTS_FOLDER,
    JournalWriter,
    claim_journal,
    next_rollout_id,
    rollout_ids,
)
from rightsizing.rollout.judge.judgement import judge
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.run import RolloutOutcome, RolloutResult, RolloutRun, WatchedFleet
from rightsizing.rollout.stages import (
    DEFAULT_SHARES,
    Stage,
    StageKind,
    canary_share,
    moving_fleets,
    next_stage,
    plan_stages,
)
from rightsizing.rollout.wayback import go_back
from rightsizing.stack.applied import applied_updates, sizing_id
from rightsizing.stack.apply import apply_stack
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.facts import compare_facts
from rightsizing.stack.intent import IntendedSizing
from rightsizing.stack.lease import hold_lease


def start_rollout(run: RolloutRun, release: Release, phase: int) -> RolloutResult:
    """Roll a release out at a phase, from what the stack's file says is applied.

    Raises:
        PlanRejected: there is nothing to roll out, or another rollout is unfinished.
        StackLocked: another process is working on the stack.
        StackError: the journal or the stack could not be read or written.
    """
    record_dir = run.stack.record_dir
    with hold_lease(record_dir / ROLLOUTS_FOLDER, "rollout"):
        _require_no_other(run)
        file = StackFile.load(run.stack.config_path)
        current, workloads = file.sizing(), file.declaration().workloads()
        stages = plan_stages(
            current, release, phase, workloads, shares=run.shares, capacity=run.capacity
        )
        if not stages:
            raise PlanRejected(f"release {release.short_id} at phase {phase} already runs")
        # each judged stage may roll back wrongly, so they share what a whole rollout may
        judged = max(sum(stage.is_judged for stage in stages), 1)
        policy = run.policy.model_copy(update={"alpha_harm": run.policy.alpha_harm / judged})
        writer = claim_journal(
            record_dir, next_rollout_id(record_dir, release.id, phase), run.clock
        )
        writer.append(
            Started(
                current=IntendedSizing.of(current),
                target=IntendedSizing.of(stages[-1].sizing),
                stages=tuple(stage.name for stage in stages),
                shares=tuple(run.shares),
                policy=policy,
                calibration=run.calibration,
            )
        )
        return _Controller(run, writer, stages).go_on()


def resume_rollout(run: RolloutRun, rollout_id: str, *, abort: str | None = None) -> RolloutResult:
    """Go on with a rollout that was paused or killed; with ``abort``, a reason, take it back.

    Raises as ``start_rollout``; a rollout that is finished is returned as it is.
    """
    record_dir = run.stack.record_dir
    with hold_lease(record_dir / ROLLOUTS_FOLDER, "rollout"):
        writer = claim_journal(record_dir, rollout_id, run.clock)
        progress = writer.progress
        if progress is None:
            raise StackError(f"rollout {rollout_id} never began; nothing was changed by it")
        started = progress.started
        target = started.target.sizing()
        assert target.release is not None  # a rollout goes to a release
        workloads = StackFile.load(run.stack.config_path).declaration().workloads()
        stages = plan_stages(
            started.current.sizing(),
            target.release,
            target.phase,
            workloads,
            shares=started.shares or DEFAULT_SHARES,
            capacity=run.capacity,
        )
        if tuple(stage.name for stage in stages) != started.stages:
            raise StackError(
                f"rollout {rollout_id} does not fit the declaration any more, which was changed "
                "since; run `rightsize rollback`"
            )
        if progress.finished is None and progress.aborted is None:
            writer.append(Resumed() if abort is None else Aborted(reason=abort))
        return _Controller(run, writer, stages).go_on()


def _require_no_other(run: RolloutRun) -> None:
    record_dir = run.stack.record_dir
    for name in rollout_ids(record_dir)[-1:]:
        progress = claim_journal(record_dir, name, run.clock).progress
        if progress is not None and progress.finished is None:
            raise PlanRejected(
                f"rollout {name} is unfinished ({progress}); run `rightsize rollout --resume` or "
                "`--abort` first"
            )


@dataclass(frozen=True, slots=True)
class _Controller:
    run: RolloutRun
    writer: JournalWriter
    stages: tuple[Stage, ...]

    @property
    def progress(self) -> RolloutProgress:
        found = self.writer.progress
        assert found is not None  # begun before a controller is made
        return found

    def go_on(self) -> RolloutResult:
        while True:
            progress = self.progress
            if progress.finished is not None:
                back = progress.rolled_back is not None
                outcome = RolloutOutcome.ROLLED_BACK if back else RolloutOutcome.FINISHED
                return self._result(outcome, progress.finished.sentence)
            if progress.aborted is not None:
                stopped = self._go_back(progress.aborted)
                if stopped is not None:
                    return stopped
                continue
            if progress.paused is not None:
                sentence = f"paused: {progress.paused.reason}; `rightsize rollout --resume` goes on"
                return self._result(RolloutOutcome.PAUSED, sentence)
            self._step(progress)

    def _step(self, progress: RolloutProgress) -> None:
        """Whatever comes next; one or more events are noted by it."""
        now = self._stage_in_force(progress)
        if now is not None and progress.unfinished_step is None:
            if now.kind is StageKind.SETTLE and not progress.promoted:
                self._note(Promoted())
                return
            if now.kind is StageKind.RETIRE and not progress.retired:
                self._note(Retired())
                return
            if now.is_judged and not self._is_let_in(progress):
                self._watch(now)
                return
        found = next_stage(self.stages, progress, self._applied_sizing(now))
        if found.stage is None:
            target = sizing_id(self.stages[-1].sizing)
            self._note(Finished(sentence=f"{target} runs, and is what the live facts say"))
        elif found.stage.needs_update:
            self._apply(found.stage)
        else:
            self._soak(found.stage)

    def _stage_in_force(self, progress: RolloutProgress) -> Stage | None:
        return next((stage for stage in self.stages if stage.name == progress.applied), None)

    def _applied_sizing(self, stage: Stage | None) -> StackSizing | None:
        """What the newest update applied; None when live facts contradict the stage."""
        updates = applied_updates(self.run.driver.history(self.run.stack))
        if not updates or isinstance(updates[0].sizing, NoData) or not updates[0].succeeded:
            return None
        if stage is not None:
            workloads = StackFile.load(self.run.stack.config_path).declaration().workloads()
            if not compare_facts(self.run.read(workloads), stage.sizing, workloads).matches:
                return None
        return updates[0].sizing

    def _apply(self, stage: Stage) -> None:
        run = self.run
        self._note(StepIntended(stage=stage.name, rollout=stage.sizing.rollout))
        try:
            StackFile.load(run.stack.config_path).write_sizing(stage.sizing)
            self.writer.require_current()
            result = apply_stack(
                run.driver,
                run.stack,
                read=run.read,
                confirm=lambda _plan: True,
                clock=run.clock,
                say=run.say,
                settle_seconds=run.settle_s,
            )
            result.require_match()
        except (UpdateFailed, FactsMismatch) as error:
            self._note(Aborted(reason=f"{stage.name} could not be applied: {error}"))
            return
        except (StackError, PlanRejected) as error:  # nothing was started
            self._note(Paused(reason=f"{stage.name} could not begin: {error}"))
            return
        record = None if result.record is None else result.record.number
        self._note(StepApplied(stage=stage.name, record=record))

    def _soak(self, stage: Stage) -> None:
        self._note(StepIntended(stage=stage.name, rollout=stage.sizing.rollout))
        self.run.clock.sleep(self.run.soak_s)
        self._note(StepApplied(stage=stage.name))

    def _is_let_in(self, progress: RolloutProgress) -> bool:
        found = [progress.verdict_of(fleet) for fleet in moving_fleets(self.stages)]
        return all(item is not None and item.decision is Decision.PROMOTE for item in found)

    def _watch(self, stage: Stage) -> None:
        """Look and judge until every fleet is let in, one is harmed, or it is no use."""
        fleets = {key: self.run.watch(key) for key in moving_fleets(self.stages)}
        began = {key: fleet.looks.server_now_ms() for key, fleet in fleets.items()}
        usable_at = self.run.clock.monotonic()
        while not self._is_let_in(self.progress):
            self.run.clock.sleep(self.run.poll_s)
            held = []
            for key, fleet in fleets.items():
                try:
                    verdict = self._look(stage, key, fleet, began[key])
                except RightsizingError as error:
                    held.append(f"{key}: {error}")
                    continue
                if verdict.decision is Decision.ROLL_BACK:
                    self._note(Aborted(reason=f"{key} at {stage.name}: {verdict.reason}"))
                    return
                if verdict.decision is Decision.HOLD:
                    held.append(f"{key}: {verdict.reason}")
            if not held:
                usable_at = self.run.clock.monotonic()
            elif self.run.clock.monotonic() - usable_at >= self.run.hold_s:
                self._note(Paused(reason=f"{stage.name} is held, its weight stays; {held[0]}"))
                return

    def _look(self, stage: Stage, key: str, fleet: WatchedFleet, began_ms: int) -> Verdict:
        known = self.progress.looks_of(key)
        share = canary_share(stage.sizing.rollout.fleets[key])
        after_ms = known[-1].end_ms if known else began_ms
        read = fleet.looks.read(after_ms, canary_weight=share)
        for look in read.looks:
            self._note(Looked(stage=stage.name, workload=key, look=look))
        started = self.progress.started
        verdict = judge(
            Evidence(
                looks=(*known, *read.looks),
                policy=started.policy,
                calibration=started.calibration,
                now_ms=read.now_ms,
            )
        )
        self._note(
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
        return verdict

    def _go_back(self, aborted: Aborted) -> RolloutResult | None:
        came_out = go_back(self.run, self.writer, self.stages, aborted)
        self._note(came_out)
        if came_out.configuration_s is None:
            return self._result(RolloutOutcome.NOT_RESTORED, came_out.sentence)
        self._note(Finished(sentence=f"rolled back: {aborted.reason}; {came_out.sentence}"))
        return None

    def _note(self, event: Event) -> None:
        self.writer.append(event)
        if not isinstance(event, Looked):
            self._say(f"{self.writer.rollout_id}: {event.kind}")

    def _say(self, sentence: str) -> None:
        if self.run.say is not None:
            with suppress(OSError):  # a closed terminal must not stop a rollout
                self.run.say(sentence)

    def _result(self, outcome: RolloutOutcome, sentence: str) -> RolloutResult:
        return RolloutResult(self.writer.rollout_id, outcome, sentence, self.progress)
