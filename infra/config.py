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
from rightsizing.model.caching import ElasticacheCache
from rightsizing.model.declaration import (
    DECLARATION_KEYS,
    NAMESPACE,
    SECRET_KINDS,
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
    secret_kinds: frozenset[str] = frozenset()  # of SECRET_KINDS: the encrypted ones


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
    refuse_unserved(declaration)
    refuse_purchase(stack, declaration)
    require_distinct_names(declaration)
    sizing = stack_sizing()
    require_images(declaration, sizing)
    root = project_dir if project_dir is not None else find_project_dir(Path.cwd())
    refuse_quarantined(sizing.stack, root / RECORD_DIR / project / stack / QUARANTINE_FILE)
    return StackConfig(project, stack, declaration, sizing, _secret_kinds())


def refuse_embedded_production(stack: str, declaration: StackDeclaration) -> None:
    """Raise ConfigError when a stack named like production would be served by stand-ins."""
    if declaration.embedded and is_production(stack):
        raise ConfigError(
            f"{NAMESPACE}:embedded is true for stack {stack!r}, which is named like production; "
            f"set it to false, or give a stack for experiments a name that does not start with "
            f"{PRODUCTION_PREFIX!r}"
        )


def refuse_unserved(declaration: StackDeclaration) -> None:
    """Raise ConfigError when an embedded stack declares what the local stand-ins do not serve."""
    if not declaration.embedded:
        return
    for name, cache in declaration.cache.items():
        if isinstance(cache.config.deployment, ElasticacheCache):
            raise ConfigError(
                f"{NAMESPACE}:cache.{name} is an ElastiCache group, which the local cloud does not "
                "serve; give this stack a deployment of kind container"
            )
    for name, tenancy in declaration.tenancy.items():
        if tenancy.runs_as == "services":
            raise ConfigError(
                f"{NAMESPACE}:tenancy.{name} runs as services, whose instances the local cloud "
                "does not serve; set runs_as to containers in this stack"
            )
    if not declaration.budgets.empty:
        raise ConfigError(
            f"{NAMESPACE}:budgets is set, but the local cloud has no budgets; declare it in a "
            "stack on AWS"
        )
    if not declaration.commitments.empty:
        raise ConfigError(
            f"{NAMESPACE}:commitments is set, but the local cloud sells none; declare it in the "
            "production stack"
        )


def refuse_purchase(stack: str, declaration: StackDeclaration) -> None:
    """Raise ConfigError when a stack that is not named like production would buy something."""
    if declaration.commitments.confirmed is not None and not is_production(stack):
        raise ConfigError(
            f"{NAMESPACE}:commitments is confirmed for stack {stack!r}; commitments are bought by "
            f"a stack whose name starts with {PRODUCTION_PREFIX!r} only, remove confirmed"
        )


def is_production(stack: str) -> bool:
    """Whether a stack is named like production."""
    return stack.lower().startswith(PRODUCTION_PREFIX)


def require_distinct_names(declaration: StackDeclaration) -> None:
    """Raise ConfigError when two workload keys would make resources of the same name.

    The engine would notice too, but only after it has made some of them.
    """
    tenants = [tenant for item in declaration.tenancy.values() for _, tenant in item.tenants()]
    for kind, keys, prefixes in (
        ("fleets", declaration.fleets, ("", LOAD_BALANCER_PREFIX)),
        ("services", declaration.services, ("",)),
        ("containers", declaration.containers, ("",)),
        ("cache", declaration.cache, ("",)),
        ("jobs", declaration.jobs, ("",)),
        ("tenancy", declaration.tenancy, ("",)),
        ("tenancy", tenants, ("",)),
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
    return frozenset(kind for kind in SECRET_KINDS if is_config_secret(f"{NAMESPACE}:{kind}"))


def _declared_values(config: pulumi.Config) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for key in DECLARATION_KEYS:
        value = config.get(key) if key in _TEXT_KEYS else config.get_object(key)
        if value is not None:
            values[f"{NAMESPACE}:{key}"] = value
    return values
