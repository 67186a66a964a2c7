"""``rightsize recommend --compare compute-optimizer``: ours is shown whatever AWS answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from rightsizing.cli import comparing
from rightsizing.cli.main import run
from rightsizing.errors import CredentialsError
from rightsizing.measure.awsclients import AwsClients
from rightsizing.measure.computeoptimizer import PAGE_SIZE
from rightsizing.measure.inventory import DiscoveredWorkload, Discovery, MeasuredResource
from rightsizing.model.base import NoData
from rightsizing.model.workload import Workload, WorkloadKind

GROUPS = "get_auto_scaling_group_recommendations"
INSTANCES = "get_ec2_instance_recommendations"
SERVICES = "get_ecs_service_recommendations"
COMMAND = ["recommend", "--compare", "compute-optimizer"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Path:
    """A stack on AWS with one fleet, of which two weeks were measured."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "Pulumi.yaml").write_text("name: sample\nruntime: python\nmain: infra/\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  rightsizing:region: us-east-1\n  rightsizing:fleets:\n    web:\n"
        "      size: {instance_type: m5.xlarge, min_instances: 2, max_instances: 4}\n"
        "      ami: {x86_64: ami-1}\n"
    )
    lines = ["resource_id,timestamp,cpu_pct,mem_pct,capacity_cores,capacity_mem_bytes,interval_s"]
    lines += [
        f"web,{(20_000 * 86_400 + slot * 900) * 1000},20,60,4,{16 * 2**30},900"
        for slot in range(14 * 96)
    ]
    (tmp_path / "trace.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    assert run(["measure", "--from-file", "trace.csv"]) == 0
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def account(project: Path, monkeypatch: pytest.MonkeyPatch) -> Stubber:
    """An account that answers as told; discovery finds the group web-a of workload web."""
    clients = AwsClients("us-east-1")
    stubber = Stubber(clients._client("compute-optimizer"))
    stubber.activate()
    group = MeasuredResource("web-a", WorkloadKind.FLEET, NoData("x"), NoData("x"), running=2)
    found = DiscoveredWorkload(Workload(key="web", kind=WorkloadKind.FLEET), (group,))
    monkeypatch.setattr(comparing, "aws_clients", lambda session: clients)
    monkeypatch.setattr(comparing, "discover_aws", lambda clients: Discovery((found,)))
    return stubber


def answer(account: Stubber, *groups: dict[str, Any]) -> None:
    """These groups, no instances, no services."""
    asked = {"maxResults": PAGE_SIZE}
    account.add_response(GROUPS, {"autoScalingGroupRecommendations": list(groups)}, asked)
    account.add_response(INSTANCES, {"instanceRecommendations": []}, asked)
    account.add_response(SERVICES, {"ecsServiceRecommendations": []}, asked)


def group(to: str) -> dict[str, Any]:
    """Advice on web-a."""
    return {
        "autoScalingGroupName": "web-a",
        "finding": "NotOptimized",
        "currentConfiguration": {"instanceType": "m5.xlarge", "minSize": 2, "maxSize": 4},
        "utilizationMetrics": [{"name": "Cpu", "statistic": "Maximum", "value": 20.0}],
        "lookBackPeriodInDays": 14.0,
        "recommendationOptions": [
            {"configuration": {"instanceType": to}, "rank": 1, "performanceRisk": 1.0}
        ],
    }


def test_both_are_shown_side_by_side(account: Stubber, capsys) -> None:
    """c5.large has 4 GiB for 9.6 GiB in use: the rows say what differs."""
    answer(account, group("c5.large"))
    assert run(COMMAND) == 0
    shown = capsys.readouterr().out
    assert "Recommendations" in shown
    assert "Beside AWS Compute Optimizer" in shown
    assert "c5.large" in shown
    assert "without a memory metric" in " ".join(shown.split())


def test_json_holds_both(account: Stubber, capsys) -> None:
    """Our recommendations as ever, and the comparison beside them."""
    answer(account, group("c5.large"))
    assert run([*COMMAND, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (ours,) = found["recommendations"]
    (row,) = found["comparison"]["compared"]
    assert row["workload"] == ours["workload"] == "web"
    assert row["verdict"] == "differ"
    assert row["proposed"] == {"names": ["c5.large"]}
    assert row["advice"]["resource_id"] == "web-a"


def test_without_compare_nothing_is_asked(account: Stubber, capsys) -> None:
    """No AWS call, no comparison in the answer."""
    assert run(["recommend", "--json"]) == 0
    assert "comparison" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("OptInRequiredException", "has not opted in to compute-optimizer"),
        ("ExpiredTokenException", "credentials have expired"),
        ("ThrottlingException", "still throttles"),
    ],
)
def test_ours_is_shown_when_aws_refuses(account: Stubber, capsys, code: str, words: str) -> None:
    """One sentence about AWS, exit code 8, our table all the same."""
    account.add_client_error(GROUPS, service_error_code=code)
    assert run(COMMAND) == 8
    shown = " ".join(capsys.readouterr().out.split())
    assert words in shown
    assert shown.index("m5.xlarge x 2-4") < shown.index(words)


def test_a_missing_permission_names_the_action(account: Stubber, capsys) -> None:
    """Groups are refused; the other listings are read."""
    asked = {"maxResults": PAGE_SIZE}
    account.add_client_error(GROUPS, service_error_code="AccessDeniedException")
    account.add_response(INSTANCES, {"instanceRecommendations": []}, asked)
    account.add_response(SERVICES, {"ecsServiceRecommendations": []}, asked)
    assert run([*COMMAND, "--json"]) == 8
    found = json.loads(capsys.readouterr().out)["comparison"]
    (sentence,) = found["failures"]
    assert "compute-optimizer:GetAutoScalingGroupRecommendations" in sentence
    assert found["compared"][0]["why"] == ["its advice could not be read"]


def test_failed_discovery_leaves_the_stores_names(
    account: Stubber, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Matching goes on with what was measured, and says so."""

    def fail(clients: AwsClients) -> Discovery:
        raise CredentialsError("AWS refused autoscaling:DescribeAutoScalingGroups")

    monkeypatch.setattr(comparing, "discover_aws", fail)
    answer(account, {**group("m5.large"), "autoScalingGroupName": "web"})
    assert run([*COMMAND, "--json"]) == 8
    found = json.loads(capsys.readouterr().out)["comparison"]
    assert found["failures"][0].startswith("matched by the store's resource ids alone")
    assert found["compared"][0]["resources"] == ["web"]


def test_outside_a_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Without a stack there is no region: said, after our own."""
    (project / "Pulumi.dev.yaml").unlink()
    (project / "Pulumi.yaml").unlink()
    assert run(["measure", "--from-file", "trace.csv"]) == 0
    capsys.readouterr()
    assert run([*COMMAND, "--json"]) == 8
    found = json.loads(capsys.readouterr().out)
    assert len(found["recommendations"]) == 1
    assert "no Pulumi.yaml" in found["comparison"]["failures"][0]


def test_the_hidden_days_cannot_be_compared(project: Path, capsys) -> None:
    """AWS cannot be asked about the past."""
    assert run([*COMMAND, "--holdout-days", "3"]) == 2
    assert "--compare and --holdout-days exclude each other" in capsys.readouterr().err


def test_an_unknown_peer_is_refused(project: Path, capsys) -> None:
    """The peers there are."""
    assert run(["recommend", "--compare", "guesswork"]) == 2
    assert "compute-optimizer" in capsys.readouterr().err
