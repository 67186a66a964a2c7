"""Providers by package name, and one configured provider as the deployment calls it.

Providers are subclasses of the SDK's experimental ``Provider``, run in this process. Whatever they
raise becomes ProviderFailed with its message, so a provider's bug cannot break the engine.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pulumi.provider.experimental import provider as sdk

from rightsizing.embedded.engine.properties import (
    Properties,
    from_values,
    has_unknown,
    reveal,
    split_path,
    to_values,
)
from rightsizing.errors import ConfigError, EmbeddedError

ProviderTable = Mapping[str, str]  # package name -> "module:class"

DEFAULT_PROVIDERS: ProviderTable = {
    "aws": "rightsizing.embedded.aws.provider:AwsProvider",
    "docker": "rightsizing.embedded.docker.provider:DockerProvider",
}
NO_TIMEOUT_SECONDS = 0.0
_REPLACING_KINDS = (
    sdk.PropertyDiffKind.ADD_REPLACE,
    sdk.PropertyDiffKind.DELETE_REPLACE,
    sdk.PropertyDiffKind.UPDATE_REPLACE,
)

_T = TypeVar("_T")


class ProviderFailed(EmbeddedError):
    """A provider refused or could not do an operation."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A provider's verdict about new inputs. Paths are property paths; () twice: no change."""

    changed: tuple[str, ...]
    replaces: tuple[str, ...] = ()
    delete_before_replace: bool = False


def load_provider(package: str, table: ProviderTable) -> sdk.Provider:
    """Make the provider of a package. Raises EmbeddedError for one that is not in the table."""
    if package not in table:
        raise EmbeddedError(
            f"the embedded engine has no provider for package {package!r}, only for "
            f"{', '.join(sorted(table))}; use the Pulumi CLI for this program"
        )
    module, _, name = table[package].partition(":")
    try:
        provider = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise EmbeddedError(f"the provider for package {package!r} is missing: {error}") from error
    assert isinstance(provider, sdk.Provider)
    return provider


def load_table(spec: str) -> ProviderTable:
    """The mapping that ``module:attribute`` names. Raises ConfigError when there is none."""
    module, _, name = spec.partition(":")
    try:
        table = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"--providers {spec!r} names no provider table: {error}") from error
    return dict(table)


class ConfiguredProvider:
    """One provider with its configuration, in terms of JSON properties."""

    def __init__(self, package: str, provider: sdk.Provider) -> None:
        self._package = package
        self._provider = provider

    def check_config(self, urn: str, old: Properties, new: Properties) -> Properties:
        """Checked configuration. Raises ProviderFailed naming the failures."""
        request = sdk.CheckRequest(urn, to_values(old), to_values(new), b"")
        return _checked(urn, self._run(self._provider.check_config(request)), new)

    def configure(self, inputs: Properties) -> None:
        """Give the provider its configuration; one that is not known yet is given as it is."""
        args = {key: value for key, value in inputs.items() if key != "version"}
        texts = {f"{self._package}:config:{key}": reveal(value) for key, value in args.items()}
        variables = {key: value for key, value in texts.items() if isinstance(value, str)}
        request = sdk.ConfigureRequest(
            variables, to_values(args), accept_secrets=True, accept_resources=True
        )
        self._run(self._provider.configure(request))

    def check(self, urn: str, old: Properties, new: Properties, seed: bytes) -> Properties:
        """Inputs with defaults (autonames) filled in. Raises ProviderFailed naming failures."""
        request = sdk.CheckRequest(urn, to_values(old), to_values(new), seed)
        return _checked(urn, self._run(self._provider.check(request)), new)

    def diff(
        self,
        urn: str,
        resource_id: str,
        *,
        old_inputs: Properties,
        old_outputs: Properties,
        new: Properties,
        ignored: tuple[str, ...],
    ) -> Difference:
        """What changes; a provider that does not know leaves it to comparing inputs."""
        request = sdk.DiffRequest(
            urn, resource_id, to_values(old_outputs), to_values(new), list(ignored)
        )
        answer = self._run(self._provider.diff(request))
        compared = tuple(
            key for key in sorted({*old_inputs, *new}) if old_inputs.get(key) != new.get(key)
        )
        if answer.changes is None:
            return Difference(compared)
        if not answer.changes:
            return Difference(())
        detailed = answer.detailed_diff
        forced = {path for path, each in detailed.items() if each.kind in _REPLACING_KINDS}
        changed = tuple(sorted({*answer.diffs, *answer.replaces, *detailed})) or compared
        return Difference(
            changed or ("(unnamed)",),
            tuple(sorted({*answer.replaces, *forced})),
            answer.delete_before_replace,
        )

    def create(self, urn: str, inputs: Properties, *, dry_run: bool) -> tuple[str, Properties]:
        """Id and outputs of the new resource."""
        request = sdk.CreateRequest(urn, to_values(inputs), NO_TIMEOUT_SECONDS, dry_run)
        answer = self._run(self._provider.create(request))
        if not dry_run and not answer.resource_id:
            raise ProviderFailed(f"the provider {self._package} gave {urn} no id")
        return "" if dry_run else str(answer.resource_id), from_values(answer.properties)

    def update(
        self,
        urn: str,
        resource_id: str,
        *,
        old_outputs: Properties,
        new: Properties,
        ignored: tuple[str, ...],
        dry_run: bool,
    ) -> Properties:
        """Outputs after the change."""
        request = sdk.UpdateRequest(
            urn,
            resource_id,
            to_values(old_outputs),
            to_values(new),
            NO_TIMEOUT_SECONDS,
            list(ignored),
            dry_run,
        )
        return from_values(self._run(self._provider.update(request)).properties)

    def read(
        self, urn: str, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Live inputs and outputs, or None when the resource is gone."""
        request = sdk.ReadRequest(urn, resource_id, to_values(outputs), to_values(inputs))
        answer = self._run(self._provider.read(request))
        if not answer.resource_id:
            return None
        return from_values(answer.inputs) or inputs, from_values(answer.properties)

    def delete(self, urn: str, resource_id: str, outputs: Properties) -> None:
        """Remove the resource."""
        request = sdk.DeleteRequest(urn, resource_id, to_values(outputs), NO_TIMEOUT_SECONDS)
        self._run(self._provider.delete(request))

    def _run(self, call: Coroutine[Any, Any, _T]) -> _T:
        try:
            return asyncio.run(call)
        except Exception as error:
            text = str(error) or type(error).__name__
            raise ProviderFailed(text) from error


def _checked(urn: str, answer: sdk.CheckResponse, given: Properties) -> Properties:
    if answer.failures:
        name, kind = urn.rsplit("::", 1)[-1], urn.split("::")[2].rsplit("$", 1)[-1]
        first = answer.failures[0]
        value = reveal(given).get(split_path(first.property)[0]) if first.property else None
        shown = "" if has_unknown(value) else f" value {value!r}"
        raise ProviderFailed(
            f"{kind} resource {name!r}: property {first.property}{shown} has a problem: "
            f"{first.reason}"
        )
    return from_values(answer.inputs or {})
