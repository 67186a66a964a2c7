"""DockerProvider: the local stand-in for Pulumi's docker provider, on a local engine.

``host`` of the provider's configuration, else DOCKER_HOST, else the default socket; an engine on
another machine is refused.
"""

from __future__ import annotations

import docker
import requests

from rightsizing.embedded.docker.connection import engine_host, open_engine
from rightsizing.embedded.docker.container import CONTAINER, explain_docker_error
from rightsizing.embedded.faults.crossing import MortalProvider
from rightsizing.embedded.plugin.values import Properties


class DockerProvider(MortalProvider[docker.DockerClient]):
    """Serves containers on the engine of this machine, real or simulated."""

    def __init__(self, host: str | None = None) -> None:
        super().__init__("docker", {CONTAINER.pulumi_type: CONTAINER})
        self._host = host

    def connect(self, config: Properties) -> docker.DockerClient:
        """A client of the engine. Raises EmbeddedError when it is remote or does not answer."""
        return open_engine(engine_host(self._host or config.get("host")))

    def explain(self, error: Exception) -> str | None:
        """One sentence for an error of the SDK or of the connection."""
        sentence = explain_docker_error(error)  # first: the SDK's errors are requests' errors too
        if sentence is None and isinstance(error, requests.exceptions.RequestException):
            return f"the Docker engine does not answer: {error}"
        return sentence
