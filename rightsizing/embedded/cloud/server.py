"""LocalCloud: starts, stops, finds and restores the local cloud of one project folder.

The cloud is a process of its own that outlives the command which started it. Its port is chosen
once and kept; what changed it is in a journal, so a stopped or killed one comes back as it was.
Files: ``<project>/.rightsizing/local/`` (server.json, calls.jsonl, metrics.jsonl, containers.json,
plane.json, faults.json, server.log).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rightsizing.embedded.aws.clients import DEFAULT_REGION, FIXED_CREDENTIAL
from rightsizing.embedded.cloud.history import HistorySeries
from rightsizing.embedded.cloud.journal import Journal
from rightsizing.embedded.cloud.loopback import LOOPBACK
from rightsizing.embedded.cloud.ports import free_port
from rightsizing.embedded.cloud.process import await_end, is_alive, launch, tail
from rightsizing.embedded.cloud.serverfile import ServerFile, ServerRecord
from rightsizing.embedded.cloud.status import (
    CloudState,
    CloudStatus,
    LocalEndpoints,
    ServerReport,
    ask,
    clear_metrics,
    load_history,
)
from rightsizing.embedded.docker.connection import engine_cpus, real_engine_host
from rightsizing.errors import EmbeddedError

START_LIMIT_S = 120.0  # replaying some ten thousand calls; chosen by us
STOP_LIMIT_S = 10.0
NO_ENGINE = "no Docker engine answers on this machine"
_POLL_INTERVAL_S = 0.05
# Protects the local stacks' state files on this machine only; not a secret.
LOCAL_PASSPHRASE = "rightsizing-local"  # noqa: S105


class LocalCloud:
    """The local cloud of ``project_dir``. Every method may be called by several processes."""

    def __init__(
        self,
        project_dir: Path,
        *,
        region: str = DEFAULT_REGION,
        simulate_docker: bool = False,
        required_cpus: float = 0.0,
    ) -> None:
        """A local cloud that need not exist yet.

        The simulated engine is started where no real one answers, where the real one has fewer
        than ``required_cpus`` (Docker refuses a limit above its CPUs), and with
        ``simulate_docker``.
        """
        self._project_dir = project_dir.resolve()
        self._directory = self._project_dir / ".rightsizing" / "local"
        self._region = region
        self._file = ServerFile(self._directory)
        self._simulate_docker = simulate_docker
        self._required_cpus = required_cpus

    @property
    def local_dir(self) -> Path:
        """Where its files are."""
        return self._directory

    def start(self) -> LocalEndpoints:
        """Start it, or find it running; a stopped or killed one is restored first.

        Raises EmbeddedError when it does not come up.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            record = self._file.read()
            report = self._ask(record)
            if record is not None and report is not None:
                if not self._simulate_docker or record.engine_port is not None:
                    return self._endpoints(record, notice=None)
                os.kill(report.pid, signal.SIGTERM)  # to start again with the simulated engine
                await_end(report.pid, STOP_LIMIT_S)
                record = record.model_copy(update={"pid": None})
            was_killed = record is not None and record.pid is not None
            chosen = self._choose(record)
            began = time.monotonic()
            process_id = launch(
                self._directory, chosen.port, chosen.engine_port, self._directory / "server.log"
            )
            chosen = chosen.model_copy(update={"pid": process_id})
            self._file.write(chosen)
            report = self._await(chosen)
            notice = _notice(report, was_killed, time.monotonic() - began, record, chosen)
            return self._endpoints(chosen, notice)

    def ensure(self) -> LocalEndpoints:
        """For commands that need it: a killed one is restored, and ``notice`` says so.

        Raises EmbeddedError when it was never started or was stopped on purpose.
        """
        status = self.status()
        if status.state in (CloudState.ABSENT, CloudState.STOPPED):
            raise EmbeddedError(f"{status.sentence}; run `rightsize local up`")
        return self.start()

    def stop(self) -> bool:
        """Stop it; its state can be restored. False when it was not running."""
        if not self._directory.exists():
            return False
        with self._locked():
            record = self._file.read()
            if record is None:
                return False
            report = self._ask(record)
            if report is not None:
                os.kill(report.pid, signal.SIGTERM)
                await_end(report.pid, STOP_LIMIT_S)
            self._file.write(record.model_copy(update={"pid": None}))
            return report is not None

    def forget(self) -> None:
        """Stop it and delete its state; the next start is an empty cloud."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def clear_metrics(self) -> None:
        """Forget all metric data, so that history can be put again without counting twice."""
        clear_metrics(self.ensure().aws_url)

    def load_history(self, series: Iterable[HistorySeries]) -> None:
        """Set whole CloudWatch series at once; what a series held before is replaced.

        About ten times as fast as PutMetricData, and loading twice is the same as once.
        """
        load_history(self.ensure().aws_url, series)

    def status(self) -> CloudStatus:
        """Whether it runs, and what would be restored."""
        record = self._file.read()
        report = self._ask(record)
        recorded = Journal(self._directory / "calls.jsonl").count()
        if record is None:
            sentence = "the local cloud was never started in this folder"
            return CloudStatus(CloudState.ABSENT, sentence, None, recorded, None)
        if report is not None:
            endpoints = self._endpoints(record, None)
            sentence = f"the local cloud runs at {endpoints.aws_url} with {report.calls} changes"
            return CloudStatus(CloudState.RUNNING, sentence, endpoints, report.calls, report)
        if record.pid is None:
            sentence = f"the local cloud is stopped; {recorded} recorded changes can be restored"
            return CloudStatus(CloudState.STOPPED, sentence, None, recorded, None)
        sentence = f"the local cloud was killed; {recorded} recorded changes can be restored"
        return CloudStatus(CloudState.DEAD, sentence, None, recorded, None)

    def env(self) -> dict[str, str]:
        """Variables for a shell or a child process. Raises EmbeddedError when it is not running."""
        record = self._file.read()
        if record is None or self._ask(record) is None:
            raise EmbeddedError(f"{self.status().sentence}; run `rightsize local up`")
        endpoints = self._endpoints(record, None)
        backend = self._project_dir / ".rightsizing" / "pulumi"
        backend.mkdir(parents=True, exist_ok=True)
        variables = {
            "AWS_ENDPOINT_URL": endpoints.aws_url,
            "AWS_ACCESS_KEY_ID": FIXED_CREDENTIAL,
            "AWS_SECRET_ACCESS_KEY": FIXED_CREDENTIAL,
            "AWS_DEFAULT_REGION": self._region,
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": LOCAL_PASSPHRASE,
            "RIGHTSIZING_EMBEDDED": "1",
            "RIGHTSIZING_PYTHON": sys.executable,  # interpreter of the plugins
            "PULUMI_PYTHON_CMD": sys.executable,  # and of the program, in a venv nobody activated
        }
        if endpoints.docker_simulated:
            variables["DOCKER_HOST"] = endpoints.docker_host
        return variables

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time starts or stops."""
        with (self._directory / "lock").open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _ask(self, record: ServerRecord | None) -> ServerReport | None:
        """What the server says, if it is this folder's own."""
        if record is None or record.pid is None:
            return None
        report = ask(_aws_url(record))
        return report if report is not None and report.directory == str(self._directory) else None

    def _choose(self, record: ServerRecord | None) -> ServerRecord:
        """Ports: the old ones while they are free. Engine: simulated once is simulated for good.

        Except where it was only for want of a real one, one answers now, and no stack has
        simulated containers yet.
        """
        port = free_port(record.port if record is not None else None)
        old = record.engine_port if record is not None else None
        has_containers = (self._directory / "containers.json").exists()
        if (
            record is None
            or old is None
            or (record.engine_reason == NO_ENGINE and not has_containers)
        ):
            reason = self._why_simulated()
        else:
            reason = record.engine_reason
        if not reason:
            return ServerRecord(port=port)
        engine_port = free_port(old, taken=port)
        return ServerRecord(port=port, engine_port=engine_port, engine_reason=reason)

    def _why_simulated(self) -> str:
        """Why a real engine is not used; empty when it is."""
        if self._simulate_docker:
            return "a simulated Docker engine was asked for"
        host = real_engine_host()
        if host is None:
            return NO_ENGINE
        if self._required_cpus and (cpus := engine_cpus(host)) < self._required_cpus:
            return (
                f"the Docker engine has {cpus} CPUs and the stack's largest container needs "
                f"{self._required_cpus:g}"
            )
        return ""

    def _endpoints(self, record: ServerRecord, notice: str | None) -> LocalEndpoints:
        if record.engine_port is not None:
            host = f"tcp://{LOOPBACK}:{record.engine_port}"
            return LocalEndpoints(_aws_url(record), host, True, record.engine_reason, notice)
        return LocalEndpoints(_aws_url(record), real_engine_host() or "", False, notice=notice)

    def _await(self, record: ServerRecord) -> ServerReport:
        deadline = time.monotonic() + START_LIMIT_S
        assert record.pid is not None  # just launched
        while time.monotonic() < deadline:
            report = self._ask(record)
            if report is not None:
                return report
            if not is_alive(record.pid):
                break
            time.sleep(_POLL_INTERVAL_S)
        log = self._directory / "server.log"
        raise EmbeddedError(
            f"the local cloud did not start within {START_LIMIT_S:.0f} s; the end of {log} says: "
            f"{tail(log)}"
        )


def _aws_url(record: ServerRecord) -> str:
    return f"http://{LOOPBACK}:{record.port}"


def _notice(
    report: ServerReport,
    was_killed: bool,
    seconds: float,
    old: ServerRecord | None,
    new: ServerRecord,
) -> str | None:
    """One sentence on what happened, or None for a first start."""
    if old is None:
        return None
    reason = "had been killed and" if was_killed else "was stopped and"
    sentence = (
        f"the local cloud {reason} is restored from {report.restored_calls} recorded changes "
        f"({seconds:.1f} s)"
    )
    if report.different_calls:
        sentence += (
            f"; {report.different_calls} of them were answered differently than before, so ids may "
            "differ: run a refresh"
        )
    if old.port != new.port:
        sentence += (
            f"; port {old.port} is taken, so it now listens on {new.port}: run "
            '`eval "$(rightsize local env)"` again'
        )
    return sentence
