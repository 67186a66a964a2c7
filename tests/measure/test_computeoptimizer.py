"""Compute Optimizer: answers in the shape that botocore's service model checks, and refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import Stubber

from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.computeoptimizer import PAGE_SIZE, PEER, read_compute_optimizer
from rightsizing.model.base import NoData
from rightsizing.model.peeradvice import PeerFinding, PeerTask, PeerType
from rightsizing.model.workload import WorkloadKind

pytestmark = pytest.mark.usefixtures("aws_credentials")

GROUPS = "get_auto_scaling_group_recommendations"
INSTANCES = "get_ec2_instance_recommendations"
SERVICES = "get_ecs_service_recommendations"
KEYS = {
    GROUPS: "autoScalingGroupRecommendations",
    INSTANCES: "instanceRecommendations",
    SERVICES: "ecsServiceRecommendations",
}
REFRESHED = datetime(2026, 7, 20, 6, tzinfo=UTC)


def saving(usd: float, currency: str = "USD") -> dict[str, Any]:
    """A savings opportunity."""
    return {
        "savingsOpportunityPercentage": 25.0,
        "estimatedMonthlySavings": {"currency": currency, "value": usd},
    }


def cpu(value: float) -> dict[str, Any]:
    """A maximum of CPU, percent."""
    return {"name": "Cpu", "statistic": "Maximum", "value": value}


def group(name: str = "web-a", **more: Any) -> dict[str, Any]:
    """Advice on a group: m5.xlarge, better an m5.large."""
    return {
        "accountId": "123456789012",
        "autoScalingGroupArn": (
            "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:"
            f"8d4f-1:autoScalingGroupName/{name}"
        ),
        "autoScalingGroupName": name,
        "finding": "NotOptimized",
        "utilizationMetrics": [cpu(31.5)],
        "lookBackPeriodInDays": 14.0,
        "currentConfiguration": {
            "desiredCapacity": 2,
            "minSize": 2,
            "maxSize": 4,
            "instanceType": "m5.xlarge",
        },
        "recommendationOptions": [
            {
                "configuration": {"minSize": 2, "maxSize": 4, "instanceType": "m7g.large"},
                "projectedUtilizationMetrics": [cpu(58.0)],
                "performanceRisk": 2.0,
                "rank": 2,
                "savingsOpportunity": saving(80.0),
                "migrationEffort": "Medium",
            },
            {
                "configuration": {"minSize": 2, "maxSize": 4, "instanceType": "m5.large"},
                "projectedUtilizationMetrics": [cpu(63.0)],
                "performanceRisk": 1.0,
                "rank": 1,
                "savingsOpportunity": saving(70.08),
                "savingsOpportunityAfterDiscounts": saving(41.2),
                "migrationEffort": "VeryLow",
            },
        ],
        "lastRefreshTimestamp": REFRESHED,
        "effectiveRecommendationPreferences": {
            "lookBackPeriod": "DAYS_14",
            "utilizationPreferences": [
                {
                    "metricName": "CpuUtilization",
                    "metricParameters": {"threshold": "P99_5", "headroom": "PERCENT_20"},
                },
                {"metricName": "MemoryUtilization", "metricParameters": {"headroom": "PERCENT_10"}},
            ],
        },
        **more,
    }


def instance(**more: Any) -> dict[str, Any]:
    """Advice on an instance of a group, with its tags."""
    return {
        "instanceArn": "arn:aws:ec2:us-east-1:123456789012:instance/i-0abc",
        "accountId": "123456789012",
        "instanceName": "web-1",
        "currentInstanceType": "c5.2xlarge",
        "finding": "Overprovisioned",
        "findingReasonCodes": ["CPUOverprovisioned", "NetworkPPSOverprovisioned"],
        "utilizationMetrics": [cpu(12.0)],
        "lookBackPeriodInDays": 32.0,
        "recommendationOptions": [{"instanceType": "c5.xlarge", "rank": 1, "performanceRisk": 0.0}],
        "currentPerformanceRisk": "VeryLow",
        "tags": [
            {"key": "rightsizing:workload", "value": "web"},
            {"key": "aws:autoscaling:groupName", "value": "web-a"},
        ],
        **more,
    }


def service(**more: Any) -> dict[str, Any]:
    """Advice on a Fargate service."""
    return {
        "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/main/api",
        "accountId": "123456789012",
        "currentServiceConfiguration": {"cpu": 1024, "memory": 4096},
        "utilizationMetrics": [
            cpu(20.0),
            {"name": "Memory", "statistic": "Maximum", "value": 30.0},
        ],
        "lookbackPeriodInDays": 14.0,
        "launchType": "Fargate",
        "finding": "Overprovisioned",
        "findingReasonCodes": ["CPUOverprovisioned", "MemoryOverprovisioned"],
        "serviceRecommendationOptions": [
            {
                "cpu": 512,
                "memory": 2048,
                "savingsOpportunity": saving(18.02),
                "projectedUtilizationMetrics": [
                    {
                        "name": "Cpu",
                        "statistic": "Maximum",
                        "lowerBoundValue": 38.0,
                        "upperBoundValue": 42.0,
                    }
                ],
            }
        ],
        "currentPerformanceRisk": "Low",
        **more,
    }


class Account:
    """An account whose Compute Optimizer answers what it was told, in order."""

    def __init__(self) -> None:
        self.clients = AwsClients("us-east-1")
        self.stubber = Stubber(self.clients._client("compute-optimizer"))
        self.stubber.activate()

    def answers(
        self,
        operation: str,
        *items: dict[str, Any],
        token: str = "",
        follows: str = "",
        **more: Any,
    ) -> Account:
        """The next call is this one, and gets these items (and the token of a next page)."""
        reply = {KEYS[operation]: list(items), **({"nextToken": token} if token else {}), **more}
        asked = {"maxResults": PAGE_SIZE, **({"nextToken": follows} if follows else {})}
        self.stubber.add_response(operation, reply, asked)
        return self

    def refuses(self, operation: str, code: str) -> Account:
        """The next call is refused."""
        self.stubber.add_client_error(operation, service_error_code=code, service_message="no")
        return self

    def read(self):
        """What the adapter makes of it; every announced call was made."""
        report = read_compute_optimizer(self.clients)
        self.stubber.assert_no_pending_responses()
        return report


def test_a_group_is_read() -> None:
    """Options come by rank; the rule in force and both savings are kept."""
    account = Account().answers(GROUPS, group()).answers(INSTANCES).answers(SERVICES)
    (advice,) = account.read().advice
    assert (advice.kind, advice.resource_id) == (WorkloadKind.FLEET, "web-a")
    assert advice.finding is PeerFinding.NOT_OPTIMIZED
    assert advice.current == PeerType(("m5.xlarge",))
    assert [str(option.size) for option in advice.options] == ["m5.large", "m7g.large"]
    assert advice.best is not None
    assert advice.best.saving_usd_per_month == Decimal("70.08")
    assert advice.best.saving_after_discounts_usd_per_month == Decimal("41.2")
    assert advice.best.projected[0].upper == 63.0
    assert advice.preferences.cpu_threshold == "P99_5"
    assert advice.preferences.memory_headroom == "PERCENT_10"
    assert advice.refreshed_at == REFRESHED
    assert isinstance(advice.options[1].saving_after_discounts_usd_per_month, NoData)


def test_an_instance_is_read_with_its_tags() -> None:
    """Workload and group come from tags; what is not stated is NoData, not zero."""
    account = Account().answers(GROUPS).answers(INSTANCES, instance()).answers(SERVICES)
    (advice,) = account.read().advice
    assert (advice.resource_id, advice.name) == ("i-0abc", "web-1")
    assert (advice.workload, advice.group) == ("web", "web-a")
    assert advice.reasons == ("CPUOverprovisioned", "NetworkPPSOverprovisioned")
    assert advice.best is not None
    assert isinstance(advice.best.saving_usd_per_month, NoData)
    assert isinstance(advice.refreshed_at, NoData)


def test_a_service_is_read() -> None:
    """Task sizes, and projections as ranges; without ranks the order counts."""
    account = Account().answers(GROUPS).answers(INSTANCES).answers(SERVICES, service())
    (advice,) = account.read().advice
    assert advice.resource_id == "main/api"
    assert advice.current == PeerTask(1024, 4096)
    assert advice.best is not None
    assert (advice.best.rank, str(advice.best.size)) == (1, "0.5 vCPU, 2048 MiB")
    assert (advice.best.projected[0].lower, advice.best.projected[0].upper) == (38.0, 42.0)
    assert advice.lookback_days == 14.0


@pytest.mark.parametrize(
    ("word", "finding"),
    [
        ("Overprovisioned", PeerFinding.OVERPROVISIONED),
        ("OVER_PROVISIONED", PeerFinding.OVERPROVISIONED),
        ("UNDER_PROVISIONED", PeerFinding.UNDERPROVISIONED),
        ("NotOptimized", PeerFinding.NOT_OPTIMIZED),
        ("NOT_OPTIMIZED", PeerFinding.NOT_OPTIMIZED),
        ("OPTIMIZED", PeerFinding.OPTIMIZED),
        ("Splendid", PeerFinding.UNKNOWN),
    ],
)
def test_findings_in_both_spellings(word: str, finding: PeerFinding) -> None:
    """The model's spelling and the one the documentation says answers carry."""
    account = Account().answers(GROUPS).answers(INSTANCES, instance(finding=word))
    (advice,) = account.answers(SERVICES).read().advice
    assert advice.finding is finding


def test_pages_are_followed_to_the_end() -> None:
    """Three pages of groups, by their tokens."""
    account = (
        Account()
        .answers(GROUPS, group("a"), token="1")
        .answers(GROUPS, group("b"), token="2", follows="1")
        .answers(GROUPS, group("c"), follows="2")
        .answers(INSTANCES)
        .answers(SERVICES)
    )
    assert [item.resource_id for item in account.read().advice] == ["a", "b", "c"]


def test_a_token_that_repeats_ends_the_listing() -> None:
    """A server that sends the same token again does not keep us forever."""
    account = (
        Account()
        .answers(GROUPS, group("a"), token="1")
        .answers(GROUPS, group("b"), token="1", follows="1")
        .answers(INSTANCES)
        .answers(SERVICES)
    )
    assert len(account.read().advice) == 2


def test_a_group_of_mixed_types() -> None:
    """Where no single type is stated, all of them are."""
    mixed = group(
        currentConfiguration={
            "type": "MixedInstanceTypes",
            "mixedInstanceTypes": ["m5.large", "m6i.large"],
        }
    )
    account = Account().answers(GROUPS, mixed).answers(INSTANCES).answers(SERVICES)
    assert str(account.read().advice[0].current) == "m5.large + m6i.large"


def test_a_saving_in_another_currency_is_unknown() -> None:
    """Yuan are not dollars."""
    option = {"instanceType": "c5.large", "rank": 1, "savingsOpportunity": saving(9.0, "CNY")}
    account = Account().answers(GROUPS).answers(INSTANCES, instance(recommendationOptions=[option]))
    (advice,) = account.answers(SERVICES).read().advice
    assert advice.best is not None
    assert advice.best.saving_usd_per_month == NoData(f"{PEER} states the saving in CNY")


def test_an_account_without_the_service_is_one_sentence() -> None:
    """Not opted in: said once, nothing more is asked."""
    report = Account().refuses(GROUPS, "OptInRequiredException").read()
    (sentence,) = report.failures
    assert "has not opted in to compute-optimizer" in sentence
    assert report.advice == ()


def test_a_refused_action_leaves_the_other_listings() -> None:
    """The action to allow is named; instances and services are read all the same."""
    account = Account().refuses(GROUPS, "AccessDeniedException").answers(INSTANCES, instance())
    report = account.answers(SERVICES, service()).read()
    (sentence,) = report.failures
    assert "compute-optimizer:GetAutoScalingGroupRecommendations" in sentence
    assert "rightsize iam-policy" in sentence
    assert len(report.advice) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ThrottlingException", "still throttles compute-optimizer"),
        ("ExpiredTokenException", "credentials have expired"),
        ("ServiceUnavailableException", "ServiceUnavailableException"),
    ],
)
def test_other_failures_end_the_reading(code: str, words: str) -> None:
    """One sentence; what was read before is kept."""
    report = Account().answers(GROUPS, group()).refuses(INSTANCES, code).read()
    (sentence,) = report.failures
    assert words in sentence
    assert len(report.advice) == 1


def test_errors_inside_an_answer_are_told() -> None:
    """A resource the service has nothing on is named with its code."""
    error = {"identifier": "i-9", "code": "NotFound", "message": "No recommendation."}
    account = Account().answers(GROUPS).answers(INSTANCES, errors=[error]).answers(SERVICES)
    assert account.read().failures == (f"{PEER} has nothing on i-9 (NotFound): No recommendation",)


def test_an_unreadable_answer_is_one_sentence() -> None:
    """A configuration without any type is no crash."""
    account = Account().answers(GROUPS, group(currentConfiguration={}))
    (sentence,) = account.read().failures
    assert "in a shape this version cannot read" in sentence


def test_a_region_without_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real region that has no endpoint for it is not called misspelt."""

    def unknown(host: str, port: int) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    (sentence,) = read_compute_optimizer(AwsClients("ca-west-1")).failures
    assert "AWS offers no compute-optimizer in region ca-west-1" in sentence


def test_the_local_cloud_has_none() -> None:
    """No call leaves the machine for an embedded stack."""
    report = read_compute_optimizer(AwsClients("us-east-1", endpoint_url="http://127.0.0.1:1"))
    assert report.failures == (f"the local cloud has no {PEER}; compare on an AWS account",)
