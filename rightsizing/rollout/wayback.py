"""The way back of a rollout, at two speeds: traffic at once, then the stack's configuration.

The traffic is moved outside the stack, in seconds; the rollback that follows writes the same to the
configuration and applies it. What a killed update left behind is removed once the good release is
back. A rollout that had applied nothing only puts the file back: rolling the stack back from there
would go to the release before the good one.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightsizing.errors import RightsizingError, StackLocked
from rightsizing.model.base import NoData
from rightsizing.model.rollout import FleetRollout
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.plan.slots import FULL_WEIGHT
from rightsizing.rollout.capacity import Need, instances_needed, prepare_return
from rightsizing.rollout.events import Aborted, RolledBack
from rightsizing.rollout.journal import JournalWriter
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.restoration import RollbackOutcome, RollbackResult
from rightsizing.rollout.rollback import rollback
from rightsizing.rollout.run import RolloutRun, WatchedFleet
from rightsizing.rollout.stages import Stage, moving_fleets
from rightsizing.rollout.stepping import LOCK_POLL_S, LOCK_WAIT_S, load_of, say, sweep_own
from rightsizing.stack.applied import applied_updates, sizing_id
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.intent import IntentFile

FIRST_SETTLE_S = 30.0  # then it is looked for what a killed update left; chosen by us


def go_back(
    run: RolloutRun, writer: JournalWriter, stages: Sequence[Stage], aborted: Aborted
) -> RolledBack:
    """Bring traffic and stack back to where the rollout began; may be repeated.

    Returns:
        How it came out; ``configuration_s`` is None when the stack is not as before. Seconds are
        the machine's, whatever clock the rollout waits by.

    Raises:
        StackLocked: another process has taken the rollout over.
        StackError: the journal could not be read.
    """
    began = run.machine.monotonic()
    progress = writer.progress
    assert progress is not None  # only a rollout that began is taken back
    if _nothing_was_applied(run, progress):
        writer.require_current()
        StackFile.load(run.stack.config_path).write_sizing(progress.started.current.sizing())
        took = run.machine.monotonic() - began
        return RolledBack(
            outcome="untouched", sentence="nothing had been applied", configuration_s=took
        )
    writer.require_current()
    traffic_s = _move_traffic_back(run, progress, stages, began)
    writer.require_current()
    try:
        result = _rolled_back(run, writer, stages, aborted.reason)
    except RightsizingError as error:
        return RolledBack(
            outcome=RollbackOutcome.FAILED.value, sentence=str(error), traffic_s=traffic_s
        )
    restored = result.outcome is RollbackOutcome.RESTORED
    return RolledBack(
        outcome=result.outcome.value,
        sentence=result.sentence,
        traffic_s=traffic_s,
        configuration_s=run.machine.monotonic() - began if restored else None,
    )


def _rolled_back(
    run: RolloutRun, writer: JournalWriter, stages: Sequence[Stage], reason: str
) -> RollbackResult:
    """Roll back; where what is left of a killed update contradicts, remove it and look again."""
    problem: RightsizingError | None = None
    result: RollbackResult | None = None
    try:
        result = _attempt(run, reason, min(run.settle_s, FIRST_SETTLE_S))
    except RightsizingError as error:
        problem = error
    deleted = sweep_own(run, writer, stages)
    if result is not None and result.outcome is RollbackOutcome.RESTORED:
        if _is_own(writer, result):  # left was what somebody else had applied meanwhile
            return _attempt(run, reason, run.settle_s)
        return result
    if problem is not None and not deleted:
        raise problem
    return _attempt(run, reason, run.settle_s)


def _is_own(writer: JournalWriter, result: RollbackResult) -> bool:
    """Whether what was restored is one of the rollout's own stages, which is not the way back."""
    progress = writer.progress
    assert progress is not None  # only a rollout that began is taken back
    started = progress.started
    target = sizing_id(started.target.sizing())
    return sizing_id(result.plan.target) == target != sizing_id(started.current.sizing())


def _attempt(run: RolloutRun, reason: str, settle_s: float) -> RollbackResult:
    """One rollback, waiting within a bound for an engine that a dead controller had started."""
    deadline = run.machine.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return rollback(
                run.driver,
                run.stack,
                read=run.read,
                confirm=lambda _plan: True,
                reason=reason,
                clock=run.clock,
                listener=run.listener,
                say=run.say,
                settle_seconds=settle_s,
                preview=False,
            )
        except StackLocked as error:
            if run.machine.monotonic() >= deadline:
                raise
            say(run, f"waiting: {error}")
            run.machine.sleep(LOCK_POLL_S)


def _nothing_was_applied(run: RolloutRun, progress: RolloutProgress) -> bool:
    """No update of the rollout is in history, and none was begun.

    Also true when the way back was gone before and only its end was not noted.
    """
    # a damaged intent file says that something was under way
    return IntentFile(run.stack.record_dir).read() is None and _is_back(run, progress)


def _is_back(run: RolloutRun, progress: RolloutProgress) -> bool:
    updates = applied_updates(run.driver.history(run.stack))
    newest = updates[0].sizing if updates else NoData("the stack was never updated")
    return isinstance(newest, StackSizing) and sizing_id(newest) == sizing_id(
        progress.started.current.sizing()
    )


def _move_traffic_back(
    run: RolloutRun, progress: RolloutProgress, stages: Sequence[Stage], began: float
) -> float | None:
    """Seconds until all fleets are back on their old slots; None: the update has to do it."""
    moved = bool(moving_fleets(stages))
    for key in moving_fleets(stages):
        try:
            problem = _move_back(run, progress, stages, key)
        except RightsizingError as error:
            problem = str(error)
        if problem:
            moved = False
            say(run, f"traffic of {key} could not be moved at once ({problem})")
    return run.machine.monotonic() - began if moved else None


def _move_back(
    run: RolloutRun, progress: RolloutProgress, stages: Sequence[Stage], key: str
) -> str:
    """Move one fleet's traffic; empty, or why it stays where it is."""
    fleet = stages[0].sizing.rollout.fleets[key]
    old = fleet.live.other
    watched = run.watch(key)
    weights = watched.traffic.weights()
    if old not in weights:
        return f"slot {old.value} is retired; its instances have to start first"
    wanted = {slot: FULL_WEIGHT if slot is old else 0 for slot in weights}
    if weights == wanted:
        return ""
    problem = _readied(run, progress, watched, fleet, key)
    if not problem:
        watched.traffic.set_weights(wanted)
    return problem


def _readied(
    run: RolloutRun,
    progress: RolloutProgress,
    watched: WatchedFleet,
    fleet: FleetRollout,
    key: str,
) -> str:
    """The old slot asked for what the present load needs; why it cannot serve, if it cannot."""
    if watched.instances is None:
        return ""
    try:
        return prepare_return(
            watched.instances, fleet.live.other, _need_of_old(run, progress, fleet, key)
        )
    except RightsizingError as error:
        say(run, f"the instances of {key} could not be asked for ({error})")
        return ""  # a slot that served until now is better than one that harms


def _need_of_old(
    run: RolloutRun, progress: RolloutProgress, fleet: FleetRollout, key: str
) -> Need | None:
    state = fleet.slot(fleet.live.other)
    if state is None or not isinstance(state.size, FleetSize):
        return None
    used = load_of(progress.looks_of(key), fleet)
    each = run.cores.get(state.size.instance_type)
    if each is None or isinstance(used, NoData):
        return None
    need = instances_needed(fleet.live.other, used, 1.0, each, run.policy.cpu_ceiling)
    most = min(need.instances, state.size.max_instances)
    return Need(need.slot, most, need.used_cores, need.sentence)
