"""A project of its own on the real Docker engine, and what the kernel itself says of a container.

Names and labels carry a random suffix, so parallel runs and leftovers do not meet; everything is
removed at the end, also when a test fails.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from rightsizing.embedded.cloud.images import DEMO_IMAGE, prepare_demo_image
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.docker.connection import real_engine_host
from rightsizing.measure.store import Store
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).parent / "rightsize"
PLUGINS = Path("rightsizing/embedded/plugin")
PATIENCE_S = 60.0  # for what takes well under a second on an idle machine
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cgroup:
    """A container's control group, read from the kernel and not from the engine (v1 and v2)."""

    pid: int

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        if self._unified:
            return self._field("cpu.stat", "usage_usec") / 1e6
        return int(self._text("cpuacct", "cpuacct.usage")) / 1e9

    def cpu_limit_cores(self) -> float:
        """The limit the scheduler enforces."""
        if self._unified:
            quota, period = self._text("", "cpu.max").split()
        else:
            quota = self._text("cpu", "cpu.cfs_quota_us")
            period = self._text("cpu", "cpu.cfs_period_us")
        return int(quota) / int(period)

    def memory_bytes(self) -> int:
        """Memory charged now."""
        return int(
            self._text("", "memory.current")
            if self._unified
            else self._text("memory", "memory.usage_in_bytes")
        )

    def memory_limit_bytes(self) -> int:
        """The limit above which the kernel kills."""
        return int(
            self._text("", "memory.max")
            if self._unified
            else self._text("memory", "memory.limit_in_bytes")
        )

    def kills(self) -> int:
        """Processes killed for lack of memory so far."""
        if self._unified:
            return self._field("memory.events", "oom_kill")
        return self._field("memory.oom_control", "oom_kill", "memory")

    @property
    def _unified(self) -> bool:
        return (CGROUPS / "cgroup.controllers").exists()

    def _field(self, file: str, name: str, controller: str = "") -> int:
        lines = (line.split() for line in self._text(controller, file).splitlines())
        return int(dict(lines)[name])

    def _text(self, controller: str, file: str) -> str:
        for line in Path(f"/proc/{self.pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return (CGROUPS / controller / path.lstrip("/") / file).read_text().strip()
        raise FileNotFoundError(f"process {self.pid} has no {controller or 'unified'} group")


@dataclass
class Watch:
    """Readings of a control group every tenth of a second, to compare the recorder's rows with."""

    moments_ms: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)

    def read(self, group: Cgroup) -> None:
        """Take one reading."""
        self.moments_ms.append(time.time_ns() / 1e6)
        self.cpu_seconds.append(group.cpu_seconds())
        self.memory_bytes.append(group.memory_bytes())

    def covers(self, row: dict[str, Any]) -> bool:
        """Whether a row's whole interval was watched."""
        end_ms = row["timestamp_ms"] + row["interval_s"] * 1000
        return self.moments_ms[0] <= row["timestamp_ms"] and end_ms <= self.moments_ms[-1]

    def used(self, row: dict[str, Any]) -> float:
        """CPU seconds the kernel counted in a row's interval."""
        start_ms = row["timestamp_ms"]
        return self._at(start_ms + row["interval_s"] * 1000) - self._at(start_ms)

    def _at(self, moment_ms: float) -> float:
        after = min(max(bisect_right(self.moments_ms, moment_ms), 1), len(self.moments_ms) - 1)
        (began, ended) = self.moments_ms[after - 1 : after + 1]
        (low, high) = self.cpu_seconds[after - 1 : after + 1]
        return low + (high - low) * (moment_ms - began) / (ended - began)


@dataclass
class Site:
    """A temporary project, one stack, and the commands a user types there."""

    folder: Path
    suffix: str
    engine: docker.DockerClient
    environment: dict[str, str]

    @property
    def stack(self) -> str:
        return f"real{self.suffix}"

    @property
    def mine(self) -> dict[str, str]:
        """Filter for the containers of this stack."""
        return {"label": f"rightsizing:stack={self.stack}"}

    @property
    def store(self) -> Store:
        return Store(StackRef(self.folder, "rightsizing", self.stack).record_dir / "store")

    def stack_file(self) -> StackFile:
        return StackFile.load(self.folder / f"Pulumi.{self.stack}.yaml")

    def name(self, key: str) -> str:
        """A workload key nobody else on this engine uses."""
        return f"{key}-{self.suffix}"

    def declare(self, **containers: dict[str, Any]) -> None:
        """Write the stack file."""
        lines = [
            "config:",
            '  pulumi:disable-default-providers: ["*"]',
            "  rightsizing:embedded: true",
            "  rightsizing:containers:",
        ]
        for key, item in containers.items():
            declared = {"image": DEMO_IMAGE, "network_mode": "none", "restart": "no", **item}
            lines.append(f"    {self.name(key)}: {json.dumps(declared)}")
        path = self.folder / f"Pulumi.{self.stack}.yaml"
        path.write_text("\n".join(lines) + "\n")

    def rightsize(self, *arguments: str, expect: int = 0) -> str:
        """Run the command line; returns what it printed."""
        return self.run(str(SCRIPT), "--stack", self.stack, *arguments, expect=expect)

    def ask(self, *arguments: str) -> Any:
        """What a command answers with --json."""
        return json.loads(self.rightsize(*arguments, "--json"))

    def run(self, *command: str, expect: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def recorder(self) -> subprocess.Popen[bytes]:
        """A recorder that runs until it is stopped."""
        command = [str(SCRIPT), "--stack", self.stack, "record", "docker"]
        return subprocess.Popen(
            [*command, "--interval", "2", "--sample", "0.5"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def inspect(self, key: str) -> dict[str, Any]:
        """``docker inspect`` of the workload's only container."""
        filters = {"label": [self.mine["label"], f"rightsizing:workload={self.name(key)}"]}
        (found,) = self.engine.api.containers(all=True, filters=filters)
        attributes: dict[str, Any] = self.engine.api.inspect_container(found["Id"])
        return attributes

    def limits(self, key: str) -> tuple[int, int, int]:
        """NanoCpus, Memory and MemorySwap of ``docker inspect``."""
        host = self.inspect(key)["HostConfig"]
        return host["NanoCpus"], host["Memory"], host["MemorySwap"]

    def cgroup(self, key: str) -> Cgroup:
        """The kernel's view of the workload's container. Skips where it cannot be read."""
        group = Cgroup(self.inspect(key)["State"]["Pid"])
        try:
            group.cpu_seconds()
        except OSError as error:
            pytest.skip(f"the engine's control groups cannot be read here: {error}")
        return group

    def rows(self, key: str) -> list[dict[str, Any]]:
        """What the store holds of a workload, oldest first."""
        found = self.store.measurements([self.name(key)]).to_pyarrow()
        rows: list[dict[str, Any]] = found.sort_by("timestamp_ms").to_pylist()
        return rows

    @contextmanager
    def watch(self, key: str) -> Iterator[Watch]:
        """Read the workload's control group while the block runs."""
        group, watch, done = self.cgroup(key), Watch(), threading.Event()

        def read() -> None:
            watch.read(group)
            while not done.wait(0.1):
                watch.read(group)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield watch
        finally:
            done.set()
            thread.join()

    def events(self, key: str, since_s: int, *kinds: str) -> list[tuple[str, str]]:
        """(container id, kind) of what happened to a workload's containers, in order."""
        until_s = int(time.time()) + 1
        filters = {"label": f"rightsizing:workload={self.name(key)}", "event": list(kinds)}
        found = self.engine.api.events(since=since_s, until=until_s, filters=filters, decode=True)
        ordered = sorted(found, key=lambda event: event["timeNano"])
        return [(event["Actor"]["ID"], event["Action"]) for event in ordered]

    def remove(self) -> None:
        """Leave nothing behind."""
        for container in self.engine.containers.list(all=True, filters=self.mine):
            container.remove(force=True, v=True)
        LocalCloud(self.folder).forget()


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S:.0f} s"
        time.sleep(0.1)


@pytest.fixture(name="wait_for")
def give_wait_for() -> Callable[[Callable[[], bool], str], None]:
    """The function, for test modules."""
    return wait_for


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A project folder as a user's, with nothing deployed."""
    host = real_engine_host()
    if host is None:
        pytest.skip("no real Docker engine answers at DOCKER_HOST or the default socket")
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    for part in (Path("infra"), PLUGINS):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    foreign = ("AWS_", "PULUMI_", "RIGHTSIZING_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}",
        "DOCKER_HOST": host,
    }
    engine = docker.DockerClient(base_url=host)
    found = Site(folder, secrets.token_hex(3), engine, environment)
    try:
        image = prepare_demo_image(engine)
        if image.mounts:
            pytest.skip("no static busybox on this machine, so the demo image runs no load")
        yield found
    finally:
        found.remove()
        engine.close()
