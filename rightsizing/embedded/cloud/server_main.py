"""The local cloud's process: moto with a journal, and the simulated engine if asked for.

Started by LocalCloud, detached from the command that started it. It restores the recorded state
before it listens, and ends when it is told to, or when ``server.json`` is gone or names another
process, so that a deleted project folder leaves nothing running.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# Read by moto when it is imported: AWS's own managed policies exist, and an unknown instance type
# is refused as EC2 refuses it.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION"] = "true"

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from rightsizing.embedded.cloud import clock as clocks
from rightsizing.embedded.cloud.application import LocalApplication
from rightsizing.embedded.cloud.cloudwatch import serve_metric_data
from rightsizing.embedded.cloud.loopback import LOOPBACK
from rightsizing.embedded.cloud.metricstore import MetricStore
from rightsizing.embedded.cloud.metricview import MetricView
from rightsizing.embedded.cloud.repairs import apply_repairs
from rightsizing.embedded.cloud.serverfile import ServerFile
from rightsizing.embedded.cloud.simulatedengine import SimulatedEngine
from rightsizing.embedded.faults.book import FaultBook
from rightsizing.embedded.faults.health import fail_health_checks
from rightsizing.embedded.faults.launches import Launches
from rightsizing.embedded.faults.launches import install as install_launches
from rightsizing.embedded.faults.wire import Wire

_WATCH_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Applications:
    """The two servers' applications; one clock and one fault book for both."""

    aws: LocalApplication
    engine: SimulatedEngine | None
    clock: clocks.Clock


def build_applications(directory: Path, *, simulate_docker: bool) -> Applications:
    """The applications over a state directory; changes moto for this whole process."""
    clock = clocks.Clock()
    clocks.install(clock)
    apply_repairs(clock)
    book = FaultBook(directory / "faults.json", clock.now_ms)
    launches = Launches(book)
    install_launches(launches, clock.utcnow)
    fail_health_checks(book, clock)
    metrics = MetricStore(directory / "metrics.jsonl")
    serve_metric_data(metrics, MetricView(metrics, book, clock), clock)
    engine = None
    if simulate_docker:
        engine = SimulatedEngine(directory / "containers.json", clock.now, Wire(book))
    return Applications(
        LocalApplication(directory, clock, metrics, book=book, launches=launches, host=engine),
        engine,
        clock,
    )


def main() -> None:
    """Serve until stopped. Arguments: --directory, --port, --engine-port (optional)."""
    parser = argparse.ArgumentParser(description="the local cloud's own process")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--engine-port", type=int)
    options = parser.parse_args()
    directory: Path = options.directory
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    applications = build_applications(directory, simulate_docker=options.engine_port is not None)
    application = applications.aws
    servers = [
        make_server(
            LOOPBACK,
            options.port,
            application,
            threaded=True,
            request_handler=_dated_handler(applications.clock),
        )
    ]
    if applications.engine is not None:
        servers.append(
            make_server(LOOPBACK, options.engine_port, applications.engine, threaded=True)
        )
    started = time.monotonic()
    restored = application.replay()
    print(  # noqa: T201
        json.dumps(
            {
                "restored_calls": restored.calls,
                "different_calls": restored.different,
                "seconds": round(time.monotonic() - started, 3),
            }
        ),
        flush=True,
    )
    _end_on_signals()
    threading.Thread(target=_watch, args=(directory,), daemon=True).start()
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    _serve(servers[0], application)


def _dated_handler(clock: clocks.Clock) -> type[MotoRequestHandler]:
    """A handler whose answers carry the local cloud's Date: who asks AWS for the time gets it."""

    class DatedRequestHandler(MotoRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            moment_s = clock.now_ms() / 1000 if timestamp is None else timestamp
            return str(super().date_time_string(moment_s))

    return DatedRequestHandler


def _serve(server: BaseWSGIServer, application: LocalApplication) -> None:
    try:
        server.serve_forever()
    except _Stopped:
        # Nothing is open between calls; taking the modules apart would only take seconds.
        application.finish()
        os._exit(0)


class _Stopped(BaseException):
    """Raised in the main thread by SIGTERM; the HTTP server swallows every ordinary error."""


def _end_on_signals() -> None:
    def end(_signal: int, _frame: FrameType | None) -> None:
        raise _Stopped

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the shell that started it


def _watch(directory: Path) -> None:
    file = ServerFile(directory)
    pause = threading.Event()
    while not pause.wait(_WATCH_INTERVAL_S):
        record = file.read()
        if record is None or record.pid != os.getpid():
            os._exit(0)


if __name__ == "__main__":
    main()
