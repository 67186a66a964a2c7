"""What another process asks of a running rollout: to pause, or to be taken back.

``<record_dir>/rollouts/<id>.request.json``, beside the journal, whose only writer is the process
that runs the rollout. It looks for a request at every poll and before every step, obeys, and
removes it.
"""

from __future__ import annotations

from enum import StrEnum, unique
from pathlib import Path

from pydantic import ValidationError

from rightsizing.errors import StackError
from rightsizing.model.base import FrozenModel
from rightsizing.rollout.journal import journal_path
from rightsizing.stack.durable import remove_file, replace_file


@unique
class RequestKind(StrEnum):
    """What is asked."""

    PAUSE = "pause"
    ABORT = "abort"


class RolloutRequest(FrozenModel):
    """One request and who made it."""

    kind: RequestKind
    reason: str = ""
    by: str = ""

    def __str__(self) -> str:
        who = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"asked to {self.kind.value}{who}{why}"


def put_request(record_dir: Path, rollout_id: str, request: RolloutRequest) -> None:
    """Ask; a later request replaces an earlier one, but never an abort by a pause."""
    before = read_request(record_dir, rollout_id)
    if before is not None and before.kind is RequestKind.ABORT:
        return
    path = _path(record_dir, rollout_id)
    replace_file(path, request.model_dump_json().encode("utf-8"), mode=0o600)


def read_request(record_dir: Path, rollout_id: str) -> RolloutRequest | None:
    """What is asked; None: nothing. Raises StackError for a file that cannot be read."""
    path = _path(record_dir, rollout_id)
    try:
        return RolloutRequest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StackError(
            f"{path} is no request to a rollout ({str(error).splitlines()[0]}); remove it"
        ) from error


def clear_request(record_dir: Path, rollout_id: str) -> None:
    """The request was obeyed, or came too late."""
    remove_file(_path(record_dir, rollout_id))


def _path(record_dir: Path, rollout_id: str) -> Path:
    return journal_path(record_dir, rollout_id).with_suffix(".request.json")
