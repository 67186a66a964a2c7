"""History entries on disk."""

import subprocess
from datetime import UTC, datetime

import pytest

from rightsizing.embedded.engine.history import (
    FinishedUpdate,
    append_history,
    git_environment,
    read_history,
)
from rightsizing.errors import EmbeddedError
from rightsizing.model.update import UpdateKind, UpdateStatus
from rightsizing.stack.history import parse_history

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(message):
    """A small finished update."""
    return FinishedUpdate(
        kind=UpdateKind.UPDATE,
        start=START,
        end=START,
        message=message,
        environment={"git.head": "abc"},
        config={"p:a": {"value": "1", "secret": False}},
        result=UpdateStatus.SUCCEEDED,
        resource_changes={"create": 1},
    )


def test_entries_come_back_in_order_in_pulumis_shape(tmp_path):
    """The same parser reads the CLI's history."""
    for message in ("one", "two"):
        append_history(tmp_path, entry(message))
    raw = read_history(tmp_path)
    assert [item["message"] for item in raw] == ["one", "two"]
    assert raw[0]["version"] == 0
    newest, oldest = parse_history(raw)
    assert (newest.message, newest.sequence, oldest.sequence) == ("two", 2, 1)
    assert oldest.start == START
    assert oldest.config == {"p:a": "1"}


def test_a_damaged_entry_is_named(tmp_path):
    """It is not skipped: history is the truth a rollback goes by."""
    (tmp_path / "00000000000000000001.json").write_text("{")
    with pytest.raises(EmbeddedError, match="00000000000000000001"):
        read_history(tmp_path)


def test_git_facts_are_those_of_the_project_folder(tmp_path):
    """Head and dirtiness; outside a work tree there are none."""
    assert git_environment(tmp_path) == {}

    def git(*arguments):
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", tmp_path, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "first")
    clean = git_environment(tmp_path)
    assert clean == {
        "git.head": git("rev-parse", "HEAD"),
        "git.headName": "refs/heads/main",
        "git.dirty": "false",
    }
    (tmp_path / "new").write_text("")
    assert git_environment(tmp_path)["git.dirty"] == "true"
