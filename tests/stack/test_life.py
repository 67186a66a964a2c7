"""What a stack's life looks like must not depend on its driver."""

import json

import pytest

from rightsizing.model.update import StepOp, UpdateKind, UpdateStatus
from rightsizing.stack.driver import DriverName

BOX = "jsoncloud:index/box:Box"
COMPARED = [
    "first preview",
    "first up",
    "second preview",
    "update preview",
    "update",
    "replace preview",
    "replace",
    "stop first",
    "blind preview",
    "seeing preview",
    "refresh",
    "repair",
    "remake",
    "destroy",
]


def by_name(result, name):
    """The step of one resource."""
    return next(step for step in result.steps if step.name == name)


@pytest.mark.cli
@pytest.mark.parametrize("name", COMPARED)
def test_both_drivers_report_equal_steps(lives, steps_of, name):
    """Op, type, name and changed keys are the same whichever engine ran."""
    cli = steps_of(lives(DriverName.CLI)[name])
    assert cli == steps_of(lives(DriverName.EMBEDDED)[name])


@pytest.mark.cli
def test_both_drivers_report_equal_changes(lives):
    """Down to the changed paths and their values; only ids and automatic names differ."""
    for name in ("update", "replace", "seeing preview", "refresh", "repair"):
        told = [
            {
                (step.urn, change.path, str(change.before), str(change.after))
                for step in lives(driver)[name].steps
                for change in step.changes
                if change.path not in ("after", "name")
            }
            for driver in DriverName
        ]
        assert told[0] == told[1], name


@pytest.mark.cli
def test_both_drivers_leave_equal_outputs_and_clouds(lives):
    """Outputs and live facts do not depend on the engine."""
    embedded, cli = lives(DriverName.EMBEDDED), lives(DriverName.CLI)
    assert cli["outputs"].keys() == embedded["outputs"].keys()
    for name in ("cloud after first", "cloud after update", "cloud after replace"):
        facts = [
            sorted(
                json.dumps(
                    [box["size"], *(box.get(key) for key in ("zone", "desired", "tags"))],
                    sort_keys=True,
                )
                for box in life[name].values()
            )
            for life in (cli, embedded)
        ]
        assert facts[0] == facts[1], name


@pytest.mark.cli
def test_both_drivers_write_the_same_history(lives):
    """Kind, status, message, configuration and counts of every entry are the same."""
    told = [
        [
            (
                entry.sequence,
                entry.kind,
                entry.status,
                entry.message,
                entry.config,
                entry.secret_keys,
                entry.resource_changes,
            )
            for entry in lives(driver)["history at the end"]
        ]
        for driver in DriverName
    ]
    assert told[0] == told[1]


def test_a_preview_changes_nothing(life):
    """The cloud is empty after the first preview."""
    assert life["cloud after preview"] == {}


def test_a_preview_names_what_is_not_known_yet(life):
    """An output of a resource that does not exist yet is unknown, and left out of outputs."""
    step = by_name(life["first preview"], "b")
    assert {change.path: change.after for change in step.changes}["after"] == "[unknown]"
    assert life["first preview"].outputs == {"folder": "program", "password": "[secret]"}


def test_the_first_update_creates_everything(life):
    """Four boxes, a component with one box, the provider and the stack itself."""
    changes = life["first up"].changes
    assert {step.op for step in changes} == {StepOp.CREATE}
    names = {"sample-dev", "cloud", "a", "b", "gone", "kept", "group", "group-box"}
    assert {step.name for step in changes} == names
    assert len(life["cloud after first"]) == 5


def test_a_child_of_a_component_has_its_parents_type_in_its_urn(life):
    """Types are joined by a dollar sign."""
    urn = life["resources"]["group-box"].urn
    assert urn == f"urn:pulumi:dev::sample::sample:index:Group${BOX}::group-box"


def test_the_listener_hears_every_step(life):
    """One call a finished step."""
    assert sorted(step.urn for step in life.seen) == sorted(
        step.urn for step in life["first up"].steps
    )


def test_the_program_runs_in_its_folder(life):
    """``main: program/`` makes that folder current, and siblings importable."""
    assert life["outputs"]["folder"] == "program"


def test_a_stack_transform_reaches_every_box(life):
    """The label comes from a transform that is called back in the program."""
    assert {box["label"] for box in life["cloud after first"].values()} == {"plain"}


def test_the_second_preview_has_no_changes(life):
    """Everything is the same, and said to be."""
    result = life["second preview"]
    assert result.changes == ()
    assert {step.op for step in result.steps} == {StepOp.SAME}


def test_an_update_shows_the_leaves_that_change(life):
    """Old and new value a path; tags that stay are not listed."""
    step = by_name(life["update"], "b")
    assert [(item.path, item.before, item.after) for item in step.changes] == [
        ("tags.k", "v", "w"),
        ("tags.new", None, "n"),
    ]


def test_ignored_changes_do_not_reach_the_cloud(life):
    """``desired`` was 2, the program says 9, and ``ignoreChanges`` keeps 2."""
    assert by_name(life["update"], "a").changed_keys == ("size",)
    assert [box["desired"] for box in life["cloud after update"].values() if "desired" in box] == [
        2
    ]


def test_what_the_program_no_longer_names_is_deleted(life):
    """``gone`` is deleted."""
    assert by_name(life["update"], "gone").op is StepOp.DELETE
    names = [box["name"] for box in life["cloud after update"].values()]
    assert not any(name.startswith("gone") for name in names)


def test_a_retained_resource_leaves_state_and_stays_in_the_cloud(life):
    """``retainOnDelete``: a delete step, and the box lives on, even after destroy."""
    assert by_name(life["update"], "kept").op is StepOp.DELETE
    assert [box["name"].split("-")[0] for box in life["cloud after destroy"].values()] == ["kept"]


def test_a_replacement_is_one_step_that_names_the_forcing_key(life):
    """``zone`` forces the replacement of ``a``."""
    step = by_name(life["replace"], "a")
    assert step.op is StepOp.REPLACE
    assert [(item.path, item.forces_replacement) for item in step.changes] == [("zone", True)]


def test_replace_on_changes_turns_an_update_into_a_replacement(life):
    """``size`` changes in place, but ``b`` lists it in ``replaceOnChanges``."""
    assert by_name(life["replace"], "b").op is StepOp.REPLACE


def test_a_replacement_takes_the_programs_inputs_even_where_changes_are_ignored(life):
    """The new box gets the program's ``desired`` 9: there is no old one to keep it from."""
    boxes = life["cloud after replace"].values()
    assert [box["desired"] for box in boxes if "desired" in box] == [9]


def test_replacements_are_created_before_any_original_is_deleted(life):
    """Both creates come first; dependents' originals are deleted before what they depend on."""
    kinds = [entry.split()[0] for entry in life["replace log"]]
    assert kinds == ["create", "create", "delete", "delete"]


def test_a_replacement_has_a_name_of_its_own(life):
    """Original and replacement stand side by side, so their automatic names differ."""
    before = {box["name"] for box in life["cloud after update"].values() if "desired" in box}
    after = {box["name"] for box in life["cloud after replace"].values() if "desired" in box}
    assert not before & after


def test_delete_before_replace_deletes_first(life):
    """``deleteBeforeReplace``: delete, create; then the dependent follows."""
    kinds = [entry.split()[0] for entry in life["stop first log"]]
    assert kinds == ["delete", "create", "update"]


def test_an_alias_keeps_the_resource(life):
    """``d`` became ``e`` with an alias: nothing changes in the cloud."""
    assert by_name(life["replace"], "e").op is StepOp.SAME


def test_a_plain_preview_is_blind_to_drift(life):
    """State is compared with the program, not with the cloud."""
    assert life["blind preview"].changes == ()


def test_a_preview_with_refresh_sees_drift_and_what_it_would_repair(life):
    """The drift of ``a``, then the update that undoes it."""
    told = [(s.op, s.changes[0].before, s.changes[0].after) for s in life["seeing preview"].changes]
    assert told == [
        (StepOp.REFRESH, "big", "drifted"),
        (StepOp.UPDATE, "drifted", "big"),
    ]


def test_refresh_takes_the_cloud_over_into_state(life):
    """One drifted resource; state says what the cloud says."""
    assert [(step.op, step.name) for step in life["refresh"].steps] == [(StepOp.REFRESH, "a")]
    assert life["state after refresh"]["a"].inputs["size"] == "drifted"


def test_an_update_after_refresh_repairs_drift(life):
    """``a`` is big again."""
    assert [step.name for step in life["repair"].changes] == ["a"]
    assert "drifted" not in {box["size"] for box in life["cloud after repair"].values()}


def test_a_vanished_resource_is_seen_by_refresh_and_made_again(life):
    """Two were deleted behind our back: refresh drops them, the update creates them.

    ``b`` holds the old ``arn`` of ``a``, so it is updated too.
    """
    told = sorted((step.op.value, step.name) for step in life["remake"].changes)
    assert told == [
        ("create", "a"),
        ("create", "e"),
        ("refresh", "a"),
        ("refresh", "e"),
        ("update", "b"),
    ]


def test_history_is_newest_first_and_numbered(life):
    """Updates and the refresh, no previews."""
    history = life["history"]
    assert [entry.sequence for entry in history] == list(range(len(history), 0, -1))
    messages = ["remake", "repair", "look", "test", "third", "second", "first"]
    assert [entry.message for entry in history] == messages
    assert history[2].kind is UpdateKind.REFRESH
    assert {entry.status for entry in history} == {UpdateStatus.SUCCEEDED}


def test_history_carries_the_configuration_as_text(life):
    """Structured values are JSON text, defaults are there, secrets are not."""
    entry = life["history"][-1]
    assert entry.config["sample:boxes"].startswith('{"a":{')
    assert entry.config["sample:label"] == "plain"
    assert entry.config["sample:password"] == "[secret]"
    assert entry.secret_keys == {"sample:password"}


def test_history_counts_what_changed(life):
    """Eight creates in the first update."""
    assert life["history"][-1].resource_changes == {"create": 8}


def test_destroy_deletes_everything_it_may(life):
    """Only the retained box is left; the entry says so."""
    assert len(life["cloud after destroy"]) == 1
    assert life["history at the end"][0].kind is UpdateKind.DESTROY


def test_outputs_mask_secrets(life):
    """An exported secret is shown as such."""
    assert life["outputs"]["password"] == "[secret]"
    assert life["outputs"]["arns"]["a"].startswith("arn:box/")


def test_no_secret_is_in_clear_on_disk(life):
    """Neither in state nor in history nor anywhere below the backends."""
    root = life.kit.root
    texts = [
        path.read_text(errors="replace")
        for folder in ("embedded", "pulumi", "sample/.rightsizing")
        for path in (root / folder).rglob("*")
        if path.is_file()
    ]
    assert texts
    assert not any("hunter2-very-secret" in text for text in texts)


def test_secret_inputs_are_masked_in_state_and_steps(life):
    """``password`` of ``a`` is a secret input."""
    assert life["resources"]["a"].inputs["password"] == "[secret]"
    step = by_name(life["first up"], "a")
    assert {change.path: change.after for change in step.changes}["password"] == "[secret]"
