"""boto3 clients with one retry policy, and the one place where botocore's errors become ours.

Every call goes through ``call`` or ``pages``, which refuse an operation that is not declared in
``rightsizing.awscalls``; so the generated IAM policy cannot fall behind. The endpoint comes only
from the caller: ``AWS_ENDPOINT_URL`` in the environment is ignored unless it is passed in.
"""

from __future__ import annotations

import difflib
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from rightsizing.awscalls import find_call
from rightsizing.errors import (
    ActionDenied,
    CredentialsError,
    RightsizingError,
    TelemetryError,
    Throttled,
)
from rightsizing.model.update import Json

MAX_ATTEMPTS = 8  # with botocore's backoff: about half a minute before a call is given up
LOCAL_ATTEMPTS = 2  # a local server that does not answer is not started: waiting is no use
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 120  # GetMetricData over weeks of 500 metrics answers slowly

_CONFIG: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "read_timeout": READ_TIMEOUT_SECONDS,
    "ignore_configured_endpoint_urls": True,
    "user_agent_extra": "rightsizing",
}
# The Price List API exists in three regions only; this one serves every region's prices.
_ONLY_REGION = {"pricing": "us-east-1", "ce": "us-east-1", "savingsplans": "us-east-1"}

_THROTTLED_CODES = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_EXPIRED_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_REFUSED_CODES = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}
)
# The account has to switch the service on first; EC2's OptInRequired is about the account itself.
_NOT_ENROLLED_CODES = frozenset({"OptInRequiredException"})
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ConfigNotFound,
    boto.NoAuthTokenError,
)
_NO_REGION = (boto.NoRegionError, boto.InvalidRegionError, boto.UnknownRegionError)
_UNREACHABLE = (
    boto.ConnectionError,  # includes EndpointConnectionError, ConnectTimeoutError, ProxyError
    boto.ReadTimeoutError,
    boto.SSLError,
    boto.HTTPClientError,
    boto.InvalidEndpointConfigurationError,
)


class AwsClients:
    """Clients of one region, made when first used.

    Args:
        region: region of the workloads, for instance ``eu-west-1``.
        endpoint_url: every service at this address (a local server); None: AWS itself.
        session: credentials; None: boto3's usual chain.
    """

    def __init__(
        self,
        region: str,
        *,
        endpoint_url: str | None = None,
        session: boto3.Session | None = None,
    ) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self._session = session
        self._clients: dict[str, Any] = {}

    @property
    def is_local(self) -> bool:
        """True when the endpoint is on this machine: a stand-in, not AWS."""
        if self.endpoint_url is None:
            return False
        host = urlsplit(self.endpoint_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def call(self, service: str, operation: str, **parameters: Any) -> Json:
        """Make one API call.

        Raises:
            CredentialsError: credentials missing, expired or refused, or the region is wrong.
            Throttled: still refused after adaptive retries.
            TelemetryError: anything else that AWS or the network answers.
        """
        _require_declared(service, operation)
        with self._mapped_errors(service, operation):
            return getattr(self._client(service), operation)(**parameters)

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Json]:
        """Items under ``key`` of all pages of a listing. Raises as ``call`` does."""
        _require_declared(service, operation)
        with self._mapped_errors(service, operation):
            for page in self._client(service).get_paginator(operation).paginate(**parameters):
                yield from page.get(key, ())

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            # A new session costs 30 ms and more; it is made with the first client.
            if self._session is None:
                self._session = boto3.Session()
            session: Any = self._session  # boto3's stubs know no client by a plain string
            attempts = LOCAL_ATTEMPTS if self.is_local else MAX_ATTEMPTS
            retries: Any = {"mode": "adaptive", "total_max_attempts": attempts}
            self._clients[service] = session.client(
                service,
                region_name=_ONLY_REGION.get(service, self.region),
                endpoint_url=self.endpoint_url,
                config=Config(retries=retries, **_CONFIG),
            )
            if self.endpoint_url is None:
                self._check_region(session, service)
        return self._clients[service]

    def _check_region(self, session: Any, service: str) -> None:
        """Refuse a misspelt region at once; its endpoint would be retried for half a minute.

        A region that this botocore does not list yet passes when its endpoint has an address.
        """
        known = session.get_available_regions(service)
        if self.region in known or service in _ONLY_REGION:
            return
        client = self._clients.pop(service)
        host = urlsplit(client.meta.endpoint_url).hostname
        try:
            socket.getaddrinfo(host, 443)
        except OSError as error:
            if self.region in session.get_available_regions("ec2"):
                raise TelemetryError(
                    f"AWS offers no {service} in region {self.region}; it is in {len(known)} others"
                ) from error
            close = difflib.get_close_matches(self.region, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise CredentialsError(
                f"{self.region!r} is no AWS region that can be reached ({host}: {error}){hint}"
            ) from error
        self._clients[service] = client

    @contextmanager
    def _mapped_errors(self, service: str, operation: str) -> Iterator[None]:
        try:
            yield
        except boto.ClientError as error:
            raise self._from_answer(error, service, operation) from error
        except (boto.BotoCoreError, boto.HTTPClientError) as error:
            raise self._from_botocore(error, service, operation) from error
        except ValueError as error:  # botocore's answer to an endpoint that is not a URL
            raise CredentialsError(
                f"{service} in region {self.region!r} has no usable address ({error}); "
                f"check the region and the endpoint"
            ) from error

    def _from_answer(
        self, error: boto.ClientError, service: str, operation: str
    ) -> RightsizingError:
        details = error.response.get("Error", {})
        code, text = details.get("Code", "unknown"), details.get("Message", "")
        name = f"{service} {operation}"
        if code in _THROTTLED_CODES:
            return Throttled(
                f"AWS still throttles {name} after {MAX_ATTEMPTS} attempts ({code}); what was read "
                f"is kept, run the same command again later"
            )
        if code in _EXPIRED_CODES:
            return CredentialsError(
                f"the AWS credentials have expired ({code} from {name}); sign in again"
            )
        if code in _DENIED_CODES:
            call = find_call(service, operation)
            action = call.action if call is not None else name
            return ActionDenied(
                f"AWS refused {action} ({code}); allow it, `rightsize iam-policy` prints the policy"
            )
        if code in _REFUSED_CODES:
            return CredentialsError(
                f"AWS does not accept the credentials in region {self.region} ({code} from {name});"
                f" check the keys, the clock, and that the region is enabled for the account"
            )
        if code in _NOT_ENROLLED_CODES:
            return TelemetryError(
                f"this AWS account has not opted in to {service} ({code}); switch it on in the "
                f"service's console, then wait up to a day for its first analysis"
            )
        return TelemetryError(f"AWS answered {name} with {code}: {text.rstrip('.')}")

    def _from_botocore(self, error: Exception, service: str, operation: str) -> RightsizingError:
        if isinstance(error, _NO_CREDENTIALS):
            reason = str(error).rstrip(".")
            return CredentialsError(
                f"no usable AWS credentials ({reason}); sign in or set AWS_PROFILE"
                + ("" if not self.is_local else '; here `eval "$(rightsize local env)"` does')
            )
        if isinstance(error, _NO_REGION):
            return CredentialsError(
                f"{self.region!r} is not an AWS region; set rightsizing:region in the stack file"
            )
        if isinstance(error, _UNREACHABLE):
            if self.is_local:
                return TelemetryError(
                    f"the local server at {self.endpoint_url} does not answer; "
                    f"start it with `rightsize local up`"
                )
            return CredentialsError(
                f"{service} of region {self.region!r} cannot be reached ({error}); "
                f"check the region's name and the network"
            )
        return TelemetryError(f"{service} {operation} failed: {error}")


def _require_declared(service: str, operation: str) -> None:
    if find_call(service, operation) is None:
        raise TelemetryError(
            f"{service} {operation} is not declared in rightsizing.awscalls, so no policy allows it"
        )
