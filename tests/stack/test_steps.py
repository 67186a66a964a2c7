"""Steps from inputs, in values and in words."""

from hypothesis import given
from hypothesis import strategies as st

from rightsizing.model.update import Step, StepOp
from rightsizing.stack.steps import describe_applied, make_step

KEYS = st.sampled_from(["size", "tags", "a.b", "rightsizing:workload"])
JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from("xyz"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=5,
)
TOP = st.sampled_from(["size", "zone", "tags"])
INPUTS = st.dictionaries(TOP, JSON, max_size=3)


def test_the_leaves_that_differ_are_the_changes():
    """A key with dots or colons is quoted, a list of equal length goes item by item."""
    before = {"tags": {"rightsizing:workload": "a", "k": 1}, "ports": [{"n": 1}, {"n": 2}], "z": 0}
    after = {"tags": {"rightsizing:workload": "b", "k": 1}, "ports": [{"n": 1}, {"n": 3}], "z": 1}
    step = make_step(
        StepOp.UPDATE, "u::t::n", "t", before=before, after=after, changed=["tags", "ports[1].n"]
    )
    assert [(item.path, item.before, item.after) for item in step.changes] == [
        ("ports[1].n", 2, 3),
        ('tags["rightsizing:workload"]', "a", "b"),
    ]
    assert step.changed_keys == ("ports", "tags")


def test_a_change_the_inputs_do_not_show_is_kept():
    """The provider compares more than inputs."""
    step = make_step(
        StepOp.UPDATE, "u", "t", before={"a": 1}, after={"a": 1}, changed=["a"], replaces=["a"]
    )
    assert [(item.path, item.forces_replacement) for item in step.changes] == [("a", True)]


def test_creates_and_deletes_list_every_input():
    """Except the real engine's own notes."""
    inputs = {"size": 1, "__internal": {}}
    made = make_step(StepOp.CREATE, "u", "t", before=None, after=inputs)
    gone = make_step(StepOp.DELETE, "u", "t", before=inputs, after=None)
    assert [(item.path, item.before, item.after) for item in made.changes] == [("size", None, 1)]
    assert [(item.path, item.before, item.after) for item in gone.changes] == [("size", 1, None)]


@given(INPUTS, INPUTS)
def test_changed_keys_are_those_whose_values_differ(before, after):
    """Property: with every key named, an equal key shows up only as itself."""
    keys = sorted({*before, *after})
    step = make_step(StepOp.UPDATE, "u", "t", before=before, after=after, changed=keys)
    different = {key for key in keys if before.get(key) != after.get(key)}
    assert {item.path.split(".")[0].split("[")[0] for item in step.changes} == set(keys)
    assert {item.path for item in step.changes if item.before == item.after} == (
        set(keys) - different
    )


def test_same_steps_have_no_changes():
    """Whatever the provider names."""
    step = make_step(StepOp.SAME, "u", "t", before={"a": 1}, after={"a": 2}, changed=["a"])
    assert step.changes == ()


def test_what_was_applied_is_told_in_words():
    """Counts, then at most five names; refreshes and unchanged ones are not applied."""
    steps = [Step(StepOp.UPDATE, f"u::{name}", "t:m:T") for name in "fedcba"]
    steps += [
        Step(StepOp.SAME, "u::x", "t"),
        Step(StepOp.REFRESH, "u::y", "t"),
        Step(StepOp.CREATE, "u::z", "pulumi:pulumi:Stack"),
    ]
    assert describe_applied(steps) == "6 updated (T a, T b, T c, T d, T e, ...)"
    assert describe_applied(steps[-3:]) == "nothing was changed"
