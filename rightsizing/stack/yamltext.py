"""YAML text edited in place: only the lines whose values change are touched.

A parse-and-dump round trip would also re-indent lists, re-wrap long lines and move comments that
follow a replaced block. Here ruamel.yaml says where each key and value stands in the text, and the
text between stays byte for byte. Values are read as the Pulumi CLI reads them (gopkg.in/yaml.v3:
``yes`` is a string, ``010`` is eight), so that the tool and the program see the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rightsizing.errors import ConfigError
from rightsizing.model.update import Json

INDENT = 2
# Strings that no YAML 1.1 or 1.2 reader takes for anything but a string.
_PLAIN = re.compile(r"^[A-Za-z][A-Za-z0-9_/-]*(\.[A-Za-z0-9_/-]+)*(:[A-Za-z][A-Za-z0-9_-]*)?$")
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"})
_OCTAL = re.compile(r"^[-+]?0[0-7]+$")
_SAME_LINE_COMMENT = re.compile(r":[ \t]+(#[^\r\n]*)")


@dataclass(slots=True)
class Span:
    """Where a value stands in the text, without what follows its last character."""

    start: int
    end: int
    block_entries: list[tuple[str, Span, Span]] | None = None  # (key, key span, value span)
    flow: bool = field(default=False)


def read_yaml(text: str, source: str) -> Json:
    """Parse one document to plain JSON values; an empty document is None.

    Raises:
        ConfigError: invalid YAML, naming the line; a key given twice; a value JSON cannot hold.
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(
            f"{source}{where} is not valid YAML: {error.problem or error.context}"
        ) from error
    except YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ConfigError(_too_deep(source)) from error
    try:
        return None if node is None else _value(node, source)
    except RecursionError as error:
        raise ConfigError(_too_deep(source)) from error


def _too_deep(source: str) -> str:
    return f"{source} is nested too deeply, or an alias in it contains itself; write it out flat"


def edit_mapping(text: str, path: str, wanted: Mapping[str, Json | None], source: str) -> str:
    """Return ``text`` with keys of the top-level mapping ``path`` set, or removed where None.

    Keys that are not named, keys whose value is the same already, comments, order and quotes stay.

    Raises:
        ConfigError: the text is not a YAML mapping, or is written in a way that cannot be edited.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    before = read_yaml(text, source) or {}
    if not isinstance(before, dict):
        raise ConfigError(f"{source} must be a YAML mapping with the key {path!r}")
    current = before.get(path) or {}
    if not isinstance(current, dict):
        raise ConfigError(f"{source}: {path!r} must be a mapping of keys to values")
    changed = {key: value for key, value in wanted.items() if current.get(key) != value}
    if not changed:
        return text
    edited = _edit_top(text, path, current, changed, newline)
    expected = {key: value for key, value in {**current, **changed}.items() if value is not None}
    if ((read_yaml(edited, source) or {}).get(path) or {}) != expected:
        raise ConfigError(
            f"{source} is written in a way that cannot be edited safely (anchors or complex keys "
            f"near {', '.join(sorted(changed))}); write these keys as plain blocks"
        )
    return edited


def _edit_top(
    text: str, path: str, current: Mapping[str, Json], changed: Mapping[str, Json], newline: str
) -> str:
    root = _root_span(text)
    found = None if root is None else _entry(root, path)
    if root is not None and root.flow:
        raise ConfigError("the top level is written between braces; write it as lines")
    merged = {key: value for key, value in {**current, **changed}.items() if value is not None}
    if found is not None and found[1].block_entries and merged:
        return _edit_block(text, found[1], current, changed, newline)
    # absent, empty or written between braces: the mapping is written anew, as a block
    block = _render(path, merged, 0, newline)
    if found is not None:
        key, value = found
        return text[: key.start] + block + text[value.end :]
    gap = "" if not text or text.endswith("\n") else newline
    return text + gap + block + newline


def _edit_block(
    text: str, span: Span, current: Mapping[str, Json], changed: Mapping[str, Json], newline: str
) -> str:
    """Edit one block mapping, last key first so that earlier positions stay right."""
    entries = span.block_entries or []
    column = _column(text, entries[0][1].start)
    new_keys = [key for key, value in changed.items() if key not in current and value is not None]
    if new_keys:
        at = _line_end(text, entries[-1][2].end)
        added = "".join(
            newline + " " * column + _render(key, changed[key], column, newline) for key in new_keys
        )
        text = text[:at] + added + text[at:]
    for key, key_span, value_span in reversed(entries):
        if key not in changed:
            continue
        wanted = changed[key]
        if wanted is None:
            start, end = _line_start(text, key_span.start), _line_end(text, value_span.end)
            text = text[:start] + text[_after_newline(text, end) :]
        else:
            text = _edit_value(text, (key, key_span, value_span), current[key], wanted, newline)
    return text


def _edit_value(
    text: str, entry: tuple[str, Span, Span], current: Json, wanted: Json, newline: str
) -> str:
    key, key_span, value_span = entry
    if value_span.block_entries and isinstance(current, dict) and isinstance(wanted, dict):
        inner = {
            name: wanted.get(name)
            for name in (*current, *wanted)
            if current.get(name) != wanted.get(name)
        }
        if set(current) & set(wanted):  # something stays: edit inside
            return _edit_block(text, value_span, current, inner, newline)
    comment = _SAME_LINE_COMMENT.match(text, key_span.end, value_span.end)
    rendered = _render(key, wanted, _column(text, key_span.start), newline)
    written_key = text[key_span.start : key_span.end]
    rendered = written_key + rendered[len(_scalar(key)) :]
    if comment and newline in rendered:
        first, rest = rendered.split(newline, 1)
        rendered = f"{first}  {comment.group(1)}{newline}{rest}"
    return text[: key_span.start] + rendered + text[value_span.end :]


def _render(key: str, value: Json, column: int, newline: str) -> str:
    """``key: value``; a mapping of scalars on one line, other mappings as blocks."""
    name = _scalar(key)
    flat = not isinstance(value, dict) or (
        column > INDENT and not any(isinstance(item, dict | list) for item in value.values())
    )
    if flat or not value:
        return f"{name}: {_flow(value)}"
    inner = column + INDENT
    lines = [" " * inner + _render(str(key), item, inner, newline) for key, item in value.items()]
    return newline.join([f"{name}:", *lines])


def _flow(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(node: Node, source: str) -> Json:
    if isinstance(node, MappingNode):
        return _mapping_value(node, source)
    if isinstance(node, SequenceNode):
        return [_value(item, source) for item in node.value]
    assert isinstance(node, ScalarNode)
    return _scalar_value(str(node.tag).rsplit(":", 1)[-1], node.value)


def _scalar_value(kind: str, text: str) -> Json:
    try:
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                plain = text.replace("_", "")
                return int(plain, 8) if _OCTAL.match(plain) else int(plain, 0)
            case "float":
                number = float(text.replace("_", ""))
                whole = math.isfinite(number) and number.is_integer()
                return int(number) if whole else number
            case _:
                return text  # a string; dates too, as they are written
    except ValueError:
        return text


def _mapping_value(node: MappingNode, source: str) -> Json:
    found: dict[str, Json] = {}
    inherited: dict[str, Json] = {}
    for key_node, value_node in node.value:
        if str(key_node.tag).endswith(":merge"):
            for merged in (
                value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            ):
                inherited = {**_value(merged, source), **inherited}
            continue
        if not isinstance(key_node, ScalarNode):
            raise ConfigError(
                f"{source} line {key_node.start_mark.line + 1}: a key must be a single word"
            )
        if key_node.value in found:
            raise ConfigError(
                f"{source} line {key_node.start_mark.line + 1}: key {key_node.value!r} is given "
                "twice; keep one"
            )
        found[key_node.value] = _value(value_node, source)
    return {**inherited, **found}


def _root_span(text: str) -> Span | None:
    events = iter(YAML(typ="safe", pure=True).parse(text))
    for event in events:
        if isinstance(event, MappingStartEvent):
            return _span(event, events)
    return None


def _span(event: Event, events: Iterator[Event]) -> Span:
    span = Span(event.start_mark.index, event.end_mark.index)
    if isinstance(event, ScalarEvent | AliasEvent):
        return span
    span.flow = bool(getattr(event, "flow_style", False))
    children: list[tuple[str, Span]] = []
    while True:
        inner = next(events)
        if isinstance(inner, MappingEndEvent | SequenceEndEvent):
            # the end of a block has no width and stands after the comments that follow it
            width = inner.end_mark.index - inner.start_mark.index
            span.end = (
                inner.end_mark.index
                if width
                else max([span.end, *(child.end for _, child in children)])
            )
            break
        name = str(inner.value) if isinstance(inner, ScalarEvent) else ""
        children.append((name, _span(inner, events)))
    if isinstance(event, MappingStartEvent) and not span.flow:
        pairs = zip(children[::2], children[1::2], strict=True)
        span.block_entries = [(key, key_span, value) for (key, key_span), (_, value) in pairs]
    return span


def _entry(span: Span, key: str) -> tuple[Span, Span] | None:
    for name, key_span, value_span in span.block_entries or []:
        if name == key:
            return key_span, value_span
    return None


def _column(text: str, index: int) -> int:
    return index - _line_start(text, index)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Index of the line break that ends the line of the character before ``index``."""
    if index and text[index - 1] == "\n":  # a literal block ends with its own line break
        index -= 1
    end = text.find("\n", index)
    end = len(text) if end < 0 else end
    return end - 1 if end and text[end - 1 : end] == "\r" else end


def _after_newline(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
