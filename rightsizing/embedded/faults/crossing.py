"""Failure of an operation, or death of the engine, on purpose, at an operation on the cloud.

The providers report each operation to the fault book just before and just after it; both engines
use the same providers, so a crash is at the same place under both. The book counts in the server's
process, which survives. The engine is this process, or, where the provider runs as a plugin, the
Pulumi CLI that started it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Generic, TypeVar

import psutil
from pulumi.provider.experimental.provider import (
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    UpdateRequest,
    UpdateResponse,
)

from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import OperationFault, Phase
from rightsizing.embedded.plugin.provider import TableProvider
from rightsizing.errors import EmbeddedError

Api = TypeVar("Api")

_CLI_NAME = "pulumi"


class MortalProvider(TableProvider[Api], Generic[Api]):
    """A provider whose engine can be killed at an operation, as planned."""

    _armed: bool | None = None

    def fault_endpoint(self) -> str:
        """The local cloud that keeps the book; empty when there is none."""
        return os.environ.get("AWS_ENDPOINT_URL", "")

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Create, unless the engine dies before or after."""
        if request.preview:
            return await super().create(request)
        self._cross(Phase.BEFORE, "create", request.urn)
        answer = await super().create(request)
        self._cross(Phase.AFTER, "create", request.urn)
        return answer

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Update, unless the engine dies before or after."""
        if request.preview:
            return await super().update(request)
        self._cross(Phase.BEFORE, "update", request.urn)
        answer = await super().update(request)
        self._cross(Phase.AFTER, "update", request.urn)
        return answer

    async def delete(self, request: DeleteRequest) -> None:
        """Delete, unless the engine dies before or after."""
        self._cross(Phase.BEFORE, "delete", request.urn)
        await super().delete(request)
        self._cross(Phase.AFTER, "delete", request.urn)

    def _cross(self, phase: Phase, operation: str, urn: str) -> None:
        """Report the crossing; ends the engine, or raises EmbeddedError, when that is planned."""
        endpoint = self.fault_endpoint()
        if not endpoint or self._armed is False:
            return
        try:
            book = FaultClient(endpoint)
            if self._armed is None:  # asked once a process: crashes are planned before it starts
                self._armed = any(isinstance(item, OperationFault) for item in book.plan().faults)
            if not self._armed:
                return
            outcome = book.cross(phase, operation, urn)
        except EmbeddedError:
            self._armed = False  # not our local cloud, so nothing is planned
            return
        if outcome.dies:
            kill_engine()
        if outcome.fails:
            raise EmbeddedError(f"cannot {operation} {urn.rsplit('::', 1)[-1]!r}: {outcome.fails}")


def kill_engine() -> None:
    """SIGKILL to the engine this provider works for, and to the provider itself."""
    parent = psutil.Process(os.getppid())
    if parent.name() == _CLI_NAME:
        below = parent.children(recursive=True)
        helpers = [child for child in below if child.pid != os.getpid()]
        parent.kill()
        for (
            helper
        ) in helpers:  # its language host, the program and other providers would outlive it
            with suppress(psutil.NoSuchProcess):
                helper.kill()
    os.kill(os.getpid(), signal.SIGKILL)
