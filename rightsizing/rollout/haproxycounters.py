"""What HAProxy counted of each server of a backend, by ``show stat``.

Requests that came to an end are the responses a server gave (``hrsp_*``), those it broke off or did
not give in time (``eresp``) and those that could not reach it (``econ``). HAProxy answers the last
two itself, so they are not among the server's own 5xx; seen so with HAProxy 2.6. A request that is
redispatched (``wredis``) failed at the server it left, and says nothing of the one that answers it
in the end; ``stot`` counts it at both, and is not used.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rightsizing.errors import TelemetryError
from rightsizing.rollout.haproxysocket import HaproxySocket

_RESPONSES = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
_BROKEN = ("eresp", "econ")
_NO_CHECK = "no check"


@dataclass(frozen=True, slots=True)
class ServerCounters:
    """Running totals of one server. ``healthy`` None: HAProxy does not check it.

    ``redispatched``: requests that left it for another server, among its errors. ``downs``: how
    often its health check found it down.
    """

    requests: int
    errors: int
    healthy: bool | None
    redispatched: int = 0
    downs: int = 0

    def since(self, earlier: ServerCounters) -> ServerCounters | None:
        """What was added since an earlier reading; None when the counters began anew.

        It is healthy only if it was so all the while.
        """
        added = ServerCounters(
            requests=self.requests - earlier.requests,
            errors=self.errors - earlier.errors,
            healthy=self.healthy,
            redispatched=self.redispatched - earlier.redispatched,
            downs=self.downs - earlier.downs,
        )
        if min(added.requests, added.errors, added.redispatched, added.downs) < 0:
            return None
        return replace(added, healthy=False) if added.downs else added


@dataclass(frozen=True, slots=True)
class BackendCounters:
    """Totals by server. ``process``: changes when HAProxy was restarted or reloaded."""

    process: str
    servers: Mapping[str, ServerCounters]


def read_counters(api: HaproxySocket, backend: str, servers: Sequence[str]) -> BackendCounters:
    """Totals of these servers now.

    Raises:
        StackError: the runtime socket does not answer.
        TelemetryError: the backend or a server is not there.
    """
    text = api.ask("show stat")
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    found = {row["svname"]: _counters(row) for row in rows if row.get("pxname") == backend}
    missing = [server for server in servers if server not in found]
    if missing:
        known = ", ".join(sorted(set(found) - {"BACKEND", "FRONTEND"})) or "none"
        raise TelemetryError(
            f"HAProxy's backend {backend} has no server {missing[0]}; it has {known}: check "
            "`proxy` in the stack file"
        )
    return BackendCounters(_process(api), {server: found[server] for server in servers})


def _counters(row: Mapping[str, str]) -> ServerCounters:
    broken = sum(_number(row, name) for name in _BROKEN)
    left = _number(row, "wredis")
    status = row.get("status", "")
    return ServerCounters(
        requests=sum(_number(row, name) for name in _RESPONSES) + broken + left,
        errors=_number(row, "hrsp_5xx") + broken + left,
        healthy=None if status == _NO_CHECK else status.startswith(("UP", "DRAIN")),
        redispatched=left,
        downs=_number(row, "chkdown"),
    )


def _number(row: Mapping[str, str], name: str) -> int:
    return int(row.get(name) or 0)


def _process(api: HaproxySocket) -> str:
    lines = (line.partition(": ") for line in api.ask("show info").splitlines())
    return next((value.strip() for name, _, value in lines if name == "Pid"), "")
