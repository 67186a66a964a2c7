"""When two property values are the same, and what a difference between state and inputs means.

Terraform's rules as Pulumi's bridge applies them: numbers and booleans compare by their text, an
absent value equals the type's zero, a set has no order, a computed property that is not given is
left alone. Pure: no calls, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rightsizing.embedded.plugin.schema import Property, ResourceType
from rightsizing.embedded.plugin.values import Properties, is_unknown
from rightsizing.model.update import Json

_ZEROS: tuple[Json, ...] = (None, "", False, 0, [], {})


@dataclass(frozen=True, slots=True)
class Change:
    """One changed property, with the path of the nested value that differs."""

    property: str
    path: str
    added: bool
    removed: bool
    replaces: bool


def is_same(rule: Property, new: Json, old: Json) -> bool:
    """True when the two values mean the same to the cloud."""
    if is_unknown(new):
        return False
    if rule.document:
        return bool(_document(new) == _document(old))
    return _same(new, old, rule)


def _same(new: Json, old: Json, rule: Property) -> bool:
    if _is_zero(new) and _is_zero(old):
        return True
    if isinstance(new, dict) and isinstance(old, dict):
        keys = set(new) | set(old)
        return all(
            (key not in new and key in rule.nested_computed)
            or _same(new.get(key), old.get(key), rule)
            for key in keys
        )
    if isinstance(new, list) and isinstance(old, list):
        if len(new) != len(old):
            return False
        if rule.unordered:
            return _same_set(new, old, rule)
        return all(_same(a, b, rule) for a, b in zip(new, old, strict=True))
    return _text(new) == _text(old)


def _same_set(new: list[Json], old: list[Json], rule: Property) -> bool:
    left = list(old)
    for item in new:
        for index, candidate in enumerate(left):
            if _same(item, candidate, rule):
                del left[index]
                break
        else:
            return False
    return True


def _is_zero(value: Json) -> bool:
    return any(value is zero or (type(value) is type(zero) and value == zero) for zero in _ZEROS)


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _document(value: Json) -> Json:
    if not isinstance(value, str) or not value:
        return value or None
    try:
        return json.loads(value)
    except ValueError:
        return value


def settle(kind: ResourceType[Any], inputs: Properties, live: Properties) -> Properties:
    """State after a read: live values, but in the form the program gave where they mean the same.

    Properties that cannot be read back keep their input value.
    """
    state = dict(inputs)
    for name, value in live.items():
        rule = kind.properties.get(name)
        if rule is not None and name in inputs and is_same(rule, inputs[name], value):
            continue
        state[name] = value
    return state


def find_changes(
    kind: ResourceType[Any], state: Properties, inputs: Properties, ignored: frozenset[str]
) -> tuple[Change, ...]:
    """What an update would change, in the order of the table."""
    found: list[Change] = []
    for name, rule in kind.properties.items():
        if name in ignored:
            continue
        new, old = inputs.get(name), state.get(name)
        if new is None and rule.computed:
            continue
        if is_same(rule, new, old):
            continue
        found.extend(
            Change(name, path, added=was is None, removed=now is None, replaces=rule.replaces)
            for path, now, was in _paths(name, new, old, rule)
        )
    return tuple(found)


def _paths(path: str, new: Json, old: Json, rule: Property) -> Iterator[tuple[str, Json, Json]]:
    if isinstance(new, dict) and isinstance(old, dict):
        nested = list(_nested(path, new, old, rule))
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        pairs = enumerate(zip(new, old, strict=True))
        nested = [
            item for index, (a, b) in pairs for item in _paths(f"{path}[{index}]", a, b, rule)
        ]
    else:
        nested = []
    if nested:
        yield from nested
    elif is_unknown(new) or not _same(new, old, rule):
        yield path, new, old


def _nested(
    path: str, new: Mapping[str, Json], old: Mapping[str, Json], rule: Property
) -> Iterator[tuple[str, Json, Json]]:
    for key in sorted(set(new) | set(old)):
        if key not in new and key in rule.nested_computed:
            continue
        step = f".{key}" if key.isidentifier() else f'["{key}"]'
        yield from _paths(path + step, new.get(key), old.get(key), rule)
