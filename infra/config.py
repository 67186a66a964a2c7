"""The stack's configuration as one typed value: the only reader of ``pulumi.Config`` in ``infra``.

Two parts, each with one parser shared with the command line: the declaration (what runs where) and
the sizing (release, phase and rollout, through the same public call as any other program). Whatever
can be refused is refused here, before the first resource: an update that fails half-way is worse.
Among it, because every driver runs this code: a quarantined release, and the local stand-ins for a
production stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime import is_config_secret

from infra.components.naming import LOAD_BALANCER_PREFIX, resource_stem
from infra.images import require_images
from rightsizing.errors import ConfigError
from rightsizing.model.declaration import (
    DECLARATION_KEYS,
    NAMESPACE,
    StackDeclaration,
    parse_declaration,
)
from rightsizing.model.quarantine import QUARANTINE_FILE, find_quarantined, parse_quarantine
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import RELEASE_KEY, Json
from rightsizing.sizing import Sizing, stack_sizing

PROJECT_FILE = "Pulumi.yaml"
RECORD_DIR = ".rightsizing"  # <project folder>/.rightsizing/<project>/<stack>/
PRODUCTION_PREFIX = "prod"
_TEXT_KEYS = frozenset({"region", "owner"})  # plain strings; every other key is structured


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Everything the program builds from."""

    project: str
    stack: str
    declaration: StackDeclaration
    sizing: Sizing
    secret_kinds: frozenset[str] = frozenset()  # of fleets, services, containers: encrypted ones


def load_config(project_dir: Path | None = None) -> StackConfig:
    """Read and check the running stack's configuration.

    Args:
        project_dir: folder that holds ``Pulumi.yaml``; found from the working directory if None.

    Raises:
        ConfigError: a key is malformed, a fleet has no image for its size, the release is
            quarantined, or a production stack asks for the local stand-ins. It names the key.
    """
    stack = pulumi.get_stack()
    project = pulumi.get_project()
    declaration = parse_declaration(_declared_values(pulumi.Config(NAMESPACE)))
    refuse_embedded_production(stack, declaration)
    require_distinct_names(declaration)
    sizing = stack_sizing()
    require_images(declaration, sizing)
    root = project_dir if project_dir is not None else find_project_dir(Path.cwd())
    refuse_quarantined(sizing.stack, root / RECORD_DIR / project / stack / QUARANTINE_FILE)
    return StackConfig(project, stack, declaration, sizing, _secret_kinds())


def refuse_embedded_production(stack: str, declaration: StackDeclaration) -> None:
    """Raise ConfigError when a stack named like production would be served by stand-ins."""
    if declaration.embedded and stack.lower().startswith(PRODUCTION_PREFIX):
        raise ConfigError(
            f"{NAMESPACE}:embedded is true for stack {stack!r}, which is named like production; "
            f"set it to false, or give a stack for experiments a name that does not start with "
            f"{PRODUCTION_PREFIX!r}"
        )


def require_distinct_names(declaration: StackDeclaration) -> None:
    """Raise ConfigError when two workload keys would make resources of the same name.

    The engine would notice too, but only after it has made some of them.
    """
    for kind, keys, prefixes in (
        ("fleets", declaration.fleets, ("", LOAD_BALANCER_PREFIX)),
        ("services", declaration.services, ("",)),
        ("containers", declaration.containers, ("",)),
    ):
        owners: dict[str, str] = {}
        for key in keys:
            for prefix in prefixes:
                name = f"{prefix}{resource_stem(key)}"
                if owners.setdefault(name, key) != key:
                    raise ConfigError(
                        f"{NAMESPACE}:{kind} {owners[name]!r} and {key!r} would both make a "
                        f"resource named {name!r}; rename one of them"
                    )


def refuse_quarantined(sizing: StackSizing, quarantine_file: Path) -> None:
    """Raise ConfigError when the release was rolled back at this phase, or the list is damaged."""
    if sizing.release is None or not quarantine_file.exists():
        return
    text = quarantine_file.read_bytes().decode("utf-8", errors="replace")
    entries = parse_quarantine(text, str(quarantine_file))
    found = find_quarantined(entries, sizing.release.id, sizing.phase)
    if found is not None:
        raise ConfigError(
            f"{RELEASE_KEY} {sizing.release.short_id} at phase {sizing.phase} is quarantined "
            f"({found.reason}); run `rightsize rollback` to restore the last good release, or "
            f"`rightsize plan` when its evidence has changed"
        )


def find_project_dir(start: Path) -> Path:
    """The nearest folder from ``start`` upwards that holds ``Pulumi.yaml``.

    A program with ``main: infra/`` runs inside ``infra/``, so this is usually its parent.
    """
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise ConfigError(
        f"no {PROJECT_FILE} in {start} or above it; run from inside the project folder"
    )


def _secret_kinds() -> frozenset[str]:
    kinds = ("fleets", "services", "containers")
    return frozenset(kind for kind in kinds if is_config_secret(f"{NAMESPACE}:{kind}"))


def _declared_values(config: pulumi.Config) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for key in DECLARATION_KEYS:
        value = config.get(key) if key in _TEXT_KEYS else config.get_object(key)
        if value is not None:
            values[f"{NAMESPACE}:{key}"] = value
    return values
