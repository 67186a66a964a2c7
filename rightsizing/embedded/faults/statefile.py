"""Damage to a state file, as a full disk, a bad copy or a careless editor leaves it.

Works on the embedded engine's ``state.json`` and on a Pulumi file backend's checkpoint alike.
"""

from __future__ import annotations

import json
from enum import StrEnum, unique
from pathlib import Path

from rightsizing.errors import EmbeddedError


@unique
class Damage(StrEnum):
    """How the file is damaged."""

    EMPTY = "empty"
    TRUNCATED = "truncated"  # the second half is missing
    GARBAGE = "garbage"  # not JSON at all
    WRONG_SHAPE = "wrong shape"  # JSON, but no state
    GONE = "gone"


def damage_state(path: Path, damage: Damage) -> str:
    """Damage the file; returns one sentence that says what was done. Raises EmbeddedError."""
    try:
        content = path.read_bytes()
        match damage:
            case Damage.EMPTY:
                path.write_bytes(b"")
            case Damage.TRUNCATED:
                path.write_bytes(content[: len(content) // 2])
            case Damage.GARBAGE:
                path.write_bytes(b"\x00" * len(content))
            case Damage.WRONG_SHAPE:
                path.write_text(json.dumps({"version": 3, "deployment": None}))
            case Damage.GONE:
                path.unlink()
    except OSError as error:
        raise EmbeddedError(f"{path} could not be damaged ({error.strerror})") from error
    return f"state file {path} damaged: {damage.value}"
