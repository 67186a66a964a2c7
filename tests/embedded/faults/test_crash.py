"""The engine killed at an operation, on both engines, and what state and cloud then say."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import rightsizing.embedded.plugin
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.docker.connection import open_engine
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import Crash, FailedOperation, Phase
from rightsizing.embedded.faults.statefile import Damage, damage_state
from rightsizing.errors import EmbeddedError, UpdateFailed
from rightsizing.stack.cli_driver import CliDriver
from rightsizing.stack.driver import DriverName, StackDriver, StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.selection import find_pulumi

pytestmark = pytest.mark.slow

PLUGINS = Path(rightsizing.embedded.plugin.__file__).parent
PROJECT = f"""
name: crash
runtime: python
plugins:
  providers:
    - {{name: docker, path: {PLUGINS}/docker, version: 0.0.1}}
"""
STACK = """
config:
  rightsizing:embedded: true
  crash:memory: {memory}
  crash:names: {names}
"""
PROGRAM = """
import pulumi
import pulumi_docker as docker

config = pulumi.Config()
version = pulumi.ResourceOptions(version="0.0.1")
provider = docker.Provider("docker", opts=version)
before = []
for name in config.require("names").split(","):
    before = [
        docker.Container(
            name,
            name=name,
            image="rightsizing/demo:1",
            memory=config.require_int("memory"),
            memory_swap=config.require_int("memory"),
            network_mode="none",
            opts=pulumi.ResourceOptions(provider=provider, depends_on=before),
        )
    ]
"""


@dataclass
class Bench:
    """A project with containers in a chain, one engine, and the fault book of its cloud."""

    stack: StackRef
    driver: StackDriver
    book: FaultClient
    docker_host: str

    def configure(self, memory: int, *names: str) -> None:
        """Write the stack file."""
        text = STACK.format(memory=memory, names=",".join(names))
        self.stack.config_path.write_text(text)

    def up(self, *, refresh: bool = False) -> None:
        """Apply it."""
        self.driver.up(self.stack, message="m", refresh=refresh)

    def live(self) -> dict[str, int]:
        """Memory limits in MiB by container, from the Docker API."""
        engine = open_engine(self.docker_host)
        try:
            return {
                item.name: item.attrs["HostConfig"]["Memory"] // 2**20
                for item in engine.containers.list(all=True)
            }
        finally:
            engine.close()

    def known(self) -> dict[str, int]:
        """The same, as the state knows them."""
        return {
            item.urn.rsplit("::", 1)[-1]: item.outputs["memory"]
            for item in self.driver.resources(self.stack)
            if item.type == "docker:index/container:Container"
        }


@pytest.fixture(params=[DriverName.EMBEDDED, pytest.param(DriverName.CLI, marks=pytest.mark.cli)])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """An empty stack."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "__main__.py").write_text(PROGRAM)
    cloud = LocalCloud(tmp_path, simulate_docker=True)
    endpoints = cloud.start()
    environment = {**os.environ, **cloud.env(), "RIGHTSIZING_PYTHON": sys.executable}
    driver: StackDriver = EmbeddedDriver(environment=environment)
    if request.param is DriverName.CLI:
        pulumi = find_pulumi()
        if pulumi is None:
            pytest.skip("there is no Pulumi CLI on PATH or in ~/.pulumi/bin")
        driver = CliDriver(pulumi, environment=environment)
    stack = StackRef(folder, "crash", "dev")
    found = Bench(stack, driver, FaultClient(endpoints.aws_url), endpoints.docker_host)
    found.configure(64, "one")
    driver.create(stack)
    yield found
    cloud.forget()


def test_killed_after_the_cloud_changed(bench: Bench) -> None:
    """State old, cloud new: a plain update believes the state, one with refresh does not."""
    bench.configure(64, "one", "two")
    bench.up()
    bench.configure(128, "one", "two")
    bench.book.add(Crash(phase=Phase.AFTER, operation="update", urn_contains="two"))
    with pytest.raises(UpdateFailed, match="was killed"):
        bench.up()
    assert bench.live() == {"one": 128, "two": 128}
    assert bench.known() == {"one": 128, "two": 64}
    assert bench.driver.pending_operations(bench.stack)
    assert [item.what for item in bench.book.injected()] == [
        "the engine is killed after the update of two"
    ]
    assert bench.driver.cancel(bench.stack)
    bench.configure(64, "one", "two")
    bench.up()
    assert bench.live() == {"one": 64, "two": 128}  # "unchanged", it says
    bench.up(refresh=True)
    assert bench.live() == {"one": 64, "two": 64}


def test_killed_before_the_cloud_changed(bench: Bench) -> None:
    """The second operation of an update: begun in the state, never done."""
    bench.configure(64, "one", "two", "three")
    bench.book.add(Crash(phase=Phase.BEFORE, after=1))
    with pytest.raises(UpdateFailed, match="was killed"):
        bench.up()
    assert bench.live() == {"one": 64}
    (pending,) = bench.driver.pending_operations(bench.stack)
    assert pending.endswith("::two")
    assert bench.driver.cancel(bench.stack)
    bench.up(refresh=True)
    assert bench.live() == {"one": 64, "two": 64, "three": 64}


def test_killed_after_a_create_leaves_an_orphan(bench: Bench) -> None:
    """The container runs and the state does not know it."""
    bench.book.add(Crash(phase=Phase.AFTER, operation="create"))
    with pytest.raises(UpdateFailed, match="was killed"):
        bench.up()
    assert bench.live() == {"one": 64}
    assert bench.known() == {}


def test_a_failed_operation_leaves_a_partial_update(bench: Bench) -> None:
    """The second update fails before the cloud changed, the third is not begun; both are known."""
    bench.configure(64, "one", "two", "three")
    bench.up()
    bench.configure(128, "one", "two", "three")
    bench.book.add(FailedOperation(phase=Phase.BEFORE, urn_contains="two", message="no reason"))
    with pytest.raises(UpdateFailed, match="cannot update 'two': no reason"):
        bench.up()
    assert bench.live() == bench.known() == {"one": 128, "two": 64, "three": 64}
    bench.up()
    assert bench.live() == {"one": 128, "two": 128, "three": 128}


def test_a_lost_answer_to_an_operation(bench: Bench) -> None:
    """The cloud changed, the provider says it failed: the state stays old until a refresh."""
    bench.up()
    bench.configure(128, "one")
    bench.book.add(FailedOperation(phase=Phase.AFTER))
    with pytest.raises(UpdateFailed, match="failed as planned"):
        bench.up()
    assert (bench.live(), bench.known()) == ({"one": 128}, {"one": 64})


def test_damaged_state_is_one_sentence(bench: Bench) -> None:
    """Every kind of damage; the containers run on."""
    if bench.driver.name is DriverName.CLI:
        pytest.skip("the CLI's own words are its own")
    bench.up()
    path = bench.stack.project_dir / ".rightsizing" / "embedded" / "crash" / "dev" / "state.json"
    whole = path.read_bytes()
    for damage in (Damage.EMPTY, Damage.TRUNCATED, Damage.GARBAGE, Damage.WRONG_SHAPE):
        assert damage_state(path, damage).endswith(f"damaged: {damage.value}")
        with pytest.raises(EmbeddedError, match="state file"):
            bench.up()
        path.write_bytes(whole)
    assert bench.live() == {"one": 64}
