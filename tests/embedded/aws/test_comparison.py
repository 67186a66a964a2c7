"""When two property values mean the same: Terraform's rules, without a provider."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.embedded.plugin.comparison import is_same
from rightsizing.embedded.plugin.schema import Property
from rightsizing.embedded.plugin.values import (
    UNKNOWN,
    from_plain,
    is_unknown,
    to_plain,
    to_plain_map,
)

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("rule", "new", "old", "expected"),
    [
        (Property(), 300, "300", True),  # a number given as text
        (Property(), True, "true", True),
        (Property(), None, "", True),  # absent equals the type's zero
        (Property(), None, [], True),
        (Property(), None, False, True),
        (Property(), None, "x", False),
        (Property(), 0, 1, False),
        (Property(), ["a", "b"], ["b", "a"], False),
        (Property(unordered=True), ["a", "b"], ["b", "a"], True),
        (Property(unordered=True), ["a", "a"], ["a", "b"], False),
        (Property(document=True), '{"a": 1}', '{ "a":1 }', True),
        (Property(document=True), '{"a": 1}', '{"a": 2}', False),
        (Property(), {"path": "/"}, {"path": "/", "port": "80"}, False),
        (
            Property(nested_computed=frozenset({"port"})),
            {"path": "/"},
            {"path": "/", "port": "80"},
            True,
        ),
        (Property(nested_computed=frozenset({"port"})), {"port": "81"}, {"port": "80"}, False),
        (Property(), UNKNOWN, "x", False),
    ],
)
def test_same(rule: Property, new: Any, old: Any, expected: bool) -> None:
    """One rule a row."""
    assert is_same(rule, new, old) is expected


@given(PLAIN)
def test_a_value_is_the_same_as_itself(value: Any) -> None:
    """Reflexive, also for sets."""
    assert is_same(Property(), value, value)
    assert is_same(Property(unordered=True), value, value)


@given(PLAIN)
def test_property_values_round_trip(value: Any) -> None:
    """Plain JSON survives Pulumi's property values; whole numbers come back as int."""
    assert to_plain(from_plain(value)) == value


def test_unknown_round_trips_and_is_found_inside() -> None:
    """The engine's marker inside a nested value."""
    sent = to_plain_map({"block": from_plain({"version": UNKNOWN, "id": "lt-1"})})
    assert sent == {"block": {"version": UNKNOWN, "id": "lt-1"}}
    assert is_unknown(sent["block"])
