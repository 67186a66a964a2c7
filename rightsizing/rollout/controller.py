"""The rollout's loop: stage by stage, watched and judged, forward or back.

    next stage -> intended -> stack update -> live facts -> applied -> looks -> verdict -> ...

Everything that was decided is in the journal before it is acted on, and every step can be done
twice, so a controller that was killed anywhere is replaced by running ``resume_rollout``. A verdict
of harm moves the traffic first, which takes seconds, and then rolls the stack back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from rightsizing.errors import (
    CredentialsError,
    PlanRejected,
    RightsizingError,
    StackError,
    TelemetryError,
)
from rightsizing.model.base import NoData
from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.verdict import JudgePolicy
from rightsizing.rollout.beginning import find_beginning, require_no_other
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
from rightsizing.rollout.fingerprint import take_fingerprint
from rightsizing.rollout.journal import (
    ROLLOUTS_FOLDER,
    JournalWriter,
    claim_journal,
    next_rollout_id,
)
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.requests import clear_request
from rightsizing.rollout.run import RolloutOutcome, RolloutResult, RolloutRun
from rightsizing.rollout.stages import (
    DEFAULT_SHARES,
    SlotCapacity,
    Stage,
    StageKind,
    changed_in_place,
    moving_fleets,
    next_stage,
    plan_stages,
)
from rightsizing.rollout.stepping import apply_stage, say
from rightsizing.rollout.stopsigns import Stop, stack_changed, stop_asked, world_changed
from rightsizing.rollout.watching import Watching, ready
from rightsizing.rollout.wayback import go_back
from rightsizing.stack.applied import applied_updates, sizing_id
from rightsizing.stack.apply import check_phase_order
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.facts import compare_facts
from rightsizing.stack.intent import IntendedSizing
from rightsizing.stack.lease import hold_lease
from rightsizing.stack.purchases import require_no_purchase

TOLD_LOOKS = 10  # after so many looks a verdict that stays the same is told again


def start_rollout(run: RolloutRun, release: Release, phase: int) -> RolloutResult:
    """Roll a release out at a phase, from what was applied last.

    Raises:
        PlanRejected: there is nothing to roll out or to go back to, phases are out of order, or
            another rollout is unfinished.
        StackLocked: another process is working on the stack.
        StackError: the journal or the stack could not be read or written.
    """
    record_dir = run.stack.record_dir
    with hold_lease(record_dir / ROLLOUTS_FOLDER, "rollout"):
        require_no_other(run)
        history = run.driver.history(run.stack)
        require_no_purchase(StackFile.load(run.stack.config_path), history)
        beginning = find_beginning(run, verify=True)
        current = beginning.current
        stages = stages_of(run, current, release, phase)
        target = stages[-1].sizing
        check_phase_order(target, applied_updates(history))
        # each judged stage may roll back wrongly, so they share what a whole rollout may
        judged = max(sum(stage.is_judged for stage in stages), 1)
        judged *= max(len(moving_fleets(stages)), 1)
        policy = _shared(run.policy, judged)
        writer = claim_journal(
            record_dir, next_rollout_id(record_dir, release.id, phase), run.clock
        )
        writer.append(
            Started(
                current=IntendedSizing.of(current),
                target=IntendedSizing.of(target),
                stages=tuple(stage.name for stage in stages),
                shares=tuple(run.shares),
                full_load=run.full_load,
                policy=policy,
                calibration=run.calibration,
                policies={key: _shared(own, judged) for key, own in run.policies.items()},
                calibrations=dict(run.calibrations),
                by_person=run.let_in is not None,
                fingerprint=take_fingerprint(run.stack),
                good_record=beginning.record,
                cores=dict(run.cores),
                latency_bounds_s=dict(run.latency_bounds_s),
                bake_looks=run.bake_looks,
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
        back_only = abort is not None or progress.aborted is not None
        stages = _fitting_stages(run, rollout_id, progress.started, back_only=back_only)
        if progress.finished is None and progress.aborted is None:
            writer.append(Resumed() if abort is None else Aborted(reason=abort))
        clear_request(record_dir, rollout_id)
        return _Controller(run, writer, stages).go_on()


def _shared(policy: JudgePolicy, tests: int) -> JudgePolicy:
    return policy.model_copy(update={"alpha_harm": policy.alpha_harm / tests})


def stages_of(
    run: RolloutRun, current: StackSizing, release: Release, phase: int
) -> tuple[Stage, ...]:
    """The stages of a rollout that has not begun. Raises PlanRejected when there is none."""
    workloads = StackFile.load(run.stack.config_path).declaration().workloads()
    stages = plan_stages(
        current,
        release,
        phase,
        workloads,
        shares=run.shares,
        capacity=capacity_by(run.cores),
        full_load=run.full_load,
    )
    if not stages:
        raise PlanRejected(f"release {release.short_id} at phase {phase} already runs")
    return stages


def stages_again(run: RolloutRun, started: Started) -> tuple[Stage, ...]:
    """The stages of a rollout that has begun, from its journal and the declaration alone."""
    target = started.target.sizing()
    assert target.release is not None  # a rollout goes to a release
    return plan_stages(
        started.current.sizing(),
        target.release,
        target.phase,
        StackFile.load(run.stack.config_path).declaration().workloads(),
        shares=started.shares or DEFAULT_SHARES,
        capacity=capacity_by(started.cores),
        full_load=started.full_load,
    )


def _fitting_stages(
    run: RolloutRun, rollout_id: str, started: Started, *, back_only: bool
) -> tuple[Stage, ...]:
    """As ``stages_again``; StackError when a changed declaration makes others than were begun.

    The way back is never refused: it gets no stages then, and leaves the traffic to the rollback.
    """
    try:
        stages = stages_again(run, started)
        if tuple(stage.name for stage in stages) != started.stages:
            raise StackError(
                f"rollout {rollout_id} does not fit the declaration any more, which was changed "
                "since; put it back and resume, or go back with `rightsize rollout --abort`"
            )
    except RightsizingError:
        if back_only:
            return ()
        raise
    return stages


def capacity_by(cores: Mapping[str, float]) -> SlotCapacity | None:
    """Cores of a slot at its least instances, from vCPU by instance type; None: none are known."""
    if not cores:
        return None

    def capacity(size: FleetSize) -> float:
        return cores.get(size.instance_type, 0.0) * max(size.min_instances, 1)

    return capacity


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
                clear_request(self.run.stack.record_dir, self.writer.rollout_id)
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
            try:
                stop = stop_asked(self.run, self.writer) or self._step(progress)
            except (TelemetryError, CredentialsError) as error:
                stop = Paused(reason=f"what runs cannot be read: {error}")
            if stop is not None:
                self._note(stop)
                clear_request(self.run.stack.record_dir, self.writer.rollout_id)

    def _step(self, progress: RolloutProgress) -> Stop | None:
        """Whatever comes next; one or more events are noted by it, or what stops it returned."""
        now = self._stage_in_force(progress)
        if now is not None and not self._update_is_unfinished(progress):
            changed = stack_changed(self.run, now)
            if changed is not None:  # a person who resumes has read that it is applied again
                again = progress.approved
                return self._apply(progress, now, None) if again else changed
            if now.kind is StageKind.SETTLE and not progress.promoted:
                self._note(Promoted())
                return None
            if now.kind is StageKind.RETIRE and not progress.retired:
                self._note(Retired())
                return None
            if now.is_judged and not ready(progress, now, moving_fleets(self.stages)):
                return self._watching().shift(now)
            if now.is_judged and not self._person_agrees(progress, now):
                verdicts = _verdicts(progress)
                return Paused(reason=f"{now.name} is let in by a person only ({verdicts})")
        return self._advance(progress, now)

    def _advance(self, progress: RolloutProgress, now: Stage | None) -> Stop | None:
        """To the next stage, or again to the one that was begun."""
        found = next_stage(self.stages, progress, self._applied_sizing(now))
        if found.stage is None:
            target = sizing_id(self.stages[-1].sizing)
            self._note(Finished(sentence=f"{target} runs, and is what the live facts say"))
            return None
        if not found.stage.needs_update:
            return self._soak(found.stage)
        return self._apply(progress, found.stage, now)

    def _apply(self, progress: RolloutProgress, stage: Stage, before: Stage | None) -> Stop | None:
        changed = world_changed(self.run, progress.started.fingerprint, program=True)
        return changed or apply_stage(self.run, self.writer, stage, before, self._note)

    def _update_is_unfinished(self, progress: RolloutProgress) -> bool:
        """False too for a stage that only watches: nothing of it can be half done."""
        name = progress.unfinished_step
        return any(stage.name == name and stage.needs_update for stage in self.stages)

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

    def _person_agrees(self, progress: RolloutProgress, stage: Stage) -> bool:
        if not progress.started.by_person or progress.approved:
            return True
        return self.run.let_in is not None and self.run.let_in(
            f"{stage.name}: {_verdicts(progress)}"
        )

    def _watching(self) -> Watching:
        changed = changed_in_place(
            self.progress.started.current.sizing(),
            self.stages,
            StackFile.load(self.run.stack.config_path).declaration().workloads(),
        )
        return Watching(self.run, self.writer, self.stages, changed, self._note)

    def _soak(self, stage: Stage) -> Stop | None:
        end = self.run.clock.now() + timedelta(seconds=self.run.soak_s)
        self._note(StepIntended(stage=stage.name, rollout=stage.sizing.rollout, until=end))
        until = self.progress.watched_until
        assert until is not None  # just noted, perhaps with the end announced before a crash
        stop = self._watching().soak(stage, until)
        if stop is None:
            self._note(StepApplied(stage=stage.name))
        return stop

    def _go_back(self, aborted: Aborted) -> RolloutResult | None:
        came_out = go_back(self.run, self.writer, self.stages, aborted)
        self._note(came_out)
        if came_out.configuration_s is None:
            safe = came_out.traffic_s is not None
            outcome = RolloutOutcome.TRAFFIC_ONLY if safe else RolloutOutcome.NOT_RESTORED
            return self._result(outcome, came_out.sentence)
        self._note(Finished(sentence=f"rolled back: {aborted.reason}; {came_out.sentence}"))
        return None

    def _note(self, event: Event) -> None:
        before = self.progress
        self.writer.append(event)
        if not _is_routine(event, before):
            say(self.run, _told(event))

    def _result(self, outcome: RolloutOutcome, sentence: str) -> RolloutResult:
        return RolloutResult(self.writer.rollout_id, outcome, sentence, self.progress)


def _verdicts(progress: RolloutProgress) -> str:
    newest = {item.workload: item for item in progress.verdicts}
    return "; ".join(f"{key}: {item.reason}" for key, item in sorted(newest.items()))


def _is_routine(event: Event, before: RolloutProgress) -> bool:
    """What is not worth a line: each look, and a verdict that says the same as the one before."""
    if isinstance(event, Judged):
        known = before.verdict_of(event.workload)
        same = known is not None and known.decision is event.decision
        return same and known is not None and known.looks // TOLD_LOOKS == event.looks // TOLD_LOOKS
    return isinstance(event, Looked)


def _told(event: Event) -> str:
    """One line for a person who looks on."""
    match event:
        case StepIntended():
            return f"{event.stage} begins"
        case StepApplied():
            down = [f"{key} was down {took:.1f} s" for key, took in event.downtime_s.items()]
            return "; ".join([f"{event.stage} is done", *down])
        case Judged():
            return f"{event.stage} {event.workload}: {event.decision.value}, {event.reason}"
        case Paused() | Aborted():
            return f"{event.kind}: {event.reason}"
        case _:
            return event.kind
