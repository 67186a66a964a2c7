"""The CPU and memory sizes an AWS Fargate task may have (Linux).

Source, read 2026-11: the values AWS documents for ``memory`` of RegisterTaskDefinition,
https://docs.aws.amazon.com/sdk-for-kotlin/api/latest/ecs/aws.sdk.kotlin.services.ecs.model/-task-definition/memory.html
"""

from __future__ import annotations

from rightsizing.units import MIB_PER_GIB

# CPU units -> smallest and largest memory and the step between, GiB.
_RANGES_GIB: tuple[tuple[int, int, int, int], ...] = (
    (512, 1, 4, 1),
    (1024, 2, 8, 1),
    (2048, 4, 16, 1),
    (4096, 8, 30, 1),
    (8192, 16, 60, 4),
    (16384, 32, 120, 8),
)
_SMALLEST: tuple[tuple[int, int], ...] = ((256, 512), (256, 1024), (256, 2048))

# (CPU units, memory MiB), ascending.
FARGATE_SIZES: tuple[tuple[int, int], ...] = _SMALLEST + tuple(
    (cpu_units, memory_gib * MIB_PER_GIB)
    for cpu_units, least, most, step in _RANGES_GIB
    for memory_gib in range(least, most + 1, step)
)
