"""Capacity and images: what an Auto Scaling group, and an update of one, make of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.provider import AwsProvider
from rightsizing.embedded.cloud.dataplane import DataPlane
from rightsizing.embedded.cloud.plane.scenario import ConstantRate, Demand, Scenario
from rightsizing.embedded.cloud.process import await_end
from rightsizing.embedded.cloud.server import LocalCloud
from rightsizing.embedded.faults.client import FaultClient
from rightsizing.embedded.faults.plan import ImageGone, NoCapacity
from rightsizing.errors import EmbeddedError

GROUP = "aws:autoscaling/group:Group"


def _template(api: AwsApi, name: str, instance_type: str, image: str = "ami-12345678") -> str:
    data = {"ImageId": image, "InstanceType": instance_type}
    made = api.client("ec2").create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData=data
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def _inputs(template: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "minSize": 3,
        "maxSize": 6,
        "launchTemplate": {"id": template, "version": "1"},
        "availabilityZones": ["us-east-1a"],
        **more,
    }


def _group(api: AwsApi, name: str) -> dict[str, Any] | None:
    found = api.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    groups: list[dict[str, Any]] = found["AutoScalingGroups"]
    return groups[0] if groups else None


def _activities(api: AwsApi, name: str) -> list[dict[str, Any]]:
    found = api.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=name)
    activities: list[dict[str, Any]] = found["Activities"]
    return activities


def _create(api: AwsApi, template: str, name: str) -> None:
    api.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=3,
        MaxSize=6,
        AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
    )


def test_a_group_without_capacity_exists_and_says_why(api: AwsApi, faults: FaultClient) -> None:
    """As on AWS the call succeeds; one of three instances runs; the activity failed."""
    faults.add(NoCapacity(instance_type="c7g.*", granted=1))
    _create(api, _template(api, "scarce", "c7g.large"), "scarce")
    group = _group(api, "scarce")
    assert group is not None
    assert (group["DesiredCapacity"], len(group["Instances"])) == (3, 1)
    (activity,) = _activities(api, "scarce")
    assert activity["StatusCode"] == "Failed"
    assert "sufficient c7g.large capacity" in activity["StatusMessage"]
    assert [item.what for item in faults.injected()] == ["scarce gets no c7g.large"]


def test_it_tries_again_as_time_passes(api: AwsApi, faults: FaultClient, plane: DataPlane) -> None:
    """Two tries fail, the third, a minute later, starts all three."""
    faults.add(NoCapacity(instance_type="m6i.large", times=2))
    _create(api, _template(api, "patient", "m6i.large"), "patient")
    plane.load(
        Scenario(workloads={"x": Demand(rate=ConstantRate(requests_per_s=1), service_core_s=1)})
    )
    seen = []
    for _ in range(3):
        group = _group(api, "patient")
        assert group is not None
        seen.append(len(group["Instances"]))
        plane.advance(1)
    assert seen == [0, 0, 3]
    assert len(_activities(api, "patient")) == 2


def test_an_update_with_no_capacity_fails_and_leaves_nothing(
    api: AwsApi, faults: FaultClient, make: Callable[..., Any]
) -> None:
    """The provider waits for capacity, as the real one does, and says which activity failed."""
    faults.add(NoCapacity())
    template = _template(api, "refused", "m5.large")
    resource = make(GROUP, by=AwsProvider(api.endpoint_url))
    with pytest.raises(
        EmbeddedError, match=r"0 of 3 instances run; scaling activity .* failed: We"
    ):
        resource.create(**_inputs(template, "refused"))
    assert _group(api, "refused") is None
    resource.create(**_inputs(template, "refused"))
    faults.add(NoCapacity())
    with pytest.raises(EmbeddedError, match="3 of 5 instances run"):
        resource.update(**_inputs(template, "refused", minSize=5))


def test_success_may_be_false(api: AwsApi, faults: FaultClient, make: Callable[..., Any]) -> None:
    """The activity shows a look later: the update succeeds, and only live facts tell."""
    faults.add(NoCapacity(looks=1))
    template = _template(api, "believed", "m5.large")
    make(GROUP, by=AwsProvider(api.endpoint_url)).create(**_inputs(template, "believed"))
    group = _group(api, "believed")
    assert group is not None
    assert len(group["Instances"]) == 0
    assert len(_activities(api, "believed")) == 1


def test_nothing_starts_from_a_deregistered_image(api: AwsApi, faults: FaultClient) -> None:
    """A new group is refused; an old one cannot scale out."""
    template = _template(api, "imaged", "m5.large", "ami-0dead000000000000")
    _create(api, template, "imaged")
    faults.add(ImageGone(image_id="ami-0dead000000000000"))
    with pytest.raises(ClientError, match=r"image id '\[ami-0dead000000000000\]' does not exist"):
        _create(api, template, "imaged-too")
    assert _group(api, "imaged-too") is None
    api.client("autoscaling").set_desired_capacity(AutoScalingGroupName="imaged", DesiredCapacity=5)
    group = _group(api, "imaged")
    assert group is not None
    assert len(group["Instances"]) == 3
    assert "does not exist" in _activities(api, "imaged")[0]["StatusMessage"]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    """A local cloud that a test may kill."""
    found = LocalCloud(tmp_path, simulate_docker=True)
    yield found
    found.forget()


def test_faults_and_what_they_did_survive_a_kill(cloud: LocalCloud) -> None:
    """The replay starts the same instances although the plan is spent; counts go on."""
    api = AwsApi(cloud.start().aws_url, "us-east-1")
    book = FaultClient(api.endpoint_url)
    book.add(NoCapacity(granted=1), NoCapacity(instance_type="r5.*", after=1))
    _create(api, _template(api, "short", "m5.large"), "short")
    before = _group(api, "short")
    listed = book.injected()
    report = cloud.status().report
    assert report is not None
    os.kill(report.pid, signal.SIGKILL)
    await_end(report.pid, 5)
    cloud.ensure()
    assert before is not None
    assert len(before["Instances"]) == 1
    assert _group(api, "short") == before
    restored = cloud.status().report
    assert restored is not None
    assert restored.different_calls == 0
    assert book.injected() == listed
    _create(api, _template(api, "more", "m5.large"), "more")
    whole = _group(api, "more")
    assert whole is not None
    assert len(whole["Instances"]) == 3
