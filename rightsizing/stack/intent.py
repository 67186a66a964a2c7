"""What is under way on a stack, written before it starts and removed when it is recorded.

``<record_dir>/intent.json``. A killed update leaves no entry in stack history, so without this
nobody could tell afterwards what was being applied. A rollback found here is resumed with the same
target: choosing again would go back from the very release it was restoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from rightsizing.model.base import FrozenModel, NoData
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.durable import remove_file, replace_file
from rightsizing.stack.record import UpdateRef

INTENT_FILE = "intent.json"


@unique
class Operation(StrEnum):
    """What is under way."""

    APPLY = "apply"
    ROLLBACK = "rollback"


class IntendedSizing(FrozenModel):
    """The three keys, complete, so that resuming needs nothing else."""

    release: Release | None
    phase: int
    rollout: RolloutState

    @classmethod
    def of(cls, sizing: StackSizing) -> IntendedSizing:
        """The same sizing, as it is stored."""
        return cls(release=sizing.release, phase=sizing.phase, rollout=sizing.rollout)

    def sizing(self) -> StackSizing:
        """The sizing as the other parts use it."""
        return StackSizing(self.release, self.phase, self.rollout)


class Intent(FrozenModel):
    """One operation under way.

    ``last_sequence`` is the newest history entry when it started (0: none): what is newer was made
    by it or after it. Of a rollback: ``restoring`` is the update it goes back to, ``wrong_before``
    names the live facts that had to change, and ``completed`` says that its update ran to the end
    and was recorded, but did not bring everything back.
    """

    version: Literal[1] = 1
    operation: Operation
    started: datetime
    last_sequence: int
    current: IntendedSizing
    target: IntendedSizing
    restoring: UpdateRef | None = None
    reason: str = ""
    wrong_before: tuple[str, ...] = ()
    completed: bool = False


@dataclass(frozen=True, slots=True)
class IntentFile:
    """The intent of one stack, on disk."""

    record_dir: Path

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.record_dir / INTENT_FILE

    def read(self) -> Intent | NoData | None:
        """The unfinished operation; None when there is none, NoData when the file is damaged."""
        try:
            return Intent.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            problem = str(error).splitlines()[0]
            return NoData(f"{self.path} is damaged and was ignored ({problem})")

    def write(self, intent: Intent) -> None:
        """Put the intent down before acting on it."""
        replace_file(self.path, intent.model_dump_json(indent=2).encode("utf-8"), mode=0o600)

    def clear(self) -> None:
        """The operation is finished and recorded."""
        remove_file(self.path)
