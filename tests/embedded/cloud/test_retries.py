"""A client that did not wait for an answer and asks again: done once, answered the same."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi


def target_group(api: AwsApi, name: str, headers: dict[str, str]) -> str:
    """Ask for a target group with these headers of the SDK; its ARN."""
    fresh = AwsApi(api.endpoint_url, api.region)  # clients keep their handlers
    client = fresh.client("elbv2")

    def mark(request: Any, **_: Any) -> None:
        for key, value in headers.items():
            request.headers[key] = value

    client.meta.events.register_last("before-send.elastic-load-balancing-v2", mark)
    vpc = api.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = client.create_target_group(
        Name=name, Protocol="HTTP", Port=80, TargetType="instance", VpcId=vpc
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def test_a_retry_of_an_answered_call_gets_its_answer(api: AwsApi) -> None:
    """The second attempt of one invocation makes nothing and is told what the first made."""
    sent = {"amz-sdk-invocation-id": "one", "amz-sdk-request": "attempt=1; max=3"}
    first = target_group(api, "retried", sent)
    again = target_group(api, "retried", {**sent, "amz-sdk-request": "attempt=2; max=3"})
    assert again == first


def test_another_call_is_served_on_its_own(api: AwsApi) -> None:
    """The same name by another invocation is taken, retry or not."""
    target_group(api, "taken", {"amz-sdk-invocation-id": "two"})
    other = {"amz-sdk-invocation-id": "three", "amz-sdk-request": "attempt=2; max=3"}
    with pytest.raises(ClientError, match="DuplicateTargetGroupName"):
        target_group(api, "taken", other)
