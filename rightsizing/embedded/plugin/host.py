"""Runs a provider as a plugin process of the Pulumi CLI.

The SDK's own server sends a Python traceback to the user with every error. This one sends the one
sentence an EmbeddedError carries, and leaves real faults as they are.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from rightsizing.errors import RightsizingError

PLUGIN_VERSION = "0.0.1"  # never a version the real provider has: see Pulumi.yaml

_Method = Callable[[Any, Any], Awaitable[Any]]


class _PlainServicer(ProviderServicer):
    """The SDK's servicer with one-sentence errors."""

    async def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Configure, request, context)

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Check, request, context)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Diff, request, context)

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Create, request, context)

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Read, request, context)

    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Update, request, context)

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _in_a_sentence(super().Delete, request, context)


async def _in_a_sentence(method: _Method, request: Any, context: Any) -> Any:
    try:
        return await method(request, context)
    except Exception as error:
        cause = error.__context__ or error  # the SDK raises a new error with the traceback as text
        if isinstance(cause, RightsizingError):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(cause))
        raise


def serve_plugin(provider: Provider) -> None:
    """Serve until the CLI ends this process; prints the port as the plugin protocol asks."""
    engine_address = next((item for item in sys.argv[1:] if not item.startswith("-")), "")

    async def serve() -> None:
        server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
        servicer = _PlainServicer(sys.argv[1:], PLUGIN_VERSION, provider, engine_address)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await server.wait_for_termination()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        return
