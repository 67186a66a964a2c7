"""A component as measured: how often it runs, for how long, with how much memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from rightsizing.decide.serverless.memorytuning import MemoryPoint
from rightsizing.errors import ConfigError


@unique
class Trigger(StrEnum):
    """What starts an invocation."""

    SCHEDULE = "schedule"
    QUEUE = "queue"
    REQUEST = "request"  # somebody waits for the answer


@dataclass(frozen=True, slots=True)
class Component:
    """A month of one component.

    Attributes:
        name: of the component.
        invocations: in a month of 730 hours, scaled from what was measured.
        points: mean duration by memory size, at least one; the size in use first.
        used_mib: most memory used by an invocation; the configured size where unknown.
        cores: vCPUs an invocation keeps busy while it runs; by memory where unknown.
        cold_ratio: share (0-1) of invocations that start cold.
        init_ms: initialisation of a cold start.
        peak_concurrency: most invocations at once, at least 1.
        longest_ms: the longest invocation.
        ephemeral_mib: /tmp it needs.
        trigger: what starts it.
        latency_limit_ms: most mean duration, None: no limit.
    """

    name: str
    invocations: float
    points: tuple[MemoryPoint, ...]
    used_mib: float
    cores: float
    cold_ratio: float
    init_ms: float
    peak_concurrency: int
    longest_ms: float
    ephemeral_mib: int = 512
    trigger: Trigger = Trigger.QUEUE
    latency_limit_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse figures that no measurement gives."""
        figures = {
            "invocations": self.invocations,
            "memory in use": self.used_mib,
            "vCPUs": self.cores,
            "initialisation": self.init_ms,
            "longest duration": self.longest_ms,
            **{f"duration at {item.memory_mib} MiB": item.mean_ms for item in self.points},
        }
        for noun, value in figures.items():
            if not 0 <= value < float("inf"):
                raise ConfigError(
                    f"component {self.name!r}: {noun} {value:g} must be a number of at least 0"
                )
        if not 0 <= self.cold_ratio <= 1:
            raise ConfigError(
                f"component {self.name!r}: cold ratio {self.cold_ratio:g} must lie in 0 to 1"
            )

    @property
    def memory_mib(self) -> int:
        """The configured memory."""
        return self.points[0].memory_mib

    @property
    def mean_ms(self) -> float:
        """Mean duration at the configured memory."""
        return self.points[0].mean_ms
