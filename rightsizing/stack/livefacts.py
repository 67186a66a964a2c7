"""What live facts are read through, and what is found when a workload cannot be read.

The readers (``livefleet``, ``liveservice``, ``livecontainer``) get their clients passed in and
never look at the engine's state: state says what was asked for, not what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rightsizing.model.base import NoData
from rightsizing.model.facts import WorkloadFacts
from rightsizing.model.update import Json
from rightsizing.model.workload import WORKLOAD_TAG

PROJECT_TAG = "rightsizing:project"
STACK_TAG = "rightsizing:stack"
SLOT_TAG = "rightsizing:slot"


class AwsReader(Protocol):
    """AWS read calls of one region, with foreign errors mapped (``measure.awsclients``)."""

    def call(self, service: str, operation: str, **parameters: Any) -> Json:
        """Make one API call. Raises RightsizingError."""
        ...

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Json]:
        """Items under ``key`` of all pages. Raises RightsizingError."""
        ...


@dataclass(frozen=True, slots=True)
class LiveClients:
    """Where facts are read from. ``docker`` is called when there are containers to read.

    It returns a ``docker.DockerClient``, or raises RightsizingError or DockerException.
    """

    aws: AwsReader
    docker: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose resources are meant: an account holds those of other stacks too."""

    project: str
    stack: str

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags that all resources of the stack carry."""
        return {PROJECT_TAG: self.project, STACK_TAG: self.stack}

    def holds(self, tags: Mapping[str, str]) -> bool:
        """True when a resource with these tags belongs to the stack."""
        return WORKLOAD_TAG in tags and all(
            tags.get(key) == value for key, value in self.tags.items()
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A workload whose live facts could not be read; counts as not matching."""

    workload: str
    why: NoData


LiveFact = WorkloadFacts | Unreadable
