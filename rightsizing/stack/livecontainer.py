"""Live facts of Docker containers: the limits the engine enforces, found by label.

A container without a limit has no size to compare, so it is unreadable, with that as the reason.
Stopped containers are read too: a singleton that is down is a fact worth knowing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from rightsizing.model.base import NoData
from rightsizing.model.facts import ContainerFacts
from rightsizing.model.rollout import Slot
from rightsizing.model.size import ContainerSize
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.stack.livefacts import SLOT_TAG, Scope, Unreadable
from rightsizing.units import BYTES_PER_MIB, MILLICORES_PER_CORE

NANO_PER_MILLICORE = 1_000_000  # HostConfig.NanoCpus counts billionths of a CPU
DEFAULT_CPU_PERIOD_US = 100_000  # Docker's CFS period when only a quota is given
SIMULATED_VERSION = "simulated"  # what the embedded stand-in gives as its engine version


def read_containers(client: Any, scope: Scope) -> tuple[ContainerFacts | Unreadable, ...]:
    """Every container of the stack, running or not. Raises DockerException."""
    labels = [f"{key}={value}" for key, value in scope.tags.items()]
    simulated = client.version().get("Version") == SIMULATED_VERSION
    found = []
    for container in client.containers.list(all=True, filters={"label": labels}):
        attributes = container.attrs
        own: Mapping[str, str] = attributes["Config"].get("Labels") or {}
        if scope.holds(own):
            facts = _facts(own[WORKLOAD_TAG], attributes, simulated=simulated)
            if isinstance(facts, ContainerFacts) and own.get(SLOT_TAG) in set(Slot):
                facts = replace(facts, slot=Slot(own[SLOT_TAG]))
            found.append(facts)
    return tuple(sorted(found, key=lambda facts: facts.workload))


def _facts(workload: str, attributes: Json, *, simulated: bool) -> ContainerFacts | Unreadable:
    name = str(attributes["Name"]).lstrip("/")
    host = attributes["HostConfig"]
    cpu_millicores = _cpu_millicores(host)
    memory_bytes = int(host.get("Memory") or 0)
    missing = [
        kind for kind, value in (("CPU", cpu_millicores), ("memory", memory_bytes)) if not value
    ]
    if missing:
        return Unreadable(
            workload, NoData(f"container {name} has no {' and no '.join(missing)} limit")
        )
    try:
        size = ContainerSize(
            cpu_millicores=cpu_millicores, memory_mib=memory_bytes // BYTES_PER_MIB
        )
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        return Unreadable(workload, NoData(f"container {name} has no comparable size: {problem}"))
    return ContainerFacts(
        workload=workload,
        container=name,
        size=size,
        running=bool(attributes["State"].get("Running")),
        simulated=simulated,
    )


def _cpu_millicores(host: Json) -> int:
    nano = int(host.get("NanoCpus") or 0)
    if nano:
        return nano // NANO_PER_MILLICORE
    quota = int(host.get("CpuQuota") or 0)
    period = int(host.get("CpuPeriod") or 0) or DEFAULT_CPU_PERIOD_US
    return max(quota, 0) * MILLICORES_PER_CORE // period
