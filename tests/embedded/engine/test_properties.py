"""JSON properties and their other forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.embedded.engine.properties import (
    MASKED_SECRET,
    MASKED_UNKNOWN,
    UNKNOWN,
    from_struct,
    from_values,
    has_unknown,
    ignore_changes,
    keep_secrets,
    masked,
    path_covers,
    reveal,
    secret,
    split_path,
    to_struct,
    to_values,
)

# Whole numbers up to 2^53 survive the wire's doubles.
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
KEYS = st.text("abcxyz:._-", min_size=1, max_size=5)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
PROPERTIES = st.dictionaries(KEYS, JSON, max_size=4)


@given(PROPERTIES)
def test_properties_survive_the_wire(properties):
    """Struct and back is the same JSON."""
    assert from_struct(to_struct(properties)) == properties


@given(PROPERTIES)
def test_properties_survive_the_provider_form(properties):
    """PropertyValues and back is the same JSON, secrets and all."""
    hidden = {key: secret(value) for key, value in properties.items()}
    assert from_values(to_values(hidden)) == hidden


def test_whole_numbers_stay_integers():
    """2 does not come back as 2.0, 2.5 does."""
    assert repr(from_struct(to_struct({"n": 2, "x": 2.5}))) == "{'n': 2, 'x': 2.5}"


@given(PROPERTIES)
def test_masking_hides_every_secret(properties):
    """Nothing of a secret is left after masking; revealing gives it back."""
    hidden = {key: [secret(value)] for key, value in properties.items()}
    assert masked(hidden) == {key: [MASKED_SECRET] for key in properties}
    assert reveal(hidden) == {key: [value] for key, value in properties.items()}


def test_unknowns_are_found_and_masked_at_any_depth():
    """The marker is replaced by a word for people."""
    value = {"a": [{"b": UNKNOWN}]}
    assert has_unknown(value)
    assert not has_unknown({"a": [{"b": "known"}]})
    assert masked(value) == {"a": [{"b": MASKED_UNKNOWN}]}


@given(PROPERTIES, PROPERTIES)
def test_ignoring_every_key_gives_the_old_properties(new, old):
    """Property: with all keys of both sides ignored, nothing of the new is left."""
    every = [f'["{key}"]' for key in {*new, *old}]
    assert ignore_changes(new, old, every) == old


@given(PROPERTIES, PROPERTIES)
def test_ignoring_nothing_gives_the_new_properties(new, old):
    """Property: no path, no effect."""
    assert ignore_changes(new, old, []) == new


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("size", {"size": 1, "tags": {"a": 2, "b": 2}, "ports": [{"n": 2}, {"n": 2}]}),
        ("tags.a", {"size": 2, "tags": {"a": 1, "b": 2}, "ports": [{"n": 2}, {"n": 2}]}),
        ('tags["b"]', {"size": 2, "tags": {"a": 2}, "ports": [{"n": 2}, {"n": 2}]}),
        ("ports[0].n", {"size": 2, "tags": {"a": 2, "b": 2}, "ports": [{"n": 1}, {"n": 2}]}),
        ("ports[*].n", {"size": 2, "tags": {"a": 2, "b": 2}, "ports": [{"n": 1}, {"n": 1}]}),
        ("absent", {"size": 2, "tags": {"a": 2, "b": 2}, "ports": [{"n": 2}, {"n": 2}]}),
    ],
)
def test_an_ignored_path_keeps_the_old_value(path, expected):
    """Old values are 1, new ones 2; ``tags.b`` is new, so ignoring it leaves it out."""
    old = {"size": 1, "tags": {"a": 1}, "ports": [{"n": 1}, {"n": 1}]}
    new = {"size": 2, "tags": {"a": 2, "b": 2}, "ports": [{"n": 2}, {"n": 2}]}
    assert ignore_changes(new, old, [path]) == expected


def test_paths_are_split_at_dots_brackets_and_quotes():
    """A quoted part may hold dots."""
    assert split_path('tags["rightsizing:a.b"].c[0]') == ["tags", "rightsizing:a.b", "c", "0"]


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("launchTemplate", "launchTemplate.version", True),
        ("launchTemplate.version", "launchTemplate", False),
        ("*", "anything", True),
        ("tags.*", "tags.a", True),
        ("tag", "tags", False),
    ],
)
def test_a_replace_pattern_covers_itself_and_what_is_below(pattern, path, covered):
    """As Pulumi's PropertyPath.Contains."""
    assert path_covers(pattern, path) is covered


def test_outputs_of_secret_inputs_are_secret():
    """So are those the program names."""
    outputs = {"password": "x", "token": "y", "size": 1}
    kept = keep_secrets(outputs, {"password": secret("x")}, ["token"])
    assert kept == {"password": secret("x"), "token": secret("y"), "size": 1}
