"""What the local aws provider refuses, each in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightsizing.embedded.aws.clients import AwsApi, local_session
from rightsizing.embedded.aws.provider import AwsProvider
from rightsizing.errors import EmbeddedError

NOWHERE = "http://127.0.0.1:9"  # discard port: nothing listens


def test_unsupported_type(make: Any) -> None:
    """The type and the supported ones are named."""
    with pytest.raises(
        EmbeddedError, match=r"does not support aws:sns/topic:Topic; it supports .*Vpc"
    ):
        make("aws:sns/topic:Topic").check()


def test_unserved_property(make: Any) -> None:
    """A property that would silently have no effect is refused."""
    _, refused = make("aws:ec2/vpc:Vpc").check(cidrBlock="10.0.0.0/16", ipv4IpamPoolId="pool")
    assert len(refused) == 1
    assert "does not serve ipv4IpamPoolId" in refused[0]


def test_instance_refresh(around: Any, make: Any) -> None:
    """Instance refresh is refused with what to do instead."""
    _, refused = make("aws:autoscaling/group:Group").check(
        minSize=0, maxSize=1, launchTemplate={"id": "lt-1"}, instanceRefresh={"strategy": "Rolling"}
    )
    assert len(refused) == 1
    assert refused[0].startswith("the local cloud has no instance refresh; replace the group")


def test_missing_property(make: Any) -> None:
    """A required property is named."""
    _, refused = make("aws:ecs/service:Service").check()
    assert refused == ["aws:ecs/service:Service needs taskDefinition"]


@pytest.mark.parametrize(
    "endpoint",
    ["https://ec2.us-east-1.amazonaws.com", "http://10.0.0.1:5000", "http://localhost.evil.com"],
)
def test_endpoint_that_is_not_loopback(endpoint: str, make: Any) -> None:
    """Real AWS, a private address and a look-alike name."""
    vpc = make("aws:ec2/vpc:Vpc", by=AwsProvider(endpoint))
    with pytest.raises(EmbeddedError, match=r"only talk to 127\.0\.0\.1"):
        vpc.create(cidrBlock="10.0.0.0/16")


def test_the_present_endpoint_before_the_one_in_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """State may name an old port, where another project's cloud may listen by now."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    old = json.dumps([{"ec2": "http://127.0.0.1:1"}])
    assert AwsProvider().connect({"endpoints": old}).endpoint_url == "http://127.0.0.1:2"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert AwsProvider().connect({"endpoints": old}).endpoint_url == "http://127.0.0.1:1"


def test_no_endpoint(make: Any) -> None:
    """Without AWS_ENDPOINT_URL nothing is guessed."""
    with pytest.raises(EmbeddedError, match="AWS_ENDPOINT_URL is not set"):
        make("aws:ec2/vpc:Vpc", by=AwsProvider()).create(cidrBlock="10.0.0.0/16")


def test_nothing_listens(make: Any) -> None:
    """A stopped local cloud is named as the cause."""
    with pytest.raises(EmbeddedError, match="rightsize local up"):
        make("aws:ec2/vpc:Vpc", by=AwsProvider(NOWHERE)).create(cidrBlock="10.0.0.0/16")


def test_a_preview_calls_nothing(make: Any) -> None:
    """Creating in a preview works although nothing listens."""
    state = make("aws:ec2/vpc:Vpc", by=AwsProvider(NOWHERE)).create(
        preview=True, cidrBlock="10.0.0.0/16"
    )
    assert state["cidrBlock"] == "10.0.0.0/16"


def test_a_refused_call_names_resource_and_reason(make: Any) -> None:
    """The service's own words, once."""
    subnet = make("aws:ec2/subnet:Subnet", "lost")
    with pytest.raises(
        EmbeddedError, match=r"cannot create aws:ec2/subnet:Subnet 'lost': .*InvalidVpcID.NotFound"
    ):
        subnet.create(vpcId="vpc-0", cidrBlock="10.0.0.0/24")


def test_an_unknown_instance_type_is_refused(around: Any, make: Any) -> None:
    """As EC2 does when a group launches: 9 is no generation of m."""
    template = make("aws:ec2/launchTemplate:LaunchTemplate", "typo")
    template.create(imageId="ami-12345678", instanceType="m9.large")
    group = make("aws:autoscaling/group:Group", "typo")
    with pytest.raises(EmbeddedError, match=r"m9\.large"):
        group.create(
            minSize=1,
            maxSize=1,
            vpcZoneIdentifiers=around.subnet_ids,
            launchTemplate={"id": template.id, "version": "1"},
        )


def test_real_credentials_and_profiles_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that does not exist, a file and variables of somebody's: none is looked at."""
    files = tmp_path / "config"
    files.write_text("[profile work]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "https://ec2.us-east-1.amazonaws.com")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    credentials = local_session("us-east-1").get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key, credentials.token) == (
        "testing",
        "testing",
        None,
    )
    client = AwsApi(NOWHERE, "us-east-1").client("ec2")
    assert client.meta.endpoint_url == NOWHERE


def test_names_are_unique_kept_and_limited(around: Any, make: Any) -> None:
    """Seven hex digits from the seed; the same on update; 32 characters for a target group."""
    inputs = {"port": 80, "protocol": "HTTP", "vpcId": around.vpc_id}
    first = make("aws:lb/targetGroup:TargetGroup", "web", seed=b"one")
    again = make("aws:lb/targetGroup:TargetGroup", "web", seed=b"one")
    other = make("aws:lb/targetGroup:TargetGroup", "web", seed=b"two")
    names = [item.check(**inputs)[0]["name"] for item in (first, again, other)]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("web-")
    assert len(names[0]) == len("web-") + 7
    first.create(**inputs)
    first.seed = b"three"
    assert first.check(**inputs)[0]["name"] == names[0]
    first.delete()
    # 24 characters and a suffix of 8 are 32; one more does not fit
    assert make("aws:lb/targetGroup:TargetGroup", "w" * 24).check(**inputs)[1] == []
    _, refused = make("aws:lb/targetGroup:TargetGroup", "w" * 25).check(**inputs)
    assert "the service takes 32" in refused[0]
