"""TableProvider: a Pulumi provider whose whole behaviour is a table of resource types.

It follows what the engine sees from a bridged Terraform provider: ``check`` fills in defaults and
names, ``diff`` compares the last known state with new inputs, ``read`` returns live values so that
a refresh sees drift, a preview calls nothing and leaves what only the cloud knows unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pulumi.provider.experimental.provider import (
    CheckFailure,
    CheckRequest,
    CheckResponse,
    ConfigureRequest,
    ConfigureResponse,
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    GetSchemaRequest,
    GetSchemaResponse,
    PropertyDiff,
    PropertyDiffKind,
    Provider,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from rightsizing.embedded.plugin.comparison import Change, find_changes, is_same, settle
from rightsizing.embedded.plugin.naming import NameTooLong, choose_name
from rightsizing.embedded.plugin.schema import ResourceType
from rightsizing.embedded.plugin.values import (
    UNKNOWN,
    Properties,
    from_plain,
    from_plain_map,
    is_unknown,
    to_plain_map,
)
from rightsizing.errors import EmbeddedError

Api = TypeVar("Api")

# Input the bridge keeps beside the others: which of them the program did not give itself.
DEFAULTS_KEY = "__defaults"


class TableProvider(Provider, Generic[Api]):
    """Base of the local providers. Raises EmbeddedError for everything it cannot do."""

    def __init__(self, package: str, table: Mapping[str, ResourceType[Api]]) -> None:
        self._package = package
        self._table = table
        self._api: Api | None = None

    def connect(self, config: Properties) -> Api:
        """Open the API for this provider configuration; refuses what is not loopback."""
        raise NotImplementedError

    def explain(self, error: Exception) -> str | None:
        """One sentence for a foreign error, or None when it is not one of the SDK's."""
        raise NotImplementedError

    @property
    def types(self) -> tuple[str, ...]:
        """Supported type tokens, sorted."""
        return tuple(sorted(self._table))

    async def get_schema(self, request: GetSchemaRequest) -> GetSchemaResponse:  # noqa: ARG002
        """A schema with a name only: programs use the real SDK's."""
        return GetSchemaResponse(schema=f'{{"name": "{self._package}", "version": "0.0.1"}}')

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """Connect. Secrets are accepted and marked again on what comes back."""
        self._api = self.connect(to_plain_map(request.args))
        return ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=True, accept_outputs=False
        )

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Validate names of properties; add defaults and a generated name."""
        kind = self._kind(request.urn)
        inputs = to_plain_map(request.new_inputs)
        inputs.pop(DEFAULTS_KEY, None)
        failures = _failures(kind, inputs)
        filled = {
            name: rule.default
            for name, rule in kind.properties.items()
            if rule.default is not None and name not in inputs
        }
        naming = kind.naming
        if naming is not None and naming.property not in inputs:
            old = to_plain_map(request.old_inputs or {})
            try:
                filled[naming.property] = choose_name(
                    naming, request.name, old, request.random_seed or b"", request.urn
                )
            except NameTooLong as error:
                failures.append(CheckFailure(naming.property, str(error)))
        checked = {key: value for key, value in request.new_inputs.items() if key in inputs}
        checked |= from_plain_map(filled)
        checked[DEFAULTS_KEY] = from_plain(sorted(filled))
        return CheckResponse(inputs=checked, failures=failures)

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Compare the state with new inputs; name what replaces and what only updates."""
        kind = self._kind(request.urn)
        state, inputs = to_plain_map(request.old_state), to_plain_map(request.new_inputs)
        ignored = _roots(request.ignore_changes)
        changes = find_changes(kind, state, inputs, ignored)
        replaces = sorted({change.property for change in changes if change.replaces})
        return DiffResponse(
            changes=bool(changes),
            replaces=replaces,
            diffs=list(dict.fromkeys(change.property for change in changes)),
            detailed_diff={change.path: _describe(change) for change in changes},
            delete_before_replace=bool(replaces) and _name_is_taken(kind, state, inputs),
        )

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Create, then read back."""
        kind = self._kind(request.urn)
        inputs = _without_defaults(to_plain_map(request.properties))
        if request.preview:
            unknown: Properties = dict.fromkeys(kind.outputs, UNKNOWN)
            unknown |= {
                name: UNKNOWN
                for name, rule in kind.properties.items()
                if rule.computed and name not in inputs
            }
            return CreateResponse("", from_plain_map(unknown | inputs, request.properties))
        api = self._connected()
        try:
            resource_id = kind.create(api, inputs)
            live = kind.read(api, resource_id, inputs)
        except Exception as error:
            raise self._named(error, request.urn, "create") from error
        if live is None:
            raise EmbeddedError(f"{_label(request.urn)} was gone as soon as it was created")
        state = settle(kind, inputs, live)
        return CreateResponse(resource_id, from_plain_map(state, request.properties))

    async def read(self, request: ReadRequest) -> ReadResponse:
        """Live state; an empty id when the resource is gone."""
        kind = self._kind(request.urn)
        known = _without_defaults(to_plain_map(request.properties))
        inputs = to_plain_map(request.inputs or {})
        try:
            live = kind.read(self._connected(), request.resource_id, known)
        except Exception as error:
            raise self._named(error, request.urn, "read") from error
        if live is None:
            return ReadResponse("", {}, {})
        state = settle(kind, known | _without_defaults(inputs), live)
        # Inputs follow the live values where they were given, as the bridge's refresh does, so
        # that ignoreChanges keeps what an autoscaler set.
        fresh = {name: state.get(name, value) for name, value in inputs.items()}
        return ReadResponse(
            request.resource_id,
            from_plain_map(state, request.properties),
            from_plain_map(fresh, request.inputs),
        )

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Update in place, then read back."""
        kind = self._kind(request.urn)
        state = _without_defaults(to_plain_map(request.olds))
        inputs = _without_defaults(to_plain_map(request.news))
        ignored = _roots(list(request.ignore_changes))
        changes = find_changes(kind, state, inputs, ignored)
        changed = frozenset(change.property for change in changes)
        kept = {name: value for name, value in state.items() if _survives(kind, name, inputs)}
        if request.preview:
            moved: Properties = {
                output: UNKNOWN for output, causes in kind.moves.items() if causes & changed
            }
            return UpdateResponse(from_plain_map(kept | inputs | moved, request.news))
        if kind.update is None:
            raise EmbeddedError(f"{_label(request.urn)} cannot be updated in place")
        api = self._connected()
        try:
            kind.update(api, request.resource_id, kept | inputs, changed)
            live = kind.read(api, request.resource_id, kept | inputs)
        except Exception as error:
            raise self._named(error, request.urn, "update") from error
        if live is None:
            raise EmbeddedError(
                f"{_label(request.urn)} is gone from the local cloud; run a refresh first"
            )
        return UpdateResponse(from_plain_map(settle(kind, inputs, live), request.news))

    async def delete(self, request: DeleteRequest) -> None:
        """Delete; a resource that is already gone is no error."""
        kind = self._kind(request.urn)
        try:
            kind.delete(self._connected(), request.resource_id, to_plain_map(request.properties))
        except Exception as error:
            raise self._named(error, request.urn, "delete") from error

    def _kind(self, urn: str) -> ResourceType[Api]:
        token = urn.split("::")[2].rsplit("$", 1)[-1]
        kind = self._table.get(token)
        if kind is None:
            raise EmbeddedError(
                f"the local {self._package} provider does not support {token}; it supports "
                f"{', '.join(self.types)}"
            )
        return kind

    def _connected(self) -> Api:
        if self._api is None:
            self._api = self.connect({})
        return self._api

    def _named(self, error: Exception, urn: str, verb: str) -> Exception:
        sentence = self.explain(error)
        if sentence is None:
            return error
        return EmbeddedError(f"cannot {verb} {_label(urn)}: {sentence}")


def _failures(kind: ResourceType[Any], inputs: Properties) -> list[CheckFailure]:
    failures = [
        CheckFailure(
            name,
            kind.refused.get(name)
            or f"the local cloud does not serve {name} of {kind.pulumi_type}; it serves "
            f"{', '.join(sorted(kind.properties))}",
        )
        for name in inputs
        if name not in kind.properties
    ]
    failures += [
        CheckFailure(name, f"{kind.pulumi_type} needs {name}")
        for name, rule in kind.properties.items()
        if rule.required and name not in inputs
    ]
    return failures


def _roots(paths: list[str]) -> frozenset[str]:
    return frozenset(path.split(".")[0].split("[")[0] for path in paths)


def _without_defaults(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if key != DEFAULTS_KEY}


def _survives(kind: ResourceType[Any], name: str, inputs: Properties) -> bool:
    rule = kind.properties.get(name)
    return rule is None or rule.computed or name in inputs


def _describe(change: Change) -> PropertyDiff:
    kinds = PropertyDiffKind
    if change.added:
        kind = kinds.ADD_REPLACE if change.replaces else kinds.ADD
    elif change.removed:
        kind = kinds.DELETE_REPLACE if change.replaces else kinds.DELETE
    else:
        kind = kinds.UPDATE_REPLACE if change.replaces else kinds.UPDATE
    return PropertyDiff(kind=kind, input_diff=False)


def _name_is_taken(kind: ResourceType[Any], state: Properties, inputs: Properties) -> bool:
    """True when old and new cannot exist side by side: a name the program chose, unchanged.

    The bridge does the same (``pkg/tfbridge/provider.go`` nameRequiresDeleteBeforeReplace).
    """
    if kind.naming is None:
        return False
    name = kind.naming.property
    if name in inputs.get(DEFAULTS_KEY, ()) or name not in inputs or is_unknown(inputs[name]):
        return False
    return is_same(kind.properties[name], inputs[name], state.get(name))


def _label(urn: str) -> str:
    parts = urn.split("::")
    return f"{parts[2].rsplit('$', 1)[-1]} {parts[-1]!r}"
