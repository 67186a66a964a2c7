"""What runs under a stack's tags without being in its state: left by an update that was killed.

A creation whose answer never reached the engine is in the cloud and in no state, so no update, no
refresh and no rollback ever removes it. It is found by its tags. Deleted is only what a rollout's
own slot holds and was made since the rollout began; everything else is reported, for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Protocol

from docker.errors import DockerException

from rightsizing.errors import RightsizingError
from rightsizing.model.rollout import Slot
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.rollout.traffic import AwsControl
from rightsizing.stack.driver import StackDriver, StackRef
from rightsizing.stack.livefacts import SLOT_TAG, Scope

CLOCK_TOLERANCE = timedelta(minutes=5)  # between this machine's clock and AWS's; chosen by us
TAGS_PER_CALL = 20  # DescribeTags of Elastic Load Balancing: "up to 20 resources in a single call"
_UP = ("pending", "running", "stopping", "stopped")


@unique
class OrphanKind(StrEnum):
    """In the order in which they can be deleted."""

    GROUP = "Auto Scaling group"
    INSTANCE = "EC2 instance"
    TARGET_GROUP = "target group"
    TEMPLATE = "launch template"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Orphan:
    """One resource that nobody manages. ``made``: by the cloud's clock, None where it has none."""

    kind: OrphanKind
    identity: str
    workload: str
    slot: Slot | None
    made: datetime | None

    def __str__(self) -> str:
        slot = "" if self.slot is None else f", slot {self.slot.value}"
        return f"{self.kind.value} {self.identity} ({self.workload}{slot})"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was deleted, what was left for a person, and what could not be done."""

    deleted: tuple[Orphan, ...] = ()
    left: tuple[Orphan, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence each, for people."""
        return (
            *(f"deleted {item}, which a killed update had left" for item in self.deleted),
            *(f"{item} is in no state; look at it and delete it yourself" for item in self.left),
            *self.problems,
        )


class Sweep(Protocol):
    """Finds orphans of a stack and deletes those of a rollout's own slots."""

    def __call__(self, slots: Mapping[str, Slot], since: datetime) -> SweepReport:
        """Sweep. ``slots`` are those the rollout fills, by workload. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class TagSweep:
    """Sweeps AWS, and Docker where the stack has containers, by the stack's tags."""

    driver: StackDriver
    stack: StackRef
    aws: AwsControl | None
    docker: Callable[[], Any] | None = None

    def __call__(self, slots: Mapping[str, Slot], since: datetime) -> SweepReport:
        """Find, delete what is the rollout's own, report the rest."""
        problems: list[str] = []
        try:
            found = self.find()
        except (RightsizingError, DockerException, OSError) as error:
            return SweepReport(problems=(f"orphans could not be looked for: {error}",))
        deleted: list[Orphan] = []
        left: list[Orphan] = []
        for item in sorted(found, key=lambda item: list(OrphanKind).index(item.kind)):
            if not _is_own(item, slots, since):
                left.append(item)
                continue
            try:
                self._delete(item)
                deleted.append(item)
            except (RightsizingError, DockerException, OSError) as error:
                problems.append(f"{item} could not be deleted: {error}")
        return SweepReport(tuple(deleted), tuple(left), tuple(problems))

    def find(self) -> tuple[Orphan, ...]:
        """Everything that carries the stack's tags and is not in its state. Raises."""
        owned = {item.id for item in self.driver.resources(self.stack) if item.id}
        scope = Scope(self.stack.project, self.stack.name)
        found = [*self._containers(scope)]
        if self.aws is not None:
            found += _in_aws(self.aws, scope)
        return tuple(item for item in found if item.identity not in owned)

    def _containers(self, scope: Scope) -> Iterator[Orphan]:
        if self.docker is None:
            return
        labels = [f"{key}={value}" for key, value in scope.tags.items()]
        for item in self.docker().containers.list(all=True, filters={"label": labels}):
            if scope.holds(item.labels):
                made = datetime.fromisoformat(item.attrs["Created"][:19]).replace(tzinfo=UTC)
                yield _orphan(OrphanKind.CONTAINER, item.id, item.labels, made)

    def _delete(self, item: Orphan) -> None:
        if item.kind is OrphanKind.CONTAINER:
            assert self.docker is not None  # it was found through it
            self.docker().containers.get(item.identity).remove(force=True)
        else:
            assert self.aws is not None  # it was found there
            _delete_from_aws(self.aws, item)


def _delete_from_aws(aws: AwsControl, item: Orphan) -> None:
    match item.kind:
        case OrphanKind.GROUP:
            aws.call(
                "autoscaling",
                "delete_auto_scaling_group",
                AutoScalingGroupName=item.identity,
                ForceDelete=True,
            )
        case OrphanKind.TARGET_GROUP:
            aws.call("elbv2", "delete_target_group", TargetGroupArn=item.identity)
        case OrphanKind.TEMPLATE:
            aws.call("ec2", "delete_launch_template", LaunchTemplateId=item.identity)


def _in_aws(aws: AwsControl, scope: Scope) -> Iterator[Orphan]:
    groups = list(_groups(aws, scope))
    members = {item["InstanceId"] for group in groups for item in group.get("Instances", ())}
    for group in groups:
        name, made = group["AutoScalingGroupName"], group.get("CreatedTime")
        yield _orphan(OrphanKind.GROUP, name, _tags(group), made)
    yield from (item for item in _instances(aws, scope) if item.identity not in members)
    yield from _target_groups(aws, scope)
    yield from _templates(aws, scope)


def _groups(aws: AwsControl, scope: Scope) -> Iterator[Json]:
    for group in aws.pages(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        Filters=_filters(scope),
    ):
        if scope.holds(_tags(group)) and group.get("Status") != "Delete in progress":
            yield group


def _instances(aws: AwsControl, scope: Scope) -> Iterator[Orphan]:
    states = {"Name": "instance-state-name", "Values": list(_UP)}
    for reservation in aws.pages(
        "ec2", "describe_instances", "Reservations", Filters=[*_filters(scope), states]
    ):
        for item in reservation["Instances"]:
            tags = _tags(item)
            if scope.holds(tags) and "aws:autoscaling:groupName" not in tags:
                yield _orphan(OrphanKind.INSTANCE, item["InstanceId"], tags, item.get("LaunchTime"))


def _target_groups(aws: AwsControl, scope: Scope) -> Iterator[Orphan]:
    arns = [
        item["TargetGroupArn"]
        for item in aws.pages("elbv2", "describe_target_groups", "TargetGroups")
    ]
    for start in range(0, len(arns), TAGS_PER_CALL):
        page = aws.call("elbv2", "describe_tags", ResourceArns=arns[start : start + TAGS_PER_CALL])
        for item in page["TagDescriptions"]:
            tags = _tags(item)
            if scope.holds(tags):
                yield _orphan(OrphanKind.TARGET_GROUP, item["ResourceArn"], tags, None)


def _templates(aws: AwsControl, scope: Scope) -> Iterator[Orphan]:
    for item in aws.pages(
        "ec2", "describe_launch_templates", "LaunchTemplates", Filters=_filters(scope)
    ):
        tags = _tags(item)
        if scope.holds(tags):
            yield _orphan(
                OrphanKind.TEMPLATE, item["LaunchTemplateId"], tags, item.get("CreateTime")
            )


def _is_own(item: Orphan, slots: Mapping[str, Slot], since: datetime) -> bool:
    """Made by the rollout: in a slot it fills, and not before it began, as far as that is known.

    The program makes no instance outside a group, so a lone one is somebody else's.
    """
    in_slot = item.slot is not None and slots.get(item.workload) is item.slot
    if item.kind is OrphanKind.INSTANCE or not in_slot:
        return False
    return item.made is None or item.made >= since - CLOCK_TOLERANCE


def _orphan(
    kind: OrphanKind, identity: str, tags: Mapping[str, str], made: datetime | None
) -> Orphan:
    slot = Slot(tags[SLOT_TAG]) if tags.get(SLOT_TAG) in set(Slot) else None
    return Orphan(kind, identity, tags[WORKLOAD_TAG], slot, made)


def _tags(item: Json) -> dict[str, str]:
    found: Sequence[Json] = item.get("Tags") or ()
    return {tag["Key"]: tag.get("Value", "") for tag in found}


def _filters(scope: Scope) -> list[Json]:
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in scope.tags.items()]
