"""What a monitor remembers over a restart: alerts, what was told, silences. Files beside the store.

A file that cannot be read is set aside under another name and said so; watching goes on without it,
since a monitor that refuses to start for a broken note watches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from rightsizing.errors import StackError, StoreError
from rightsizing.model.base import FrozenModel
from rightsizing.monitor.board import BoardState
from rightsizing.monitor.exceedance import ObservedExceedance
from rightsizing.monitor.notification import NotifierState
from rightsizing.monitor.silence import Silences
from rightsizing.stack.durable import replace_file

_Model = TypeVar("_Model", bound=BaseModel)


class MonitorState(FrozenModel):
    """Alerts and what was told of them."""

    version: int = Field(default=1, ge=1, le=1)
    board: BoardState = BoardState()
    notifier: NotifierState = NotifierState()
    observed: tuple[ObservedExceedance, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """The files of one monitor, in ``folder``."""

    folder: Path

    def state(self) -> tuple[MonitorState, str]:
        """What was kept, and a sentence when it could not be read (else empty)."""
        return self._load(self.folder / "alerts.json", MonitorState())

    def keep(self, state: MonitorState) -> None:
        """Write the state, whole or not at all. Raises StoreError when the disk refuses."""
        self._write(self.folder / "alerts.json", state)

    def silences(self) -> tuple[Silences, str]:
        """The silences, and a sentence when they could not be read (else empty)."""
        return self._load(self.folder / "silences.json", Silences())

    def keep_silences(self, silences: Silences) -> None:
        """Write the silences. Raises StoreError when the disk refuses."""
        self._write(self.folder / "silences.json", silences)

    def _load(self, path: Path, empty: _Model) -> tuple[_Model, str]:
        try:
            return type(empty).model_validate_json(path.read_bytes()), ""
        except FileNotFoundError:
            return empty, ""
        except (OSError, ValidationError) as error:
            aside = path.with_suffix(".unreadable")
            try:
                path.replace(aside)
            except OSError:
                aside = path
            kind = "not what was written" if isinstance(error, ValidationError) else str(error)
            return empty, f"{path} cannot be read ({kind}); it is kept as {aside.name}"

    def _write(self, path: Path, value: BaseModel) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, value.model_dump_json().encode())
        except (OSError, StackError) as error:
            raise StoreError(f"{path} cannot be written: {error}") from error
