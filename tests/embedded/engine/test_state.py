"""State on disk: durable, complete, without secrets in clear."""

import errno
import json
import os

import pytest

from rightsizing.embedded.engine.durable import write_durably
from rightsizing.embedded.engine.properties import MASKED_SECRET, secret
from rightsizing.embedded.engine.snapshot import Snapshot
from rightsizing.embedded.engine.state import (
    Checkpoint,
    Pending,
    PendingKind,
    Record,
    StateFile,
)
from rightsizing.errors import ConfigError, EmbeddedError, StackMissing

RECORD = Record(
    urn="urn:pulumi:dev::p::t:m:T::a",
    type="t:m:T",
    custom=True,
    id="i-1",
    inputs={"size": 2, "password": secret("open sesame")},
    outputs={"nested": [{"key": secret({"deep": True})}]},
    provider="urn:pulumi:dev::p::pulumi:providers:t::t",
    dependencies=("urn:x",),
    protect=True,
)
CHECKPOINT = Checkpoint(3, (RECORD,), (Pending(PendingKind.CREATING, "urn:y"),))


@pytest.fixture
def full_disk(monkeypatch):
    """Flushing fails as on a full disk."""

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)


def test_state_survives_the_disk(tmp_path):
    """Everything comes back, secrets marked and clear."""
    path = tmp_path / "p" / "dev" / "state.json"
    StateFile(path, "phrase", None).save(CHECKPOINT)
    assert StateFile(path, "phrase", None).load() == CHECKPOINT


def test_secrets_are_ciphertext_on_disk(tmp_path):
    """The clear text is nowhere in the file, and its passphrase neither."""
    path = tmp_path / "state.json"
    StateFile(path, "phrase", None).save(CHECKPOINT)
    text = path.read_text()
    assert "open sesame" not in text
    assert "deep" not in text
    assert "phrase" not in text.replace("passphrase", "")


def test_masked_state_needs_no_passphrase(tmp_path):
    """Whoever only looks cannot leak."""
    path = tmp_path / "state.json"
    StateFile(path, "phrase", None).save(CHECKPOINT)
    (record,) = StateFile(path, None, None).load_masked().resources
    assert record.inputs == {"size": 2, "password": MASKED_SECRET}
    with pytest.raises(ConfigError, match="PULUMI_CONFIG_PASSPHRASE"):
        StateFile(path, None, None).load()


def test_a_full_disk_leaves_the_old_state(tmp_path, full_disk):
    """One error that names the file; nothing half-written is left."""
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(EmbeddedError, match=r"state\.json could not be written.*No space left"):
        write_durably(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_operation_is_not_begun_when_it_cannot_be_written_down(tmp_path, full_disk):
    """The pending mark goes first; without it the cloud is not touched."""
    snapshot = Snapshot(Checkpoint(), StateFile(tmp_path / "state.json", None, None))
    touched = []
    with (
        pytest.raises(EmbeddedError, match="could not be written"),
        snapshot.operation(PendingKind.CREATING, "urn:a"),
    ):
        touched.append("cloud")
    assert touched == []
    assert snapshot.checkpoint.pending == ()


def test_an_operation_is_marked_while_it_runs(tmp_path):
    """On disk before and gone after."""
    file = StateFile(tmp_path / "state.json", None, None)
    snapshot = Snapshot(Checkpoint(), file)
    with snapshot.operation(PendingKind.UPDATING, "urn:a"):
        assert file.load().pending == (Pending(PendingKind.UPDATING, "urn:a"),)
    assert file.load().pending == ()


def test_only_pending_creates_survive_the_next_update():
    """What became of a create only a person can say; the rest is dropped, as Pulumi does."""
    found = tuple(Pending(kind, f"urn:{kind}") for kind in PendingKind)
    snapshot = Snapshot(Checkpoint(1, (), found), None)
    assert snapshot.checkpoint.pending == (Pending(PendingKind.CREATING, "urn:creating"),)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"serial": 1, "resources": [{"urn": 1}]}'])
def test_a_damaged_state_file_is_named(tmp_path, text):
    """No traceback, no guess."""
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(EmbeddedError, match=r"state\.json"):
        StateFile(path, None, None).load()


def test_a_missing_state_file_is_a_missing_stack(tmp_path):
    """The stack is the folder's name."""
    with pytest.raises(StackMissing, match="dev"):
        StateFile(tmp_path / "p" / "dev" / "state.json", None, None).load()


def test_state_is_readable_by_eye(tmp_path):
    """URN and type first, defaults left out."""
    path = tmp_path / "state.json"
    StateFile(path, None, None).save(Checkpoint(1, (Record("urn:a", "t", custom=False),)))
    (resource,) = json.loads(path.read_text())["resources"]
    assert resource == {"urn": "urn:a", "type": "t", "custom": False}
