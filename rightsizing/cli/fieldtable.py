"""A pydantic model as a Markdown table: one row a field, with type, default, bounds and meaning.

Bounds and defaults are read from the field itself, so the table cannot say anything else than what
the parser enforces.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

FIELD_HEADS = ("type", "default", "bounds", "meaning")
_PLAIN_NAMES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "Decimal": "number",
    "bool": "true or false",
}


def field_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str, str]]:
    """Rows for ``markdownpage.table``: field name, type, default, bounds, meaning."""
    return [
        (
            f"`{name}`",
            type_words(field.annotation),
            _default(field),
            _bounds(field),
            _meaning(field.description),
        )
        for name, field in model.model_fields.items()
    ]


def type_words(annotation: Any) -> str:
    """A type as a reader of YAML knows it: ``list of text``, ``map of text to number``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        words = type_words(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        words = _choice(type_words(item) for item in arguments if item is not types.NoneType)
    elif origin is Literal:
        words = _choice(f"`{item}`" for item in arguments)
    elif origin is tuple:
        words = f"list of {type_words(arguments[0])}"
    elif origin is dict:
        words = f"map of {type_words(arguments[0])} to {type_words(arguments[1])}"
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        words = _choice(f"`{item.value}`" for item in annotation)
    else:
        words = _PLAIN_NAMES.get(annotation.__name__) or _spaced(annotation.__name__)
    return words


def _choice(items: Iterable[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, last = items
    return f"{', '.join(first)} or {last}" if first else last


def _spaced(name: str) -> str:
    """``FleetSize`` as ``fleet size``."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, BaseModel) or value in ((), {}, ""):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _bounds(field: FieldInfo) -> str:
    found = []
    for item in field.metadata:
        match item:
            case annotated_types.Ge(ge=limit):
                found.append(f"at least {_number(limit)}")
            case annotated_types.Gt(gt=limit):
                found.append(f"above {_number(limit)}")
            case annotated_types.Le(le=limit):
                found.append(f"at most {_number(limit)}")
            case annotated_types.Lt(lt=limit):
                found.append(f"below {_number(limit)}")
            case annotated_types.MaxLen(max_length=limit):
                found.append(f"at most {limit} characters")
            case _:
                pattern = getattr(item, "pattern", None)
                if pattern is not None:
                    found.append(f"matches `{pattern}`")
    return ", ".join(found)


def _number(limit: Any) -> str:
    return f"{limit:,}" if isinstance(limit, int) else str(limit)


def _meaning(description: str | None) -> str:
    return (description or "").rstrip(".")
