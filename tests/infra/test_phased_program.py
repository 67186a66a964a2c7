"""What the program asks for beside the workloads: properties, refusals, and what it never buys."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.components.cache import redis_command
from infra.components.tenants import join_script, task_cpu_units
from infra.config import refuse_purchase
from rightsizing.errors import ConfigError
from rightsizing.model.caching import CacheConfig, ContainerCache
from rightsizing.model.declaration import StackDeclaration, parse_declaration
from rightsizing.model.phased import BudgetsDeclaration, CommitmentsDeclaration, Confirmation
from rightsizing.model.release import Release
from rightsizing.model.size import FleetSize

# How a secret travels between program and engine (pulumi sdk: runtime/rpc.py).
SECRET_MARK, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
RELEASE = Release(
    baseline={"news-api": FleetSize(instance_type="m5.2xlarge", min_instances=2, max_instances=6)}
)
CACHE = {
    "sentiment": {
        "config": {
            "ttl_seconds": 3600,
            "eviction": "allkeys-lfu",
            "deployment": {
                "kind": "elasticache",
                "engine": "valkey",
                "node_type": "cache.t4g.small",
                "nodes": 2,
            },
        }
    }
}
JOBS = {
    "scraping": {
        "image": "1.dkr.ecr.us-east-1.amazonaws.com/scraping:1",
        "environment": {"TOKEN": "not-for-state"},
        "config": {
            "memory_mib": 512,
            "timeout_seconds": 60,
            "trigger": {"kind": "queue", "batch_size": 50, "window_seconds": 20},
        },
    }
}
TENANCY = {
    "portfolios": {
        "runs_as": "services",
        "image": "portfolio:1",
        "ami": {"arm64": "ami-0ec5"},
        "config": {
            "instances": {
                "tenants-01": {
                    "instance_type": "m7g.large",
                    "tenants": {"alpha": {"cpu_millicores": 150, "memory_mib": 256}},
                },
                "tenants-02": {"instance_type": "m7g.large"},
            }
        },
    }
}
PLAN = {
    "decisions": [
        {
            "offering_id": "0f1e2d3c-plan",
            "kind": "compute-sp",
            "term_years": 1,
            "payment": "no-upfront",
            "hourly_commitment": "0.05",
            "start": "2026-12-01T00:00:00Z",
            "reason": "base load",
        },
        {
            "offering_id": "by-hand",
            "kind": "regional-ri",
            "term_years": 1,
            "payment": "no-upfront",
            "hourly_commitment": "0.06",
            "count": 2,
            "region": "us-east-1",
            "instance_type": "m7g.large",
            "start": "2026-12-01T00:00:00Z",
            "reason": "base load",
        },
    ]
}
NODES = {"sentiment-2026": {"offering_id": "node-offer", "count": 2, "reason": "base load"}}
PROPOSED = {"phase": 2, "plan": PLAN, "cache_nodes": NODES, "databases": NODES}
BUDGETS = {
    "emails": ["finops@example.com"],
    "monthly_usd": "230.02",
    "savings_plans_utilisation_min_pct": 95,
    "reservation_coverage_min_pct": 60,
}


def confirmed() -> dict[str, Any]:
    """The proposal with a yes to exactly it."""
    yes = Confirmation(
        digest=CommitmentsDeclaration.model_validate(PROPOSED).digest,
        release=RELEASE.id,
        phase=2,
        at=datetime(2026, 12, 1, tzinfo=UTC),
        purchase_at=datetime(2026, 12, 2, 6, tzinfo=UTC),
    )
    return {**PROPOSED, "confirmed": yes.model_dump(mode="json")}


@pytest.fixture
def run_at(run_program: Any, prod_values: dict[str, Any]) -> Any:
    """Run the production stack at a phase with more declared."""

    def run(phase: int, *, stack: str = "prod", **declared: Any) -> Any:
        values = {
            **prod_values,
            "rightsizing:release": RELEASE.model_dump(mode="json"),
            "rightsizing:phase": phase,
            **{f"rightsizing:{key}": value for key, value in declared.items()},
        }
        return run_program(values, stack=stack, endpoint=None, secret_keys=["rightsizing:jobs"])

    return run


def test_a_cache_group_is_as_decided(run_at: Any) -> None:
    """Node, replicas with failover, eviction; the time to live is told, Redis keeps none."""
    run = run_at(3, cache=CACHE)
    assert run.error == ""
    group = run.one("aws:elasticache/replicationGroup:ReplicationGroup").props
    assert (group["nodeType"], group["numCacheClusters"]) == ("cache.t4g.small", 2)
    assert group["automaticFailoverEnabled"]
    assert group["applyImmediately"]
    parameters = run.one("aws:elasticache/parameterGroup:ParameterGroup").props
    assert parameters["parameters"] == [{"name": "maxmemory-policy", "value": "allkeys-lfu"}]
    assert run.exports["cache"]["sentiment"]["ttl_seconds"] == 3600


@pytest.mark.parametrize(
    ("phase", "types"),
    [
        (1, []),
        (2, ["budgets"]),
        (3, ["budgets", "elasticache"]),
        (4, ["budgets", "elasticache", "lambda", "sqs"]),
    ],
)
def test_each_part_waits_for_its_phase(run_at: Any, phase: int, types: list[str]) -> None:
    """Below its phase nothing of a part is registered."""
    run = run_at(phase, cache=CACHE, jobs=JOBS, budgets=BUDGETS)
    services = {item.type.split(":")[1].split("/")[0] for item in run.custom}
    assert sorted(services & {"budgets", "elasticache", "lambda", "sqs"}) == types


def test_a_queue_outlasts_its_function(run_at: Any) -> None:
    """AWS asks for six timeouts and the batch window: 6 x 60 + 20 = 380 s."""
    run = run_at(4, jobs=JOBS)
    assert run.one("aws:sqs/queue:Queue", "scraping").props["visibilityTimeoutSeconds"] == 380
    mapping = run.one("aws:lambda/eventSourceMapping:EventSourceMapping").props
    assert (mapping["batchSize"], mapping["maximumBatchingWindowInSeconds"]) == (50, 20)


def test_a_role_may_do_nothing_but_its_job(run_at: Any) -> None:
    """Its own log and its own queue, by ARN."""
    run = run_at(4, jobs=JOBS)
    statements = json.loads(run.one("aws:iam/rolePolicy:RolePolicy").props["policy"])["Statement"]
    assert {action for item in statements for action in item["Action"]} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    }
    assert all(item["Resource"] not in ("*", "") for item in statements)


def test_an_encrypted_environment_stays_secret(run_at: Any) -> None:
    """Where the key is encrypted in the stack file, variables are secret in the state."""
    function = run_at(4, jobs=JOBS).one("aws:lambda/function:Function").props
    assert function["environment"][SECRET_MARK] == SECRET


def test_tenants_run_where_they_were_packed(run_at: Any) -> None:
    """A group of one instance for each, a service pinned to its own, with its own limits."""
    run = run_at(4, tenancy=TENANCY)
    assert run.error == ""
    service = run.one("aws:ecs/service:Service", "alpha").props
    (constraint,) = service["placementConstraints"]
    assert constraint["expression"] == "attribute:tenants == tenants-01"
    assert (service["launchType"], service["desiredCount"]) == ("EC2", 1)
    assert (service["deploymentMinimumHealthyPercent"], service["deploymentMaximumPercent"]) == (
        0,
        100,
    )
    task = run.one("aws:ecs/taskDefinition:TaskDefinition", "alpha").props
    assert (task["cpu"], task["memory"]) == ("154", "256")  # 150 x 1024 / 1000 = 153.6
    groups = [item.name for item in run.of_type("aws:autoscaling/group:Group")]
    assert groups == ["news-api-a", "tenants-01", "tenants-02"]


def test_a_proposal_buys_nothing(run_at: Any) -> None:
    """Without a confirmation no purchase is registered; it is only shown."""
    run = run_at(2, commitments=PROPOSED)
    assert run.error == ""
    assert not [item for item in run.custom if "reserved" in item.type or "savings" in item.type]
    assert run.exports["commitments"]["confirmed"] is False
    assert run.exports["commitments"]["usd_per_hour"] == "0.05"


@pytest.mark.parametrize("phase", [0, 2])
def test_what_is_confirmed_is_kept_for_ever(run_at: Any, phase: int) -> None:
    """Queued for its moment, protected, retained; at a lower phase too, since it may be bought."""
    run = run_at(phase, commitments=confirmed())
    assert run.error == ""
    bought = [item for item in run.custom if "reserved" in item.type or "savings" in item.type]
    assert sorted(item.type.split(":")[1] for item in bought) == [
        "elasticache/reservedCacheNode",
        "rds/reservedInstance",
        "savingsplans/savingsPlan",
    ]
    assert all(item.request.protect and item.request.retainOnDelete for item in bought)
    plan = run.one("aws:savingsplans/savingsPlan:SavingsPlan")
    assert plan.props["commitment"] == "0.05"
    assert plan.props["purchaseTime"] == "2026-12-02T06:00:00Z"
    assert list(plan.request.ignoreChanges) == ["purchaseTime"]
    node = run.one("aws:elasticache/reservedCacheNode:ReservedCacheNode").props
    assert node["elasticacheReservedCacheNodeId"] == "sentiment-2026"
    assert run.exports["commitments"]["by_hand"] == ["2 x m7g.large in us-east-1, offering by-hand"]


def test_a_changed_proposal_needs_a_new_yes(run_at: Any) -> None:
    """The digest is of what is bought: a larger amount is refused before anything is made."""
    changed = json.loads(json.dumps(confirmed()))
    changed["plan"]["decisions"][0]["hourly_commitment"] = "0.5"
    run = run_at(2, commitments=changed)
    assert "changed after they were confirmed" in run.error
    assert run.custom == []


def test_only_production_buys() -> None:
    """A staging stack on AWS must not spend a year's money."""
    declared = StackDeclaration(commitments=CommitmentsDeclaration.model_validate(confirmed()))
    refuse_purchase("production", declared)
    with pytest.raises(ConfigError, match=r"stack 'staging'.*'prod' only"):
        refuse_purchase("staging", declared)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("cache", CACHE, r"cache\.sentiment is an ElastiCache group.*kind container"),
        ("tenancy", TENANCY, r"tenancy\.portfolios runs as services.*containers"),
        ("budgets", BUDGETS, r"the local cloud has no budgets"),
        ("commitments", PROPOSED, r"the local cloud sells none"),
    ],
)
def test_the_local_cloud_refuses_what_it_does_not_serve(
    run_program: Any, dev_values: dict[str, Any], key: str, value: Any, said: str
) -> None:
    """At every phase, before the first resource, by the key's name."""
    run = run_program({**dev_values, f"rightsizing:{key}": value})
    assert re.search(said, run.error)
    assert run.custom == []


def test_budgets_watch_cost_and_commitments(run_at: Any) -> None:
    """Cost above the budget; use of plans below 95 %; reservations of one service."""
    run = run_at(2, budgets=BUDGETS)
    budgets = {
        item.props["budgetType"]: item.props for item in run.of_type("aws:budgets/budget:Budget")
    }
    assert sorted(budgets) == ["COST", "RI_COVERAGE", "SAVINGS_PLANS_UTILIZATION"]
    assert budgets["COST"]["limitAmount"] == "230.02"
    (alarm,) = budgets["SAVINGS_PLANS_UTILIZATION"]["notifications"]
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("LESS_THAN", 95)
    assert alarm["subscriberEmailAddresses"] == ["finops@example.com"]
    (scope,) = budgets["RI_COVERAGE"]["costFilters"]
    assert scope["values"] == ["Amazon Elastic Compute Cloud - Compute"]
    assert "costFilters" not in budgets["SAVINGS_PLANS_UTILIZATION"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cache": {"trader": CACHE["sentiment"]}, "jobs": {"trader": JOBS["scraping"]}}, "twice"),
        ({"jobs": {"a b": JOBS["scraping"]}}, "workload key 'a b'"),
        ({"tenancy": {"x": {**TENANCY["portfolios"], "ami": {}}}}, "give ami"),
        ({"budgets": {"monthly_usd": "10"}}, "tells nobody"),
        ({"budgets": {"monthly_usd": "-1", "emails": ["a@b.c"]}}, "above 0"),
        ({"commitments": {"plan": {"decisions": [{}]}}}, r"commitments\.plan\.decisions\.0"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], said: str) -> None:
    """One sentence with the key."""
    with pytest.raises(ConfigError, match=said):
        parse_declaration({f"rightsizing:{key}": value for key, value in values.items()})


def test_the_highest_phase_is_that_of_the_latest_part() -> None:
    """An empty budget counts for nothing, commitments are bought by hand."""
    assert StackDeclaration().last_phase() == 0
    declared = StackDeclaration.model_validate({"cache": CACHE, "jobs": JOBS, "budgets": BUDGETS})
    assert declared.last_phase() == 4
    assert declared.at_phase(1).budgets == BudgetsDeclaration()


def test_redis_keeps_what_was_decided() -> None:
    """maxmemory and policy from the decision; nothing is written to disk."""
    deployment = ContainerCache(memory_mib=64, data_mib=48)
    command = redis_command(CacheConfig(ttl_seconds=60, deployment=deployment), deployment)
    assert command[:5] == [
        "redis-server",
        "--maxmemory",
        "48mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ]
    assert command[command.index("--save") + 1] == ""


@pytest.mark.parametrize(("millicores", "units"), [(10, 128), (125, 128), (150, 154), (2000, 2048)])
def test_cpu_units_cover_the_limit(millicores: int, units: int) -> None:
    """Rounded up: 150 x 1024 / 1000 = 153.6; a task has at least 128."""
    assert task_cpu_units(millicores) == units


def test_an_instance_joins_under_its_name() -> None:
    """User data is base64 of the agent's configuration."""
    text = base64.b64decode(join_script("shared-1a2b", "tenants-01")).decode()
    assert "ECS_CLUSTER=shared-1a2b" in text
    assert 'ECS_INSTANCE_ATTRIBUTES={"tenants": "tenants-01"}' in text
