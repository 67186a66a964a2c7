"""The configuration file of a stack, ``Pulumi.<stack>.yaml``: read it, write the tool's own keys.

Everything else in the file is somebody else's: other keys, comments, order, quotes, the encryption
salt and encrypted values stay byte for byte, and encrypted values are never shown. The values are
those a program gets from ``pulumi.Config.get_object``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rightsizing.errors import ConfigError, StackMissing
from rightsizing.model.declaration import (
    DECLARATION_KEYS,
    NAMESPACE,
    SETTINGS_KEY,
    StackDeclaration,
    parse_declaration,
)
from rightsizing.model.stackconfig import StackSizing, parse_stack_sizing
from rightsizing.model.update import PHASE_KEY, RELEASE_KEY, ROLLOUT_KEY, SIZING_KEYS, Json
from rightsizing.stack.durable import replace_file
from rightsizing.stack.yamltext import edit_mapping, read_yaml

MASK = "[secret]"  # what is shown in place of an encrypted value
_Parsed = TypeVar("_Parsed")
_FILE_NAME = re.compile(r"^Pulumi\.(?P<stack>.+)\.yaml$")


@dataclass(frozen=True, slots=True)
class StackFile:
    """One stack's configuration file as it was when loaded."""

    path: Path
    text: str

    @classmethod
    def load(cls, path: Path) -> StackFile:
        """Read the file.

        Raises:
            StackMissing: there is no such file; the message lists the stacks that have one.
            ConfigError: the file cannot be read or is not valid YAML, naming the line.
        """
        try:
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError as error:
            raise StackMissing(_missing(path)) from error
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
            ) from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        found = cls(path, text)
        found.values()
        return found

    def values(self) -> dict[str, Json]:
        """Structured configuration by full key, encrypted values masked.

        Raises:
            ConfigError: ``config`` is not a mapping.
        """
        config = _config(self.text, self.path)
        return {key: _masked(value) for key, value in config.items()}

    def sizing(self) -> StackSizing:
        """The three keys, checked. Raises ConfigError naming the file, the key and the value."""
        return _named(self.path, parse_stack_sizing, self.values())

    def declaration(self) -> StackDeclaration:
        """What the owner declares.

        Raises ConfigError naming the file, the key and the value; a misspelt ``rightsizing:`` key
        too, since ignoring ``fleet:`` for ``fleets:`` would delete the fleet.
        """
        _refuse_unknown_keys(self.path, self.values())
        return _named(self.path, parse_declaration, self.values())

    def write_sizing(self, sizing: StackSizing) -> StackFile:
        """Write the three keys, atomically, and return the file as it is now.

        Keys without a meaning are removed: with no release all three, since every size is then the
        declared one. A file that already says this is not touched.

        Raises:
            ConfigError: the sizing contradicts itself or is too large, the file cannot be edited,
                or it was changed since it was loaded.
            StackError: the disk refused; the file is as it was.
        """
        if sizing.release is not None:
            sizing.release.require_fits()
        wanted = sizing_values(sizing)
        parse_stack_sizing({key: value for key, value in wanted.items() if value is not None})
        text = edit_mapping(self.text, "config", wanted, str(self.path))
        return self._written(text)

    def write_declared(self, key: str, fields: Mapping[str, Json]) -> StackFile:
        """Write fields of one declared key (``cache``), atomically, and return the file as it is.

        Fields that are not named, the owner's own within an entry, comments and order stay; a field
        that is None is removed.

        Raises:
            ConfigError: the key is encrypted, the result would be refused by the program, or the
                file was changed since it was loaded.
            StackError: the disk refused; the file is as it was.
        """
        full = f"{NAMESPACE}:{key}"
        present = _config(self.text, self.path).get(full) or {}
        if not isinstance(present, dict) or set(present) == {"secure"}:
            raise ConfigError(
                f"{self.path.name}: {full} is encrypted or not a mapping, so nothing can be "
                "written into it; write it as a plain block"
            )
        wanted = {full: _overlaid(present, fields)}
        text = edit_mapping(self.text, "config", wanted, str(self.path))
        StackFile(self.path, text).declaration()
        return self._written(text)

    def restored(self) -> StackFile:
        """Put the three keys back as they were when loaded, whatever they say now.

        What somebody else has written into the file meanwhile stays (the Pulumi CLI adds its
        encryption salt on a first preview); if nobody has, every byte is as it was.
        """
        present = StackFile.load(self.path)
        if present.text == self.text:
            return present
        if _others(present.text, self.path) == _others(self.text, self.path):
            return present._written(self.text)
        raw = _config(self.text, self.path)
        wanted = {key: raw.get(key) for key in SIZING_KEYS}
        return present._written(edit_mapping(present.text, "config", wanted, str(self.path)))

    def _written(self, text: str) -> StackFile:
        if not self.path.is_file() or self.path.read_bytes() != self.text.encode("utf-8"):
            raise ConfigError(
                f"{self.path} was changed by someone else meanwhile; run the command again"
            )
        if text != self.text:
            replace_file(self.path, text.encode("utf-8"))
        return StackFile(self.path, text)


def sizing_values(sizing: StackSizing) -> dict[str, Json | None]:
    """The three keys as structured configuration; None for a key that should not be there."""
    if sizing.release is None and not sizing.rollout.fleets:
        return dict.fromkeys(SIZING_KEYS)
    release = None if sizing.release is None else sizing.release.model_dump(mode="json")
    return {
        RELEASE_KEY: release,
        PHASE_KEY: None if release is None else sizing.phase,
        ROLLOUT_KEY: sizing.rollout.model_dump(mode="json", exclude_none=True),
    }


def _config(text: str, path: Path) -> dict[str, Json]:
    """The ``config`` mapping, encrypted values and all."""
    document = read_yaml(text, str(path))
    config = document.get("config") if isinstance(document, dict) else document
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ConfigError(
            f"{path}: 'config' must be a mapping of keys to values, found {config!r:.40}"
        )
    return config


def _others(text: str, path: Path) -> Json:
    """The whole document without the three keys."""
    document = read_yaml(text, str(path)) or {}
    config = {key: value for key, value in _config(text, path).items() if key not in SIZING_KEYS}
    return {**document, "config": config}


def _overlaid(present: Mapping[str, Json], fields: Mapping[str, Json]) -> dict[str, Json]:
    """Fields laid over what is there; an entry's fields one by one, a field itself as a whole."""
    merged = dict(present)
    for name, value in fields.items():
        there = present.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            merged[name] = {**there, **value}
        else:
            merged[name] = value
    return {name: value for name, value in merged.items() if value is not None}


def _refuse_unknown_keys(path: Path, values: Mapping[str, Json]) -> None:
    known = [*(f"{NAMESPACE}:{key}" for key in DECLARATION_KEYS), *SIZING_KEYS, SETTINGS_KEY]
    for key in values:
        if key.startswith(f"{NAMESPACE}:") and key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{path.name}: {key} is not a key of the toolkit; {hint}")


def _masked(value: Json) -> Json:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            return MASK
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return value


def _named(
    path: Path, parse: Callable[[Mapping[str, Json]], _Parsed], values: Mapping[str, Json]
) -> _Parsed:
    try:
        return parse(values)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def _missing(path: Path) -> str:
    match = _FILE_NAME.match(path.name)
    stack = match.group("stack") if match else path.name
    names = sorted(
        found.group("stack")
        for found in map(
            _FILE_NAME.match, (item.name for item in path.parent.glob("Pulumi.*.yaml"))
        )
        if found
    )
    others = f"stacks with a file there: {', '.join(names)}" if names else "no stack has a file"
    return f"stack {stack!r} has no {path.name} in {path.parent or Path()} ({others})"
