"""Ports on loopback for the local cloud's servers."""

from __future__ import annotations

import socket
import time

from rightsizing.embedded.cloud.loopback import LOOPBACK

PORT_WAIT_S = 1.0
_POLL_INTERVAL_S = 0.05


def free_port(wanted: int | None, taken: int | None = None) -> int:
    """The wanted port, else one the system gives.

    A killed process lets go of its port a moment after it is gone, so the wanted one is tried for
    PORT_WAIT_S.
    """
    deadline = time.monotonic() + PORT_WAIT_S
    while wanted is not None and wanted != taken:
        if _bind(wanted) is not None:
            return wanted
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_INTERVAL_S)
    port = _bind(0)
    while port is None or port == taken:
        port = _bind(0)
    return port


def _bind(port: int) -> int | None:
    """The port if it can be listened on, 0 meaning any; else None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
