"""Broken calls: refusals, throttling, slow answers, lost answers, in front of any of the servers.

A refusal has the form of the protocol the caller speaks, so that boto3 and the Docker SDK raise
what they would raise: XML (EC2, and the query protocol), JSON, or CBOR.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from rightsizing.embedded.faults.book import FaultBook, call_matches
from rightsizing.embedded.faults.plan import (
    CallFault,
    LostReply,
    NoCapacity,
    RefusedCall,
    SlowReply,
    Throttled,
)

CAPACITY_CODE = "InsufficientInstanceCapacity"
_BOTO3_NAMES = {  # signing name -> boto3's
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
}
_THROTTLING_CODES = {"ec2": "RequestLimitExceeded"}
_THROTTLING_CODE = "ThrottlingException"
_SCOPE_FIELDS = 5
_CBOR_TEXT = 0x60  # major type 3
_CBOR_MAP_OF_TWO = b"\xa2"
_CBOR_SHORT = 24  # lengths below fit the first byte


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client, as much as faults need of it."""

    service: str  # boto3's name, or docker
    operation: str
    body: bytes
    protocol: str = "json"  # json, query, ec2 or cbor

    def __str__(self) -> str:
        return f"{self.service} {self.operation}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Wire:
    """Breaks calls as the book says. ``sleep`` is for tests."""

    def __init__(self, book: FaultBook, sleep: Callable[[float], object] | None = None) -> None:
        self._book = book
        self._sleep = sleep or threading.Event().wait

    def before(self, call: Call) -> Refusal | None:
        """Hold the call back, and refuse it, if that is planned. May take a while: hold no lock."""
        slow = self._meet(SlowReply, call, "held back")
        if slow is not None:
            self._sleep(slow.seconds)
        if self._meet(Throttled, call, "throttled") is not None:
            code = _THROTTLING_CODES.get(call.service, _THROTTLING_CODE)
            status = 429 if call.service == "docker" else 503 if call.protocol == "ec2" else 400
            return refusal(call, status, code, "Rate exceeded")
        refused = self._meet(RefusedCall, call, "refused")
        if refused is not None:
            return refusal(call, refused.status, refused.code, refused.message)
        return self._without_capacity(call)

    def loses_reply(self, call: Call) -> bool:
        """Whether the answer of a call that was carried out is to be lost."""
        return self._meet(LostReply, call, "carried out, its answer lost") is not None

    def _meet(self, kind: type[Any], call: Call, what: str) -> Any:
        def matches(fault: CallFault) -> bool:
            return call_matches(fault.call, call.service, call.operation, call.body)

        return self._book.meet(kind, f"{call} {what}", matches)

    def _without_capacity(self, call: Call) -> Refusal | None:
        if (call.service, call.operation) != ("ec2", "RunInstances"):
            return None
        form = parse_qs(call.body.decode("utf-8", "replace"))
        wanted = form.get("InstanceType", [""])[0]
        fault = self._book.meet(
            NoCapacity,
            f"{call} of {wanted}: no capacity",
            lambda fault: fault.instance_type in ("*", wanted),
        )
        if fault is None:
            return None
        return refusal(call, 500, CAPACITY_CODE, capacity_message(wanted))


def capacity_message(instance_type: str, zone: str = "") -> str:
    """EC2's own words (API reference, "Error codes for the Amazon EC2 API")."""
    where = f" ({zone})" if zone else ""
    return (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone "
        f"you requested{where}. Our system will be working on provisioning additional capacity."
    )


def call_of(environ: dict[str, Any], operation: str | None, body: bytes) -> Call:
    """The AWS call of a WSGI request; ``operation`` is None for a REST service."""
    scope = str(environ.get("HTTP_AUTHORIZATION", "")).split("Credential=")[-1].split(",")[0]
    fields = scope.split("/")
    signed = fields[3] if len(fields) == _SCOPE_FIELDS else ""
    service = _BOTO3_NAMES.get(signed, signed)
    path = str(environ.get("PATH_INFO", ""))
    if "/operation/" in path:
        protocol = "cbor"
    elif str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        protocol = "ec2" if service == "ec2" else "query"
    else:
        protocol = "json"
    return Call(service, operation or f"{environ['REQUEST_METHOD']} {path}", body, protocol)


def refusal(call: Call, status: int, code: str, message: str) -> Refusal:
    """An error in the form the caller understands."""
    if call.service == "docker":
        body = json.dumps({"message": message}).encode()
        return Refusal(status, [("Content-Type", "application/json")], body)
    if call.protocol == "cbor":
        body = _CBOR_MAP_OF_TWO + b"".join(
            _cbor_text(text) for text in ("__type", code, "message", message)
        )
        headers = [
            ("Content-Type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
            ("x-amzn-query-error", f"{code};Sender"),
        ]
        return Refusal(status, headers, body)
    if call.protocol == "json":
        body = json.dumps({"__type": code, "message": message}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-errortype", code)]
        return Refusal(status, headers, body)
    inner = f"<Code>{_escaped(code)}</Code><Message>{_escaped(message)}</Message>"
    text = (
        f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>planned</RequestID></Response>"
        if call.protocol == "ec2"
        else f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error>"
        "<RequestId>planned</RequestId></ErrorResponse>"
    )
    return Refusal(status, [("Content-Type", "text/xml")], text.encode())


def break_connection(environ: dict[str, Any]) -> None:
    """Close the client's connection without an answer; what is written after is dropped."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)


def _cbor_text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < _CBOR_SHORT:
        return bytes([_CBOR_TEXT + len(raw)]) + raw
    return bytes([_CBOR_TEXT + _CBOR_SHORT + 1]) + len(raw).to_bytes(2, "big") + raw


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
