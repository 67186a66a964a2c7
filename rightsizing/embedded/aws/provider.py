"""AwsProvider: the local stand-in for Pulumi's aws provider.

Configuration is the real provider's: ``region``, ``endpoints``, ``defaultTags``; settings that only
steer a connection to AWS are taken and have no effect. It serves nothing but loopback.
"""

from __future__ import annotations

import json
import os

from rightsizing.embedded.aws.clients import DEFAULT_REGION, AwsApi, endpoint_from
from rightsizing.embedded.aws.faults import explain_aws_error
from rightsizing.embedded.aws.table import TABLE
from rightsizing.embedded.faults.crossing import MortalProvider
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json


class AwsProvider(MortalProvider[AwsApi]):
    """Serves the types of ``table.py`` against AWS_ENDPOINT_URL, or ``endpoint_url``."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        super().__init__("aws", TABLE)
        self._endpoint_url = endpoint_url

    def connect(self, config: Properties) -> AwsApi:
        """Clients for this configuration. Raises EmbeddedError without a loopback endpoint."""
        endpoints = _decoded(config.get("endpoints")) or [{}]
        configured = next((url for entry in endpoints for url in entry.values()), None)
        default_tags = _decoded(config.get("defaultTags")) or {}
        region = config.get("region") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
        return AwsApi(
            self._endpoint_url or endpoint_from(configured),
            str(region),
            dict(default_tags.get("tags", {})),
        )

    def fault_endpoint(self) -> str:
        """The same endpoint."""
        return self._endpoint_url or super().fault_endpoint()

    def explain(self, error: Exception) -> str | None:
        """One sentence for a botocore error."""
        return explain_aws_error(error)


def _decoded(value: Json) -> Json:
    """Nested provider settings travel as JSON text."""
    return json.loads(value) if isinstance(value, str) else value
