"""CPU and memory of the containers in one slot, against their own limits, by the Docker engine.

CPU is a running total, so what was used between two readings is exact however far apart they are.
Memory is the working set, usage without inactive page cache, as ``docker stats`` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from rightsizing.errors import TelemetryError
from rightsizing.model.rollout import Slot
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.stack.livefacts import SLOT_TAG, Scope

_NANO = 1e9


@dataclass(frozen=True, slots=True)
class ContainerReading:
    """Totals of one container. ``life``: changes when it is started again."""

    life: str
    cpu_seconds: float
    memory_bytes: float | None
    limit_cores: float
    limit_bytes: float
    restarts: int
    out_of_memory: bool
    running: bool


@dataclass(frozen=True, slots=True)
class ArmUsage:
    """What a slot's containers used between two readings. None: not measured."""

    cpu_share: float | None
    memory_share: float | None
    capacity_cores: float | None
    restarts: int
    oom_kills: int
    running: int


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """Reads the containers of a stack. ``client`` is a ``docker.DockerClient``."""

    client: Any
    scope: Scope

    def read(self, workload: str, slot: Slot) -> dict[str, ContainerReading]:
        """Totals by container id, stopped ones included. Raises TelemetryError."""
        wanted = {**self.scope.tags, WORKLOAD_TAG: workload, SLOT_TAG: slot.value}
        labels = [f"{key}={value}" for key, value in wanted.items()]
        found = {}
        try:
            for entry in self.client.api.containers(all=True, filters={"label": labels}):
                reading = self._reading(entry["Id"])
                if reading is not None:
                    found[entry["Id"]] = reading
        except (DockerException, RequestException, OSError) as error:
            raise TelemetryError(
                f"the Docker engine does not say what {workload} uses ({error}); start it, or set "
                "DOCKER_HOST"
            ) from error
        return found

    def _reading(self, container: str) -> ContainerReading | None:
        try:
            details = self.client.api.inspect_container(container)
            running = bool(details["State"].get("Running"))
            stats = self.client.api.stats(container, stream=False, one_shot=True) if running else {}
        except (NotFound, ValueError):  # it died during the call, which is answered with nothing
            return None
        return parse_reading(details, stats)


def parse_reading(details: Json, stats: Json) -> ContainerReading:
    """A reading from the engine's ``inspect`` and ``stats`` answers."""
    state, host = details["State"], details.get("HostConfig", {})
    cpu = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    return ContainerReading(
        life=str(state.get("StartedAt", "")),
        cpu_seconds=float(cpu.get("total_usage") or 0) / _NANO,
        memory_bytes=_working_set(stats.get("memory_stats") or {}),
        limit_cores=float(host.get("NanoCpus") or 0) / _NANO,
        limit_bytes=float(host.get("Memory") or 0),
        restarts=int(details.get("RestartCount") or 0),
        out_of_memory=bool(state.get("OOMKilled")),
        running=bool(state.get("Running")),
    )


def usage_between(
    before: Mapping[str, ContainerReading], after: Mapping[str, ContainerReading], seconds: float
) -> ArmUsage:
    """Shares (0-1) of the limits of all containers together; memory is the fullest one's.

    A container that was started again meanwhile has used at least what it says now.
    """
    running = {key: reading for key, reading in after.items() if reading.running}
    cores = sum(reading.limit_cores for reading in running.values())
    used, restarts, kills = 0.0, 0, 0
    for key, reading in after.items():
        earlier = before.get(key)
        same_life = earlier is not None and earlier.life == reading.life
        used += reading.cpu_seconds - (earlier.cpu_seconds if earlier and same_life else 0.0)
        restarts += max(reading.restarts - (earlier.restarts if earlier else 0), 0)
        newly = reading.out_of_memory and not (earlier and same_life and earlier.out_of_memory)
        kills += newly and earlier is not None
    shares = [
        reading.memory_bytes / reading.limit_bytes
        for reading in running.values()
        if reading.memory_bytes is not None and reading.limit_bytes > 0
    ]
    measured = bool(running) and cores > 0 and seconds > 0 and running.keys() <= before.keys()
    return ArmUsage(
        cpu_share=max(used, 0.0) / (cores * seconds) if measured else None,
        memory_share=max(shares, default=None),
        capacity_cores=cores or None,
        restarts=restarts,
        oom_kills=kills,
        running=len(running),
    )


def _working_set(memory: Json) -> float | None:
    usage = memory.get("usage")
    if usage is None:
        return None
    detail = memory.get("stats") or {}
    # cgroup v1 and v2 name it differently
    inactive = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return float(max(0, usage - inactive))
