"""Sizes of an ECS service's tasks: of its present task definition, and of the one before it.

A service keeps its name when its task size changes, so CloudWatch has percentages of both sizes
under one name. The former size is read off the revision before the present one, and the moment of
the change is the start of the present deployment.
"""

from __future__ import annotations

import re

from rightsizing.errors import TelemetryError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.inventory import FormerCapacity
from rightsizing.model.base import NoData
from rightsizing.model.update import Json
from rightsizing.units import CPU_UNITS_PER_VCPU, mib_to_bytes

_REVISION = re.compile(r"^(?P<family>.+):(?P<revision>\d+)$")


def task_size(clients: AwsClients, task_definition: str) -> tuple[int, int]:
    """CPU units and MiB of one task; 0 where nothing is reserved."""
    reply = clients.call("ecs", "describe_task_definition", taskDefinition=task_definition)
    task = reply["taskDefinition"]
    containers = task["containerDefinitions"]
    cpu_units = int(task.get("cpu") or sum(item.get("cpu") or 0 for item in containers))
    memory_mib = int(
        task.get("memory")
        or sum(item.get("memory") or item.get("memoryReservation") or 0 for item in containers)
    )
    return cpu_units, memory_mib


def task_capacity(cpu_units: int, memory_mib: int) -> tuple[float | NoData, float | NoData]:
    """Cores and bytes of one task; NoData where nothing is reserved."""
    return (
        cpu_units / CPU_UNITS_PER_VCPU
        if cpu_units
        else NoData("its task definition reserves no CPU"),
        float(mib_to_bytes(memory_mib))
        if memory_mib
        else NoData("its task definition reserves no memory"),
    )


def former_capacity(
    clients: AwsClients, service: Json, present: tuple[int, int]
) -> FormerCapacity | None:
    """Capacity before the present deployment; None when it was the same, or nobody knows."""
    match = _REVISION.match(service["taskDefinition"])
    started = next(
        (
            item["createdAt"]
            for item in service.get("deployments", ())
            if item.get("status") == "PRIMARY" and "createdAt" in item
        ),
        None,
    )
    if match is None or started is None or int(match["revision"]) == 1:
        return None
    try:
        size = task_size(clients, f"{match['family']}:{int(match['revision']) - 1}")
    except TelemetryError:  # the revision was deleted
        return None
    if size == present:
        return None
    cores, memory = task_capacity(*size)
    return FormerCapacity(int(started.timestamp() * 1000), cores, memory)
