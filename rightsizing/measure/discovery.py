"""Finding workloads: Auto Scaling groups, ECS services and Docker containers, by tag or label.

The key of a workload is its ``rightsizing:workload`` tag, so the two slots of a fleet are one
workload. Resources without it are reported as passed over, or included under their own name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from docker import DockerClient

from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.docker import container_limits, docker_errors
from rightsizing.measure.inventory import (
    DiscoveredWorkload,
    Discovery,
    FoundResource,
    MeasuredResource,
    TagFilters,
    assemble,
    found_resource,
    matches,
)
from rightsizing.measure.tasksize import former_capacity, task_capacity, task_size
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.model.workload import Architecture, WorkloadKind
from rightsizing.units import (
    BYTES_PER_MIB,
    MILLICORES_PER_CORE,
    mib_to_bytes,
)

__all__ = ["DiscoveredWorkload", "Discovery", "MeasuredResource", "discover_aws", "discover_docker"]

_SERVICES_A_CALL = 10  # DescribeServices takes no more
_GROUPS_A_CALL = 20  # DescribeTargetGroups, well under its limit
_TYPES_A_CALL = 100  # DescribeInstanceTypes takes no more


def discover_aws(
    clients: AwsClients, *, tag_filters: TagFilters | None = None, name_untagged: bool = False
) -> Discovery:
    """Auto Scaling groups and ECS services of the clients' region.

    Args:
        clients: where to look.
        tag_filters: only resources whose tags match; others are not even reported.
        name_untagged: include resources without a workload tag under their own name.

    Raises what ``AwsClients.call`` raises.
    """
    filters = tag_filters or {}
    fleets = _find_fleets(clients, filters, name_untagged=name_untagged)
    services = _find_services(clients, filters, name_untagged=name_untagged)
    return assemble([*fleets, *services])


def discover_docker(
    client: DockerClient, *, label_filters: TagFilters | None = None, name_untagged: bool = False
) -> Discovery:
    """Running containers of one engine. Raises TelemetryError when the engine does not answer."""
    found = []
    with docker_errors():
        engine = client.info()
        for container in client.containers.list(ignore_removed=True):
            labels = container.labels
            if not matches(labels, label_filters or {}):
                continue
            limits = container_limits(container.attrs, engine)
            resource = MeasuredResource(
                resource_id=container.name,
                kind=WorkloadKind.CONTAINER,
                capacity_cores=limits.cores,
                capacity_memory_bytes=limits.memory_bytes,
                running=1,
            )
            # As plain fields: a size the model refuses is then reported with its resource.
            size = {
                "kind": "container",
                "cpu_millicores": round(limits.cores * MILLICORES_PER_CORE),
                "memory_mib": int(limits.memory_bytes // BYTES_PER_MIB),
            }
            found.append(
                found_resource(resource, labels, {"size": size}, name_untagged=name_untagged)
            )
    return assemble(found)


def _find_fleets(
    clients: AwsClients, filters: TagFilters, *, name_untagged: bool
) -> list[FoundResource]:
    groups = [
        group
        for group in clients.pages(
            "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"
        )
        if matches(_tags(group.get("Tags", ()), "Key", "Value"), filters)
    ]
    running = {group["AutoScalingGroupName"]: _running_types(group) for group in groups}
    types = _instance_types(clients, {name for types in running.values() for name in types})
    balancers = _balancers(clients, [arn for group in groups for arn in group["TargetGroupARNs"]])
    found = []
    for group in groups:
        name = group["AutoScalingGroupName"]
        target_group = next(iter(group["TargetGroupARNs"]), None)
        cores, memory, shape = _fleet_capacity(running[name], types)
        resource = MeasuredResource(
            resource_id=name,
            kind=WorkloadKind.FLEET,
            capacity_cores=cores,
            capacity_memory_bytes=memory,
            running=sum(running[name].values()),
            load_balancer=balancers.get(target_group) if target_group else None,
            target_group=_dimension(target_group) if target_group else None,
            burstable=bool(shape and shape["BurstablePerformanceSupported"]),
            created_ms=int(group["CreatedTime"].timestamp() * 1000),
        )
        fields: dict[str, object] = {"region": clients.region, "may_run_twice": True}
        if shape is not None:
            fields["size"] = {
                "kind": "fleet",
                "instance_type": shape["InstanceType"],
                "min_instances": group["MinSize"],
                "max_instances": max(1, group["MaxSize"]),
            }
            fields["architectures"] = _architectures(shape)
        tags = _tags(group.get("Tags", ()), "Key", "Value")
        found.append(found_resource(resource, tags, fields, name_untagged=name_untagged))
    return found


def _running_types(group: Json) -> Counter[str]:
    """Types of the instances in service: what a launch template says may not run yet."""
    return Counter(
        instance["InstanceType"]
        for instance in group.get("Instances", ())
        if instance.get("LifecycleState") == "InService" and "InstanceType" in instance
    )


def _instance_types(clients: AwsClients, names: Iterable[str]) -> dict[str, Json]:
    found = {}
    for chunk in _chunks(sorted(names), _TYPES_A_CALL):
        for shape in clients.pages(
            "ec2", "describe_instance_types", "InstanceTypes", InstanceTypes=list(chunk)
        ):
            found[shape["InstanceType"]] = shape
    return found


def _fleet_capacity(
    running: Mapping[str, int], types: Mapping[str, Json]
) -> tuple[float | NoData, float | NoData, Json | None]:
    """vCPU and memory bytes of one instance, and its type; only when all instances are alike."""
    if not running:
        nothing = NoData("no instance is in service, so the instance type is unknown")
        return nothing, nothing, None
    capacities = {
        (
            types[name]["VCpuInfo"]["DefaultVCpus"],
            types[name]["MemoryInfo"]["SizeInMiB"],
        )
        for name in running
    }
    if len(capacities) > 1:
        mixed = NoData(
            f"instances of different sizes run ({', '.join(sorted(running))}), so a percentage of "
            f"the group is of no known capacity"
        )
        return mixed, mixed, None
    vcpus, memory_mib = capacities.pop()
    commonest = max(sorted(running), key=lambda name: running[name])
    return float(vcpus), float(mib_to_bytes(memory_mib)), types[commonest]


def _architectures(shape: Json) -> tuple[Architecture, ...]:
    known = {item.value: item for item in Architecture}
    found = (known.get(name) for name in shape["ProcessorInfo"]["SupportedArchitectures"])
    return tuple(item for item in found if item is not None) or (Architecture.X86_64,)


def _find_services(
    clients: AwsClients, filters: TagFilters, *, name_untagged: bool
) -> list[FoundResource]:
    services = [
        service
        for service in _describe_services(clients)
        if matches(_tags(service.get("tags", ()), "key", "value"), filters)
    ]
    arns = [_target_group_arn(service) for service in services]
    balancers = _balancers(clients, [arn for arn in arns if arn])
    ids = [_service_id(service) for service in services]
    ranges = _task_ranges(clients, ids)
    found = []
    for service, arn, service_id in zip(services, arns, ids, strict=True):
        cpu_units, memory_mib = task_size(clients, service["taskDefinition"])
        cores, memory_bytes = task_capacity(cpu_units, memory_mib)
        resource = MeasuredResource(
            resource_id=service_id,
            kind=WorkloadKind.SERVICE,
            capacity_cores=cores,
            capacity_memory_bytes=memory_bytes,
            running=service["runningCount"],
            load_balancer=balancers.get(arn) if arn else None,
            target_group=_dimension(arn) if arn else None,
            created_ms=int(service["createdAt"].timestamp() * 1000)
            if "createdAt" in service
            else None,
            former=former_capacity(clients, service, (cpu_units, memory_mib)),
        )
        desired = service["desiredCount"]
        least, most = ranges.get(service_id, (desired, max(1, desired)))
        fields: dict[str, object] = {"region": clients.region, "may_run_twice": True}
        if cpu_units and memory_mib:
            fields["size"] = {
                "kind": "service",
                "cpu_units": cpu_units,
                "memory_mib": memory_mib,
                "min_tasks": least,
                "max_tasks": most,
            }
        tags = _tags(service.get("tags", ()), "key", "value")
        found.append(found_resource(resource, tags, fields, name_untagged=name_untagged))
    return found


def _describe_services(clients: AwsClients) -> Iterator[Json]:
    for cluster in clients.pages("ecs", "list_clusters", "clusterArns"):
        arns = list(clients.pages("ecs", "list_services", "serviceArns", cluster=cluster))
        for chunk in _chunks(arns, _SERVICES_A_CALL):
            reply = clients.call(
                "ecs", "describe_services", cluster=cluster, services=list(chunk), include=["TAGS"]
            )
            yield from (item for item in reply["services"] if item["status"] == "ACTIVE")


def _service_id(service: Json) -> str:
    return f"{service['clusterArn'].rpartition('/')[2]}/{service['serviceName']}"


def _target_group_arn(service: Json) -> str | None:
    arns = (item.get("targetGroupArn") for item in service.get("loadBalancers", ()))
    return next((arn for arn in arns if arn), None)


def _task_ranges(clients: AwsClients, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Least and most tasks by service id, for the services that scale."""
    if not ids:
        return {}
    targets = clients.pages(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        ServiceNamespace="ecs",
    )
    return {
        target["ResourceId"].removeprefix("service/"): (
            target["MinCapacity"],
            target["MaxCapacity"],
        )
        for target in targets
        if target["ScalableDimension"] == "ecs:service:DesiredCount"
    }


def _balancers(clients: AwsClients, arns: Iterable[str]) -> dict[str, str]:
    """CloudWatch's LoadBalancer dimension by target group ARN."""
    found = {}
    for chunk in _chunks(sorted(set(arns)), _GROUPS_A_CALL):
        for group in clients.pages(
            "elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=list(chunk)
        ):
            balancer = next(iter(group.get("LoadBalancerArns", ())), None)
            if balancer is not None:
                found[group["TargetGroupArn"]] = _dimension(balancer)
    return found


def _dimension(arn: str) -> str:
    """``app/name/id`` or ``targetgroup/name/id``, as CloudWatch names them."""
    return arn.rpartition(":")[2].removeprefix("loadbalancer/")


def _tags(tags: Iterable[Mapping[str, str]], key: str, value: str) -> dict[str, str]:
    return {tag[key]: tag.get(value, "") for tag in tags}


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
