"""The way back of a rollout, at two speeds: traffic at once, then the stack's configuration.

The traffic is moved outside the stack, in seconds; the rollback that follows writes the same to the
configuration and applies it. A rollout that had applied nothing only puts the file back: rolling
the stack back from there would go to the release before the good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rightsizing.errors import RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.stackconfig import StackSizing
from rightsizing.plan.slots import FULL_WEIGHT
from rightsizing.rollout.events import Aborted, RolledBack
from rightsizing.rollout.journal import JournalWriter
from rightsizing.rollout.progress import RolloutProgress
from rightsizing.rollout.restoration import RollbackOutcome
from rightsizing.rollout.rollback import rollback
from rightsizing.rollout.run import RolloutRun
from rightsizing.rollout.stages import Stage, moving_fleets
from rightsizing.stack.applied import applied_updates, sizing_id
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.intent import IntentFile


def go_back(
    run: RolloutRun, writer: JournalWriter, stages: Sequence[Stage], aborted: Aborted
) -> RolledBack:
    """Bring traffic and stack back to where the rollout began; may be repeated.

    Returns:
        How it came out; ``configuration_s`` is None when the stack is not as before.

    Raises:
        StackLocked: another process has taken the rollout over.
        StackError: the journal could not be read.
    """
    began = run.clock.monotonic()
    progress = writer.progress
    assert progress is not None  # only a rollout that began is taken back
    if _nothing_was_applied(run, progress):
        writer.require_current()
        StackFile.load(run.stack.config_path).write_sizing(progress.started.current.sizing())
        took = run.clock.monotonic() - began
        return RolledBack(
            outcome="untouched", sentence="nothing had been applied", configuration_s=took
        )
    writer.require_current()
    traffic_s = _move_traffic_back(run, stages, began)
    writer.require_current()
    try:
        result = rollback(
            run.driver,
            run.stack,
            read=run.read,
            confirm=lambda _plan: True,
            reason=aborted.reason,
            clock=run.clock,
            say=run.say,
            settle_seconds=run.settle_s,
        )
    except RightsizingError as error:
        return RolledBack(
            outcome=RollbackOutcome.FAILED.value, sentence=str(error), traffic_s=traffic_s
        )
    restored = result.outcome is RollbackOutcome.RESTORED
    return RolledBack(
        outcome=result.outcome.value,
        sentence=result.sentence,
        traffic_s=traffic_s,
        configuration_s=run.clock.monotonic() - began if restored else None,
    )


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


def _move_traffic_back(run: RolloutRun, stages: Sequence[Stage], began: float) -> float | None:
    """Seconds until all fleets are back on their old slots; None: the update has to do it."""
    moved = True
    for key in moving_fleets(stages):
        old = stages[0].sizing.rollout.fleets[key].live.other
        try:
            traffic = run.watch(key).traffic
            slots = traffic.weights()
            if old in slots:
                traffic.set_weights({slot: FULL_WEIGHT if slot is old else 0 for slot in slots})
        except RightsizingError as error:
            moved = False
            if run.say is not None:
                with suppress(OSError):  # a closed terminal must not stop the way back
                    run.say(f"traffic of {key} could not be moved at once ({error})")
    return run.clock.monotonic() - began if moved else None
