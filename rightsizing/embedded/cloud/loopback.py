"""The one rule that keeps the stand-ins away from anything real: loopback or nothing."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from rightsizing.errors import EmbeddedError

LOOPBACK = "127.0.0.1"


def is_loopback_host(host: str) -> bool:
    """True for ``localhost`` and loopback addresses. Other names are not resolved: they are not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(url: str, used_for: str) -> str:
    """Return ``url`` when its host is this machine's loopback, else raise EmbeddedError."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = parts.hostname or ""
    if not is_loopback_host(host):
        raise EmbeddedError(
            f"{used_for} points to {url!r}, but the local stand-ins only talk to 127.0.0.1; run "
            "`rightsize local up` and use its endpoints, or unset rightsizing:embedded in the stack"
        )
    return url
