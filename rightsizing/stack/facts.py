"""Live facts of a stack: what really runs, read from the cloud and the Docker engine.

Exit code 0 of an update proves nothing: state can say "updated" while the cloud runs the old size.
So every apply and every rollback ends with these facts, read by tags and never from state, compared
with what the sizing says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from docker.errors import DockerException

from rightsizing.errors import RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.stack.comparison import compare_facts
from rightsizing.stack.driver import StackRef
from rightsizing.stack.livecontainer import read_containers
from rightsizing.stack.livefacts import AwsReader, LiveClients, LiveFact, Scope, Unreadable
from rightsizing.stack.livefleet import read_fleets
from rightsizing.stack.liveservice import read_services

__all__ = [
    "AwsReader",
    "FactsReader",
    "LiveClients",
    "LiveFact",
    "Scope",
    "Unreadable",
    "compare_facts",
    "read_facts",
]

# Reads the live facts of these workloads; what apply and rollback are given.
FactsReader = Callable[[Sequence[Workload]], tuple[LiveFact, ...]]


def read_facts(
    workloads: Sequence[Workload], clients: LiveClients, *, stack: StackRef
) -> tuple[LiveFact, ...]:
    """Live facts of a stack's workloads, and of what else carries the stack's tags.

    Never raises for a source that cannot be read: its workloads come back as ``Unreadable``, with
    the reason. A source none of the workloads needs is not asked. Hosts have no facts.
    """
    scope = Scope(stack.project, stack.name)
    sources: dict[WorkloadKind, Callable[[], Sequence[LiveFact]]] = {
        WorkloadKind.FLEET: lambda: read_fleets(clients.aws, scope),
        WorkloadKind.SERVICE: lambda: read_services(clients.aws, scope),
        WorkloadKind.CONTAINER: lambda: read_containers(clients.docker(), scope),
    }
    found: list[LiveFact] = []
    for kind, read in sources.items():
        declared = [workload for workload in workloads if workload.kind is kind]
        if declared:
            found.extend(_read(read, declared))
    return tuple(found)


def _read(
    read: Callable[[], Sequence[LiveFact]], declared: Sequence[Workload]
) -> Sequence[LiveFact]:
    try:
        return read()
    except RightsizingError as error:
        why = NoData(str(error))
    except (DockerException, OSError) as error:
        why = NoData(f"the Docker engine cannot be read: {error}")
    return [Unreadable(workload.key, why) for workload in declared]
