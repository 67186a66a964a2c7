"""One project, one provider, two drivers: what the contract tests run on.

The sample project and its JSON cloud are copied to a temporary folder for each driver. ``life``
runs a fixed story once a driver and keeps what every operation returned, so that each test only
looks.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from rightsizing.model.update import StepOp
from rightsizing.stack.cli_driver import CliDriver
from rightsizing.stack.driver import DriverName, StackRef
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.stack.selection import find_pulumi

HERE = Path(__file__).parent
PASSPHRASE = "correct horse"
SECRET_WORD = "hunter2-very-secret"
# `pulumi config set --secret sample:password hunter2-very-secret` under PASSPHRASE; both drivers
# read this one form.
SEALED = json.loads((HERE / "sample" / "sealed.json").read_text())
BOX = "jsoncloud:index/box:Box"

DRIVERS = [
    pytest.param(DriverName.EMBEDDED, id="embedded"),
    pytest.param(DriverName.CLI, id="cli", marks=pytest.mark.cli),
]


class Kit:
    """A project in a folder of its own, its cloud, and a driver."""

    def __init__(self, root: Path, name: DriverName) -> None:
        for part in ("sample", "jsoncloud"):
            shutil.copytree(HERE / part, root / part)
        self.root = root
        self.project = root / "sample"
        self.cloud_path = root / "cloud.json"
        self.stack = StackRef(self.project, "sample", "dev")
        self.backend = root / "embedded"
        self.env = {
            **os.environ,
            "JSONCLOUD": str(self.cloud_path),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_BACKEND_URL": f"file://{root / 'pulumi'}",
            "PULUMI_HOME": str(root / "home"),
            "PYTHONPATH": str(root / "jsoncloud"),
        }
        self.driver = self.make_driver(name)
        self.configure({})
        self.driver.create(self.stack)

    def make_driver(self, name: DriverName):
        """Another driver on the same folder."""
        if name is DriverName.EMBEDDED:
            table = "provider:PROVIDERS"
            return EmbeddedDriver(backend=self.backend, providers=table, environment=self.env)
        pulumi = find_pulumi()
        if pulumi is None:
            pytest.skip("there is no Pulumi CLI on PATH or in ~/.pulumi/bin")
        return CliDriver(pulumi, environment=self.env)

    def configure(self, boxes, **others):
        """Write Pulumi.dev.yaml."""
        config = {"rightsizing:embedded": True, "sample:password": {"secure": SEALED["password"]}}
        config["sample:boxes"] = boxes
        config |= {f"sample:{key}": value for key, value in others.items()}
        content = {"encryptionsalt": SEALED["salt"], "config": config}
        with self.stack.config_path.open("w") as file:
            YAML().dump(content, file)

    def up(self, boxes=None, *, refresh=False, message="test", **others):
        """Configure and apply."""
        if boxes is not None:
            self.configure(boxes, **others)
        return self.driver.up(self.stack, message=message, refresh=refresh)

    def cloud(self):
        """What exists: logical part of the box's name -> box; orphans count too."""
        return {key: box for key, box in self.raw_cloud().items() if key.startswith("box-")}

    def raw_cloud(self):
        """The cloud's file."""
        return json.loads(self.cloud_path.read_text()) if self.cloud_path.exists() else {}

    def write_cloud(self, content):
        """Change the cloud behind everybody's back."""
        self.cloud_path.write_text(json.dumps(content))

    def sizes(self):
        """Sizes of all boxes, sorted."""
        return sorted(box["size"] for box in self.cloud().values())

    def log(self):
        """What was done in the cloud, in order."""
        return self.raw_cloud().get("log", [])

    def fault(self, op, name, when, action):
        """Make the provider hold or fail once at one point."""
        fault = {"op": op, "name": name, "when": when, "action": action}
        Path(f"{self.cloud_path}.fault.json").write_text(json.dumps(fault))

    @contextlib.contextmanager
    def held(self, op, name, *, when="after"):
        """An ``up`` in a process of its own that stands still at one point of one operation.

        Yields the process group leader that a person would kill. Leaves nothing running.
        """
        for end in ("reached", "go", "told"):
            pipe = Path(f"{self.cloud_path}.{end}")
            if not pipe.exists():
                os.mkfifo(pipe)
        self.fault(op, name, when, "hold")
        held = Held(self)
        Path(f"{self.cloud_path}.reached").read_text()  # returns when the provider is there
        try:
            yield held
        finally:
            held.end()

    def let_go(self):
        """Let a held operation end."""
        Path(f"{self.cloud_path}.go").write_text("")


RUNNER = """
import sys, json
from pathlib import Path
from rightsizing.stack.driver import StackRef
from rightsizing.stack.cli_driver import CliDriver
from rightsizing.stack.embedded_driver import EmbeddedDriver
from rightsizing.errors import RightsizingError
from rightsizing.stack.child import Child
name, project, backend, pulumi, told = sys.argv[1:]
forward = Child._forward
def tell(self, *signal):  # the test goes on when the signal has been passed on
    forward(self, *signal)
    Path(told).write_text("")
Child._forward = tell
driver = (
    EmbeddedDriver(backend=Path(backend), providers="provider:PROVIDERS")
    if name == "embedded" else CliDriver(Path(pulumi))
)
try:
    driver.up(StackRef(Path(project), "sample", "dev"), message="held")
    print("done")
except RightsizingError as error:
    print(type(error).__name__ + ": " + str(error))
"""


class Held:
    """A user's process that runs ``driver.up``, with its engine below it."""

    def __init__(self, kit: Kit) -> None:
        self.told = Path(f"{kit.cloud_path}.told")
        arguments = [
            kit.driver.name.value,
            kit.project,
            kit.backend,
            find_pulumi() or "",
            self.told,
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *map(str, arguments)],
            env=kit.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def engine(self) -> psutil.Process:
        """The engine: the child of the user's process."""
        return psutil.Process(self.process.pid).children()[0]

    def kill_engine(self) -> str:
        """SIGKILL the engine and what it started, as an OOM killer or a lost machine would."""
        engine = self.engine()
        for process in [engine, *engine.children(recursive=True)]:
            process.kill()
        return self.result()

    def interrupt(self) -> None:
        """Ctrl-C, once, to the user's process; its session keeps it from the engine."""
        self.process.send_signal(signal.SIGINT)
        self.told.read_text()

    def result(self) -> str:
        """Wait, and say how ``up`` ended."""
        out, err = self.process.communicate(timeout=60)
        return out.strip() or err

    def end(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            parent = psutil.Process(self.process.pid)
            for process in [*parent.children(recursive=True), parent]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.communicate()


@pytest.fixture(scope="session")
def make_kit(tmp_path_factory):
    """A new project and stack for a driver."""
    return lambda name: Kit(tmp_path_factory.mktemp(name.value), name)


@pytest.fixture(params=DRIVERS)
def kit(request, make_kit):
    """A new project and stack, once a driver."""
    return make_kit(request.param)


class Life:
    """Results of the story that ``live`` tells, by name."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.at = {}
        self.seen = []

    def __getitem__(self, name):
        return self.at[name]


def ops(result):
    """Every step but the unchanged: (op, type, name, changed keys), in any order."""
    return sorted(
        (step.op.value, step.type, step.name, step.changed_keys)
        for step in result.steps
        if step.op is not StepOp.SAME
    )


def live(kit: Kit) -> Life:
    """First life of a stack: create, no change, update, replace, drift, repair."""
    life = Life(kit)
    at, driver, stack = life.at, kit.driver, kit.stack
    first = {
        "a": {"size": "small", "zone": "x", "desired": 2, "ignore": ["desired"], "secret": True},
        "b": {"size": "small", "needs": ["a"], "after": "a", "tags": {"k": "v", "x.y": "1"}},
        "gone": {"size": "small", "needs": ["b"]},
        "kept": {"size": "small", "retain": True},
    }
    kit.configure(first, group=True)
    at["first preview"] = driver.preview(stack)
    at["cloud after preview"] = kit.cloud()
    at["first up"] = driver.up(stack, message="first", listener=life.seen.append)
    at["cloud after first"] = kit.cloud()
    at["resources"] = {item.name: item for item in driver.resources(stack)}
    at["outputs"] = driver.outputs(stack)
    at["second preview"] = driver.preview(stack)
    second = {
        "a": {**first["a"], "size": "big", "desired": 9},
        "b": {**first["b"], "tags": {"k": "w", "x.y": "1", "new": "n"}},
        "d": {"size": "tiny"},
    }
    kit.configure(second, group=True)
    at["update preview"] = driver.preview(stack)
    at["update"] = driver.up(stack, message="second")
    at["cloud after update"] = kit.cloud()
    third = {
        "a": {**second["a"], "zone": "y"},
        "b": {**second["b"], "size": "mid", "replace_on": ["size"]},
        "e": {"size": "tiny", "was": ["d"]},
    }
    kit.configure(third, group=True)
    before = len(kit.log())
    at["replace preview"] = driver.preview(stack)
    at["replace"] = driver.up(stack, message="third")
    at["replace log"] = kit.log()[before:]
    at["cloud after replace"] = kit.cloud()
    fourth = {**third, "a": {**third["a"], "zone": "z", "stop_first": True}}
    before = len(kit.log())
    at["stop first"] = kit.up(fourth, group=True)
    at["stop first log"] = kit.log()[before:]
    drifted = kit.raw_cloud()
    a_id = driver_id(driver, stack, "a")
    drifted[a_id]["size"] = "drifted"
    kit.write_cloud(drifted)
    at["blind preview"] = driver.preview(stack)
    at["seeing preview"] = driver.preview(stack, refresh=True)
    at["refresh"] = driver.refresh(stack, message="look")
    at["state after refresh"] = {item.name: item for item in driver.resources(stack)}
    at["repair"] = driver.up(stack, message="repair")
    at["cloud after repair"] = kit.cloud()
    vanished = kit.raw_cloud()
    for name in ("a", "e"):  # b depends on a
        del vanished[driver_id(driver, stack, name)]
    kit.write_cloud(vanished)
    at["remake"] = driver.up(stack, message="remake", refresh=True)
    at["history"] = driver.history(stack)
    at["destroy"] = driver.destroy(stack, message="end")
    at["cloud after destroy"] = kit.cloud()
    at["history at the end"] = driver.history(stack)
    return life


def driver_id(driver, stack, name):
    """Cloud id of a resource, as state knows it."""
    return next(item.id for item in driver.resources(stack) if item.name == name)


@pytest.fixture(scope="session")
def lives(make_kit):
    """Tells the story at first need, once a driver."""
    told = {}

    def of(name: DriverName) -> Life:
        if name not in told:
            told[name] = live(make_kit(name))
        return told[name]

    return of


@pytest.fixture(params=DRIVERS)
def life(request, lives):
    """The story on one driver."""
    return lives(request.param)


@pytest.fixture(scope="session")
def steps_of():
    """The function that makes steps comparable."""
    return ops


@pytest.fixture
def run_in_thread():
    """Start a function in a thread and join it at the end of the test."""
    threads = []

    def start(function):
        thread = threading.Thread(target=function)
        thread.start()
        threads.append(thread)

    yield start
    for thread in threads:
        thread.join(30)
