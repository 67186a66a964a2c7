"""The two gRPC services a Pulumi program talks to, in front of one deployment.

ResourceMonitor takes registrations, Engine takes log messages. What the engine cannot do is
answered with one sentence that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    callback_pb2,
    engine_pb2,
    engine_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from rightsizing.embedded.engine.deployment import Deployment, Stopped
from rightsizing.embedded.engine.events import DiagnosticEvent, Event
from rightsizing.embedded.engine.goal import StackName, read_goal, transformed
from rightsizing.embedded.engine.properties import from_struct, to_struct
from rightsizing.errors import EmbeddedError, RightsizingError

FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
)


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Registrations of one run of the program."""

    def __init__(self, deployment: Deployment, stack: StackName) -> None:
        self._deployment = deployment
        self._stack = stack
        self._transforms: list[callback_pb2.Callback] = []

    def GetDeploymentInfo(  # noqa: N802  names of the service
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(supportedFeatures=FEATURES)

    def RegisterStackTransform(  # noqa: N802
        self, request: callback_pb2.Callback, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self._transforms.append(request)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(  # noqa: N802
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        try:
            goal = read_goal(transformed(request, tuple(self._transforms)), self._stack)
            record = self._deployment.register(goal)
        except RightsizingError as error:
            _abort(context, str(error))
        except grpc.RpcError as error:  # the program's own transform failed
            failure = EmbeddedError(f"a transform of {request.name!r} failed: {_details(error)}")
            self._deployment.fail(failure)
            _abort(context, str(failure))
        return resource_pb2.RegisterResourceResponse(
            urn=record.urn,
            id=record.id,
            object=to_struct(record.outputs),
            result=resource_pb2.SUCCESS,
        )

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def ReadResource(  # noqa: N802
        self, request: resource_pb2.ReadResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ReadResourceResponse:
        self._refuse(context, f"reading the existing resource {request.id!r} ({request.type})")

    def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ResourceInvokeResponse:
        self._refuse(context, f"the provider function {request.tok}")

    def Call(  # noqa: N802
        self, request: resource_pb2.ResourceCallRequest, context: grpc.ServicerContext
    ) -> NoReturn:
        self._refuse(context, f"the provider method {request.tok}")

    def _refuse(self, context: grpc.ServicerContext, what: str) -> NoReturn:
        error = EmbeddedError(
            f"the embedded engine does not support {what}; pass the value in configuration, or "
            "use the Pulumi CLI"
        )
        self._deployment.fail(error)
        _abort(context, str(error))


class EngineLog(engine_pb2_grpc.EngineServicer):
    """Messages the program or the SDK logs; warnings are passed on, once each."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._told: set[str] = set()

    def Log(  # noqa: N802
        self, request: engine_pb2.LogRequest, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        # Errors arrive again as the result of the run, without a traceback.
        if request.severity == engine_pb2.WARNING and request.message not in self._told:
            self._told.add(request.message)
            self._emit(DiagnosticEvent("warning", request.message.strip(), request.urn))
        return empty_pb2.Empty()


def _details(error: grpc.RpcError) -> str:
    details = error.details() if isinstance(error, grpc.Call) else str(error)
    first = str(details).split(":\n", 1)[0]
    return first.split(" error: ", 1)[-1]  # "Invoke callback <token> error: ..."


def _abort(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise Stopped(message)  # abort has raised already
