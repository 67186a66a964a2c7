"""What goes wrong, goes wrong alike on both drivers (and is said in one sentence)."""

import re

import pytest

from rightsizing.errors import (
    ConfigError,
    RightsizingError,
    StackMissing,
    UpdateFailed,
)
from rightsizing.model.update import UpdateStatus
from rightsizing.stack.driver import StackRef

ONE_SENTENCE = re.compile(r"\A[^\n]+\Z")


def refusal(kit, error, boxes=None, **others):
    """The message of the error that ``up`` raises."""
    with pytest.raises(error, match=ONE_SENTENCE) as caught:
        kit.up(boxes, **others)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def test_a_failed_resource_stops_the_update_and_says_what_was_applied(kit):
    """``a`` is changed, ``b`` fails, ``c`` depends on it and is not reached."""
    boxes = {
        "a": {"size": "small"},
        "b": {"size": "small", "needs": ["a"]},
        "c": {"size": "small", "needs": ["b"]},
    }
    kit.up(boxes)
    for box in boxes.values():
        box["size"] = "big"
    kit.fault("update", "b", "before", "fail")
    message = refusal(kit, UpdateFailed, boxes)
    assert "no capacity for b" in message
    assert "1 updated (Box a)" in message
    assert kit.sizes() == ["big", "small", "small"]
    newest = kit.driver.history(kit.stack)[0]
    assert newest.status is UpdateStatus.FAILED
    assert newest.resource_changes["update"] == 1
    assert sorted(kit.driver.outputs(kit.stack)["arns"]) == ["a", "b", "c"]  # those of before
    assert kit.driver.pending_operations(kit.stack) == ()
    kit.up(boxes)  # the next one finishes the rest
    assert kit.sizes() == ["big", "big", "big"]


def test_protection_refuses_deletion_and_replacement(kit):
    """Both are refused, and the box is still there."""
    box = {"size": "small", "zone": "x", "protect": True}
    kit.up({"a": box})
    assert "protect" in refusal(kit, UpdateFailed, {})
    assert "protect" in refusal(kit, UpdateFailed, {"a": {**box, "zone": "y"}})
    assert [item["zone"] for item in kit.cloud().values()] == ["x"]


def test_a_failed_replacement_keeps_the_original(kit):
    """Create before delete: no capacity for the new box, the old one serves on."""
    kit.up({"a": {"size": "small", "zone": "x"}})
    kit.fault("create", "a", "before", "fail")
    refusal(kit, UpdateFailed, {"a": {"size": "small", "zone": "y"}})
    assert [box["zone"] for box in kit.cloud().values()] == ["x"]


def test_a_failed_stop_first_replacement_leaves_nothing(kit):
    """Delete before replace: the old box is gone; the next update makes the new one."""
    box = {"size": "small", "zone": "x", "stop_first": True}
    kit.up({"a": box})
    kit.fault("create", "a", "before", "fail")
    refusal(kit, UpdateFailed, {"a": {**box, "zone": "y"}})
    assert kit.cloud() == {}
    kit.up()
    assert [box["zone"] for box in kit.cloud().values()] == ["y"]
    assert kit.driver.preview(kit.stack).changes == ()


def test_a_failed_deletion_of_an_original_is_finished_later(kit):
    """The replacement stands, the original waits in state and goes with the next update."""
    kit.up({"a": {"size": "small", "zone": "x"}})
    kit.fault("delete", "a", "before", "fail")
    refusal(kit, UpdateFailed, {"a": {"size": "small", "zone": "y"}})
    assert len(kit.cloud()) == 2
    kit.up()
    assert [box["zone"] for box in kit.cloud().values()] == ["y"]


def test_refused_inputs_are_named(kit):
    """The provider's Check says what is wrong, in a preview already (which applies nothing)."""
    kit.configure({"a": {"size": "bad"}})
    with pytest.raises(UpdateFailed, match=r"size.*bad.*there is no size bad$"):
        kit.driver.preview(kit.stack)


def test_a_failing_program_is_one_sentence(kit):
    """The exception's text without its traceback; what was made before it stays made."""
    message = refusal(kit, UpdateFailed, {"a": {"size": "small"}}, explode=True)
    assert "the program failed: the program says no" in message


def test_a_missing_stack_is_said_to_be_missing(kit):
    """Every operation on a stack that nobody made raises StackMissing."""
    nowhere = StackRef(kit.project, "sample", "nowhere")
    (kit.project / "Pulumi.nowhere.yaml").write_text(kit.stack.config_path.read_text())
    assert not kit.driver.exists(nowhere)
    assert kit.driver.exists(kit.stack)
    for call in (
        lambda: kit.driver.preview(nowhere),
        lambda: kit.driver.up(nowhere, message=""),
        lambda: kit.driver.history(nowhere),
        lambda: kit.driver.outputs(nowhere),
        lambda: kit.driver.cancel(nowhere),
    ):
        with pytest.raises(StackMissing, match="nowhere"):
            call()


def test_a_value_of_the_wrong_type_names_the_key(kit):
    """``sample:boxes`` is declared an object."""
    kit.configure("three of them")
    with pytest.raises(RightsizingError, match="sample:boxes"):
        kit.driver.preview(kit.stack)


def test_a_wrong_passphrase_is_a_configuration_error(kit):
    """Secrets cannot be opened."""
    kit.env["PULUMI_CONFIG_PASSPHRASE"] = "wrong"
    driver = kit.make_driver(kit.driver.name)
    with pytest.raises(ConfigError, match=r"passphrase|PASSPHRASE"):
        driver.preview(kit.stack)


def test_cancel_without_a_lock_does_nothing(kit):
    """There is nothing to break."""
    assert kit.driver.cancel(kit.stack) is False
