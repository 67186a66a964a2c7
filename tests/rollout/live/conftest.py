"""The stack of the restore benchmark, for tests: one local cloud for all of them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rightsizing.embedded.faults.client import FaultClient
from rightsizing.rollout.journal import JournalWriter
from rightsizing.stack.quarantine import Quarantine

SOURCE = Path(__file__).resolve().parents[3] / "benchmarks" / "rolloutsite.py"


def _load() -> ModuleType:
    name = "rolloutsite"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SOURCE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def rolloutsite() -> ModuleType:
    """The module with the stack, its sizes and its traffic."""
    return _load()


@pytest.fixture(scope="session")
def deployed_once(
    tmp_path_factory: pytest.TempPathFactory, rolloutsite: ModuleType
) -> Iterator[Any]:
    """The stack with its declared sizes, for the session."""
    site, cloud = rolloutsite.build_site(tmp_path_factory.mktemp("rollout") / "project")
    before = dict(os.environ)
    os.environ.update(site.environment)
    site.deploy()
    yield site
    os.environ.clear()
    os.environ.update(before)
    cloud.forget()


@pytest.fixture
def site(deployed_once: Any, rolloutsite: ModuleType) -> Iterator[Any]:
    """The stack as declared, with fresh traffic; nothing quarantined and no fault planned."""
    site = deployed_once
    FaultClient(site.aws_url).clear()
    site.plane.load(rolloutsite.SCENARIO)
    if site.facts() != [("a", (("m5.xlarge", 2),), 100)]:
        site.deploy()
    quarantine = Quarantine(site.stack.record_dir)
    for entry in quarantine.entries():
        quarantine.lift(entry.release)
    site.said.clear()
    yield site
    site.plane.stop()


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing may handle it."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Kill at the n-th append of a journal from now on: ``before`` it is written, or ``after``."""
    real = JournalWriter.append

    def arm(number: int, when: str) -> None:
        count = 0

        def append(self: JournalWriter, event: Any) -> Any:
            nonlocal count
            count += 1
            if count == number and when == "before":
                raise Killed
            entry = real(self, event)
            if count == number and when == "after":
                raise Killed
            return entry

        monkeypatch.setattr(JournalWriter, "append", append)

    return arm
