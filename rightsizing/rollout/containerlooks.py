"""Looks at a container that serves alone, by the Docker engine: CPU, memory, restarts, kills.

For what may not run twice: there is no twin to compare with, only its own limits. The engine keeps
no history, so a look is what lies between two polls; nothing is known of the time before the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from rightsizing.errors import TelemetryError
from rightsizing.model.verdict import ArmLook, Look
from rightsizing.model.workload import WORKLOAD_TAG
from rightsizing.rollout.containerusage import ContainerReading, parse_reading, usage_between
from rightsizing.rollout.looks import LooksRead
from rightsizing.stack.clock import Clock
from rightsizing.stack.livefacts import Scope

LEAST_S = 1  # between two polls that make a look


@dataclass(slots=True)
class ContainerLooks:
    """Reads the containers of one workload, whatever slot they are in.

    Args:
        docker: called for a ``docker.DockerClient``.
        clock: what the rollout waits by; the engine's answers carry no time of their own.
    """

    docker: Callable[[], Any]
    scope: Scope
    workload: str
    clock: Clock
    _before: tuple[int, Mapping[str, ContainerReading]] | None = field(default=None)

    def server_now_ms(self) -> int:
        """The clock's time; the first reading is made."""
        now_ms = round(self.clock.now().timestamp() * 1000)
        self._before = now_ms, self._read()
        return now_ms

    def read(self, after_ms: int, *, canary_weight: float) -> LooksRead:
        """One look at what lies between the poll before and this one."""
        now_ms = round(self.clock.now().timestamp() * 1000)
        after = self._read()
        if self._before is None:
            self._before = now_ms, after
        start_ms, before = self._before
        seconds = (now_ms - start_ms) // 1000
        if seconds < LEAST_S or start_ms < after_ms:
            if start_ms < after_ms:  # that time was looked at before this process began
                self._before = now_ms, after
            return LooksRead((), now_ms)
        self._before = now_ms, after
        usage = usage_between(before, after, seconds)
        look = Look(
            start_ms=start_ms,
            length_s=seconds,
            canary_weight=canary_weight,
            baseline=ArmLook(),
            canary=ArmLook(
                cpu_share=usage.cpu_share,
                memory_share=usage.memory_share,
                capacity_cores=usage.capacity_cores,
                restarts=usage.restarts,
                oom_kills=usage.oom_kills,
                healthy_targets=usage.running,
                expected_targets=1,
            ),
        )
        return LooksRead((look,), now_ms)

    def _read(self) -> dict[str, ContainerReading]:
        wanted = {**self.scope.tags, WORKLOAD_TAG: self.workload}
        labels = [f"{key}={value}" for key, value in wanted.items()]
        found = {}
        try:
            client = self.docker()
            for entry in client.api.containers(all=True, filters={"label": labels}):
                reading = _reading(client, entry["Id"])
                if reading is not None:
                    found[entry["Id"]] = reading
        except (DockerException, RequestException, OSError) as error:
            raise TelemetryError(
                f"the Docker engine does not say what {self.workload} uses ({error}); start it, "
                "or set DOCKER_HOST"
            ) from error
        return found


def _reading(client: Any, container: str) -> ContainerReading | None:
    try:
        details = client.api.inspect_container(container)
        running = bool(details["State"].get("Running"))
        stats = client.api.stats(container, stream=False, one_shot=True) if running else {}
    except (NotFound, ValueError):  # it died during the call, which is answered with nothing
        return None
    return parse_reading(details, stats)
