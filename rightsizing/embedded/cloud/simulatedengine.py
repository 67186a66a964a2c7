"""A stand-in for a Docker engine: the few Engine API calls the toolkit makes, over HTTP.

Used only where no real engine answers. Nothing runs in it: a container is a record with limits and
a state, and its statistics are made up from its labels. Every page says so: the version is
"simulated", ``info`` carries a label, every answer a header.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from rightsizing.embedded.cloud.containerstate import (
    HOST_CPUS,
    HOST_MEMORY_BYTES,
    Container,
    ContainerState,
    Refused,
    checked_limits,
    updated_limits,
)
from rightsizing.embedded.cloud.enginepages import (
    image_page,
    inspected_page,
    matches_filters,
    summary_page,
)
from rightsizing.embedded.cloud.plane.host import ContainerUse
from rightsizing.embedded.cloud.simulatedload import (
    stats_of,
    throttled_seconds,
    used_core_seconds,
)
from rightsizing.embedded.faults.wire import Call, Wire, break_connection

API_VERSION = "1.43"
SIMULATED_VERSION = "simulated"
SIMULATED_LABEL = "rightsizing.simulated=true"
_VERSION_PREFIX = re.compile(r"^/v\d+\.\d+(?=/)")

# Of the Docker API's own names, those that faults can be planned for; the rest are "Other".
_OPERATIONS = {
    "create": "ContainerCreate",
    "start": "ContainerStart",
    "stop": "ContainerStop",
    "restart": "ContainerRestart",
    "update": "ContainerUpdate",
    "remove": "ContainerRemove",
    "inspect": "ContainerInspect",
    "containers": "ContainerList",
    "stats": "ContainerStats",
}

_ROUTES = Map(
    [
        Rule("/_ping", endpoint="ping"),
        Rule("/version", endpoint="version"),
        Rule("/info", endpoint="info"),
        Rule("/images/json", endpoint="images"),
        Rule("/images/create", endpoint="pull", methods=["POST"]),
        Rule("/images/<path:reference>/json", endpoint="image"),
        Rule("/containers/json", endpoint="containers"),
        Rule("/containers/create", endpoint="create", methods=["POST"]),
        Rule("/containers/<reference>/json", endpoint="inspect"),
        Rule("/containers/<reference>/start", endpoint="start", methods=["POST"]),
        Rule("/containers/<reference>/stop", endpoint="stop", methods=["POST"]),
        Rule("/containers/<reference>/kill", endpoint="stop", methods=["POST"]),
        Rule("/containers/<reference>/restart", endpoint="restart", methods=["POST"]),
        Rule("/containers/<reference>/wait", endpoint="wait", methods=["POST"]),
        Rule("/containers/<reference>/update", endpoint="update", methods=["POST"]),
        Rule("/containers/<reference>/stats", endpoint="stats"),
        Rule("/containers/<reference>/logs", endpoint="logs"),
        Rule("/containers/<reference>", endpoint="remove", methods=["DELETE"]),
    ]
)


def _now() -> datetime:
    return datetime.now(UTC)


class SimulatedEngine:
    """WSGI application with the engine's state."""

    def __init__(
        self, path: Path, now: Callable[[], datetime] = _now, wire: Wire | None = None
    ) -> None:
        self._state = ContainerState.load(path)
        self._now = now
        self._wire = wire
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve one request; the API version in the path makes no difference."""
        environ["PATH_INFO"] = _VERSION_PREFIX.sub("", environ["PATH_INFO"])
        request = Request(environ)
        try:
            endpoint, arguments = _ROUTES.bind_to_environ(environ).match()
            response = self._answer(request, endpoint, arguments)
        except Refused as refusal:
            response = _reply({"message": str(refusal)}, refusal.status)
        except HTTPException:
            message = (
                f"the simulated engine does not serve {request.method} {request.path}; use a "
                "Docker engine"
            )
            response = _reply({"message": message}, 501)
        response.headers["Server"] = "rightsizing-simulated-engine"
        response.headers["Api-Version"] = API_VERSION
        return response(environ, start_response)

    def running(self) -> list[Container]:
        """Containers that run, as they are now."""
        with self._lock:
            return [replace(item) for item in self._state.containers.values() if item.running]

    def out_of_memory(self, name: str, kills: int) -> None:
        """The kernel killed a container's process; its restart policy started it again."""
        with self._lock:
            container = self._state.find(name)
            container.oom_killed = True
            container.restart_count += kills
            container.started_at = self._stamp()
            self._state.save()

    def show_use(self, name: str, use: ContainerUse) -> None:
        """What the data plane makes of a container's traffic, for its statistics."""
        with self._lock, suppress(Refused):
            container = self._state.find(name)
            if container.used_cores is not None:
                container.used_before_s = used_core_seconds(container, use.since_s)
                container.throttled_before_s = throttled_seconds(container, use.since_s)
            container.used_cores, container.used_memory_bytes = use.cores, use.memory_bytes
            container.throttled_ratio, container.used_since_s = use.throttled_ratio, use.since_s
            self._state.save()

    def _answer(self, request: Request, endpoint: str, arguments: Mapping[str, Any]) -> Response:
        """Answer one request, broken as planned; the named container counts as its body."""
        call = Call(
            "docker",
            _OPERATIONS.get(endpoint, "Other"),
            request.get_data() + request.full_path.encode() + self._names(arguments),
        )
        refusal = self._wire.before(call) if self._wire is not None else None
        if refusal is not None:
            return Response(refusal.body, refusal.status, refusal.headers)
        with self._lock:
            response: Response = getattr(self, f"_{endpoint}")(request, **arguments)
        if self._wire is not None and self._wire.loses_reply(call):
            with suppress(OSError):
                break_connection(request.environ)
        return response

    def _names(self, arguments: Mapping[str, Any]) -> bytes:
        with self._lock, suppress(Refused):
            return self._state.find(arguments.get("reference", "")).name.encode()
        return b""

    def _ping(self, _request: Request) -> Response:
        return Response("OK", mimetype="text/plain")

    def _version(self, _request: Request) -> Response:
        return _reply(
            {
                "Version": SIMULATED_VERSION,
                "ApiVersion": API_VERSION,
                "MinAPIVersion": "1.24",
                "Os": "linux",
                "Arch": "amd64",
                "Platform": {"Name": "rightsizing simulated engine"},
            }
        )

    def _info(self, _request: Request) -> Response:
        running = sum(item.running for item in self._state.containers.values())
        return _reply(
            {
                "Name": "simulated",
                "ServerVersion": SIMULATED_VERSION,
                "OperatingSystem": "simulated",
                "OSType": "linux",
                "Architecture": "x86_64",
                "NCPU": HOST_CPUS,
                "MemTotal": HOST_MEMORY_BYTES,
                "Labels": [SIMULATED_LABEL],
                "Containers": len(self._state.containers),
                "ContainersRunning": running,
                "CgroupVersion": "2",
            }
        )

    def _images(self, _request: Request) -> Response:
        return _reply([image_page(name) for name in sorted(self._state.images)])

    def _image(self, _request: Request, reference: str) -> Response:
        if reference not in self._state.images:
            raise Refused(404, f"No such image: {reference}")
        return _reply(image_page(reference))

    def _pull(self, request: Request) -> Response:
        name = request.args.get("fromImage", "")
        tag = request.args.get("tag", "")
        self._state.images.add(f"{name}:{tag}" if tag and ":" not in name else name)
        self._state.save()
        return _reply({"status": "simulated: nothing was downloaded"})

    def _containers(self, request: Request) -> Response:
        wanted = json.loads(request.args.get("filters") or "{}")
        show_all = request.args.get("all", "0").lower() in {"1", "true"}
        return _reply(
            [
                summary_page(item)
                for item in self._state.containers.values()
                if (show_all or item.running) and matches_filters(item, wanted)
            ]
        )

    def _create(self, request: Request) -> Response:
        body = request.get_json()
        self._state.made += 1
        digest = hashlib.sha256(f"rightsizing:{self._state.made}".encode()).hexdigest()
        name = request.args.get("name") or f"simulated_{self._state.made}"
        self._state.require_free(name)
        host_config = body.pop("HostConfig", None) or {}
        container = Container(
            id=digest,
            name=name,
            image=body["Image"],
            created=self._stamp(),
            config=body,
            host_config=checked_limits(host_config),
        )
        self._state.images.add(container.image)
        self._state.containers[container.id] = container
        self._state.save()
        return _reply({"Id": container.id, "Warnings": []}, 201)

    def _inspect(self, _request: Request, reference: str) -> Response:
        return _reply(inspected_page(self._state.find(reference)))

    def _start(self, _request: Request, reference: str) -> Response:
        container = self._state.find(reference)
        if container.running:
            return Response(status=304)
        container.status, container.started_at = "running", self._stamp()
        container.oom_killed = False
        self._state.save()
        return Response(status=204)

    def _stop(self, _request: Request, reference: str) -> Response:
        container = self._state.find(reference)
        if not container.running:
            return Response(status=304)
        container.status, container.finished_at = "exited", self._stamp()
        self._state.save()
        return Response(status=204)

    def _restart(self, request: Request, reference: str) -> Response:
        self._stop(request, reference)
        return self._start(request, reference)

    def _wait(self, _request: Request, reference: str) -> Response:
        container = self._state.find(reference)
        if container.running:
            raise Refused(409, "simulated containers end only when they are stopped")
        return _reply({"StatusCode": container.exit_code})

    def _update(self, request: Request, reference: str) -> Response:
        container, change = self._state.find(reference), request.get_json()
        limits = updated_limits(container.host_config, change)
        if policy := change.get("RestartPolicy"):
            limits["RestartPolicy"] = policy
        container.host_config = limits
        self._state.save()
        return _reply({"Warnings": []})

    def _stats(self, request: Request, reference: str) -> Response:
        container = self._state.find(reference)
        streaming = request.args.get("stream", "1").lower() in {"1", "true"}
        if not streaming:
            return _reply(stats_of(container, self._now()))

        def lines() -> Iterator[bytes]:
            pause = threading.Event()
            while True:
                yield json.dumps(stats_of(container, self._now())).encode() + b"\n"
                pause.wait(1.0)  # a real engine sends one a second

        return Response(lines(), mimetype="application/json")

    def _logs(self, _request: Request, reference: str) -> Response:
        self._state.find(reference)
        return Response(b"", mimetype="application/octet-stream")

    def _remove(self, request: Request, reference: str) -> Response:
        container = self._state.find(reference)
        forced = request.args.get("force", "0").lower() in {"1", "true"}
        if container.running and not forced:
            raise Refused(
                409,
                f"You cannot remove a running container {container.id}. Stop the container before "
                "attempting removal or force remove",
            )
        del self._state.containers[container.id]
        self._state.save()
        return Response(status=204)

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="microseconds").replace("+00:00", "Z")


def _reply(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status=status, mimetype="application/json")
