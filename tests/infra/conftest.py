"""A recording resource monitor: runs a Pulumi program for real, with no engine and no cloud.

The SDK's own language server runs the program against a gRPC monitor on loopback that remembers
every registration in full (options included), executes transforms by calling back as the engine
does, and answers with made-up outputs.
"""

from __future__ import annotations

import json
import os
import runpy
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import (
    callback_pb2,
    callback_pb2_grpc,
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    resource_pb2,
    resource_pb2_grpc,
)
from ruamel.yaml import YAML

PROJECT_DIR = Path(__file__).parents[2]
PROVIDER_PREFIX = "pulumi:providers:"


@dataclass(frozen=True)
class Registration:
    """One resource as the program registered it, after transforms."""

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    request: resource_pb2.RegisterResourceRequest

    @property
    def tags(self) -> dict[str, str]:
        """Tags or labels, whatever form the type takes."""
        if "labels" in self.props:
            return {label["label"]: label["value"] for label in self.props["labels"]}
        tags = self.props.get("tags", {})
        if isinstance(tags, list):
            return {tag["key"]: tag["value"] for tag in tags}
        return dict(tags)

    @property
    def provider_name(self) -> str:
        """Logical name of the explicit provider, or ''."""
        return self.request.provider.rsplit("::", 2)[-2] if self.request.provider else ""


@dataclass
class Run:
    """What one run of a program registered, exported and said."""

    error: str = ""
    resources: list[Registration] = field(default_factory=list)
    exports: dict[str, Any] = field(default_factory=dict)

    def of_type(self, token: str) -> list[Registration]:
        """Registrations of one type, by name."""
        found = [item for item in self.resources if item.type == token]
        return sorted(found, key=lambda item: item.name)

    def one(self, token: str, name: str | None = None) -> Registration:
        """The only registration of a type (and name)."""
        found = [item for item in self.of_type(token) if name in (None, item.name)]
        assert len(found) == 1, [item.name for item in self.of_type(token)]
        return found[0]

    @property
    def custom(self) -> list[Registration]:
        """Resources of a provider: no components, no providers themselves."""
        return [
            item
            for item in self.resources
            if item.request.custom and not item.type.startswith(PROVIDER_PREFIX)
        ]


# Method names below are the protocol's own.
class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def __init__(self, run: Run, project: str, stack: str, dry_run: bool) -> None:
        self.run, self.project, self.stack, self.dry_run = run, project, stack, dry_run
        self.transforms: list[callback_pb2.Callback] = []
        self.channels: dict[str, grpc.Channel] = {}

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        features = list(resource_pb2.ResourceMonitorFeature.values())
        return resource_pb2.DeploymentInfo(supportedFeatures=features)

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id != "outputValues")

    def RegisterStackTransform(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.transforms.append(request)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise AssertionError(f"the program looked something up: {request.tok}")

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        parents = request.parent.split("::")[2] + "$" if request.parent else ""
        parents = "" if parents.startswith("pulumi:pulumi:Stack") else parents
        urn = f"urn:pulumi:{self.stack}::{self.project}::{parents}{request.type}::{request.name}"
        props = self._transformed(request) if request.custom else request.object
        values = json_format.MessageToDict(props)
        self.run.resources.append(Registration(request.type, request.name, urn, values, request))
        outputs = struct_pb2.Struct()
        outputs.update(values)
        identity = ""
        if request.custom and not self.dry_run:
            identity = f"{request.name}-id"
            outputs.update(
                {
                    "name": values.get("name", f"{request.name}-1a2b3c4"),
                    "arn": f"arn:{request.type}/{request.name}",
                    "arnSuffix": f"suffix/{request.name}",
                    "dnsName": f"{request.name}.elb.example",
                    "latestVersion": 7,
                }
            )
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=outputs)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        if "pulumi:pulumi:Stack" in request.urn:
            self.run.exports = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def _transformed(self, request: Any) -> struct_pb2.Struct:
        props = request.object
        if request.type.startswith(PROVIDER_PREFIX):
            return props
        for callback in self.transforms:
            sent = resource_pb2.TransformRequest(
                type=request.type, name=request.name, custom=True, properties=props
            )
            if callback.target not in self.channels:
                self.channels[callback.target] = grpc.insecure_channel(callback.target)
            stub = callback_pb2_grpc.CallbacksStub(self.channels[callback.target])
            answer = stub.Invoke(
                callback_pb2.CallbackInvokeRequest(
                    token=callback.token, request=sent.SerializeToString()
                )
            )
            props = resource_pb2.TransformResponse.FromString(answer.response).properties
        return props


class _Engine(engine_pb2_grpc.EngineServicer):
    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        return engine_pb2.GetRootResourceResponse()

    def SetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        return engine_pb2.SetRootResourceResponse()


def stack_values(stack: str, project_dir: Path = PROJECT_DIR) -> dict[str, Any]:
    """Structured configuration values of a stack file."""
    text = (project_dir / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = YAML(typ="safe").load(text)["config"]
    return values


def as_text(value: Any) -> str:
    """A configuration value as the engine passes it to a program."""
    return value if isinstance(value, str) else json.dumps(value)


ProgramRunner = Callable[..., Run]


LOCAL_ENDPOINT = "http://127.0.0.1:5000"  # of embedded stacks; others get none


@pytest.fixture
def run_program(monkeypatch: pytest.MonkeyPatch) -> ProgramRunner:
    """Run a program folder over the recording monitor."""

    def run(
        values: Mapping[str, Any],
        *,
        stack: str = "dev",
        project: str = "rightsizing",
        program: Path = PROJECT_DIR / "infra",
        preview: bool = False,
        endpoint: str | None = LOCAL_ENDPOINT,
        secret_keys: Sequence[str] = (),
    ) -> Run:
        monkeypatch.chdir(program)
        real = endpoint == LOCAL_ENDPOINT and not values.get("rightsizing:embedded")
        if endpoint is None or real:
            monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        else:
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        found = Run()
        # Two servers: the program's event loop logs while registrations wait for its transforms,
        # so logging must not queue behind them.
        monitor = _Monitor(found, project, stack, preview)
        server = grpc.server(futures.ThreadPoolExecutor(32))
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        log_server = grpc.server(futures.ThreadPoolExecutor(2))
        engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), log_server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        log_address = f"127.0.0.1:{log_server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        log_server.start()
        request = language_pb2.RunRequest(
            project=project,
            stack=stack,
            config={key: as_text(value) for key, value in values.items()},
            configSecretKeys=secret_keys,
            dryRun=preview,
            parallel=4,
            monitor_address=address,
            args=[log_address],
        )
        main = os.fspath(program / "__main__.py")

        def start() -> None:
            with warnings.catch_warnings():
                # pulumi_aws warns of its own deprecated aliases while a module is imported.
                warnings.filterwarnings("ignore", r"aws\.(ec2|lambda)/", DeprecationWarning)
                runpy.run_path(main, run_name="__main__")

        try:
            found.error = LanguageServer(start).Run(request, None).error
        finally:
            for channel in monitor.channels.values():
                channel.close()
            server.stop(0)
            log_server.stop(0)
        return found

    return run


@pytest.fixture
def dev_values() -> dict[str, Any]:
    """Configuration of the dev stack as in the repository."""
    return stack_values("dev")


@pytest.fixture
def prod_values() -> dict[str, Any]:
    """Configuration of the prod stack as in the repository."""
    return stack_values("prod")
