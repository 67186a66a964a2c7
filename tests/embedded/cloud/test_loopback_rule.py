"""Which addresses the stand-ins may talk to."""

from __future__ import annotations

import pytest

from rightsizing.embedded.cloud.loopback import require_loopback
from rightsizing.errors import EmbeddedError


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:5000", "http://localhost:1", "http://[::1]:80", "tcp://127.1.2.3:2375"],
)
def test_loopback(url: str) -> None:
    """Taken unchanged."""
    assert require_loopback(url, "it") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://0.0.0.0:5000",
        "http://10.0.0.1",
        "https://ec2.us-east-1.amazonaws.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@evil.example",
        "http://localhost@10.0.0.1",
        "",
        "http://",
    ],
)
def test_anything_else(url: str) -> None:
    """Refused, naming the setting; a user part does not hide the host."""
    with pytest.raises(EmbeddedError, match="it points to"):
        require_loopback(url, "it")
