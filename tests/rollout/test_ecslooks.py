"""Looks at two ECS services, from answers shaped as AWS gives them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from rightsizing.errors import StackError
from rightsizing.model.rollout import Slot
from rightsizing.rollout.ecslooks import find_slot_services, service_looks
from rightsizing.stack.livefacts import Scope

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/services-1a2b"
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb-shop/50dc6c49"
MINUTE = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def group(slot: str) -> str:
    owner = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
    return f"{owner}:targetgroup/shop-{slot}/6d0ecf831{slot}"


def service(slot: str, **changes: Any) -> dict[str, Any]:
    """As DescribeServices with include=TAGS answers."""
    values = {
        "serviceArn": f"arn:aws:ecs:us-east-1:123456789012:service/services-1a2b/shop-{slot}",
        "serviceName": f"shop-{slot}",
        "status": "ACTIVE",
        "desiredCount": 3,
        "taskDefinition": f"arn:aws:ecs:us-east-1:123456789012:task-definition/shop-{slot}:4",
        "loadBalancers": [
            {"targetGroupArn": group(slot), "containerName": "main", "containerPort": 8080}
        ],
        "tags": [
            {"key": "rightsizing:project", "value": "proj"},
            {"key": "rightsizing:stack", "value": "dev"},
            {"key": "rightsizing:workload", "value": "shop"},
            {"key": "rightsizing:slot", "value": slot},
        ],
    }
    return {**values, **changes}


class RecordedAws:
    """Answers by operation; CloudWatch's by metric."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.services = services
        self.queries: list[dict[str, Any]] = []

    def call(self, name: str, operation: str, **parameters: Any) -> Any:
        if operation == "describe_services":
            assert parameters["include"] == ["TAGS"]
            return {"services": list(self.services)}
        if operation == "describe_task_definition":
            small = "shop-b" in parameters["taskDefinition"]
            return {"taskDefinition": {"cpu": "512" if small else "1024", "memory": "2048"}}
        assert operation == "get_metric_data"
        self.queries = parameters["MetricDataQueries"]
        return {
            "MetricDataResults": [self.result(query) for query in self.queries],
            "ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 01 Nov 2026 12:01:30 GMT"}},
        }

    def result(self, query: dict[str, Any]) -> dict[str, Any]:
        metric, stat = query["MetricStat"]["Metric"], query["MetricStat"]["Stat"]
        canary = any(item["Value"].endswith(("shop-b", "831b")) for item in metric["Dimensions"])
        value = {
            ("RequestCount", "Sum"): 600.0,
            ("HTTPCode_Target_5XX_Count", "Sum"): 6.0 if canary else None,
            ("TargetResponseTime", "SampleCount"): 600.0,
            ("TargetResponseTime", "p99"): 0.2,
            ("TargetResponseTime", "Average"): 0.05,
            ("HealthyHostCount", "Minimum"): 3.0,
            ("CPUUtilization", "Average"): 88.0 if canary else 44.0,
            ("MemoryUtilization", "Maximum"): 51.0,
        }.get((metric["MetricName"], stat))
        return {
            "Id": query["Id"],
            "Label": metric["MetricName"],
            "Timestamps": [] if value is None else [MINUTE],
            "Values": [] if value is None else [value],
            "StatusCode": "Complete",
        }

    def pages(self, name: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        if operation == "list_clusters":
            yield CLUSTER
        elif operation == "list_services":
            yield from (item["serviceArn"] for item in self.services)
        else:
            assert operation == "describe_target_groups"
            for arn in parameters["TargetGroupArns"]:
                yield {"TargetGroupArn": arn, "LoadBalancerArns": [BALANCER]}


SCOPE = Scope("proj", "dev")


def test_both_services_are_found_by_their_tags() -> None:
    """Of this stack and workload only, whatever else the cluster runs."""
    other = service("a", serviceName="news", tags=[{"key": "team", "value": "news"}])
    found = find_slot_services(RecordedAws(service("a"), other, service("b")), SCOPE, "shop")
    assert {slot: (item.service, item.task_cores) for slot, item in found.items()} == {
        Slot.A: ("shop-a", 1.0),
        Slot.B: ("shop-b", 0.5),
    }


def test_a_look_holds_the_groups_requests_and_the_services_usage() -> None:
    """CPU and memory are of AWS/ECS by cluster and service; three tasks of half a vCPU."""
    aws = RecordedAws(service("a"), service("b"))
    looks = service_looks(aws, SCOPE, "shop", canary=Slot.B, latency_bound_s=0.1)
    read = looks.read(round(MINUTE.timestamp() * 1000), canary_weight=0.5)
    (look,) = read.looks
    assert (look.canary.requests, look.canary.errors, look.baseline.errors) == (600, 6, 0)
    assert (look.canary.cpu_share, look.baseline.cpu_share) == (0.88, 0.44)
    assert (look.canary.memory_share, look.canary.capacity_cores) == (0.51, 1.5)
    assert (look.canary.healthy_targets, look.canary.expected_targets) == (3, 3)
    assert look.canary.latency_p99_ms == 200.0
    usage = [
        item["MetricStat"]["Metric"]
        for item in aws.queries
        if item["MetricStat"]["Metric"]["Namespace"] == "AWS/ECS"
    ]
    assert [dict(map(dict.values, item["Dimensions"])) for item in usage] == [
        {"ClusterName": "services-1a2b", "ServiceName": name}
        for name in ("shop-a", "shop-a", "shop-b", "shop-b")
    ]
    requests = aws.queries[0]["MetricStat"]["Metric"]["Dimensions"]
    assert dict(map(dict.values, requests)) == {
        "LoadBalancer": "app/lb-shop/50dc6c49",
        "TargetGroup": "targetgroup/shop-a/6d0ecf831a",
    }


def test_one_service_alone_cannot_be_compared() -> None:
    """The slot that is missing is named."""
    with pytest.raises(StackError, match="no ECS service runs in slot b"):
        service_looks(RecordedAws(service("a")), SCOPE, "shop", canary=Slot.B)


def test_a_service_without_a_load_balancer_has_no_requests() -> None:
    """ECS itself counts none."""
    aws = RecordedAws(service("a"), service("b", loadBalancers=[]))
    with pytest.raises(StackError, match="shop-b is behind no load balancer"):
        service_looks(aws, SCOPE, "shop", canary=Slot.B)
