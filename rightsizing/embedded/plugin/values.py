"""Pulumi property values and plain JSON, both ways.

Providers think in plain JSON (``int``, ``str``, ``list``, ``dict``) with one extra value, UNKNOWN:
a property the engine will only know after another resource exists. Pulumi's SDK has a ``Computed``
value for it but cannot marshal it (``property_value.py``, SDK 3.272), so the engine's own marker
string is what travels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_MARKER

from rightsizing.model.update import Json

Properties = dict[str, Json]

# One marker a type, sdk/go/common/resource/plugin/rpc.go of pulumi/pulumi (Unknown*Value).
_MARKERS: Final = frozenset(
    {
        UNKNOWN_MARKER,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


class Unknown:
    """The type of UNKNOWN; has one instance."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def is_unknown(value: Json) -> bool:
    """True when the value, or anything inside it, is not known yet."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(is_unknown(item) for item in value)
    return False


def to_plain(value: PropertyValue) -> Json:
    """One property value as plain JSON; whole numbers become ``int``, secrets lose their mark."""
    inner = value.value
    if isinstance(inner, Computed) or (isinstance(inner, str) and inner in _MARKERS):
        return UNKNOWN
    if isinstance(inner, str | bool) or inner is None:
        return inner
    if isinstance(inner, float):
        return int(inner) if inner.is_integer() else inner
    if isinstance(inner, Mapping):
        return {key: to_plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence):
        items = cast("Sequence[PropertyValue]", inner)  # a str was returned above
        return [to_plain(item) for item in items]
    return inner


def to_plain_map(values: Mapping[str, PropertyValue]) -> Properties:
    """A property map as plain JSON; explicit nulls are dropped, as the engine treats them."""
    plain = {key: to_plain(value) for key, value in values.items()}
    return {key: value for key, value in plain.items() if value is not None}


def from_plain(value: Json) -> PropertyValue:
    """Plain JSON as a property value. PropertyValue takes no ``int``, so numbers become float."""
    if isinstance(value, Unknown):
        return PropertyValue(UNKNOWN_MARKER)
    if isinstance(value, dict):
        return PropertyValue({key: from_plain(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([from_plain(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)


def from_plain_map(
    plain: Mapping[str, Json], marked: Mapping[str, PropertyValue] | None = None
) -> dict[str, PropertyValue]:
    """A property map; a property that holds a secret in ``marked`` comes back as a secret."""
    secret = {key for key, value in (marked or {}).items() if value.contains_secret()}
    return {
        key: from_plain(value).with_secret(True) if key in secret else from_plain(value)
        for key, value in plain.items()
        if value is not None
    }
