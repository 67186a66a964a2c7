"""What the program asks for: one resource registration, after the stack's transforms.

Reads only the parts of Pulumi's RegisterResourceRequest that the engine honours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from pulumi.runtime.proto import (
    alias_pb2,
    callback_pb2,
    callback_pb2_grpc,
    resource_pb2,
)

from rightsizing.embedded.engine.properties import Properties, from_struct
from rightsizing.embedded.engine.state import STACK_TYPE


@dataclass(frozen=True, slots=True)
class StackName:
    """Project and stack, and the URNs made from them."""

    project: str
    stack: str

    def urn(self, parent: str, kind: str, name: str) -> str:
        """URN of a child of ``parent``; the types of all parents but the stack are joined by $."""
        above = parent.split("::")[2] if parent else ""
        chain = kind if above in ("", STACK_TYPE) else f"{above}${kind}"
        return f"urn:pulumi:{self.stack}::{self.project}::{chain}::{name}"


@dataclass(frozen=True, slots=True)
class Goal:
    """The desired resource. ``aliases`` are complete URNs it may have had before."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    inputs: Properties
    provider: str  # URN of the provider resource, "" when the program named none
    version: str
    dependencies: tuple[str, ...]
    aliases: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    secret_outputs: tuple[str, ...]
    protect: bool | None  # None: as the parent has it
    retain_on_delete: bool | None
    delete_before_replace: bool | None


def transformed(
    request: resource_pb2.RegisterResourceRequest, stack_transforms: Iterable[callback_pb2.Callback]
) -> resource_pb2.RegisterResourceRequest:
    """The request after its own transforms, then the stack's, called back in the program."""
    for callback in [*request.transforms, *stack_transforms]:
        ask = resource_pb2.TransformRequest(
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            properties=request.object,
            options=_options(request),
        )
        with grpc.insecure_channel(callback.target) as channel:
            answer = callback_pb2_grpc.CallbacksStub(channel).Invoke(
                callback_pb2.CallbackInvokeRequest(
                    token=callback.token, request=ask.SerializeToString()
                )
            )
        result = resource_pb2.TransformResponse.FromString(answer.response)
        request.object.CopyFrom(result.properties)
        if result.HasField("options"):
            _apply_options(request, result.options)
    return request


_REPEATED_OPTIONS = {  # request field -> option field
    "dependencies": "depends_on",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
}


def _options(
    request: resource_pb2.RegisterResourceRequest,
) -> resource_pb2.TransformResourceOptions:
    options = resource_pb2.TransformResourceOptions(
        version=request.version,
        provider=request.provider,
        providers=dict(request.providers),
        deleted_with=request.deletedWith,
        plugin_download_url=request.pluginDownloadURL,
    )
    for field, option in _REPEATED_OPTIONS.items():
        getattr(options, option).extend(getattr(request, field))
    if request.HasField("protect"):
        options.protect = request.protect
    if request.HasField("retainOnDelete"):
        options.retain_on_delete = request.retainOnDelete
    if request.deleteBeforeReplaceDefined:
        options.delete_before_replace = request.deleteBeforeReplace
    return options


def _apply_options(
    request: resource_pb2.RegisterResourceRequest, options: resource_pb2.TransformResourceOptions
) -> None:
    for field, option in _REPEATED_OPTIONS.items():
        request.ClearField(field)  # type: ignore[arg-type]  # names come from the table above
        getattr(request, field).extend(getattr(options, option))
    request.version = options.version
    request.provider = options.provider
    for field, option in (("protect", "protect"), ("retainOnDelete", "retain_on_delete")):
        request.ClearField(field)  # type: ignore[arg-type]
        if options.HasField(option):  # type: ignore[arg-type]
            setattr(request, field, getattr(options, option))
    request.deleteBeforeReplaceDefined = options.HasField("delete_before_replace")
    request.deleteBeforeReplace = options.delete_before_replace


def read_goal(request: resource_pb2.RegisterResourceRequest, stack: StackName) -> Goal:
    """The goal of a request whose transforms have run."""
    return Goal(
        urn=stack.urn(request.parent, request.type, request.name),
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        inputs=from_struct(request.object),
        provider=request.provider.rsplit("::", 1)[0],
        version=request.version,
        dependencies=tuple(sorted(set(request.dependencies))),
        aliases=(
            *request.aliasURNs,
            *(_alias_urn(alias, request, stack) for alias in request.aliases),
        ),
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        secret_outputs=tuple(request.additionalSecretOutputs),
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        delete_before_replace=(
            request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None
        ),
    )


def _alias_urn(
    alias: alias_pb2.Alias, request: resource_pb2.RegisterResourceRequest, stack: StackName
) -> str:
    if alias.WhichOneof("alias") == "urn":
        return alias.urn
    spec = alias.spec
    parent = "" if spec.noParent else spec.parentUrn or request.parent
    named = StackName(spec.project or stack.project, spec.stack or stack.stack)
    return named.urn(parent, spec.type or request.type, spec.name or request.name)
