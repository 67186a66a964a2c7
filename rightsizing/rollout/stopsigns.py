"""What stops a rollout between two polls or steps: a person, a signal, or a change behind its back.

Asked often and cheap to ask. A pause keeps the weights where they are; only an abort goes back.
"""

from __future__ import annotations

from rightsizing.model.base import NoData
from rightsizing.rollout.events import Aborted, Paused
from rightsizing.rollout.fingerprint import what_changed
from rightsizing.rollout.journal import JournalWriter
from rightsizing.rollout.requests import RequestKind, read_request
from rightsizing.rollout.run import RolloutRun
from rightsizing.rollout.stages import Stage
from rightsizing.stack.applied import applied_updates

Stop = Paused | Aborted


def stop_asked(run: RolloutRun, writer: JournalWriter) -> Stop | None:
    """A request from another process, or a signal to this one. The request file stays."""
    request = read_request(run.stack.record_dir, writer.rollout_id)
    if request is not None:
        kind = Aborted if request.kind is RequestKind.ABORT else Paused
        return kind(reason=str(request))
    name = run.interrupted()
    return Paused(reason=f"interrupted by {name}") if name else None


def world_changed(run: RolloutRun, fingerprint: str, *, program: bool) -> Paused | None:
    """The program or its declaration is not what the rollout began with."""
    changed = what_changed(run.stack, fingerprint, program=program)
    if not changed:
        return None
    return Paused(
        reason=f"{changed}; put it back and resume, or go back with `rightsize rollout --abort`"
    )


def stack_changed(run: RolloutRun, stage: Stage) -> Paused | None:
    """Somebody has updated the stack since the stage was applied."""
    updates = applied_updates(run.driver.history(run.stack))
    newest = updates[0] if updates else None
    if newest is None or isinstance(newest.sizing, NoData) or newest.sizing == stage.sizing:
        return None
    return Paused(
        reason=f"update {newest.entry.sequence} ({newest.entry.message or 'no message'}) has "
        f"changed the stack during {stage.name}; resuming applies {stage.name} again"
    )
