"""Sampling containers through the Docker Engine API.

Memory is the working set, usage without inactive page cache, as ``docker stats`` shows it: cache
that can be dropped needs no limit. A container without a limit can use the whole host, so the host
is its capacity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import docker
from docker import errors as docker_sdk
from requests import exceptions as requests_errors

from rightsizing.errors import TelemetryError
from rightsizing.measure.inventory import TagFilters, matches
from rightsizing.measure.sampling import Clock, Reading, Sample, SystemClock
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG

SOURCE = "docker"
CALL_TIMEOUT_SECONDS = 15
MAX_CALLS_AT_ONCE = 10  # as many connections as the SDK keeps open
_NANO = 1e9


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """What one container may use."""

    cores: float
    memory_bytes: float


def connect(base_url: str | None = None) -> docker.DockerClient:
    """Client of the engine at ``base_url`` (None: DOCKER_HOST, else the local socket).

    Raises TelemetryError when no engine answers.
    """
    with docker_errors():
        if base_url is not None:
            return docker.DockerClient(base_url=base_url, timeout=CALL_TIMEOUT_SECONDS)
        return docker.from_env(timeout=CALL_TIMEOUT_SECONDS)


@contextmanager
def docker_errors() -> Iterator[None]:
    """Map the SDK's errors to TelemetryError."""
    try:
        yield
    except (docker_sdk.DockerException, requests_errors.RequestException, OSError) as error:
        reason = str(error).strip().split("\n", 1)[0].rstrip(".")
        raise TelemetryError(
            f"the Docker engine does not answer ({reason}); start it, set DOCKER_HOST, or type "
            f'`eval "$(rightsize local env)"` for the stand-in'
        ) from error


def container_limits(attributes: Json, engine: Json) -> ContainerLimits:
    """Limits from a container's inspect data; where it has none, the engine's host (``info``)."""
    host = attributes.get("HostConfig", {})
    cores = float(host.get("NanoCpus") or 0) / _NANO
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or 100_000
    if not cores and quota > 0:
        cores = quota / period
    memory = float(host.get("Memory") or 0)
    return ContainerLimits(
        cores=cores or float(engine["NCPU"]), memory_bytes=memory or float(engine["MemTotal"])
    )


class DockerSource:
    """Samples running containers that carry the workload label (and match the filters)."""

    name = SOURCE

    def __init__(
        self,
        client: docker.DockerClient,
        *,
        label_filters: TagFilters | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._filters = label_filters or {}
        self._clock = clock or SystemClock()
        self._engine: Json = None
        self._oom_kills: Counter[str] = Counter()  # by container id, since this source began
        self._has_events = True  # an engine without events leaves kills unmeasured
        self._oom_until_s = self._clock.wall_ms() // 1000

    def read(self) -> Reading:
        """Sample every container. One that vanishes meanwhile is reported as missing."""
        samples: list[Sample] = []
        missing: list[str] = []
        with docker_errors():
            if self._engine is None:
                self._engine = self._client.api.info()
            self._count_oom_kills()
            chosen = [
                entry
                for entry in self._client.api.containers(filters={"label": [WORKLOAD_TAG]})
                if matches(entry.get("Labels") or {}, self._filters)
            ]
            # The engine takes statistics once a second and lets a caller wait for that moment, so
            # containers asked one after the other would take a second each.
            with ThreadPoolExecutor(MAX_CALLS_AT_ONCE) as pool:
                for found in pool.map(self._sample, chosen):
                    if isinstance(found, Sample):
                        samples.append(found)
                    else:
                        missing.append(found)
        if not samples and not missing:
            missing.append(f"no running container carries the label {WORKLOAD_TAG}")
        return Reading(tuple(samples), tuple(missing))

    def _sample(self, entry: Json) -> Sample | str:
        """The container's sample, or why there is none."""
        container_id, name = entry["Id"], entry["Names"][0].lstrip("/")
        try:
            details = self._client.api.inspect_container(container_id)
            state = details["State"]
            if not state.get("Running") or state.get("Restarting"):
                return f"{name}: not running ({state.get('Status', 'stopped')})"
            stats = self._client.api.stats(container_id, stream=False, one_shot=True)
        except (docker_sdk.NotFound, requests_errors.JSONDecodeError):
            # The engine answers with nothing when the container dies during the call; that must
            # not cost the other containers their sample.
            return f"{name}: gone while it was read"
        limits = container_limits(details, self._engine)
        cpu = stats.get("cpu_stats", {})
        throttling = cpu.get("throttling_data") or {}
        limited = limits.cores < self._engine["NCPU"]
        networks = list((stats.get("networks") or {}).values())
        return Sample(
            workload=entry["Labels"][WORKLOAD_TAG],
            resource_id=name,
            lifetime=f"{container_id} {state.get('StartedAt', '')}",
            counted_at_s=_moment(stats.get("read")),
            cpu_seconds=_nanoseconds(cpu.get("cpu_usage", {}).get("total_usage")),
            memory_bytes=working_set_bytes(stats.get("memory_stats") or {}),
            capacity_cores=limits.cores,
            capacity_memory_bytes=limits.memory_bytes,
            network_in_bytes=_total(networks, "rx_bytes"),
            network_out_bytes=_total(networks, "tx_bytes"),
            disk_read_bytes=_block_io(stats, "io_service_bytes_recursive", "read"),
            disk_write_bytes=_block_io(stats, "io_service_bytes_recursive", "write"),
            disk_read_ops=_block_io(stats, "io_serviced_recursive", "read"),
            disk_write_ops=_block_io(stats, "io_serviced_recursive", "write"),
            cpu_periods=throttling.get("periods") if limited else None,
            cpu_throttled_periods=throttling.get("throttled_periods") if limited else None,
            oom_kills=float(self._oom_kills[container_id]) if self._has_events else None,
        )

    def _count_oom_kills(self) -> None:
        """Count the engine's out-of-memory events since the last reading.

        Events, since a container that restarts by itself no longer says that it was killed.
        """
        until_s = self._clock.wall_ms() // 1000
        if until_s <= self._oom_until_s or not self._has_events:
            return
        try:
            events = list(
                self._client.api.events(
                    since=self._oom_until_s,
                    until=until_s,
                    filters={"type": "container", "event": "oom"},
                    decode=True,
                )
            )
        except docker_sdk.NotFound:
            self._has_events = False
            return
        # [since, until): the engine includes both ends, so the later one is left for next time.
        start_ns, end_ns = self._oom_until_s * 10**9, until_s * 10**9
        for event in events:
            if start_ns <= event.get("timeNano", 0) < end_ns:
                self._oom_kills[event["Actor"]["ID"]] += 1
        self._has_events = True  # an engine without events leaves kills unmeasured
        self._oom_until_s = until_s


def working_set_bytes(memory: Mapping[str, Json]) -> float | None:
    """Memory in use without inactive file cache; cgroup v1 and v2 name the latter differently."""
    usage = memory.get("usage")
    if usage is None:
        return None
    detail = memory.get("stats") or {}
    inactive = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return float(max(0, usage - inactive))


def _moment(text: str | None) -> float | None:
    """Seconds since 1970 of the engine's time stamp; None when it gives none (year 1)."""
    if not text or text.startswith("0001"):
        return None
    return datetime.fromisoformat(text).timestamp()


def _nanoseconds(value: float | None) -> float | None:
    return None if value is None else value / _NANO


def _total(networks: list[Json], counter: str) -> float | None:
    return float(sum(item.get(counter, 0) for item in networks)) if networks else None


def _block_io(stats: Json, table: str, operation: str) -> float | None:
    entries = (stats.get("blkio_stats") or {}).get(table)
    if not entries:  # null on cgroup v1 until the first operation, and where it is not counted
        return None
    return float(sum(item["value"] for item in entries if item["op"].lower() == operation))
