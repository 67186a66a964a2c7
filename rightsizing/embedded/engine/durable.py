"""Durable files: a reader sees the old content or the new, also after a crash or a full disk."""

from __future__ import annotations

import os
from pathlib import Path

from rightsizing.errors import EmbeddedError


def write_durably(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` atomically and flush it to the disk.

    Raises EmbeddedError when the disk refuses; the old content is then intact.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EmbeddedError(
            f"{path} could not be written ({error.strerror}); its content of before is intact, "
            "make room and run the update again with refresh"
        ) from error
