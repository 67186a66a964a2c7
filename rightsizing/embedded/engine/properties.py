"""Resource properties as JSON, and their other two forms: protobuf structs and PropertyValues.

Secrets and unknowns are marked inside the JSON exactly as on Pulumi's wire: a secret is an object
with the secret signature and a ``value``, an unknown is one fixed string (``pulumi.runtime.rpc``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from google.protobuf import json_format, struct_pb2
from pulumi.provider.experimental.property_value import PropertyValue

from rightsizing.model.update import Json

Properties = dict[str, Json]

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a marker of the wire format
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
MASKED_SECRET = "[secret]"  # noqa: S105  what people see instead
MASKED_UNKNOWN = "[unknown]"


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """JSON of a protobuf struct: keys sorted, whole numbers as ints, as in Pulumi's state."""
    return {key: _from_value(value) for key, value in sorted(struct.fields.items())}


def _from_value(value: struct_pb2.Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """Protobuf struct of JSON properties."""
    return json_format.ParseDict(properties, struct_pb2.Struct())


def to_values(properties: Properties) -> dict[str, PropertyValue]:
    """What a provider takes, through the SDK's own unmarshalling."""
    return PropertyValue.unmarshal_map(to_struct(properties))


def from_values(values: Mapping[str, PropertyValue]) -> Properties:
    """What a provider returned, through the SDK's own marshalling."""
    return from_struct(PropertyValue.marshal_map(dict(values)))


def is_secret(value: Json) -> bool:
    """Whether this very value is marked secret."""
    return isinstance(value, dict) and value.get(SIGNATURE_KEY) == SECRET_SIGNATURE


def secret(value: Json) -> Json:
    """Mark a value secret."""
    return value if is_secret(value) else {SIGNATURE_KEY: SECRET_SIGNATURE, "value": value}


def transform_secrets(value: Json, change: Callable[[dict[str, Json]], Json]) -> Json:
    """Replace every secret marker by ``change(marker)``, outermost first."""
    if isinstance(value, dict):
        if is_secret(value):
            return change(value)
        return {key: transform_secrets(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [transform_secrets(item, change) for item in value]
    return value


def reveal(value: Json) -> Json:
    """The value with secret markers removed, for comparing only."""
    return transform_secrets(value, lambda marker: reveal(marker["value"]))


def masked(value: Json) -> Json:
    """The value for people and logs: no secret, no unknown marker."""
    if isinstance(value, dict):
        if is_secret(value):
            return MASKED_SECRET
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return MASKED_UNKNOWN if value == UNKNOWN else value


def has_unknown(value: Json) -> bool:
    """Whether anything inside is not known yet."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def keep_secrets(outputs: Properties, inputs: Properties, named: Iterable[str]) -> Properties:
    """Outputs where a key that is secret as an input, or named so by the program, is secret."""
    hidden = {key for key, value in inputs.items() if is_secret(value)} | set(named)
    return {key: secret(value) if key in hidden else value for key, value in outputs.items()}


def split_path(path: str) -> list[str]:
    """Parts of a property path: ``tags["a.b"].c[0]`` is tags, a.b, c, 0."""
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^.\[\]"]+)', path)]


def ignore_changes(new: Properties, old: Properties, paths: Iterable[str]) -> Properties:
    """``new`` with each path put back to what ``old`` holds there (absent stays absent)."""
    for path in paths:
        new = cast("Properties", _reset(new, old, split_path(path)))
    return new


def _reset(new: Json, old: Json, parts: list[str]) -> Json:
    if not parts:
        return old
    first, rest = parts[0], parts[1:]
    if isinstance(new, dict) and isinstance(old, dict):
        result = dict(new)
        for key in {*new, *old} if first == "*" else {first}:
            if not rest and key not in old:
                result.pop(key, None)
            elif key in old and (not rest or key in new):
                result[key] = _reset(new.get(key), old[key], rest)
        return result
    if isinstance(new, list) and isinstance(old, list):
        both = range(min(len(new), len(old)))
        chosen = both if first == "*" else [index for index in both if str(index) == first]
        return [
            _reset(item, old[index], rest) if index in chosen else item
            for index, item in enumerate(new)
        ]
    return new


def path_covers(pattern: str, path: str) -> bool:
    """Whether a ``replaceOnChanges`` entry names ``path`` or something above it."""
    wanted, found = split_path(pattern), split_path(path)
    return len(wanted) <= len(found) and all(
        part in ("*", found[index]) for index, part in enumerate(wanted)
    )
