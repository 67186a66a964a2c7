"""The simulated Docker engine, as the data plane sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rightsizing.embedded.cloud.containerstate import Container


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """Mean use of one container from a moment on."""

    since_s: float  # seconds since 1970
    cores: float
    memory_bytes: int
    throttled_ratio: float


class ContainerHost(Protocol):
    """Where containers run."""

    def running(self) -> list[Container]:
        """Containers that run."""
        ...

    def out_of_memory(self, name: str, kills: int) -> None:
        """A container was killed for want of memory and started again."""
        ...

    def show_use(self, name: str, use: ContainerUse) -> None:
        """A container's statistics show this use from now on."""
        ...
