"""The journal of calls that changed the local cloud: one JSON line a call, appended as it is done.

A replay of the journal rebuilds the cloud with the same ids, since every call is run with a random
seed made of its own number and at its own moment. Moto's recorder is not used: it records reads and
metric data too, replays over HTTP, and draws all ids from one sequence that any read shifts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightsizing.embedded.faults.decision import Decision

# The parts of an Authorization header moto looks at: who, region and service. The signature is not
# kept, and the name is always the fixed one.
_SCOPE_FIELDS = 5
_KEPT_HEADERS = ("Content-Type", "X-Amz-Target", "Smithy-Protocol", "Accept", "Content-Encoding")


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call and what it answered."""

    number: int
    moment_ms: int
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    digest: str  # of the answer's body
    launches: tuple[Decision, ...] = ()  # where a planned fault kept instances from starting


def digest_of(body: bytes) -> str:
    """A short fingerprint of an answer, to see on replay that it is the same."""
    return hashlib.sha256(body).hexdigest()[:16]


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers a replay needs, with the credential reduced to its scope."""
    kept = {name: headers[name] for name in _KEPT_HEADERS if headers.get(name)}
    authorization = headers.get("Authorization", "")
    if "Credential=" in authorization:
        scope = authorization.split("Credential=", 1)[1].split(",", 1)[0].split("/")
        if len(scope) == _SCOPE_FIELDS:
            name = "/".join(["testing", *scope[1:]])
            kept["Authorization"] = (
                f"AWS4-HMAC-SHA256 Credential={name}, SignedHeaders=host, Signature=0"
            )
    return kept


class Journal:
    """Appends to and reads ``calls.jsonl``. One process writes it: the server."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, call: RecordedCall) -> None:
        """Write one call; it is on its way to the disk when this returns."""
        entry: dict[str, Any] = {
            "number": call.number,
            "moment_ms": call.moment_ms,
            "method": call.method,
            "path": call.path,
            "query": call.query,
            "headers": dict(call.headers),
            "body": base64.b64encode(call.body).decode(),
            "status": call.status,
            "digest": call.digest,
        }
        if call.launches:
            entry["launches"] = [[item.granted, item.reason, item.looks] for item in call.launches]
        line = json.dumps(entry, separators=(",", ":"))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def calls(self) -> Iterator[RecordedCall]:
        """All whole calls, oldest first.

        A last line cut off by a killed server is dropped and removed: nobody got an answer to it.
        """
        if not self._path.exists():
            return
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                yield _parse(line)
                whole += len(line)
        if whole < self._path.stat().st_size:
            with self._path.open("r+b") as file:
                file.truncate(whole)

    def count(self) -> int:
        """Number of lines."""
        if not self._path.exists():
            return 0
        with self._path.open("rb") as file:
            return sum(1 for line in file if line.endswith(b"\n"))


def _parse(line: bytes) -> RecordedCall:
    entry = json.loads(line)
    return RecordedCall(
        number=entry["number"],
        moment_ms=entry["moment_ms"],
        method=entry["method"],
        path=entry["path"],
        query=entry["query"],
        headers=entry["headers"],
        body=base64.b64decode(entry["body"]),
        status=entry["status"],
        digest=entry["digest"],
        launches=tuple(Decision(*item) for item in entry.get("launches", ())),
    )
