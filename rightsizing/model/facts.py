"""Live facts: what really runs, read from the cloud and the Docker engine, never from state."""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.model.base import NoData
from rightsizing.model.rollout import Slot
from rightsizing.model.size import ContainerSize, ServiceSize


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """One slot of a fleet. Types are of running instances, which a new template does not change."""

    slot: Slot
    group_name: str
    min_instances: int
    max_instances: int
    desired_instances: int
    running_types: tuple[tuple[str, int], ...]  # (instance type, how many running), sorted
    weight: int  # of the target group in the listener


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """All slots of a fleet that exist."""

    workload: str
    slots: tuple[SlotFacts, ...]


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """An ECS service's running task definition."""

    workload: str
    size: ServiceSize
    task_definition: str


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container's limits as the engine reports them."""

    workload: str
    container: str
    size: ContainerSize
    running: bool
    simulated: bool  # read from the embedded stand-in, not a real engine
    slot: Slot | None = None  # of a container behind a proxy


WorkloadFacts = FleetFacts | ServiceFacts | ContainerFacts


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One fact that is not as the release says."""

    workload: str
    fact: str  # e.g. "slot b running instances"
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class FactsReport:
    """Live facts of a stack and how they differ from what was asked for."""

    facts: tuple[WorkloadFacts, ...]
    mismatches: tuple[Mismatch, ...]
    unreadable: tuple[tuple[str, NoData], ...] = ()  # workload, why

    @property
    def matches(self) -> bool:
        """True when everything was read and equals the release."""
        return not self.mismatches and not self.unreadable
