"""Finding a Docker engine on this machine, and telling a real one from the simulated one.

Only a local socket or loopback is taken: the toolkit's stand-ins must not reach a shared engine by
a forgotten DOCKER_HOST.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from rightsizing.embedded.cloud.loopback import require_loopback
from rightsizing.errors import EmbeddedError

DEFAULT_HOST = "unix:///var/run/docker.sock"
SIMULATED_VERSION = "simulated"
_ANSWER_TIMEOUT_S = 5
_CALL_TIMEOUT_S = 60


def engine_host(configured: str | None = None) -> str:
    """The host given, else DOCKER_HOST, else the default socket. Raises EmbeddedError if remote."""
    host = configured or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if host.startswith(("unix://", "npipe://")):
        return host
    if not host.startswith(("tcp://", "http://")):
        raise EmbeddedError(
            f"DOCKER_HOST {host!r} is not a local engine; use unix:// or tcp://127.0.0.1:<port>"
        )
    return require_loopback(host, "DOCKER_HOST")


def open_engine(host: str) -> docker.DockerClient:
    """A client of the engine at ``host``. Raises EmbeddedError when nothing answers."""
    try:
        client = docker.DockerClient(base_url=host, timeout=_CALL_TIMEOUT_S)
    except (DockerException, RequestException, OSError) as error:
        raise EmbeddedError(
            f"no Docker engine answers at {host}; start one, or run `rightsize local up`, which "
            "puts a simulated one in its place"
        ) from error
    return client


def is_simulated(client: docker.DockerClient) -> bool:
    """True for the stand-in."""
    version: dict[str, Any] = client.version()
    return version.get("Version") == SIMULATED_VERSION


def real_engine_host() -> str | None:
    """DOCKER_HOST or the default socket, whichever a real engine answers at first, else None."""
    for candidate in dict.fromkeys((os.environ.get("DOCKER_HOST"), DEFAULT_HOST)):
        if not candidate or not _is_listening(candidate):
            continue
        try:
            client = docker.DockerClient(base_url=engine_host(candidate), timeout=_ANSWER_TIMEOUT_S)
        except (DockerException, RequestException, OSError, EmbeddedError):
            continue
        try:
            if not is_simulated(client):
                return candidate
        except (DockerException, RequestException):
            continue
        finally:
            client.close()
    return None


def _is_listening(host: str) -> bool:
    """False for a Unix socket nobody listens at; a client made for one would leak a connection."""
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError:
            return False
    return True


def engine_cpus(host: str) -> int:
    """How many CPUs the engine's host has. Raises EmbeddedError when nothing answers."""
    client = open_engine(host)
    try:
        return int(client.info()["NCPU"])
    finally:
        client.close()
