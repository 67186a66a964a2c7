"""``server.json``: which ports the local cloud has and which process should be serving them."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from rightsizing.model.base import FrozenModel


class ServerRecord(FrozenModel):
    """One local cloud. ``pid`` is None when it was stopped on purpose."""

    port: int
    engine_port: int | None = None  # of the simulated engine; None: a real one is used
    engine_reason: str = ""  # why it is simulated
    pid: int | None = None


class ServerFile:
    """Reads and replaces the file; a damaged one counts as absent."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "server.json"

    def read(self) -> ServerRecord | None:
        """The record, or None when there is none (or none that can be read)."""
        try:
            return ServerRecord.model_validate(json.loads(self._path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, ValidationError):
            return None

    def write(self, record: ServerRecord) -> None:
        """Replace the file in one step."""
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(self._path)
