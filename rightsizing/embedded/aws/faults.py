"""What the services say when something is not there, and every other fault as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

_ABSENT_CODES = frozenset(
    {
        "LoadBalancerNotFound",
        "TargetGroupNotFound",
        "ListenerNotFound",
        "NoSuchEntity",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "ObjectNotFoundException",
        "ClusterNotFoundException",
        "ServiceNotFoundException",
        "ServiceNotActiveException",
        "DashboardNotFoundError",
    }
)
# Services that answer with a general code and say it in words.
_ABSENT_WORDS = ("not found", "does not exist", "No scal", "is inactive")
_WORDY_CODES = frozenset({"ValidationError", "ValidationException", "ClientException"})


def absent(error: ClientError) -> bool:
    """True when the error means that the resource does not exist (any more)."""
    detail = error.response.get("Error", {})
    code, message = str(detail.get("Code", "")), str(detail.get("Message", ""))
    return (
        code in _ABSENT_CODES
        or code.endswith((".NotFound", ".NotFoundException"))
        or (code in _WORDY_CODES and any(words in message for words in _ABSENT_WORDS))
    )


@contextmanager
def ignoring_absent() -> Iterator[None]:
    """Let a delete of something already gone succeed."""
    try:
        yield
    except ClientError as error:
        if not absent(error):
            raise


def explain_aws_error(error: Exception) -> str | None:
    """One sentence for a botocore error, else None."""
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        return (
            f"the local cloud refused {error.operation_name} with {detail.get('Code')}: "
            f"{detail.get('Message')}"
        )
    if isinstance(error, EndpointConnectionError):
        return f"{error}; run `rightsize local up`"
    if isinstance(error, BotoCoreError):
        return str(error)
    return None
