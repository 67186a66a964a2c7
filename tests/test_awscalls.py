"""The IAM tables name real operations, as botocore's own service models list them."""

from __future__ import annotations

from functools import cache

import botocore.session
import pytest

from rightsizing.awscalls import read_actions
from rightsizing.provisionactions import (
    PROVISION_ACTIONS,
    PURCHASE_ACTIONS,
    provision_actions,
    purchase_actions,
)

# IAM's service prefix -> botocore's service, where they differ.
_SERVICES = {"elasticloadbalancing": "elbv2"}
# Permissions that are no API operation.
_NOT_OPERATIONS = {"iam:PassRole", "budgets:ModifyBudget", "budgets:ViewBudget"}


@cache
def _operations(service: str) -> frozenset[str]:
    model = botocore.session.get_session().get_service_model(service)
    return frozenset(model.operation_names)


@pytest.mark.parametrize(
    "action", sorted({*read_actions(), *provision_actions(), *purchase_actions()})
)
def test_an_action_is_an_operation_of_its_service(action: str) -> None:
    """``ec2:DescribeInstances`` is in the EC2 model; a typo would not be."""
    if action in _NOT_OPERATIONS:
        return
    prefix, name = action.split(":")
    assert name in _operations(_SERVICES.get(prefix, prefix))


def test_reading_changes_nothing() -> None:
    """The read policy holds describe, get and list actions only."""
    verbs = {action.split(":")[1] for action in read_actions()}
    assert all(verb.startswith(("Describe", "Get", "List")) for verb in verbs)


def test_no_action_is_a_wildcard() -> None:
    """Least privilege: every action is spelled out."""
    tables = (*PROVISION_ACTIONS.values(), *PURCHASE_ACTIONS.values())
    assert not [action for actions in tables for action in actions if "*" in action]
