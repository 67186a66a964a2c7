"""An ECS service whose update succeeds by its own word and is taken back by the circuit breaker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightsizing.embedded.faults.plan import ServiceRolledBack
from rightsizing.errors import FactsMismatch

pytestmark = pytest.mark.slow


def task_size(stack: Any) -> tuple[str, str]:
    """CPU units and MiB of what the service's primary deployment runs, by boto3."""
    ecs = stack.api("ecs")
    (cluster,) = ecs.list_clusters()["clusterArns"]
    (service,) = ecs.list_services(cluster=cluster)["serviceArns"]
    found = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
    primary = next(item for item in found["deployments"] if item["status"] == "PRIMARY")
    task = ecs.describe_task_definition(taskDefinition=primary["taskDefinition"])["taskDefinition"]
    return task["cpu"], task["memory"]


@pytest.mark.proof
def test_a_success_that_was_taken_back(make_stack: Callable[..., Any], parts: Any) -> None:
    """The engine says updated, AWS runs the old task: exit code 5, recorded as bad, restored."""
    stack = make_stack("breaker", parts["SERVICE"])
    assert task_size(stack) == ("2048", "8192")
    stack.plan(parts["NEWS_PHASE1"])
    stack.faults.add(ServiceRolledBack(service_contains="news"))
    result = stack.apply()
    with pytest.raises(FactsMismatch, match="news") as mismatch:
        result.require_match()
    assert mismatch.value.exit_code == 5
    assert result.record.verdict.value == "bad"
    assert task_size(stack) == ("2048", "8192")
    stack.faults.clear()
    assert stack.rollback().exit_code == 0
    assert task_size(stack) == ("2048", "8192")
