"""Running the program: the SDK's own language server, pointed at our monitor on loopback.

The program runs in a thread of its own, so that an interrupted update can end while the program is
busy. ``LanguageServer`` is underscored in the SDK: its minor version is pinned, and a contract test
runs this path.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import engine_pb2_grpc, language_pb2, resource_pb2_grpc

from rightsizing.embedded.engine.goal import StackName
from rightsizing.embedded.engine.monitor import EngineLog, Monitor
from rightsizing.errors import EmbeddedError

PARALLEL = 8
MESSAGE_BYTES = 400 * 1024 * 1024  # as the SDK's own channels allow
SERVER_OPTIONS = (("grpc.max_receive_message_length", MESSAGE_BYTES),)
_INLINE_PREFIX = "python inline source runtime error: "


class ProgramRun:
    """One run. ``finished`` is set when the program has ended; then ``error`` says how."""

    def __init__(
        self,
        program: Path,
        stack: StackName,
        config: dict[str, str],
        secret_keys: list[str],
        *,
        dry_run: bool,
    ) -> None:
        self.error: EmbeddedError | None = None
        self.finished = threading.Event()
        self._program = program
        self._request = language_pb2.RunRequest(
            project=stack.project,
            stack=stack.stack,
            config=config,
            configSecretKeys=secret_keys,
            dryRun=dry_run,
            parallel=PARALLEL,
            organization="organization",
        )

    def start(self, monitor: Monitor, log: EngineLog) -> None:
        """Serve the monitor on a free loopback port and start the program."""
        # Every registration holds a thread while it waits for its turn.
        self._server = grpc.server(ThreadPoolExecutor(64), options=SERVER_OPTIONS)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, self._server)
        engine_pb2_grpc.add_EngineServicer_to_server(log, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        address = f"127.0.0.1:{port}"
        self._request.monitor_address = address
        self._request.args.append(address)
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop(None)

    def _run(self) -> None:
        try:
            result = LanguageServer(self._execute).Run(self._request, None)  # type: ignore[no-untyped-call]
            if result.error:
                self.error = EmbeddedError(f"the program failed: {_first_line(result.error)}")
        finally:
            self.finished.set()

    def _execute(self) -> None:
        # As pulumi-language-python-exec does it: folder of the program is current and importable.
        folder = self._program if self._program.is_dir() else self._program.parent
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        sys.argv = [str(self._program)]
        runpy.run_path(str(self._program), run_name="__main__")


def _first_line(error: str) -> str:
    lines = error.removeprefix(_INLINE_PREFIX).strip().splitlines()
    return lines[0] if lines else "no reason given"
