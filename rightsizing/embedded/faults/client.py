"""The fault book from outside: plan faults, see what was injected. Loopback only."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from rightsizing.embedded.cloud.loopback import require_loopback
from rightsizing.embedded.cloud.paths import CROSSING_PATH, FAULTS_PATH
from rightsizing.embedded.faults.book import Injection
from rightsizing.embedded.faults.plan import Fault, FaultPlan, Phase
from rightsizing.errors import ConfigError, EmbeddedError

_TIMEOUT_S = 60.0


class _Page(BaseModel):
    faults: tuple[Fault, ...]
    injections: tuple[Injection, ...]


class Outcome(BaseModel):
    """Whether the engine dies here, and the message its operation fails with (empty: none)."""

    dies: bool
    fails: str


class FaultClient:
    """Faults of the local cloud at ``url``; raises EmbeddedError when it is not there."""

    def __init__(self, url: str) -> None:
        self._url = require_loopback(url, "the local cloud's address")

    def set_plan(self, plan: FaultPlan) -> None:
        """Replace what is planned. What was injected so far stays listed.

        Raises ConfigError for a drift whose call is wrong.
        """
        self._send("POST", plan.model_dump_json().encode())

    def add(self, *faults: Fault) -> None:
        """Plan more. Raises as ``set_plan``."""
        self._send("PUT", FaultPlan(faults=faults).model_dump_json().encode())

    def clear(self) -> None:
        """Plan nothing any more, and start a new list of injections."""
        self._send("DELETE")

    def plan(self) -> FaultPlan:
        """What is planned."""
        return FaultPlan(faults=self._page().faults)

    def injected(self) -> tuple[Injection, ...]:
        """What was injected, oldest first: for reports."""
        return self._page().injections

    def cross(self, phase: Phase, operation: str, urn: str) -> Outcome:
        """What is to happen at an operation of an engine. Used by the providers."""
        crossing = {"phase": phase.value, "operation": operation, "urn": urn}
        answer = request_json(self._url, "POST", CROSSING_PATH, json.dumps(crossing).encode())
        return Outcome.model_validate(answer)

    def _page(self) -> _Page:
        try:
            return _Page.model_validate(self._send("GET"))
        except ValidationError as error:
            raise EmbeddedError(f"{self._url} is no local cloud of ours: {error}") from error

    def _send(self, method: str, body: bytes = b"") -> Any:
        return request_json(self._url, method, FAULTS_PATH, body)


def request_json(
    url: str, method: str, path: str, body: bytes = b"", timeout_s: float = _TIMEOUT_S
) -> Any:
    """One call of the local cloud's own pages. Raises EmbeddedError, or ConfigError for a 400."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        answer = json.loads(text)
    except (OSError, HTTPException, ValueError) as error:
        raise EmbeddedError(f"the local cloud at {url} did not answer: {error}") from error
    finally:
        connection.close()
    if response.status == 400 and isinstance(answer, dict) and "error" in answer:
        raise ConfigError(str(answer["error"]))
    if response.status != 200 or not isinstance(answer, dict):
        raise EmbeddedError(
            f"the local cloud at {url} does not serve {path}; update and restart it"
        )
    return answer
