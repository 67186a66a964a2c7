"""Broken calls, as boto3 and the Docker SDK meet them."""

from __future__ import annotations

import time
from typing import Any

import docker
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from rightsizing.embedded.aws.clients import AwsApi, local_session
from rightsizing.embedded.cloud.status import LocalEndpoints
from rightsizing.embedded.docker.connection import open_engine
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import (
    CallMatch,
    FaultPlan,
    LostReply,
    NoCapacity,
    RefusedCall,
    SlowReply,
    Throttled,
)
from rightsizing.errors import EmbeddedError


def _once(api: AwsApi, service: str) -> Any:
    """A client that tries once, so that every fault is seen."""
    make: Any = local_session("us-east-1").client
    return make(
        service,
        endpoint_url=api.endpoint_url,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("ec2", "describe_vpcs", {}),
        ("autoscaling", "describe_auto_scaling_groups", {}),
        ("elbv2", "describe_load_balancers", {}),
        ("ecs", "list_clusters", {}),
        ("cloudwatch", "list_metrics", {}),
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "ecs"}),
    ],
)
def test_a_refusal_in_every_protocol(
    api: AwsApi, faults: FaultClient, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    """Code and message arrive; the second call passes; what was injected is listed."""
    faults.add(RefusedCall(call=CallMatch(service=service), code="Broken", message="a < b & c"))
    client = _once(api, service)
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == "Broken"
    assert caught.value.response["Error"]["Message"] == "a < b & c"
    getattr(client, operation)(**arguments)
    (injection,) = faults.injected()
    assert (injection.number, injection.fault, injection.kind) == (1, 0, "refused_call")
    assert injection.what.startswith(f"{service} ")


def test_throttling_that_retries_overcome_is_not_seen(api: AwsApi, faults: FaultClient) -> None:
    """One throttled call is retried by boto3; three in a row (two retries) are told."""
    faults.add(Throttled(call=CallMatch(operation="DescribeAlarms")))
    cloudwatch = api.client("cloudwatch")
    cloudwatch.describe_alarms()
    faults.add(Throttled(call=CallMatch(operation="DescribeAlarms"), times=3))
    with pytest.raises(ClientError, match="ThrottlingException"):
        cloudwatch.describe_alarms()
    assert [item.kind for item in faults.injected()] == ["throttled"] * 4  # 1 + 3


def test_ec2_has_its_own_word_for_throttling(api: AwsApi, faults: FaultClient) -> None:
    """RequestLimitExceeded."""
    faults.add(Throttled(call=CallMatch(service="ec2"), times=None))
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        _once(api, "ec2").describe_vpcs()


def test_calls_are_counted_before_they_break(api: AwsApi, faults: FaultClient) -> None:
    """The first two pass, the next two are refused, the fifth passes."""
    faults.add(RefusedCall(call=CallMatch(operation="DescribeV*"), after=2, times=2))
    ec2 = _once(api, "ec2")
    seen = []
    for _ in range(5):
        try:
            ec2.describe_vpcs()
            seen.append("ok")
        except ClientError:
            seen.append("refused")
    assert seen == ["ok", "ok", "refused", "refused", "ok"]


def test_only_the_meant_call_breaks(api: AwsApi, faults: FaultClient) -> None:
    """By text in the body."""
    faults.add(RefusedCall(call=CallMatch(operation="CreateCluster", contains="bad"), times=None))
    ecs = _once(api, "ecs")
    ecs.create_cluster(clusterName="good")
    with pytest.raises(ClientError, match="InternalFailure"):
        ecs.create_cluster(clusterName="bad")
    assert [arn.rsplit("/", 1)[-1] for arn in ecs.list_clusters()["clusterArns"]].count("bad") == 0


def test_a_lost_reply_was_carried_out(api: AwsApi, faults: FaultClient) -> None:
    """The connection closes; the security group exists."""
    faults.add(LostReply(call=CallMatch(operation="CreateSecurityGroup")))
    ec2 = _once(api, "ec2")
    with pytest.raises(ConnectionClosedError):
        ec2.create_security_group(GroupName="lost", Description="lost")
    filters = [{"Name": "group-name", "Values": ["lost"]}]
    assert len(ec2.describe_security_groups(Filters=filters)["SecurityGroups"]) == 1


def test_a_retry_after_a_lost_reply_makes_two(api: AwsApi, faults: FaultClient) -> None:
    """boto3 asks again by itself, and nothing says that the first try succeeded."""
    faults.add(LostReply(call=CallMatch(operation="CreateVpc")))
    api.client("ec2").create_vpc(CidrBlock="10.213.0.0/16")
    filters = [{"Name": "cidr", "Values": ["10.213.0.0/16"]}]
    assert len(api.client("ec2").describe_vpcs(Filters=filters)["Vpcs"]) == 2


def test_a_slow_reply_holds_nobody_else_up(api: AwsApi, faults: FaultClient) -> None:
    """The answer comes 0.2 s later at least."""
    faults.add(SlowReply(call=CallMatch(operation="DescribeVpcs"), seconds=0.2))
    began = time.monotonic()
    api.client("ec2").describe_vpcs()
    assert time.monotonic() - began >= 0.2


def test_no_capacity_for_a_single_instance(api: AwsApi, faults: FaultClient) -> None:
    """RunInstances of the type; another type starts."""
    faults.add(NoCapacity(instance_type="m7g.large"))
    ec2 = _once(api, "ec2")
    size = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
    ec2.run_instances(InstanceType="m5.large", **size)
    with pytest.raises(ClientError, match=r"InsufficientInstanceCapacity.*m7g\.large capacity"):
        ec2.run_instances(InstanceType="m7g.large", **size)


def test_docker_calls_break_too(play: LocalEndpoints, faults: FaultClient) -> None:
    """A refused update, and a container that was made although its answer was lost."""
    engine = open_engine(play.docker_host)
    made = engine.containers.create("rightsizing/demo:1", name="broken")
    faults.set_plan(
        FaultPlan(
            faults=(
                RefusedCall(
                    call=CallMatch(
                        service="docker", operation="ContainerUpdate", contains="broken"
                    ),
                    message="cannot update",
                    status=500,
                ),
                LostReply(call=CallMatch(service="docker", operation="ContainerCreate")),
            )
        )
    )
    with pytest.raises(docker.errors.APIError, match="cannot update"):
        made.update(mem_limit="64m")
    made.update(mem_limit="64m", memswap_limit="64m")
    with pytest.raises(Exception, match="Connection"):
        engine.containers.create("rightsizing/demo:1", name="unanswered")
    assert engine.containers.get("unanswered").status == "created"
    for name in ("broken", "unanswered"):
        engine.containers.get(name).remove()
    engine.close()


def test_clearing_ends_everything(api: AwsApi, faults: FaultClient) -> None:
    """No fault and no injection is left."""
    faults.add(RefusedCall(call=CallMatch(service="ec2"), times=None))
    with pytest.raises(ClientError):
        _once(api, "ec2").describe_vpcs()
    faults.clear()
    api.client("ec2").describe_vpcs()
    assert (faults.plan().faults, faults.injected()) == ((), ())


def test_a_server_that_is_not_ours_has_no_faults() -> None:
    """Refused with one sentence; a remote one is not even asked."""
    with pytest.raises(EmbeddedError, match="did not answer"):
        FaultClient("http://127.0.0.1:9").injected()
    with pytest.raises(EmbeddedError, match="only talk to 127"):
        FaultClient("http://example.com")
