"""A resource type as one table row: its properties, its outputs and its four calls.

The rules are those of the real provider's schema, which Pulumi's bridge reads from the Terraform
provider: ``ForceNew`` is ``replaces``, ``Computed`` is ``computed``, ``Default`` is ``default``.
Each row names the file they were taken from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

Api = TypeVar("Api")
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Property:
    """One input property.

    ``computed``: the cloud fills it in when it is not given, so absence is no change.
    ``unordered``: a set. ``document``: text holding JSON, compared by content.
    ``nested_computed``: keys of nested blocks the cloud fills in.
    """

    replaces: bool = False
    computed: bool = False
    required: bool = False
    default: Json = None
    unordered: bool = False
    document: bool = False
    nested_computed: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class Naming:
    """How the real provider names a resource nobody named: ``<logical name>-<7 hex digits>``."""

    property: str = "name"
    limit: int = 255  # longest name the service takes


@dataclass(frozen=True, slots=True)
class ResourceType(Generic[Api]):
    """One row of a provider's table.

    ``create`` returns the id. ``read`` returns live properties and outputs, or None when the
    resource is gone. ``update`` gets the names of the changed properties. ``moves`` names the
    outputs that an update of certain inputs makes unknown until it is done.
    """

    pulumi_type: str  # e.g. aws:ec2/vpc:Vpc
    source: str
    properties: Mapping[str, Property]
    create: Callable[[Api, Properties], str]
    read: Callable[[Api, str, Properties], Properties | None]
    delete: Callable[[Api, str, Properties], None]
    update: Callable[[Api, str, Properties, frozenset[str]], None] | None = None
    outputs: tuple[str, ...] = ()
    naming: Naming | None = None
    moves: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)  # property -> why it is not served


def given(**properties: Json) -> Properties:
    """The properties that are not None: arguments of a call, or values a service returned."""
    return {key: value for key, value in properties.items() if value is not None}
