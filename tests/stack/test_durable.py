"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rightsizing.errors import StackError
from rightsizing.stack.durable import replace_file


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    """The new content, the old permissions, nothing left beside it."""
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o640)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A rename would take its place, as it once did with a device."""
    path = tmp_path / "target"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(StackError, match="no ordinary file"):
        replace_file(path, b"new")
    assert not path.is_file()
    assert path.exists()
