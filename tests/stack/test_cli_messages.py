"""What the Pulumi CLI says, in one sentence each. Texts as printed by v3.260.0."""

import json

import pytest

from rightsizing.errors import ConfigError, StackError, StackLocked, StackMissing
from rightsizing.stack.cli_driver import _mapped
from rightsizing.stack.cli_events import CliEvents, masked, one_sentence
from rightsizing.stack.driver import StackRef


@pytest.fixture
def stack(tmp_path):
    """Any stack."""
    return StackRef(tmp_path, "shop", "dev")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            (
                "error: the stack is currently locked by 1 lock(s). Either wait for the other "
                "process(es) to end or delete the lock file with `pulumi cancel`.\n  file:///b/.pulumi/locks"
                "/organization/shop/dev/c55.json?no_tmp_dir=true: created by root@vm (pid 19444) "
                "at 2026-11-23T14:52:43Z"
            ),
            StackLocked,
            r"locked by root@vm \(pid 19444\) since 2026-11-23T14:52:43Z",
        ),
        ("error: no stack named 'dev' found", StackMissing, "no stack shop/dev"),
        (
            "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
            ConfigError,
            "PULUMI_BACKEND_URL",
        ),
        ("error: incorrect passphrase", ConfigError, "incorrect passphrase"),
        ("error: something else\nmore", StackError, "something else"),
        ("", StackError, "unknown"),
    ],
)
def test_errors_of_the_cli_are_mapped(stack, text, kind, said):
    """Each to our class, with its first sentence."""
    error = _mapped(stack, "up", text)
    assert type(error) is kind
    with pytest.raises(kind, match=said):
        raise error


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("\x1b[31mred\x1b[0m\n", "red"),
        (
            "Unexpected <class 'Exception'>: no capacity for b:\n  File \"/x.py\", line 1, in w\n",
            "no capacity for b",
        ),
        (
            (
                "Program failed with an unhandled exception:\nTraceback (most recent call last):\n"
                '  File "/p.py", line 3, in <module>\nrightsizing.errors.ConfigError: phase is 12\n'
            ),
            "the program failed: phase is 12",
        ),
        (
            "cannot be deleted\nbecause it is protected.\n",
            "cannot be deleted because it is protected.",
        ),
    ],
)
def test_diagnostics_lose_their_tracebacks(message, said):
    """One line is left."""
    assert one_sentence(message) == said


def test_lines_that_are_no_event_are_passed_over():
    """A plugin may print to the CLI's output."""
    events = CliEvents(None)
    for line in ("hello", "3", "", json.dumps({"preludeEvent": {}})):
        events.read(line)
    assert events.began
    assert events.steps == []


def test_ciphertext_is_masked():
    """State carries it, nobody needs to see it."""
    marker = {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "ciphertext": "v1:x",
    }
    assert masked({"a": [marker]}) == {"a": ["[secret]"]}
