"""A Prometheus server's HTTP API: range queries, with its errors as ours.

Answers are read up to a limit, so that a query that matches too much fails with a sentence and not
for want of memory. The address may carry a password and is never shown beyond its host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from rightsizing.errors import ConfigError, TelemetryError, Throttled
from rightsizing.model.update import Json

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 120.0
LARGEST_ANSWER_BYTES = 256 * 1024 * 1024
ATTEMPTS = 4
_RETRIED = (429, 502, 503, 504)
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series: its labels and its points (seconds since 1970, value)."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    """What a range query gave. ``warnings`` as the server put them."""

    series: tuple[RangeSeries, ...]
    warnings: tuple[str, ...] = ()


class PrometheusApi:
    """One server.

    Args:
        url: where it is; a path before ``/api`` (as Mimir and Thanos have) is kept.
        token: sent as a bearer token.
        attempts: of a call that is refused for load.

    Raises:
        ConfigError: the address is not http or https.
    """

    def __init__(self, url: str, *, token: str | None = None, attempts: int = ATTEMPTS) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:  # of a port or an IPv6 address
            host, port = None, None
        if host is None or parts.scheme not in {"http", "https"}:
            raise ConfigError(
                "the Prometheus address must begin with http:// or https:// and a host"
            )
        self._url = url.rstrip("/")
        self.host = host + (f":{port}" if port else "")
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        retry = Retry(
            total=attempts - 1,
            connect=0,
            backoff_factor=1.0,
            status_forcelist=_RETRIED,
            allowed_methods=None,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def query_range(self, expression: str, start_s: int, end_s: int, step_s: int) -> RangeAnswer:
        """Values at ``start_s``, ``start_s + step_s``, ... up to and with ``end_s``.

        Raises:
            Throttled: still refused for load after the last attempt.
            TelemetryError: no answer, one that is no answer, or the server's own error.
        """
        form = {"query": expression, "start": start_s, "end": end_s, "step": step_s}
        page = self._post("/api/v1/query_range", form)
        data = page.get("data")
        if not isinstance(data, dict) or data.get("resultType") != "matrix":
            raise TelemetryError(
                f"{self.host} answered a range query with no matrix; is it Prometheus?"
            )
        try:
            series = tuple(
                RangeSeries(
                    labels={str(name): str(value) for name, value in item["metric"].items()},
                    points=[(float(at), float(value)) for at, value in item["values"]],
                )
                for item in data["result"]
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TelemetryError(
                f"{self.host} answered a series that is not of Prometheus' form ({error!r})"
            ) from error
        return RangeAnswer(series, tuple(str(item) for item in page.get("warnings") or ()))

    def _post(self, path: str, form: Json) -> Json:
        try:
            with self._session.post(
                self._url + path,
                data=form,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                stream=True,
                allow_redirects=False,
            ) as answer:
                body = self._body(answer)
                status = answer.status_code
        except requests.RequestException as error:
            # the exception's text holds the address with its password
            raise TelemetryError(
                f"Prometheus at {self.host} does not answer ({type(error).__name__}); check the "
                "address and that the server runs"
            ) from error
        if status in _RETRIED:
            raise Throttled(
                f"Prometheus at {self.host} answers {status} after {ATTEMPTS} attempts; what was "
                "read is kept, run the same command again later"
            )
        if status in {401, 403}:
            raise TelemetryError(
                f"Prometheus at {self.host} refuses the credentials ({status}); set "
                "RIGHTSIZING_PROMETHEUS_TOKEN"
            )
        try:
            page = json.loads(body)
        except ValueError as error:
            raise TelemetryError(
                f"{self.host} answered {status} with what is not JSON; is it Prometheus?"
            ) from error
        if not isinstance(page, dict) or page.get("status") != "success":
            told = page.get("error") if isinstance(page, dict) else None
            raise TelemetryError(
                f"Prometheus at {self.host} answered {status}: {told or 'no reason'}"
            )
        return page

    def _body(self, answer: requests.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > LARGEST_ANSWER_BYTES:
                raise TelemetryError(
                    f"Prometheus at {self.host} answers with more than "
                    f"{LARGEST_ANSWER_BYTES >> 20} MiB; narrow it with --selector"
                )
        return bytes(body)
