"""boto3 clients of the local cloud for use inside its own process: no socket, no lock taken twice.

A request is handed to the application as the WSGI call it would have become, so what is read or
changed this way goes through the same code, and into the same journal, as a client's call.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from rightsizing.embedded.aws.clients import local_session

Environ = dict[str, Any]
Answer = tuple[str, list[Any], bytes]  # status line, headers, body
Serve = Callable[[Environ, bytes], Answer]

_NOWHERE = "http://127.0.0.1"  # never connected to


class _Body(io.BytesIO):
    """A body as urllib3 would give it."""

    def stream(self, **_options: Any) -> Iterator[bytes]:
        yield self.read()


class InsideApi:
    """boto3 clients whose calls are answered by ``serve``. Make it once: clients are kept."""

    def __init__(self, serve: Serve, region: str) -> None:
        self._serve = serve
        self._region = region
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of a service. Its calls raise botocore's ClientError."""
        found = self._clients.get(service)
        if found is None:
            make: Any = local_session(self._region).client
            found = make(
                service,
                endpoint_url=_NOWHERE,
                config=Config(proxies={}, retries={"total_max_attempts": 1}),
            )
            found.meta.events.register("before-send", self._answer)
            self._clients[service] = found
        return found

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """Items under ``key`` of all pages."""
        for page in self.client(service).get_paginator(operation).paginate(**parameters):
            yield from page.get(key, ())

    def _answer(self, request: AWSPreparedRequest, **_named: Any) -> AWSResponse:
        parts = urlsplit(request.url)
        body = _bytes(request.body)
        builder = EnvironBuilder(
            path=parts.path,
            query_string=parts.query,
            method=request.method,
            headers=Headers([(name, _text(value)) for name, value in request.headers.items()]),
            data=body,
            base_url=_NOWHERE,
        )
        environ = builder.get_environ()
        builder.close()
        status, headers, answer = self._serve(environ, body)
        return AWSResponse(
            request.url,
            int(status.split(" ", 1)[0]),
            HTTPHeaders.from_pairs([(name, str(value)) for name, value in headers]),
            _Body(answer),
        )


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body if isinstance(body, bytes | bytearray) else body.read())


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
