"""A project folder as the engine needs it: program folder and the stack's full configuration.

Follows Pulumi: keys without a namespace belong to the project, ``Pulumi.yaml`` gives types and
defaults, structured values reach the program as JSON text, ``secure`` values are decrypted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rightsizing.embedded.engine.passphrase import PassphraseCipher
from rightsizing.errors import ConfigError, EmbeddedError
from rightsizing.model.update import Json

EMBEDDED_KEY = "rightsizing:embedded"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str, int, float, bool),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """One value: ``raw`` as the file has it (secrets as ciphertext)."""

    raw: Json
    secret: bool


@dataclass(frozen=True, slots=True)
class Project:
    """Name, program folder and configuration of one stack."""

    name: str
    program: Path
    config: Mapping[str, ConfigValue]
    salt: str | None  # ``encryptionsalt`` of the stack file

    def refuse_unless_embedded(self, stack: str) -> None:
        """Raise EmbeddedError unless the stack says that stand-ins may serve it."""
        value = self.config.get(EMBEDDED_KEY)
        if value is None or value.raw not in (True, "true"):
            raise EmbeddedError(
                f"stack {stack!r} does not say `{EMBEDDED_KEY}: true`, so the embedded engine will "
                "not touch it; use the Pulumi CLI"
            )

    def clear_config(self, cipher: PassphraseCipher) -> dict[str, str]:
        """Configuration as the program gets it: text, secrets decrypted."""
        return {
            key: _text(_decrypted(value.raw, cipher) if value.secret else value.raw)
            for key, value in self.config.items()
        }

    def history_config(self) -> dict[str, Json]:
        """Configuration as history keeps it: text, secrets as ciphertext."""
        return {
            key: {"value": _text(_ciphertext(value.raw)), "secret": value.secret}
            for key, value in self.config.items()
        }


def load_project(project_dir: Path, stack: str) -> Project:
    """Read ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml``. Raises ConfigError naming file and key."""
    path = project_dir / "Pulumi.yaml"
    content = _load_yaml(path)
    name = content.get("name")
    runtime = content.get("runtime")
    runtime = runtime.get("name") if isinstance(runtime, dict) else runtime
    if not isinstance(name, str) or runtime != "python":
        raise ConfigError(f"{path} must have a `name` and `runtime: python`, found {runtime!r}")
    stack_path = project_dir / f"Pulumi.{stack}.yaml"
    settings = _load_yaml(stack_path) if stack_path.exists() else {}
    config = {
        key if ":" in key else f"{name}:{key}": ConfigValue(value, _is_secure(value))
        for key, value in (settings.get("config") or {}).items()
    }
    for key, declared in (content.get("config") or {}).items():
        full = key if ":" in key else f"{name}:{key}"
        _apply_declaration(config, full, declared, stack_path)
    program = project_dir / str(content.get("main", "."))
    return Project(name, program, config, settings.get("encryptionsalt"))


def _apply_declaration(
    config: dict[str, ConfigValue], key: str, declared: Json, stack_path: Path
) -> None:
    if not isinstance(declared, dict):
        declared = {"default": declared}
    if key not in config:
        default = declared.get("default", declared.get("value"))
        if default is None:
            raise ConfigError(f"{stack_path.name} is missing a value for `{key}`")
        config[key] = ConfigValue(default, bool(declared.get("secret", False)))
    kind = declared.get("type")
    value = config[key].raw
    if config[key].secret or kind not in _TYPES or isinstance(value, _TYPES[kind]):
        return
    if isinstance(value, str) and kind in ("integer", "boolean"):
        return  # `pulumi config set` writes both as text
    raise ConfigError(f"{stack_path.name}: `{key}` must be of type {kind}, found {value!r:.60}")


def _load_yaml(path: Path) -> dict[str, Json]:
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping at its top level")
    return content


def _is_secure(value: Json) -> bool:
    if isinstance(value, dict):
        return _is_sealed(value) or any(_is_secure(item) for item in value.values())
    return isinstance(value, list) and any(_is_secure(item) for item in value)


def _is_sealed(value: Json) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}


def _decrypted(value: Json, cipher: PassphraseCipher) -> Json:
    if _is_sealed(value):
        return cipher.decrypt(str(value["secure"]))
    if isinstance(value, dict):
        return {key: _decrypted(item, cipher) for key, item in value.items()}
    if isinstance(value, list):
        return [_decrypted(item, cipher) for item in value]
    return value


def _ciphertext(value: Json) -> Json:
    return value["secure"] if _is_sealed(value) else value


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
