"""An update that dies, fails or lies midway, on one container: what runs, and the way back.

The container has 15,667 MiB; phase 1 gives it 12,000, in place or by a new container. After each
test 15,667 run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rightsizing.embedded.faults.plan import Crash, FailedOperation, Phase
from rightsizing.errors import PlanRejected, StackLocked, UpdateFailed
from rightsizing.rollout.restoration import RollbackOutcome
from rightsizing.stack.quarantine import Quarantine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployed(make_stack: Callable[..., Any], parts: dict[str, Any]) -> Any:
    """One container, applied and recorded as good."""
    return make_stack("engine", parts["CONTAINER"])


@pytest.fixture
def stack(deployed: Any) -> Iterator[Any]:
    """Its declared size runs before and after; what a test quarantined is lifted."""
    assert list(deployed.containers().values()) == [15_667]
    yield deployed
    deployed.faults.clear()
    quarantine = Quarantine(deployed.ref.record_dir)
    for entry in quarantine.entries():
        quarantine.lift(entry.release, entry.phase)
    assert list(deployed.containers().values()) == [15_667]


def test_killed_after_the_cloud_changed(stack: Any, parts: dict[str, Any]) -> None:
    """SIGKILL of the engine: exit code 4, a lock and no entry in history; one rollback is enough.

    The engine's state still says 15,667, so a rollback that believed it would change nothing.
    """
    stack.plan(parts["APP_IN_PLACE"])
    before = len(stack.driver.history(stack.ref))
    stack.faults.add(Crash(phase=Phase.AFTER, operation="update", urn_contains="app"))
    with pytest.raises(UpdateFailed, match="was killed") as died:
        stack.apply()
    assert died.value.exit_code == 4
    assert list(stack.containers().values()) == [12_000]
    assert len(stack.driver.history(stack.ref)) == before
    with pytest.raises(StackLocked) as locked:
        stack.driver.up(stack.ref, message="by hand")
    assert locked.value.exit_code == 4
    result = stack.rollback()
    assert (result.outcome, result.exit_code) == (RollbackOutcome.RESTORED, 0)
    assert list(stack.containers().values()) == [15_667]


def test_killed_after_a_creation(stack: Any, parts: dict[str, Any]) -> None:
    """What was made and never written down is named by the way back, and does not stay unseen."""
    stack.plan(parts["APP_PHASE1"])
    stack.faults.add(Crash(phase=Phase.AFTER, operation="create", urn_contains="app"))
    with pytest.raises(UpdateFailed, match="was killed"):
        stack.apply()
    (orphan,) = stack.containers()
    known = {item.id for item in stack.driver.resources(stack.ref)}
    assert orphan not in str(known)
    result = stack.rollback()
    # two containers of one singleton: not restored until a person has looked at the orphan
    assert result.exit_code in (6, 7)
    assert orphan in result.sentence
    engine = stack.clients.docker()
    engine.containers.get(orphan).remove(force=True)
    engine.close()
    assert stack.rollback().exit_code == 0


def test_a_rollback_that_fails_halfway(stack: Any, parts: dict[str, Any]) -> None:
    """Exit code 7 with the command to type; run again it goes to the same target, exit code 0."""
    stack.plan(parts["APP_IN_PLACE"])
    stack.apply().require_match()
    stack.faults.add(FailedOperation(phase=Phase.BEFORE, urn_contains="app", message="no reason"))
    failed = stack.rollback(reason="too small")
    assert (failed.outcome, failed.exit_code) == (RollbackOutcome.FAILED, 7)
    assert "no reason" in failed.sentence
    assert "rightsize rollback" in failed.sentence
    assert list(stack.containers().values()) == [12_000]
    again = stack.rollback()
    assert again.exit_code == 0
    assert again.plan.target == failed.plan.target


def test_an_answer_that_was_lost(stack: Any, parts: dict[str, Any]) -> None:
    """The update failed by its own word and had happened: facts decide, not words."""
    stack.plan(parts["APP_IN_PLACE"])
    stack.faults.add(FailedOperation(phase=Phase.AFTER, urn_contains="app"))
    with pytest.raises(UpdateFailed) as failed:
        stack.apply()
    assert failed.value.exit_code == 4
    assert list(stack.containers().values()) == [12_000]
    assert stack.rollback().exit_code == 0


def test_a_bad_release_does_not_come_back(stack: Any, parts: dict[str, Any]) -> None:
    """Rolled back, it is refused by apply (exit code 3) and by the program itself."""
    stack.plan(parts["APP_IN_PLACE"])
    stack.apply().require_match()
    assert stack.rollback(reason="latency").exit_code == 0
    restored = stack.ref.config_path.read_text()
    stack.plan(parts["APP_IN_PLACE"])
    with pytest.raises(PlanRejected, match="quarantined") as refused:
        stack.apply()
    assert refused.value.exit_code == 3
    with pytest.raises(UpdateFailed, match="quarantined"):
        stack.driver.up(stack.ref, message="by hand")
    assert list(stack.containers().values()) == [15_667]
    stack.ref.config_path.write_text(restored)


def test_changed_by_hand(stack: Any) -> None:
    """`docker update` behind our back: facts differ (exit code 5), an apply puts it right."""
    engine = stack.clients.docker()
    (name,) = stack.containers()
    engine.containers.get(name).update(mem_limit="1000m", memswap_limit="1000m")
    engine.close()
    assert list(stack.containers().values()) == [1000]
    assert stack.driver.preview(stack.ref).changes == ()  # the engine's state sees nothing
    assert stack.driver.preview(stack.ref, refresh=True).changes != ()
    stack.apply().require_match()
