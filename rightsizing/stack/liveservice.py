"""Live facts of ECS services: the task definition that really runs, and the range of tasks.

An update that the circuit breaker rolled back looks applied in state while ECS runs the old task
definition (pulumi-aws issue 4487), so the primary deployment is read. While another deployment
still has tasks, or the primary one failed, there is no single size to state: that is unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from rightsizing.model.base import NoData
from rightsizing.model.facts import ServiceFacts
from rightsizing.model.size import ServiceSize
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.stack.livefacts import AwsReader, Scope, Unreadable

SERVICES_PER_CALL = 10  # ECS: DescribeServices takes up to 10


def read_services(aws: AwsReader, scope: Scope) -> tuple[ServiceFacts | Unreadable, ...]:
    """Every ECS service of the stack. Raises RightsizingError when the cloud cannot be read."""
    found = [
        _facts(aws, cluster, service, tags[WORKLOAD_TAG])
        for cluster, service, tags in live_services(aws, scope)
    ]
    return tuple(sorted(found, key=lambda facts: facts.workload))


def live_services(aws: AwsReader, scope: Scope) -> Iterator[tuple[str, Json, Mapping[str, str]]]:
    """Cluster, description and tags of every service of the stack that is not inactive."""
    for cluster in aws.pages("ecs", "list_clusters", "clusterArns"):
        arns = list(aws.pages("ecs", "list_services", "serviceArns", cluster=cluster))
        for start in range(0, len(arns), SERVICES_PER_CALL):
            answer = aws.call(
                "ecs",
                "describe_services",
                cluster=cluster,
                services=arns[start : start + SERVICES_PER_CALL],
                include=["TAGS"],
            )
            for service in answer["services"]:
                tags = {tag["key"]: tag.get("value", "") for tag in service.get("tags", ())}
                if scope.holds(tags) and service.get("status") != "INACTIVE":
                    yield cluster, service, tags


def _facts(aws: AwsReader, cluster: str, service: Json, workload: str) -> ServiceFacts | Unreadable:
    name = service["serviceName"]
    deployments = service.get("deployments", ())
    primary = next((item for item in deployments if item.get("status") == "PRIMARY"), None)
    if primary is None:
        return Unreadable(workload, NoData(f"service {name} has no primary deployment"))
    if primary.get("rolloutState") == "FAILED":
        why = primary.get("rolloutStateReason") or "no reason given"
        return Unreadable(workload, NoData(f"the deployment of service {name} failed: {why}"))
    others = sum(int(item.get("runningCount", 0)) for item in deployments if item is not primary)
    if others:
        return Unreadable(
            workload,
            NoData(f"service {name} still runs {others} tasks of an earlier deployment"),
        )
    # With one deployment it is the service's own; moto keeps the latter alone up to date.
    definition = (primary if len(deployments) > 1 else service)["taskDefinition"]
    cpu_units, memory_mib = _task_size(aws, definition)
    least, most = _range(aws, cluster, service)
    try:
        size = ServiceSize(
            cpu_units=cpu_units, memory_mib=memory_mib, min_tasks=least, max_tasks=most
        )
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        return Unreadable(workload, NoData(f"service {name} has no comparable size: {problem}"))
    return ServiceFacts(workload, size, definition)


def _task_size(aws: AwsReader, definition: str) -> tuple[int, int]:
    """CPU units and MiB of a task: its own, else the sum of its containers'."""
    answer = aws.call("ecs", "describe_task_definition", taskDefinition=definition)
    task = answer["taskDefinition"]
    containers = task.get("containerDefinitions", ())
    cpu_units = int(task.get("cpu") or sum(int(item.get("cpu") or 0) for item in containers))
    memory_mib = int(task.get("memory") or sum(int(item.get("memory") or 0) for item in containers))
    return cpu_units, memory_mib


def _range(aws: AwsReader, cluster: str, service: Json) -> tuple[int, int]:
    """Least and most tasks: the autoscaler's range, else the fixed count twice."""
    resource_id = f"service/{cluster.rsplit('/', 1)[-1]}/{service['serviceName']}"
    targets = aws.pages(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        ServiceNamespace="ecs",
        ResourceIds=[resource_id],
    )
    for target in targets:
        if target.get("ScalableDimension") == "ecs:service:DesiredCount":
            return int(target["MinCapacity"]), int(target["MaxCapacity"])
    count = int(service["desiredCount"])
    return count, count
