"""Durable files: written whole or not at all, and on the disk when the call returns.

A file is written beside its target, flushed, renamed over it, and the folder is flushed too, so
that neither a crash nor a full disk leaves half a file. Foreign errors become StackError here.
"""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from rightsizing.errors import StackError

PRIVATE_MODE = 0o600  # records name resources of an account; only their owner reads them


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace or make ``path``; an existing file keeps its mode unless ``mode`` is given.

    A symbolic link is followed: its target is replaced, the link stays.

    Raises:
        StackError: the content could not be written, or ``path`` is a device, a pipe or a folder,
            which a rename would take the place of; what was there is as it was.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise StackError(f"{path} is no ordinary file and was left alone; name another")
    try:
        if mode is None:
            mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
        temporary = _write_beside(target, content, mode)
        try:
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise StackError(
            f"{path} could not be written ({error.strerror}); it is as it was before"
        ) from error


def create_file(path: Path, content: bytes) -> bool:
    """Make ``path`` with all of ``content``; False, and nothing written, when it exists already.

    Raises:
        StackError: the content could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_beside(path, content, PRIVATE_MODE)
        try:
            if not _link(temporary, path):
                return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise StackError(f"{path} could not be written ({error.strerror})") from error
    return True


def remove_file(path: Path) -> None:
    """Delete ``path`` if it exists, for good."""
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)
    except OSError as error:
        raise StackError(f"{path} could not be deleted ({error.strerror})") from error


def _write_beside(target: Path, content: bytes, mode: int) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _link(temporary: Path, path: Path) -> bool:
    """Give the file its name unless that is taken; unlike a rename, a link never replaces."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
            raise
        if path.exists():  # no links on this file system; the caller is the only writer
            return False
        temporary.rename(path)
    return True


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that its entries are on the disk."""
    with suppress(OSError):  # some file systems refuse to flush a folder; the rename still holds
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
