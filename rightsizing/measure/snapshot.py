"""Files of the store as they are now, for readers that open them more than once.

The query engine reads a file's footer when a query is bound and opens the file again, by its name,
to read the data. A writer that renames a new file into place in between makes it read one file by
the footer of another. So readers are given hard links, which keep the file they were made of
whatever is put in its place; they cost no disk space until it is replaced.

    readers/<random>/lock              held (flock) as long as the reader lives
    readers/<random>/<n>/bucket-<n>/<date>.parquet
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

READERS_FOLDER = "readers"
_LOCK_FILE = "lock"


class Snapshot:
    """Links to files below ``root``, in a folder that goes when ``keeper`` does.

    Where no link can be made (a folder that is read-only, a file system without links) files are
    given as they are.
    """

    def __init__(self, root: Path, keeper: object) -> None:
        self._root = root
        self._keeper = weakref.ref(keeper)
        self._folder: Path | None = None
        self._links: dict[Path, tuple[tuple[int, int], Path]] = {}
        self._made = 0

    def pin(self, path: Path) -> Path:
        """A name of the file that is at ``path`` now; the same again until it is replaced."""
        try:
            known = self._links.get(path)
            if known is not None and known[0] == _identity(path):
                return known[1]
            link = self._link(path)
            self._links[path] = (_identity(link), link)
        except OSError:
            return path
        return link

    def original(self, text: str) -> str:
        """A message with the names of links replaced by those of the files."""
        for path, (_held, link) in self._links.items():
            text = text.replace(str(link), str(path))
        return text

    def _link(self, path: Path) -> Path:
        folder = self._own_folder() / str(self._made) / path.parent.name
        self._made += 1
        folder.mkdir(parents=True)
        link = folder / path.name
        link.hardlink_to(path)
        return link

    def _own_folder(self) -> Path:
        if self._folder is None:
            readers = self._root / READERS_FOLDER
            readers.mkdir(exist_ok=True)
            remove_abandoned(self._root)
            folder = Path(tempfile.mkdtemp(dir=readers))
            descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            weakref.finalize(self._keeper(), _release, folder, descriptor, os.getpid())
            self._folder = folder
        return self._folder


def remove_abandoned(root: Path) -> None:
    """Delete links of readers that were killed."""
    for lock in (root / READERS_FOLDER).glob(f"*/{_LOCK_FILE}"):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # its reader lives
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(descriptor)


def _release(folder: Path, descriptor: int, owner: int) -> None:
    os.close(descriptor)
    if os.getpid() == owner:  # a forked child must not take its parent's links away
        shutil.rmtree(folder, ignore_errors=True)


def _identity(path: Path) -> tuple[int, int]:
    held = path.stat()
    return held.st_ino, held.st_mtime_ns
