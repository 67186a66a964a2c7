"""One step of a rollout: enough instances first, then the update, live facts, and its note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

from rightsizing.errors import (
    FactsMismatch,
    PlanRejected,
    RightsizingError,
    StackError,
    StackLocked,
    UpdateFailed,
)
from rightsizing.model.base import NoData
from rightsizing.model.rollout import FleetRollout, Slot
from rightsizing.model.size import FleetSize
from rightsizing.model.update import Step, StepOp
from rightsizing.model.verdict import Look
from rightsizing.rollout.capacity import Need, cores_in_use, instances_needed, supply
from rightsizing.rollout.events import Aborted, Event, Paused, StepApplied, StepIntended
from rightsizing.rollout.journal import JournalWriter
from rightsizing.rollout.run import RolloutRun
from rightsizing.rollout.stages import Stage, StageKind, canary_share
from rightsizing.rollout.stopsigns import Stop
from rightsizing.stack.apply import ApplyResult, apply_stack
from rightsizing.stack.clock import Clock
from rightsizing.stack.configfile import StackFile

NEWEST_LOOKS = 5  # of which the median load is taken; chosen by us
LOCK_WAIT_S = 300.0  # for an update that a dead controller had started; chosen by us
LOCK_POLL_S = 2.0
_STARTED = frozenset({StepOp.CREATE, StepOp.REPLACE, StepOp.UPDATE})


def apply_stage(
    run: RolloutRun,
    writer: JournalWriter,
    stage: Stage,
    before: Stage | None,
    note: Callable[[Event], None],
) -> Stop | None:
    """Bring the stack to ``stage``; what stops the rollout is returned, not noted.

    Args:
        before: the stage in force, whose looks tell the load; None: none is.
    """
    lacking = _supply(run, writer, stage, before)
    if lacking is not None:
        return lacking
    again = writer.progress is not None and writer.progress.unfinished_step == stage.name
    note(StepIntended(stage=stage.name, rollout=stage.sizing.rollout))
    if again:
        sweep_own(run, writer, (stage,))
    stopwatch = Downtime(run.machine, tuple(_singletons(run, stage)))
    try:
        StackFile.load(run.stack.config_path).write_sizing(stage.sizing)
        writer.require_current()
        result = _applied(run, stopwatch)
        result.require_match()
    except (UpdateFailed, FactsMismatch) as error:
        name = run.interrupted()
        if name:
            return Paused(reason=f"interrupted by {name} while {stage.name} was applied: {error}")
        return Aborted(reason=f"{stage.name} could not be applied: {error}")
    except (StackError, PlanRejected) as error:  # nothing was started
        return Paused(reason=f"{stage.name} could not begin: {error}")
    record = None if result.record is None else result.record.number
    note(StepApplied(stage=stage.name, record=record, downtime_s=dict(stopwatch.seconds)))
    return None


def sweep_own(run: RolloutRun, writer: JournalWriter, stages: Sequence[Stage]) -> int:
    """Remove what a killed update left in the slots the rollout fills; how many were deleted."""
    if run.sweep is None:
        return 0
    entries = writer.read().entries
    report = run.sweep(filled_slots(stages), entries[0].at)
    for sentence in report.sentences:
        say(run, sentence)
    return len(report.deleted)


def filled_slots(stages: Sequence[Stage]) -> dict[str, Slot]:
    """The slot with the new size, by fleet whose traffic moves."""
    fleets = stages[0].sizing.rollout.fleets if stages else {}
    return {key: fleet.live for key, fleet in fleets.items()}


def wait_for_lock(run: RolloutRun, attempt: Callable[[], ApplyResult]) -> ApplyResult:
    """Try until an engine that still works for a dead controller has finished, within a bound."""
    deadline = run.machine.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return attempt()
        except StackLocked as error:
            if run.machine.monotonic() >= deadline or run.interrupted():
                raise
            say(run, f"waiting: {error}")
            run.machine.sleep(LOCK_POLL_S)


def say(run: RolloutRun, sentence: str) -> None:
    """Tell whoever looks on."""
    if run.say is not None:
        with suppress(OSError):  # a closed terminal must not stop a rollout
            run.say(sentence)


def load_of(looks: Sequence[Look], fleet: FleetRollout) -> float | NoData:
    """Cores all traffic takes on the new size: the median of the newest looks that tell."""
    share = canary_share(fleet)
    found = [cores_in_use(look, share) for look in looks[-NEWEST_LOOKS:]]
    known = [cores for cores in found if not isinstance(cores, NoData)]
    return median(known) if known else NoData("the CPU in use is not measured")


@dataclass(slots=True)
class Downtime:
    """Measures how long a singleton is down: from the step before it is stopped to its start.

    An upper bound, since a step is heard of when it has finished.
    """

    clock: Clock
    keys: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    _heard: float | None = None
    _stopped: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._heard = self.clock.monotonic()

    def hear(self, step: Step) -> None:
        """One finished step."""
        assert self._heard is not None
        before, self._heard = self._heard, self.clock.monotonic()
        for key in self.keys:
            if key not in step.urn.rsplit("::", 1)[-1]:
                continue
            if step.op is StepOp.DELETE:
                self._stopped.setdefault(key, before)
            elif step.op in _STARTED:
                self.seconds[key] = self._heard - self._stopped.pop(key, before)


def _applied(run: RolloutRun, stopwatch: Downtime) -> ApplyResult:
    def listen(step: Step) -> None:
        stopwatch.hear(step)
        if run.listener is not None:
            run.listener(step)

    return wait_for_lock(
        run,
        lambda: apply_stack(
            run.driver,
            run.stack,
            read=run.read,
            confirm=lambda _plan: True,
            clock=run.clock,
            listener=listen,
            say=run.say,
            settle_seconds=run.settle_s,
            preview=False,
        ),
    )


def _singletons(run: RolloutRun, stage: Stage) -> list[str]:
    if not stage.downtime:
        return []
    workloads = StackFile.load(run.stack.config_path).declaration().workloads()
    return [item.key for item in workloads if not item.may_run_twice]


def _supply(
    run: RolloutRun, writer: JournalWriter, stage: Stage, before: Stage | None
) -> Stop | None:
    """Enough instances for the weight the stage gives; a size that cannot carry it is taken back.

    Nothing is asked of a stage that moves no traffic, or while the load is not known.
    """
    if stage.kind not in (StageKind.SHIFT, StageKind.SETTLE) or before is None:
        return None
    progress = writer.progress
    if progress is None or not before.is_judged:
        return None
    for key, fleet in stage.sizing.rollout.fleets.items():
        was, state = before.sizing.rollout.fleets.get(key), fleet.slot(fleet.live)
        if was is None or state is None or not isinstance(state.size, FleetSize):
            continue
        need = _need(run, stage, fleet, state.size, load_of(progress.looks_of(key), was))
        instances = None if need is None else run.watch(key).instances
        if need is None or instances is None:
            continue
        if need.instances > state.size.max_instances:
            return Aborted(
                reason=f"{key} before {stage.name}: too small, {need.sentence}, and may have at "
                f"most {state.size.max_instances}"
            )
        try:
            lacking = supply(instances, need, clock=run.clock, longest_s=run.settle_s)
        except RightsizingError as error:
            lacking = str(error)
        if lacking:
            return Paused(reason=f"{key} before {stage.name}: {lacking}")
    return None


def _need(
    run: RolloutRun, stage: Stage, fleet: FleetRollout, size: FleetSize, used: float | NoData
) -> Need | None:
    cores: Mapping[str, float] = run.cores
    each = cores.get(size.instance_type)
    if each is None or isinstance(used, NoData):
        return None
    share = 1.0 if stage.kind is StageKind.SETTLE else canary_share(fleet)
    return instances_needed(fleet.live, used, share, each, run.policy.cpu_ceiling)
