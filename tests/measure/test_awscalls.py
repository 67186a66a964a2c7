"""The list of AWS calls, compared with the source both ways, and the policies made from it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from rightsizing.awscalls import (
    CHANGE_CALLS,
    READ_CALLS,
    Purpose,
    find_call,
    policy_document,
    read_actions,
)
from rightsizing.provisionactions import PROVISION_ACTIONS, PURCHASE_ACTIONS, provision_actions

ROOT = Path(__file__).resolve().parents[2]
REGISTERED = {(call.service, call.operation) for call in (*READ_CALLS, *CHANGE_CALLS)}
SERVICES = sorted({call.service for call in READ_CALLS})
CHANGING = ("Create", "Delete", "Put", "Update", "Modify", "Run", "Terminate", "Register", "Attach")


def sources() -> list[Path]:
    """Every module but the local stand-ins, which never talk to AWS."""
    package = ROOT / "rightsizing"
    embedded = package / "embedded"
    return [path for path in sorted(package.rglob("*.py")) if embedded not in path.parents]


@cache
def operations(service: str) -> set[str]:
    """boto3 method names of a service, from botocore's own model."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name) for name in model.operation_names}


def literal(node: ast.expr) -> str | None:
    """The text of a string constant."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def declared_calls(path: Path) -> Iterator[tuple[str, str]]:
    """``x.call("service", "operation", ...)`` and ``x.pages(...)`` of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("call", "pages")
            and len(node.args) >= 2
        ):
            service, operation = literal(node.args[0]), literal(node.args[1])
            if service is not None and operation is not None:
                yield service, operation


def direct_calls(path: Path) -> Iterator[str]:
    """Method calls and paginators whose name is an AWS operation, past ``AwsClients``."""
    names = set().union(*(operations(service) for service in SERVICES))
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in names:
            yield node.func.attr
        if node.func.attr == "get_paginator" and node.args:
            operation = literal(node.args[0])
            if operation is not None:
                yield operation


def test_every_call_in_the_source_is_registered():
    """No module asks AWS for anything the policy does not name."""
    found = {pair for path in sources() for pair in declared_calls(path)}
    assert found <= REGISTERED


def test_every_registered_call_is_in_the_source():
    """The policy allows nothing that nobody calls."""
    found = {pair for path in sources() for pair in declared_calls(path)}
    assert found >= REGISTERED


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_calls_aws_past_the_clients(path):
    """Everything goes through AwsClients.call and .pages, where errors are mapped."""
    assert list(direct_calls(path)) == []


def test_boto3_clients_are_made_in_one_place():
    """Only awsclients imports boto3, so nobody can go around it."""
    importers = {
        path.name
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(name.name == "boto3" for name in node.names)
    }
    assert importers == {"awsclients.py"}


@pytest.mark.parametrize("call", READ_CALLS, ids=lambda call: f"{call.service}.{call.operation}")
def test_registered_calls_exist(call):
    """Each operation exists in botocore, and its action is the operation in IAM's spelling."""
    assert call.operation in operations(call.service)
    assert xform_name(call.action.split(":")[1]) == call.operation
    assert call.why


def test_reading_changes_nothing():
    """No action of the reading policy creates, changes or deletes."""
    for action in read_actions():
        assert not action.split(":")[1].startswith(CHANGING), action


def test_the_policies_are_valid_documents():
    """Reading alone is one statement; applying adds the second."""
    reading = json.loads(policy_document())
    applying = json.loads(policy_document(applying=True))
    assert [statement["Sid"] for statement in reading["Statement"]] == ["RightsizingRead"]
    assert len(applying["Statement"]) == 2
    assert "cloudwatch:GetMetricData" in reading["Statement"][0]["Action"]
    assert "autoscaling:CreateAutoScalingGroup" in applying["Statement"][1]["Action"]
    for statement in applying["Statement"]:
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert not any("*" in action for action in statement["Action"])


def test_measuring_alone_needs_little():
    """A purpose narrows the policy to its own calls."""
    assert read_actions([Purpose.MEASURE]) == ("cloudwatch:GetMetricData",)
    assert find_call("ec2", "run_instances") is None


def test_every_type_the_programs_use_has_actions():
    """Every resource class that infra/ creates is in the provisioning table."""
    used = set()
    for path in sorted((ROOT / "infra").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                parts = ast.unparse(node.func).split(".")
                if len(parts) == 3 and parts[0] == "aws" and not parts[2].endswith("Args"):
                    used.add((parts[1].rstrip("_"), parts[2]))  # lambda_ in Python
    known = {
        (name.split(":")[1].split("/")[0], name.rsplit(":", 1)[1])
        for name in (*PROVISION_ACTIONS, *PURCHASE_ACTIONS)
    }
    assert ("autoscaling", "Group") in used
    assert used <= known


def test_tagging_is_part_of_provisioning():
    """Everything is tagged, so EC2 and load-balancer types need their service's tagging calls."""
    assert "ec2:CreateTags" in provision_actions(["aws:ec2/vpc:Vpc"])
    assert "elasticloadbalancing:AddTags" in provision_actions(["aws:lb/listener:Listener"])
    assert "ec2:CreateTags" not in provision_actions(["aws:ecs/cluster:Cluster"])


def test_what_a_rollout_changes_may_be_applied():
    """Who may apply may also move weights, ask for instances and remove what a kill left."""
    statements = json.loads(policy_document(applying=True))["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    assert {call.action for call in CHANGE_CALLS} <= allowed
