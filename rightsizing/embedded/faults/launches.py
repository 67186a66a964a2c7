"""Instances that do not start: capacity and images, inside moto's Auto Scaling groups.

Moto starts every instance a group wants at once. Here a try asks the fault book first. What it
decides is kept with the recorded call, so that a replay, when the plan is long another one, starts
the same instances; a try that fails leaves a scaling activity, as on AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.moto_api._internal import mock_random

from rightsizing.embedded.faults.book import FaultBook
from rightsizing.embedded.faults.decision import ALL, Decision
from rightsizing.embedded.faults.plan import ImageGone, NoCapacity
from rightsizing.embedded.faults.wire import capacity_message

# The classes below are changed in place, which their types do not allow.
_Group: Any = FakeAutoScalingGroup
_Response: Any = AutoScalingResponse


class Launches:
    """Decides tries by the book, or as a replay tells."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._told: list[Decision] | None = None
        self._made: list[Decision] = []

    def begin(self, told: Sequence[Decision] | None = None) -> None:
        """Start of a recorded call; with ``told`` it is a replay."""
        self._told = None if told is None else list(told)
        self._made = []

    @property
    def made(self) -> tuple[Decision, ...]:
        """Decisions of the call under way; empty when every try was granted in full."""
        limited = any(decision.granted != ALL for decision in self._made)
        return tuple(self._made) if limited else ()

    def decide(self, group: str, instance_type: str, image_id: str) -> Decision:
        """One try of a group."""
        if self._told is not None:
            return self._told.pop(0) if self._told else Decision()
        decision = self._by_the_book(group, instance_type, image_id)
        self._made.append(decision)
        return decision

    def _by_the_book(self, group: str, instance_type: str, image_id: str) -> Decision:
        gone = self._book.watch(ImageGone, lambda fault: fault.image_id == image_id)
        if gone is not None:
            self._book.note(ImageGone, f"{group} cannot start from {image_id}")
            return Decision(0, f"The image id '[{image_id}]' does not exist")
        full = self._book.meet(
            NoCapacity,
            f"{group} gets no {instance_type}",
            lambda fault: fnmatchcase(instance_type, fault.instance_type),
        )
        return (
            Decision()
            if full is None
            else Decision(full.granted, capacity_message(instance_type), full.looks)
        )


def install(launches: Launches, utcnow: Callable[[], datetime]) -> None:
    """Put it into moto; once a process."""
    start = _Group.replace_autoscaling_group_instances

    def deciding(self: Any, count_needed: int, propagated_tags: dict[str, str]) -> None:
        decision = launches.decide(self.name, self.instance_type, self.image_id)
        granted = count_needed if decision.granted == ALL else min(decision.granted, count_needed)
        is_new = self.name not in self.autoscaling_backend.autoscaling_groups
        if is_new and granted < count_needed and "image id" in decision.reason:
            # Auto Scaling looks at the image when a group is made, and at capacity later.
            raise ValidationError(
                f"You must use a valid fully-formed launch template. {decision.reason}"
            )
        if granted:
            start(self, granted, propagated_tags)
        if granted < count_needed:
            _add_failure(self, count_needed - granted, decision, utcnow())

    def describe_scaling_activities(self: Any) -> ActionResult:
        name = self._get_param("AutoScalingGroupName")
        found = [
            activity
            for group in self.autoscaling_backend.autoscaling_groups.values()
            if name in (None, group.name) and _shows(group)
            for activity in getattr(group, "failed_activities", ())
        ]
        newest = sorted(found, key=lambda activity: activity["StartTime"], reverse=True)
        return ActionResult({"Activities": newest})

    _Group.replace_autoscaling_group_instances = deciding
    _Response.describe_scaling_activities = describe_scaling_activities


def _shows(group: Any) -> bool:
    """Whether a look at a group's activities shows them by now."""
    left: int = getattr(group, "hidden_looks", 0)
    group.hidden_looks = max(left - 1, 0)
    return left == 0


def _add_failure(group: Any, missing: int, decision: Decision, moment: datetime) -> None:
    if not hasattr(group, "failed_activities"):
        group.failed_activities = []
    group.hidden_looks = decision.looks
    reason = decision.reason
    group.failed_activities.append(
        {
            "ActivityId": str(mock_random.uuid4()),
            "AutoScalingGroupName": group.name,
            "Description": "Launching a new EC2 instance.  Status Reason: "
            f"{reason} Launching EC2 instance failed.",
            "Cause": f"At {moment:%Y-%m-%dT%H:%M:%SZ} {missing} instances were missing from the "
            "desired capacity.",
            "StartTime": moment,
            "EndTime": moment,
            "StatusCode": "Failed",
            "StatusMessage": f"{reason} Launching EC2 instance failed.",
            "Progress": 100,
        }
    )
