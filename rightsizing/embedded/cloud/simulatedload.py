"""Statistics of a simulated container: made up, steady, and said to be so.

A container says by labels what load to show: ``rightsizing:simulated-cpu-millicores`` and
``rightsizing:simulated-memory-mib``. Without them it shows 5 % of its CPU limit and half its memory
limit (chosen by us). Load swings by a fifth around its mean over an hour, so that a maximum
differs from an average; it never exceeds a limit. A container that the data plane simulates shows
what it makes of its traffic instead.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from rightsizing.embedded.cloud.containerstate import HOST_CPUS, HOST_MEMORY_BYTES, Container
from rightsizing.units import MILLICORES_PER_CORE, mib_to_bytes

CPU_LABEL = "rightsizing:simulated-cpu-millicores"
MEMORY_LABEL = "rightsizing:simulated-memory-mib"
_IDLE_CPU_RATIO = 0.05
_IDLE_MEMORY_RATIO = 0.5
_SWING_RATIO = 0.2
_SWING_PERIOD_S = 3600
_NANO = 1_000_000_000
_THROTTLING_PERIOD_S = 0.1  # of the kernel's CPU quota, as Docker sets it


def stats_of(container: Container, now: datetime) -> dict[str, Any]:
    """One sample of ``GET /containers/{id}/stats``, with the sample before it a second earlier."""
    seconds = now.timestamp()
    return {
        "id": container.id,
        "name": f"/{container.name}",
        "read": _stamp(seconds),
        "preread": _stamp(seconds - 1),
        "num_procs": 0,
        "cpu_stats": _cpu(container, seconds),
        "precpu_stats": _cpu(container, seconds - 1),
        "memory_stats": _memory(container),
        "networks": {},
        "blkio_stats": {"io_service_bytes_recursive": []},
        "pids_stats": {"current": 1 if container.running else 0},
    }


def _cpu(container: Container, seconds: float) -> dict[str, Any]:
    limit = (container.host_config.get("NanoCpus") or HOST_CPUS * _NANO) / _NANO
    label = container.labels.get(CPU_LABEL)
    mean = float(label) / MILLICORES_PER_CORE if label else limit * _IDLE_CPU_RATIO
    used_s = (
        _core_seconds(mean, limit, container, seconds)
        if container.used_cores is None
        else used_core_seconds(container, seconds)
    )
    throttled_s = throttled_seconds(container, seconds)
    return {
        "cpu_usage": {
            "total_usage": int(used_s * _NANO),
            "usage_in_kernelmode": 0,
            "usage_in_usermode": int(used_s * _NANO),
        },
        "system_cpu_usage": int(seconds * HOST_CPUS * _NANO),
        "online_cpus": HOST_CPUS,
        "throttling_data": {
            "periods": int(used_s and seconds / _THROTTLING_PERIOD_S),
            "throttled_periods": int(throttled_s / _THROTTLING_PERIOD_S),
            "throttled_time": int(throttled_s * _NANO),
        },
    }


def used_core_seconds(container: Container, seconds: float) -> float:
    """CPU time by the data plane: what was used before, and the present use since then."""
    elapsed = seconds - container.used_since_s
    return container.used_before_s + (container.used_cores or 0.0) * elapsed


def throttled_seconds(container: Container, seconds: float) -> float:
    """Time in which the CPU limit held the container back, by the data plane; else 0."""
    elapsed = seconds - container.used_since_s
    return container.throttled_before_s + container.throttled_ratio * elapsed


def _core_seconds(mean: float, limit: float, container: Container, seconds: float) -> float:
    """CPU time since the container started: the integral of the swinging load.

    use(t) = min(mean, limit) + swing cos(w t), swing = min(0.2 mean, limit - mean) so that it
    stays within the limit; its integral is mean t + swing / w sin(w t).
    """
    if not container.running:
        return 0.0
    level = min(mean, limit)
    swing = min(_SWING_RATIO * level, limit - level)
    rate = 2 * math.pi / _SWING_PERIOD_S
    start = datetime.fromisoformat(container.started_at).timestamp()
    elapsed = max(0.0, seconds - start)
    return level * elapsed + swing / rate * (
        math.sin(rate * (start + elapsed)) - math.sin(rate * start)
    )


def _memory(container: Container) -> dict[str, Any]:
    limit = container.host_config.get("Memory") or HOST_MEMORY_BYTES
    label = container.labels.get(MEMORY_LABEL)
    wanted = mib_to_bytes(int(label)) if label else int(limit * _IDLE_MEMORY_RATIO)
    if container.used_cores is not None:
        wanted = container.used_memory_bytes
    usage = min(wanted, limit) if container.running else 0
    return {"usage": usage, "limit": limit, "stats": {"inactive_file": 0}, "max_usage": usage}


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
