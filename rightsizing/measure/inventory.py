"""What discovery finds: workloads, the resources each consists of, and what was passed over.

A resource's capacity is that of one instance, task or container. It is what turns a percentage
into cores and bytes, so where it is unknown the percentages of that resource cannot be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from rightsizing.model.base import NoData
from rightsizing.model.measurement import Skip
from rightsizing.model.workload import WORKLOAD_TAG, Workload, WorkloadKind

# Tag key -> value it must have; None: any value. All must match.
TagFilters = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class FormerCapacity:
    """Capacity of a resource that was resized under its own name, before that moment."""

    until_ms: int
    capacity_cores: float | NoData
    capacity_memory_bytes: float | NoData


@dataclass(frozen=True, slots=True)
class MeasuredResource:
    """One ASG, ECS service or container."""

    resource_id: str  # ASG name, cluster/service, container name
    kind: WorkloadKind
    capacity_cores: float | NoData
    capacity_memory_bytes: float | NoData
    running: int  # instances, tasks or containers now
    load_balancer: str | None = None  # CloudWatch dimension, app/<name>/<id>
    target_group: str | None = None  # CloudWatch dimension, targetgroup/<name>/<id>
    burstable: bool = False
    created_ms: int | None = None
    former: FormerCapacity | None = None

    def capacity_at(self, time_ms: int) -> MeasuredResource | FormerCapacity:
        """What states the capacity that was in force then."""
        former = self.former
        return former if former is not None and time_ms < former.until_ms else self


@dataclass(frozen=True, slots=True)
class DiscoveredWorkload:
    """One workload with every resource that carries its key (both slots of a fleet)."""

    workload: Workload
    resources: tuple[MeasuredResource, ...]
    tagged: bool = True  # False: named after its resource, since it has no workload tag

    @property
    def key(self) -> str:
        """The stable key."""
        return self.workload.key


@dataclass(frozen=True, slots=True)
class Discovery:
    """Workloads found, sorted by key, and one Skip a resource that was passed over."""

    workloads: tuple[DiscoveredWorkload, ...]
    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundResource:
    """One resource before it is put under its workload."""

    resource: MeasuredResource
    workload: Workload | None  # None: its key is missing or cannot be used
    tagged: bool
    excuse: str = ""


def matches(tags: Mapping[str, str], filters: TagFilters) -> bool:
    """Whether tags satisfy every filter."""
    return all(
        key in tags and (value is None or tags[key] == value) for key, value in filters.items()
    )


def found_resource(
    resource: MeasuredResource,
    tags: Mapping[str, str],
    workload: Mapping[str, object],
    *,
    name_untagged: bool,
) -> FoundResource:
    """Make the workload a resource belongs to; ``workload`` holds Workload fields besides its key.

    Without the workload tag the resource is excused, or named after itself if ``name_untagged``.
    """
    tagged = WORKLOAD_TAG in tags
    if not tagged and not name_untagged:
        return FoundResource(
            resource,
            None,
            tagged,
            f"{resource.kind} {resource.resource_id} has no {WORKLOAD_TAG} tag; "
            f"tag it, or include untagged resources",
        )
    key = tags.get(WORKLOAD_TAG, resource.resource_id)
    try:
        made = Workload.model_validate(
            {
                **workload,
                "key": key,
                "kind": resource.kind,
                "tags": dict(tags),
                "resource_ids": (resource.resource_id,),
            }
        )
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        excuse = f"{resource.kind} {resource.resource_id}: {message}"
        return FoundResource(resource, None, tagged, excuse)
    return FoundResource(resource, made, tagged)


def assemble(found: Iterable[FoundResource]) -> Discovery:
    """Group resources by workload key.

    The workload's size and tags are those of the resource with most running instances (a fleet's
    other slot may hold an older size). A key used by two kinds goes to the first kind.
    """
    groups: dict[str, list[tuple[Workload, FoundResource]]] = {}
    skipped = []
    for item in found:
        if item.workload is None:
            skipped.append(Skip(1, item.excuse))
            continue
        group = groups.setdefault(item.workload.key, [])
        if group and group[0][0].kind is not item.workload.kind:
            skipped.append(
                Skip(
                    1,
                    f"{item.resource.kind} {item.resource.resource_id} has the workload key "
                    f"{item.workload.key!r}, which a {group[0][0].kind} already has",
                )
            )
            continue
        group.append((item.workload, item))
    return Discovery(tuple(_workload(groups[key]) for key in sorted(groups)), tuple(skipped))


def _workload(group: list[tuple[Workload, FoundResource]]) -> DiscoveredWorkload:
    ordered = sorted(group, key=lambda pair: pair[1].resource.resource_id)
    resources = tuple(item.resource for _, item in ordered)
    leading = max(ordered, key=lambda pair: pair[1].resource.running)[0]
    ids = tuple(resource.resource_id for resource in resources)
    return DiscoveredWorkload(
        workload=leading.model_copy(update={"resource_ids": ids}),
        resources=resources,
        tagged=ordered[0][1].tagged,
    )
