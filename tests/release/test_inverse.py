"""The inverse diff: what comes back at once, in minutes, or never."""

from __future__ import annotations

import pytest

from rightsizing.model.update import OperationResult, PropertyChange, Step, StepOp, UpdateStatus
from rightsizing.stack.inverse import Reversal, inverse_diff, restoring_diff

GROUP = "aws:autoscaling/group:Group"
LISTENER = "aws:lb/listener:Listener"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
CONTAINER = "docker:index/container:Container"


def step(op: StepOp, kind: str, *paths: str) -> Step:
    """A step of a resource named web."""
    changes = tuple(PropertyChange(path, 1, 2) for path in paths)
    return Step(op, f"urn:pulumi:dev::proj::{kind}::web", kind, changes)


def preview(*steps: Step) -> OperationResult:
    """A preview of these steps."""
    return OperationResult(UpdateStatus.SUCCEEDED, steps)


@pytest.mark.parametrize(
    ("forward", "reversal", "minutes"),
    [
        (step(StepOp.CREATE, GROUP), Reversal.DELETION, 0),
        (step(StepOp.DELETE, GROUP), Reversal.RECREATION, 5),
        (step(StepOp.REPLACE, GROUP, "launchTemplate"), Reversal.REPLACEMENT, 5),
        (step(StepOp.UPDATE, GROUP, "maxSize"), Reversal.IN_PLACE, 0),
        (
            step(StepOp.UPDATE, LISTENER, "defaultActions[0].forward.targetGroups[1].weight"),
            Reversal.WEIGHT_MOVE,
            0,
        ),
        (step(StepOp.UPDATE, LISTENER, "port", "defaultActions[0]"), Reversal.IN_PLACE, 0),
        (step(StepOp.REPLACE, CONTAINER, "cpus"), Reversal.REPLACEMENT, 1),
        (step(StepOp.UPDATE, CONTAINER, "memory"), Reversal.IN_PLACE, 0),
        (step(StepOp.UPDATE, "aws:ecs/service:Service", "taskDefinition"), Reversal.IN_PLACE, 5),
        (step(StepOp.DELETE, BALANCER), Reversal.IMPOSSIBLE, 3),
        (step(StepOp.REPLACE, BALANCER, "subnets"), Reversal.IMPOSSIBLE, 3),
        (step(StepOp.CREATE, BALANCER), Reversal.DELETION, 0),
    ],
    ids=lambda value: None if isinstance(value, int) else str(getattr(value, "op", value)),
)
def test_how_a_step_is_undone(forward: Step, reversal: Reversal, minutes: int) -> None:
    """Each kind of change has one way back."""
    (found,) = inverse_diff(preview(forward)).steps
    assert (found.reversal, found.minutes) == (reversal, minutes)


def test_a_rollback_preview_is_read_as_it_is() -> None:
    """Its own steps are the way back: a creation is a creation."""
    (found,) = restoring_diff(preview(step(StepOp.CREATE, GROUP))).steps
    assert (found.reversal, found.sentence) == (
        Reversal.RECREATION,
        "web is made anew, about 5 minutes",
    )


def test_components_and_unchanged_resources_are_left_out() -> None:
    """Only real resources that change have a way back."""
    steps = (
        step(StepOp.CREATE, "rightsizing:index:Fleet"),
        step(StepOp.CREATE, "pulumi:providers:aws"),
        step(StepOp.SAME, GROUP),
    )
    assert inverse_diff(preview(*steps)).steps == ()


def test_the_slowest_resource_decides_the_minutes() -> None:
    """Resources come back beside each other: 5 minutes, not 5 + 1."""
    diff = inverse_diff(preview(step(StepOp.REPLACE, GROUP), step(StepOp.REPLACE, CONTAINER)))
    assert diff.minutes == 5
    assert len(diff.slow) == 2
    assert diff.impossible == ()


def test_what_is_lost_is_named() -> None:
    """A replaced load balancer has another address for good."""
    diff = inverse_diff(preview(step(StepOp.REPLACE, BALANCER)))
    assert [found.sentence for found in diff.impossible] == [
        "web is replaced, about 3 minutes, but its address cannot be brought back"
    ]
    assert diff.slow == ()
