"""Entry of the child process: arguments in, JSON lines out, exit code 0 or 1.

Standard output carries events only: what the program prints goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from pathlib import Path

from rightsizing.embedded.engine.events import Event, RefusalEvent, to_line
from rightsizing.embedded.engine.operation import Operation, OperationKind
from rightsizing.embedded.engine.providers import DEFAULT_PROVIDERS, load_table
from rightsizing.errors import RightsizingError
from rightsizing.model.update import UpdateStatus


def main() -> int:
    """Run one operation; the last event is a summary or a refusal."""
    parser = argparse.ArgumentParser(prog="rightsizing.embedded.engine")
    parser.add_argument("operation", choices=[kind.value for kind in OperationKind])
    parser.add_argument("--project-dir", type=Path, required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--backend", type=Path, help="default: .rightsizing/embedded")
    parser.add_argument("--providers", help="provider table as module:attribute, for tests")
    parser.add_argument("--refresh", action="store_true")
    parser.add_argument("--message", default="")
    arguments = parser.parse_args()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    one_at_a_time = threading.Lock()

    def emit(event: Event) -> None:
        # A reader that has gone away must not stop an update half-way.
        with one_at_a_time, contextlib.suppress(BrokenPipeError):
            events.write(to_line(event) + "\n")
            events.flush()

    folder = arguments.project_dir.resolve()
    status = UpdateStatus.FAILED
    try:
        table = load_table(arguments.providers) if arguments.providers else DEFAULT_PROVIDERS
        operation = Operation(
            OperationKind(arguments.operation),
            emit,
            project_dir=folder,
            stack=arguments.stack,
            backend=(arguments.backend or folder / ".rightsizing" / "embedded").resolve(),
            providers=table,
            refresh=arguments.refresh,
            message=arguments.message,
        )
        status = operation.run()
    except RightsizingError as error:
        emit(RefusalEvent(type(error).__name__, str(error)))
    sys.stderr.flush()
    # A program that was interrupted may still be running in its thread: do not wait for it.
    os._exit(0 if status is UpdateStatus.SUCCEEDED else 1)


if __name__ == "__main__":
    main()
