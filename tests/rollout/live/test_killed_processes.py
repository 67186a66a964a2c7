"""Real SIGKILLs: of the process that runs a rollout, and of the engine it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import Crash
from rightsizing.errors import RightsizingError
from rightsizing.rollout.controller import resume_rollout, start_rollout
from rightsizing.rollout.journal import read_journal, rollout_ids
from rightsizing.rollout.run import RolloutOutcome

pytestmark = pytest.mark.slow

OLD_SERVES = [("a", (("m5.xlarge", 2),), 100)]
NEW_SERVES = [("b", (("m7g.large", 2),), 100)]
LIMIT_S = 120.0  # of waiting for a process; it is far quicker
CONTROLLER = """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("rolloutsite", sys.argv[1])
    rolloutsite = importlib.util.module_from_spec(spec)
    sys.modules["rolloutsite"] = rolloutsite
    spec.loader.exec_module(rolloutsite)
    from pathlib import Path
    from rightsizing.rollout.controller import start_rollout
    site = rolloutsite.open_site(Path(sys.argv[2]))
    start_rollout(site.run(), rolloutsite.release_of(rolloutsite.GOOD), 1)
"""


@pytest.fixture
def own_site(tmp_path: Path, rolloutsite: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stack of its own whose engine is a process, as for a user."""
    site, cloud = rolloutsite.build_site(tmp_path / "project", in_process=False)
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    site.deploy()
    site.plane.load(rolloutsite.SCENARIO)
    yield site
    cloud.forget()


def events(site: Any) -> list[tuple[str, str]]:
    names = rollout_ids(site.stack.record_dir)
    if not names:
        return []
    try:
        entries = read_journal(site.stack.record_dir, names[-1]).entries
    except RightsizingError:  # read in the middle of a write
        return []
    return [(entry.event.kind, getattr(entry.event, "stage", "")) for entry in entries]


@pytest.mark.proof
def test_the_controller_is_killed(own_site: Any, rolloutsite: Any) -> None:
    """In the middle of an update, whose engine goes on without it: resumed, it ends as planned."""
    site = own_site
    environment = {**os.environ, **site.environment}
    controller = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            textwrap.dedent(CONTROLLER),
            rolloutsite.__file__,
            str(site.stack.project_dir),
        ],
        env=environment,
    )
    deadline = time.monotonic() + LIMIT_S
    while ("step_intended", "weight-50") not in events(site):
        assert controller.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    controller.send_signal(signal.SIGKILL)
    controller.wait()
    assert ("step_applied", "weight-50") not in events(site)
    result = resume_rollout(site.run(), rollout_ids(site.stack.record_dir)[-1])
    assert result.outcome is RolloutOutcome.FINISHED, result.sentence
    assert site.serving() == NEW_SERVES
    assert site.orphans() == ()
    assert site.driver.pending_operations(site.stack) == ()


@pytest.mark.proof
def test_the_engine_is_killed(own_site: Any, rolloutsite: Any) -> None:
    """After the new group was created and before the state knew: an orphan, found and removed."""
    site = own_site
    FaultClient(site.aws_url).add(
        Crash(operation="create", urn_contains="aws:autoscaling/group:Group")
    )
    result = start_rollout(site.run(), rolloutsite.release_of(rolloutsite.GOOD), 1)
    assert result.outcome is RolloutOutcome.ROLLED_BACK, result.sentence
    assert "was killed" in result.sentence
    assert any("which a killed update had left" in sentence for sentence in site.said)
    assert site.facts() == OLD_SERVES
    assert site.orphans() == ()
    assert site.driver.cancel(site.stack) is False
    site.deploy()  # nothing is blocked
