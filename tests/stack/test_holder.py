"""Lock holders: only the dead lose their lock."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from rightsizing.errors import StackLocked
from rightsizing.stack.holder import break_locks, parse_holder


def lock(path, pid, *, since=None, host=None):
    """Write a lock file."""
    content = {
        "pid": pid,
        "username": "ann",
        "hostname": host or socket.gethostname(),
        "timestamp": (since or datetime.now(UTC)).isoformat(),
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def dead_pid():
    """A process that has ended and was waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_dead_holders_lock_is_broken(tmp_path, dead_pid):
    """And said to be."""
    path = lock(tmp_path / "a.json", dead_pid)
    assert break_locks([path]) is True
    assert not path.exists()
    assert break_locks([path]) is False


def test_a_living_holder_keeps_its_lock_and_all_others(tmp_path, dead_pid):
    """Nothing is removed when one of two holders lives."""
    dead = lock(tmp_path / "a.json", dead_pid)
    alive = lock(tmp_path / "b.json", os.getpid())
    with pytest.raises(StackLocked, match=f"pid {os.getpid()}.*still runs"):
        break_locks([dead, alive])
    assert dead.exists()
    assert alive.exists()


def test_a_later_process_with_the_same_pid_is_not_the_holder(tmp_path):
    """Ours began after that lock was made, years ago."""
    path = lock(tmp_path / "a.json", os.getpid(), since=datetime.now(UTC) - timedelta(days=3000))
    assert break_locks([path]) is True


def test_a_holder_on_another_machine_cannot_be_judged(tmp_path, dead_pid):
    """Refused, with the file to remove after looking there."""
    path = lock(tmp_path / "a.json", dead_pid, host="elsewhere")
    with pytest.raises(StackLocked, match="another machine"):
        break_locks([path])
    assert path.exists()


def test_a_lock_without_a_holder_is_left(tmp_path):
    """Half-written: its writer may be just starting."""
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(StackLocked, match="names no holder"):
        break_locks([path])
    assert path.exists()


def test_the_real_engines_lock_is_read():
    """As written by CLI v3.260.0, with nanoseconds."""
    text = (
        '{"pid":19444,"username":"root","hostname":"vm",'
        '"timestamp":"2026-11-23T14:52:43.522189099Z"}'
    )
    assert str(parse_holder(text)) == "root@vm (pid 19444) since 2026-11-23T14:52:43+00:00"
