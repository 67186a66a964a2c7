"""The lock file."""

import json
import os

import pytest

from rightsizing.embedded.engine.lock import StackLock
from rightsizing.errors import StackLocked


def test_a_lock_names_its_holder_and_goes_away(tmp_path):
    """As long as the block runs, and no longer, also when it fails."""
    path = tmp_path / "deep" / "lock.json"
    lock = StackLock(path)
    with pytest.raises(ZeroDivisionError), lock:
        assert 1 // (json.loads(path.read_text())["pid"] - os.getpid())
    assert not path.exists()


def test_a_taken_lock_is_refused_and_kept(tmp_path):
    """The message names the holder."""
    path = tmp_path / "lock.json"
    with StackLock(path):
        with pytest.raises(StackLocked, match=f"pid {os.getpid()}"), StackLock(path):
            pass
        assert path.exists()


def test_an_unreadable_lock_is_still_a_lock(tmp_path):
    """Half-written: somebody is just starting."""
    path = tmp_path / "lock.json"
    path.write_text("")
    with pytest.raises(StackLocked, match="just starting"), StackLock(path):
        pass
