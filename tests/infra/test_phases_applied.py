"""Phases 2 to 4 applied to the embedded stack: made by their phase, gone below it, restored.

One story is lived once: a stack of the reference case's trader, with a cache from phase 3 and jobs
and tenants from phase 4. After each update the local cloud and the engine are asked what is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from ruamel.yaml import YAML

from rightsizing.embedded.cloud import server
from rightsizing.model.release import Release
from rightsizing.model.size import ContainerSize
from rightsizing.model.update import OperationResult, StepOp
from rightsizing.stack.driver import DriverName
from rightsizing.stack.selection import load_stack, select_driver

pytestmark = pytest.mark.slow

PROJECT_DIR = Path(__file__).parents[2]
IMAGE = "rightsizing/demo:1"
MEASURED = ContainerSize(cpu_millicores=16_000, memory_mib=15_667)
DECIDED = ContainerSize(cpu_millicores=1_750, memory_mib=15_667)
RELEASE = Release(baseline={"trader": MEASURED}, phases={"1": {"trader": DECIDED}})
# The case: values are good for 3,600 s; the news are collected hourly, sentiment comes in batches.
DECLARED: dict[str, Any] = {
    "rightsizing:region": "us-east-1",
    "rightsizing:embedded": True,
    "pulumi:disable-default-providers": ["*"],
    "rightsizing:containers": {
        "trader": {
            "size": MEASURED.model_dump(mode="json"),
            "image": IMAGE,
            "network_mode": "none",
            "may_run_twice": False,
        }
    },
    "rightsizing:cache": {
        "sentiment": {
            "config": {
                "ttl_seconds": 3600,
                "deployment": {
                    "kind": "container",
                    "image": IMAGE,
                    "data_mib": 48,
                    "memory_mib": 64,
                },
            },
            "port": 26379,
        }
    },
    "rightsizing:jobs": {
        "scraping": {
            "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/scraping:1",
            "environment": {"SOURCES": "all"},
            "config": {
                "memory_mib": 512,
                "architecture": "arm64",
                "timeout_seconds": 120,
                "trigger": {"kind": "schedule", "expression": "rate(1 hour)"},
            },
        },
        "analysis": {
            "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/analysis:1",
            "config": {
                "memory_mib": 1024,
                "timeout_seconds": 60,
                "trigger": {"kind": "queue", "batch_size": 50, "window_seconds": 20},
            },
        },
    },
    "rightsizing:tenancy": {
        "portfolios": {
            "image": IMAGE,
            "network_mode": "none",
            "config": {
                "instances": {
                    "tenants-01": {
                        "instance_type": "m7g.large",
                        "tenants": {
                            f"portfolio-{number:02d}": {
                                "kind": "container",
                                "cpu_millicores": 150,
                                "memory_mib": 256,
                            }
                            for number in range(1, 4)
                        },
                    }
                }
            },
        }
    },
}


@dataclass(frozen=True)
class Facts:
    """What is there, by boto3 and the engine."""

    containers: dict[str, tuple[int, int]]  # workload -> (nano CPUs, memory bytes)
    functions: dict[str, tuple[int, int, tuple[str, ...]]]  # -> memory MiB, timeout, architecture
    schedules: list[str]
    queues: int
    mappings: list[tuple[int, str]]  # batch size, source queue
    roles: int
    log_days: list[int]


@dataclass(frozen=True)
class Scene:
    """One update, the preview after it, and what is there."""

    result: OperationResult
    again: OperationResult
    facts: Facts
    outputs: dict[str, Any]


def client(service: str) -> Any:
    """A client of the local cloud."""
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
    )


def facts() -> Facts:
    """Ask the local cloud and the engine."""
    engine = docker.from_env()
    containers = {}
    for found in engine.containers.list(all=True):
        host = engine.api.inspect_container(found.id)["HostConfig"]
        containers[found.labels["rightsizing:workload"]] = (host["NanoCpus"], host["Memory"])
    engine.close()
    functions = client("lambda")
    return Facts(
        containers=containers,
        functions={
            item["FunctionName"].rsplit("-", 1)[0]: (
                item["MemorySize"],
                item["Timeout"],
                tuple(item["Architectures"]),
            )
            for item in functions.list_functions()["Functions"]
        },
        schedules=[item["ScheduleExpression"] for item in client("events").list_rules()["Rules"]],
        queues=len(client("sqs").list_queues().get("QueueUrls", [])),
        mappings=[
            (item["BatchSize"], item["EventSourceArn"].rsplit(":", 1)[1].rsplit("-", 1)[0])
            for item in functions.list_event_source_mappings()["EventSourceMappings"]
        ],
        roles=len(client("iam").list_roles()["Roles"]),
        log_days=[
            item["retentionInDays"] for item in client("logs").describe_log_groups()["logGroups"]
        ],
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scene]]:
    """Phases 2, 3, 4, back to 2, and 4 again; always with the simulated engine."""
    root = tmp_path_factory.mktemp("phases")
    (root / "Pulumi.yaml").write_bytes((PROJECT_DIR / "Pulumi.yaml").read_bytes())
    (root / "infra").symlink_to(PROJECT_DIR / "infra")
    (root / "rightsizing").symlink_to(PROJECT_DIR / "rightsizing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "real_engine_host", lambda: None)
        cloud = server.LocalCloud(root)
        cloud.start()
        try:
            for key, value in cloud.env().items():
                patch.setenv(key, value)
            yield {name: up(root, phase) for name, phase in SCENES.items()}
        finally:
            cloud.stop()


SCENES = {"two": 2, "three": 3, "four": 4, "back": 2, "restored": 4}


def up(root: Path, phase: int) -> Scene:
    """Apply a phase, preview again, and look."""
    sizing = {"rightsizing:release": RELEASE.model_dump(mode="json"), "rightsizing:phase": phase}
    with (root / "Pulumi.dev.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"config": {**DECLARED, **sizing}}, file)
    stack = load_stack(root, "dev")
    driver = select_driver(stack, DriverName.EMBEDDED)
    driver.create(stack)
    result = driver.up(stack, message=f"phase {phase}")
    again = driver.preview(stack)
    return Scene(result, again, facts(), dict(driver.outputs(stack)))


def made(scene: Scene, op: StepOp) -> set[str]:
    """Types of the AWS and Docker resources with this operation."""
    return {
        step.type
        for step in scene.result.changes
        if step.op is op and step.type.startswith(("aws:", "docker:"))
    }


def test_nothing_is_left_to_do_after_an_update(story: dict[str, Scene]) -> None:
    """The preview straight after every update is empty."""
    assert {name: scene.again.changes for name, scene in story.items()} == dict.fromkeys(SCENES, ())


def test_phase_two_has_the_trader_alone(story: dict[str, Scene]) -> None:
    """1.75 cores = 1,750,000,000 nano CPUs; 15,667 MiB x 1,048,576 bytes; nothing on AWS."""
    found = story["two"].facts
    assert found.containers == {"trader": (1_750_000_000, 15_667 * 1_048_576)}
    assert (found.functions, found.schedules, found.queues, found.roles) == ({}, [], 0, 0)


def test_phase_three_adds_the_cache(story: dict[str, Scene]) -> None:
    """64 MiB limit, one core; its port and the time to live are in the outputs."""
    found = story["three"].facts
    assert found.containers["sentiment"] == (1_000_000_000, 64 * 1_048_576)
    assert sorted(found.containers) == ["sentiment", "trader"]
    summary = story["three"].outputs["cache"]["sentiment"]
    assert (summary["port"], summary["ttl_seconds"], summary["data_mib"]) == (26379, 3600, 48)
    assert found.functions == {}


def test_phase_four_adds_the_functions(story: dict[str, Scene]) -> None:
    """Memory, timeout and architecture as decided, each with a log that ends after 30 days."""
    found = story["four"].facts
    assert found.functions == {
        "scraping": (512, 120, ("arm64",)),
        "analysis": (1024, 60, ("x86_64",)),
    }
    assert found.log_days == [30, 30]
    assert found.roles == 2


def test_phase_four_starts_them_by_clock_and_queue(story: dict[str, Scene]) -> None:
    """One schedule; one queue with its dead-letter queue, in batches of 50."""
    found = story["four"].facts
    assert found.schedules == ["rate(1 hour)"]
    assert found.queues == 2
    assert found.mappings == [(50, "analysis")]


def test_phase_four_gives_each_tenant_its_own_limits(story: dict[str, Scene]) -> None:
    """0.15 cores = 150,000,000 nano CPUs and 256 MiB each."""
    found = story["four"].facts
    tenants = {name: limits for name, limits in found.containers.items() if "portfolio" in name}
    assert tenants == dict.fromkeys(
        ("portfolio-01", "portfolio-02", "portfolio-03"), (150_000_000, 256 * 1_048_576)
    )
    placed = story["four"].outputs["tenancy"]["portfolios"]
    assert {item["instance"] for item in placed.values()} == {"tenants-01"}


def test_going_back_takes_them_away(story: dict[str, Scene]) -> None:
    """What phases 3 and 4 made is deleted, nothing else is touched, and nothing is left."""
    assert story["back"].facts == story["two"].facts
    assert made(story["back"], StepOp.CREATE) == set()
    assert {step.op for step in story["back"].result.changes} <= {StepOp.DELETE, StepOp.UPDATE}
    assert "cache" not in story["back"].outputs
    assert "jobs" not in story["back"].outputs


def test_going_forward_again_restores_them(story: dict[str, Scene]) -> None:
    """The same facts as before, whatever the resources are named this time."""
    assert story["restored"].facts == story["four"].facts
    assert made(story["restored"], StepOp.REPLACE) == set()
