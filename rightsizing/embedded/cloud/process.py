"""Launching the server so that it outlives its starter, and looking whether it lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from rightsizing.errors import EmbeddedError

# The shell ends at once and leaves the server to the system: it is never our zombie, and Ctrl-C
# in this terminal does not reach it.
_DETACH = '"$@" >>"$0" 2>&1 </dev/null & echo $!'
_TAIL_CHARACTERS = 600
_POLL_INTERVAL_S = 0.01
# Not passed on: the server must not act on anybody's AWS or Pulumi settings.
_WITHHELD = ("AWS_", "PULUMI_", "DOCKER_", "MOTO_", "PYTEST_")


def launch(directory: Path, port: int, engine_port: int | None, log: Path) -> int:
    """Start the server detached; returns its process id. Raises EmbeddedError."""
    command = [
        sys.executable,
        "-m",
        "rightsizing.embedded.cloud.server_main",
        "--directory",
        str(directory),
        "--port",
        str(port),
    ]
    if engine_port is not None:
        command += ["--engine-port", str(engine_port)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_WITHHELD)}
    try:
        launched = subprocess.run(
            ["/bin/sh", "-c", _DETACH, str(log), *command],
            cwd=directory,
            # A fixed hash seed makes the order of sets, and so of effects, the same in a replay.
            env={**kept, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"},
            start_new_session=True,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(f"the local cloud could not be launched: {error}") from error
    return int(launched.stdout)


def is_alive(process_id: int) -> bool:
    """True while the process runs; a zombie does not."""
    try:
        return bool(psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def await_end(process_id: int, limit_s: float) -> None:
    """Wait until the process has ended; kill it when it takes longer than ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while is_alive(process_id):
        if time.monotonic() > deadline:
            os.kill(process_id, signal.SIGKILL)
            return
        time.sleep(_POLL_INTERVAL_S)


def tail(log: Path) -> str:
    """The last words of a log, on one line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(nothing)"
    return " ".join(text[-_TAIL_CHARACTERS:].split()) or "(nothing)"
