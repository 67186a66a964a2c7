"""boto3 clients that can reach nothing but the local cloud.

Credentials are the fixed word moto expects, no profile or configuration file is read, no proxy is
used, and the endpoint must be loopback, so real credentials in the shell are never sent anywhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from rightsizing.embedded.cloud.loopback import require_loopback
from rightsizing.errors import EmbeddedError

FIXED_CREDENTIAL = "testing"
DEFAULT_REGION = "us-east-1"
ACCOUNT_ID = "123456789012"  # moto's only account
PARTITION = "aws"

# botocore's own settings, without the environment variable and file entry they could come from.
_NO_USER_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def local_session(region: str) -> boto3.session.Session:
    """A boto3 session with fixed credentials, blind to ``~/.aws`` and ``AWS_*`` variables."""
    core = botocore.session.Session(session_vars=_NO_USER_SETTINGS)
    core.set_credentials(FIXED_CREDENTIAL, FIXED_CREDENTIAL)
    return boto3.session.Session(botocore_session=core, region_name=region)


@dataclass(slots=True)
class AwsApi:
    """Clients of one endpoint and region, made on first use."""

    endpoint_url: str
    region: str
    default_tags: dict[str, str] = field(default_factory=dict)
    _session: boto3.session.Session = field(init=False, repr=False)
    _clients: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    _elsewhere: dict[str, AwsApi] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        require_loopback(self.endpoint_url, "AWS_ENDPOINT_URL")
        self._session = local_session(self.region)

    def client(self, service: str) -> Any:
        """The service's client. Retries are few: a server on loopback answers or is not there."""
        found = self._clients.get(service)
        if found is None:
            make: Any = self._session.client  # typed a literal a service by the stubs
            found = make(
                service,
                endpoint_url=self.endpoint_url,
                config=Config(
                    proxies={},
                    retries={"max_attempts": 2, "mode": "standard"},
                    connect_timeout=5,
                    read_timeout=60,
                ),
            )
            self._clients[service] = found
        return found

    def in_region(self, region: str | None) -> AwsApi:
        """The same cloud seen in another region; itself when none is given."""
        if region is None or region == self.region:
            return self
        if region not in self._elsewhere:
            self._elsewhere[region] = AwsApi(self.endpoint_url, region, self.default_tags)
        return self._elsewhere[region]

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """``arn:aws:<service>:<region>:<account>:<resource>``."""
        where = self.region if region else ""
        return f"arn:{PARTITION}:{service}:{where}:{ACCOUNT_ID}:{resource}"


def endpoint_from(configured: str | None) -> str:
    """AWS_ENDPOINT_URL, else the configured endpoint. Raises EmbeddedError when there is none.

    In this order because the configuration may come from state that is older than the local cloud's
    present port; another project's cloud may listen on the old one.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "") or configured or ""
    if not endpoint:
        raise EmbeddedError(
            "AWS_ENDPOINT_URL is not set, so the local aws provider has no cloud to talk to; run "
            '`rightsize local up` and `eval "$(rightsize local env)"`'
        )
    return require_loopback(endpoint, "AWS_ENDPOINT_URL")
