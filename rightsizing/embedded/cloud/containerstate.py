"""Containers of the simulated engine: what Docker keeps of one, and the rules it checks.

State is a JSON file, so containers outlive the server. Limits follow Docker's own checks
(moby/moby, daemon/daemon_unix.go verifyPlatformContainerResources): at least 6 MiB of memory,
memory-swap at least memory and twice it by default, CPUs within the host's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rightsizing.model.size import MIN_CONTAINER_MEMORY_MIB
from rightsizing.units import BYTES_PER_GIB, mib_to_bytes

HOST_CPUS = 16  # of the simulated host; chosen by us: the reference case's logical cores
HOST_MEMORY_BYTES = 64 * BYTES_PER_GIB
_NANO = 1_000_000_000
_UPDATABLE = (
    "Memory",
    "MemorySwap",
    "MemoryReservation",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "CpuShares",
    "CpusetCpus",
)


class Refused(Exception):
    """What the engine answers instead: an HTTP status and Docker's ``message``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Container:
    """One container, in the shape of ``docker inspect`` where it matters."""

    id: str
    name: str
    image: str
    created: str
    config: dict[str, Any]
    host_config: dict[str, Any]
    status: str = "created"
    started_at: str = "0001-01-01T00:00:00Z"
    finished_at: str = "0001-01-01T00:00:00Z"
    exit_code: int = 0
    restart_count: int = 0
    oom_killed: bool = False
    # Use as the data plane simulates it; None: by labels (``simulatedload``).
    used_cores: float | None = None
    used_memory_bytes: int = 0
    throttled_ratio: float = 0.0
    used_since_s: float = 0.0  # since when, seconds since 1970
    used_before_s: float = 0.0  # core-seconds until then
    throttled_before_s: float = 0.0

    @property
    def running(self) -> bool:
        """True while it runs."""
        return self.status == "running"

    @property
    def labels(self) -> dict[str, str]:
        """Labels given at creation."""
        return dict(self.config.get("Labels") or {})


@dataclass(slots=True)
class ContainerState:
    """All containers and images, saved after every change."""

    path: Path
    containers: dict[str, Container] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    made: int = 0  # containers ever created; ids count up from it

    @classmethod
    def load(cls, path: Path) -> ContainerState:
        """Read the file, or start empty."""
        state = cls(path)
        if path.exists():
            saved = json.loads(path.read_text(encoding="utf-8"))
            state.made = saved["made"]
            state.images = set(saved["images"])
            for entry in saved["containers"]:
                state.containers[entry["id"]] = Container(**entry)
        return state

    def save(self) -> None:
        """Replace the file in one step."""
        saved = {
            "made": self.made,
            "images": sorted(self.images),
            "containers": [
                {name: getattr(item, name) for name in Container.__slots__}
                for item in self.containers.values()
            ],
        }
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(saved), encoding="utf-8")
        temporary.replace(self.path)

    def find(self, reference: str) -> Container:
        """By id, unique id prefix or name. Raises Refused(404)."""
        for container in self.containers.values():
            if reference in (container.id, container.name):
                return container
        matching = [item for item in self.containers.values() if item.id.startswith(reference)]
        if reference and len(matching) == 1:
            return matching[0]
        raise Refused(404, f"No such container: {reference}")

    def require_free(self, name: str) -> None:
        """Raise Refused(409) when another container has this name."""
        for container in self.containers.values():
            if container.name == name:
                raise Refused(
                    409,
                    f'Conflict. The container name "/{name}" is already in use by container '
                    f'"{container.id}". You have to remove (or rename) that container to be able '
                    "to reuse that name.",
                )


def checked_limits(limits: dict[str, Any]) -> dict[str, Any]:
    """A new container's resources as Docker settles them. Raises Refused(400)."""
    settled = dict(limits)
    memory, swap = settled.get("Memory") or 0, settled.get("MemorySwap") or 0
    cpus = settled.get("NanoCpus") or 0
    if memory and memory < mib_to_bytes(MIN_CONTAINER_MEMORY_MIB):
        raise Refused(400, "Minimum memory limit allowed is 6MB")
    if memory and swap == 0:
        settled["MemorySwap"] = memory * 2
    elif memory and 0 < swap < memory:
        raise Refused(400, "Minimum memoryswap limit should be larger than memory limit, see usage")
    if cpus < 0 or cpus > HOST_CPUS * _NANO:
        raise Refused(
            400,
            f"Range of CPUs is from 0.01 to {HOST_CPUS}.00, as there are only {HOST_CPUS} CPUs "
            "available",
        )
    if cpus and (settled.get("CpuPeriod") or settled.get("CpuQuota")):
        raise Refused(
            400, "Conflicting options: Nano CPUs and CPU Period or Quota cannot both be set"
        )
    return settled


def updated_limits(current: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Resources after ``docker update``: zero means unchanged. Raises Refused(400)."""
    wanted = {key: change[key] for key in _UPDATABLE if change.get(key)}
    memory = wanted.get("Memory", current.get("Memory") or 0)
    swap = wanted.get("MemorySwap", current.get("MemorySwap") or 0)
    if 0 < swap < memory and "MemorySwap" not in wanted:
        raise Refused(
            400,
            "Memory limit should be smaller than already set memoryswap limit, update the "
            "memoryswap at the same time",
        )
    return checked_limits({**current, **wanted})
