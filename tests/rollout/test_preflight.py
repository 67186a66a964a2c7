"""What keeps a rollout from beginning, and how it is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rightsizing.errors import PlanRejected, Throttled
from rightsizing.model.base import NoData
from rightsizing.model.freeze import FreezeWindow
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.release import Release
from rightsizing.model.rollout import RolloutState
from rightsizing.model.size import FleetSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import (
    OperationResult,
    PropertyChange,
    Step,
    StepOp,
    UpdateStatus,
)
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.rollout.preflight import (
    Answer,
    Check,
    Preflight,
    Question,
    check_alarms,
    check_budget,
    check_drift,
    check_freeze,
    check_offerings,
    check_quarantine,
    check_reversible,
)
from rightsizing.rollout.stages import plan_stages

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=6)
NEW = FleetSize(instance_type="m7g.large", min_instances=2, max_instances=6)
RELEASE = Release(baseline={"web": OLD}, phases={"1": {"web": NEW}})
WEB = Workload(key="web", kind=WorkloadKind.FLEET, size=OLD, may_run_twice=True)


@dataclass
class FakeAws:
    """Pages of whatever is listed, or a source that keeps refusing."""

    items: list[dict[str, Any]] = field(default_factory=list)
    throttled: bool = False

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        raise NotImplementedError

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        if self.throttled:
            raise Throttled("AWS still throttles cloudwatch describe_alarms after 8 attempts")
        return iter(self.items)


def alarm(name: str, state: str, about: str = "app/web/1") -> dict[str, Any]:
    dimensions = [{"Name": "LoadBalancer", "Value": about}]
    return {"AlarmName": name, "StateValue": state, "Dimensions": dimensions}


OURS = frozenset({"app/web/1"})


def test_green_alarms_pass_and_others_do_not_matter() -> None:
    """Another stack's red alarm and the autoscaler's own are none of our business."""
    aws = FakeAws(
        [
            alarm("web-errors", "OK"),
            alarm("elsewhere", "ALARM", "app/other/2"),
            alarm("TargetTracking-web-AlarmHigh", "ALARM"),
        ]
    )
    assert check_alarms(aws, OURS) == Check(
        Question.ALARMS, Answer.PASSED, "1 alarms are green, with data"
    )


@pytest.mark.parametrize(
    ("state", "word"), [("ALARM", "red"), ("INSUFFICIENT_DATA", "without data")]
)
def test_a_red_or_blind_alarm_stops_it(state: str, word: str) -> None:
    """An alarm without data would not ring later either."""
    found = check_alarms(FakeAws([alarm("web-errors", state), alarm("web-cpu", "OK")]), OURS)
    assert found.blocks
    assert found.sentence == f"of 2 alarms web-errors is {word}"


def test_alarms_that_cannot_be_read_stop_it() -> None:
    """Throttled is not green."""
    found = check_alarms(FakeAws(throttled=True), OURS)
    assert (found.answer, found.blocks) == (Answer.UNKNOWN, True)


def test_no_alarm_at_all_is_said() -> None:
    """Allowed, since the judge watches; but said before yes."""
    assert check_alarms(FakeAws(), OURS).answer is Answer.NOTED


def step(op: StepOp, kind: str, name: str, *paths: str) -> Step:
    changes = tuple(PropertyChange(path, 1, 2) for path in paths)
    return Step(op, f"urn:pulumi:dev::proj::{kind}::{name}", kind, changes)


def preview(*steps: Step) -> OperationResult:
    return OperationResult(UpdateStatus.SUCCEEDED, steps)


GROUP = "aws:autoscaling/group:Group"


def test_the_autoscalers_own_figure_is_no_drift() -> None:
    """Desired capacity moves with the load; a range that somebody edited does not."""
    scaled = step(StepOp.UPDATE, GROUP, "web-a", "desiredCapacity")
    assert check_drift(preview(scaled)).answer is Answer.PASSED
    edited = step(StepOp.UPDATE, GROUP, "web-a", "desiredCapacity", "maxSize")
    found = check_drift(preview(scaled, edited))
    assert found.sentence == "changed by hand: web-a (desiredCapacity, maxSize)"
    assert found.blocks


def test_a_resource_that_is_gone_is_drift() -> None:
    """The preview would make it again."""
    found = check_drift(preview(step(StepOp.CREATE, GROUP, "web-a")))
    assert found.sentence == "changed by hand: web-a is gone"


def test_an_additive_stage_is_reversible_in_seconds() -> None:
    """A new group is deleted, weights move back."""
    added = step(StepOp.CREATE, GROUP, "web-b")
    moved = step(StepOp.UPDATE, "aws:lb/listener:Listener", "web-serve", "defaultActions")
    assert check_reversible(preview(added, moved)).answer is Answer.PASSED


def test_what_comes_back_in_minutes_is_noted_and_what_does_not_stops_it() -> None:
    """A deleted group takes 5 minutes; a deleted log group's events are gone."""
    slow = check_reversible(preview(step(StepOp.DELETE, GROUP, "web-a")))
    assert (slow.answer, "5 minutes" in slow.sentence) == (Answer.NOTED, True)
    logs = step(StepOp.DELETE, "aws:cloudwatch/logGroup:LogGroup", "web")
    lost = check_reversible(preview(logs))
    assert (lost.blocks, "its log events" in lost.sentence) == (True, True)


def test_a_quarantined_release_stops_it() -> None:
    """At this phase; the sentence says since when and why."""
    entry = QuarantineEntry(release=RELEASE.id, phase=1, reason="harm: errors", at=NOW)
    assert check_quarantine((entry,), RELEASE, 2).answer is Answer.PASSED
    found = check_quarantine((entry,), RELEASE, 1)
    assert found.blocks
    assert "since 2026-11-20 12:00 UTC (harm: errors)" in found.sentence


@pytest.mark.parametrize(
    ("starts_in_h", "blocks", "word"),
    [(-1, True, "are frozen"), (1, True, "still run"), (3, False, "no freeze"), (-9, False, "no")],
)
def test_freezes_count_now_and_while_it_runs(starts_in_h: int, blocks: bool, word: str) -> None:
    """Two hours are expected; a freeze lasts four."""
    start = NOW + timedelta(hours=starts_in_h)
    window = FreezeWindow(start=start, end=start + timedelta(hours=4), reason="quarter end")
    found = check_freeze([window], NOW, timedelta(hours=2))
    assert (found.blocks, word in found.sentence) == (blocks, True)


@pytest.mark.parametrize(("most", "blocks"), [(0.17, False), (0.16, True)])
def test_both_slots_together_are_within_the_budget(most: float, blocks: bool) -> None:
    """Two m7g.large at $0.0816 are $0.1632 an hour."""
    stages = plan_stages(StackSizing(None, 0, RolloutState()), RELEASE, 1, [WEB])
    found = check_budget(stages, lambda size: size.min_instances * 0.0816, most)
    assert (found.blocks, "$0.16 an hour more" in found.sentence) == (blocks, True)


def test_an_unknown_price_is_not_free() -> None:
    """No data is an obstacle."""
    stages = plan_stages(StackSizing(None, 0, RolloutState()), RELEASE, 1, [WEB])
    found = check_budget(stages, lambda _: NoData("not in the catalog"), 9.0)
    assert (found.answer, found.blocks) == (Answer.UNKNOWN, True)


def test_every_type_in_every_zone() -> None:
    """The old type too: going back needs it."""
    offered = [
        {"InstanceType": kind, "Location": zone}
        for kind, zone in (("m5.xlarge", "a"), ("m5.xlarge", "b"), ("m7g.large", "a"))
    ]
    found = check_offerings(FakeAws(offered), ["m7g.large", "m5.xlarge"], ["a", "b"])
    assert found.sentence == "not offered: m7g.large in b"
    assert not check_offerings(FakeAws(offered), ["m7g.large"], ["a"]).blocks
    assert check_offerings(FakeAws(throttled=True), ["m7g.large"], ["a"]).blocks


def test_every_obstacle_is_named_at_once() -> None:
    """One sentence with all of them; nothing to name, nothing raised."""
    good = Check(Question.FREEZE, Answer.PASSED, "no freeze is near")
    bad = Check(Question.ALARMS, Answer.FAILED, "web-errors is red")
    blind = Check(Question.BUDGET, Answer.UNKNOWN, "what it costs is not known")
    Preflight((good,)).require()
    with pytest.raises(PlanRejected, match="web-errors is red; what it costs is not known"):
        Preflight((good, bad, blind)).require()
