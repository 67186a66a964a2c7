"""Kills, interrupts and locks: as unkind on the embedded engine as on the real one."""

import socket

import psutil
import pytest

from rightsizing.errors import StackLocked
from rightsizing.model.update import StepOp, UpdateStatus

ONE = {"a": {"size": "small"}, "b": {"size": "small", "needs": ["a"]}}


def grown(boxes):
    """The same boxes, bigger."""
    return {name: {**box, "size": "big"} for name, box in boxes.items()}


def test_a_killed_update_leaves_the_cloud_ahead_of_state(kit):
    """SIGKILL after the cloud changed; each consequence in turn.

    The lock stays and names a dead holder; there is no history entry; a plain update with the old
    configuration sees nothing and leaves the cloud wrong; one with refresh repairs it.
    """
    kit.up(ONE)
    entries = len(kit.driver.history(kit.stack))
    kit.configure(grown(ONE))
    with kit.held("update", "a") as held:
        said = held.kill_engine()
    assert said.startswith("UpdateFailed: ")
    assert "killed" in said
    assert kit.sizes() == ["big", "small"]
    assert len(kit.driver.history(kit.stack)) == entries
    assert [urn.rsplit("::", 1)[-1] for urn in kit.driver.pending_operations(kit.stack)] == ["a"]

    with pytest.raises(StackLocked, match=rf"@{socket.gethostname()} \(pid \d+\)"):
        kit.up(ONE)
    assert kit.driver.cancel(kit.stack) is True
    assert kit.driver.cancel(kit.stack) is False

    blind = kit.up(ONE)
    assert blind.changes == ()
    assert any("pending operations" in text for text in blind.diagnostics)
    assert blind.pending_operations == 0
    assert kit.driver.pending_operations(kit.stack) == ()
    assert kit.sizes() == ["big", "small"]
    assert kit.driver.preview(kit.stack).changes == ()

    repaired = kit.up(refresh=True)
    assert [(step.op, step.name) for step in repaired.changes] == [
        (StepOp.REFRESH, "a"),
        (StepOp.UPDATE, "a"),
    ]
    assert kit.sizes() == ["small", "small"]


def test_a_killed_replacement_leaves_an_orphan(kit):
    """The replacement was created and nobody wrote it down: no refresh ever finds it."""
    boxes = {"a": {"size": "small", "zone": "x"}}
    kit.up(boxes)
    kit.configure({"a": {"size": "small", "zone": "y"}})
    with kit.held("create", "a") as held:
        held.kill_engine()
    assert kit.driver.cancel(kit.stack) is True
    assert len(kit.cloud()) == 2
    result = kit.up(refresh=True)
    assert len(kit.cloud()) == 2  # the orphan, and the replacement made by this update
    assert result.pending_operations == 1
    kit.driver.refresh(kit.stack, message="look")
    assert [urn.rsplit("::", 1)[-1] for urn in kit.driver.pending_operations(kit.stack)] == ["a"]
    kit.driver.destroy(kit.stack, message="end")
    assert len(kit.cloud()) == 1  # the orphan


def test_a_second_update_is_refused_while_one_runs(kit):
    """StackLocked names the holder; a preview takes no lock; cancel refuses a live holder."""
    kit.up(ONE)
    kit.configure(grown(ONE))
    with kit.held("update", "a") as held:
        holder = held.engine().pid
        with pytest.raises(StackLocked, match=str(holder)):
            kit.driver.up(kit.stack, message="second")
        with pytest.raises(StackLocked, match="still runs"):
            kit.driver.cancel(kit.stack)
        assert kit.driver.preview(kit.stack).changes  # state lags behind: the preview runs
        kit.let_go()
        assert held.result() == "done"
    assert kit.sizes() == ["big", "big"]
    assert kit.driver.preview(kit.stack).changes == ()


def test_ctrl_c_ends_the_update_politely(kit):
    """SIGINT once: the operation in flight is finished and written down, nothing else begins."""
    kit.up(ONE)
    kit.configure(grown(ONE))
    with kit.held("update", "a") as held:
        engine = held.engine()
        held.interrupt()
        kit.let_go()
        said = held.result()
        assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE
    assert said.startswith("UpdateFailed: ")
    assert "interrupted" in said
    assert "1 updated (Box a)" in said
    assert kit.sizes() == ["big", "small"]
    assert kit.driver.pending_operations(kit.stack) == ()
    assert kit.driver.history(kit.stack)[0].status is UpdateStatus.FAILED
    assert [step.name for step in kit.driver.preview(kit.stack).changes] == ["b"]
    kit.up()  # the lock is free
    assert kit.sizes() == ["big", "big"]


def test_an_update_killed_during_a_deletion_is_finished_by_the_next(kit):
    """The box is gone, state still has it; deleting it again is no error."""
    kit.up(ONE)
    kit.configure({"a": ONE["a"]})
    with kit.held("delete", "b") as held:
        held.kill_engine()
    kit.driver.cancel(kit.stack)
    result = kit.up()
    assert [(step.op, step.name) for step in result.changes] == [(StepOp.DELETE, "b")]
    assert len(kit.cloud()) == 1
