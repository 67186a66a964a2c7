"""What the program of this repository asks the engine for, on the two stacks it ships."""

from __future__ import annotations

import json
from typing import Any

import pytest

GROUP = "aws:autoscaling/group:Group"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
LISTENER = "aws:lb/listener:Listener"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"
CONTAINER = "docker:index/container:Container"


@pytest.fixture
def dev(run_program: Any, dev_values: dict[str, Any]) -> Any:
    """The dev stack as it is declared, without a release."""
    found = run_program(dev_values)
    assert found.error == ""
    return found


@pytest.fixture
def prod(run_program: Any, prod_values: dict[str, Any]) -> Any:
    """The prod stack as it is declared, without a release."""
    found = run_program(prod_values, stack="prod", endpoint=None)
    assert found.error == ""
    return found


def test_fleet_starts_at_its_declared_size(dev: Any) -> None:
    """Without a release every fleet has slot a at the declared size and all the traffic."""
    group = dev.one(GROUP, "news-api-a")
    assert (group.props["minSize"], group.props["maxSize"]) == (2, 6)
    assert dev.one(TEMPLATE, "news-api-a").props["instanceType"] == "m5.2xlarge"
    assert [item.name for item in dev.of_type(GROUP)] == ["news-api-a"]


def test_trader_has_the_measured_limits(dev: Any) -> None:
    """`--cpus=16 --memory=15.3g`: 15.3 x 1024 = 15,667.2, cut to whole MiB; no swap."""
    trader = dev.one(CONTAINER, "trader").props
    assert trader["cpus"] == "16"
    assert trader["memory"] == 15_667
    assert trader["memorySwap"] == trader["memory"]
    assert trader["networkMode"] == "none"
    assert trader["restart"] == "unless-stopped"


def test_task_has_cpu_and_memory(dev: Any) -> None:
    """Task size reaches ECS as text; the task count starts at its minimum."""
    task = dev.one(TASK).props
    assert (task["cpu"], task["memory"]) == ("2048", "8192")
    assert dev.one(SERVICE).props["desiredCount"] == 1


def test_autoscaler_has_the_range_of_the_service(dev: Any) -> None:
    """Application Auto Scaling gets the declared range of tasks."""
    target = dev.one("aws:appautoscaling/target:Target").props
    assert (target["minCapacity"], target["maxCapacity"]) == (1, 4)


def test_capacity_is_left_to_the_autoscaler(dev: Any) -> None:
    """No desired capacity is set on a group, and later changes by the autoscaler are ignored."""
    group = dev.one(GROUP)
    assert "desiredCapacity" not in group.props
    assert list(group.request.ignoreChanges) == ["desiredCapacity"]
    assert list(dev.one(SERVICE).request.ignoreChanges) == ["desiredCount"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_nothing_floats(stack: str, request: pytest.FixtureRequest) -> None:
    """No latest template version, no looked-up image: the same release starts the same thing."""
    run = request.getfixturevalue(stack)
    text = json.dumps([dict(item.props) for item in run.resources])
    assert "$Latest" not in text
    assert "$Default" not in text
    assert "resolve:ssm" not in text
    assert run.one(GROUP).props["launchTemplate"]["version"] == "7"


def test_template_change_replaces_the_group(dev: Any) -> None:
    """Running instances ignore a new template version, so the group is replaced, new one first."""
    request = dev.one(GROUP).request
    assert list(request.replaceOnChanges) == ["launchTemplate"]
    assert not request.deleteBeforeReplace


def test_only_singletons_are_deleted_before_they_are_replaced(dev: Any) -> None:
    """The trader must never run twice; everything else is created before the old is deleted."""
    stopped_first = [item.name for item in dev.resources if item.request.deleteBeforeReplace]
    assert stopped_first == ["trader"]


def test_container_that_may_run_twice_is_created_first(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """Without a fixed name or port a second copy can run beside the first."""
    trader = {**dev_values["rightsizing:containers"]["trader"], "may_run_twice": True}
    run = run_program({**dev_values, "rightsizing:containers": {"worker": trader}})
    assert not run.one(CONTAINER).request.deleteBeforeReplace
    assert "starts before" in run.exports["containers"]["worker"]["on_cpu_change"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_resource_names_its_provider(stack: str, request: pytest.FixtureRequest) -> None:
    """Default providers are disabled in both stacks; each resource has the provider of its own."""
    run = request.getfixturevalue(stack)
    for item in run.custom:
        assert item.provider_name == item.type.split(":", 1)[0], item.name


def test_embedded_stack_asks_for_the_local_plugins(dev: Any) -> None:
    """Version 0.0.1 is what Pulumi.yaml lists the stand-ins under."""
    assert dev.one("pulumi:providers:aws").request.version == "0.0.1"
    assert dev.one("pulumi:providers:docker").request.version == "0.0.1"


def test_other_stack_asks_for_the_real_plugin(prod: Any) -> None:
    """Without `embedded` the SDK's own version is asked for and no endpoint is redirected."""
    import pulumi_aws

    provider = prod.one("pulumi:providers:aws")
    assert provider.request.version == pulumi_aws._utilities.get_version()
    assert "endpoints" not in provider.props


def test_stack_without_containers_needs_no_docker_provider(prod: Any) -> None:
    """A stack asks only for the plugins it uses."""
    assert prod.of_type("pulumi:providers:docker") == []


def test_stack_of_containers_needs_no_aws_provider(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """A Docker-only user has no AWS account and no local server."""
    values = {**dev_values, "rightsizing:fleets": {}, "rightsizing:services": {}}
    run = run_program(values, endpoint=None)
    assert run.error == ""
    assert {item.type.split(":")[0] for item in run.custom} == {"docker"}


def test_given_network_is_used(run_program: Any, prod_values: dict[str, Any]) -> None:
    """A declared VPC is neither made nor looked up."""
    network = {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"], "cidr": "10.0.0.0/16"}
    run = run_program({**prod_values, "rightsizing:network": network}, stack="prod")
    assert run.of_type("aws:ec2/vpc:Vpc") == []
    assert run.of_type("aws:ec2/subnet:Subnet") == []
    assert run.one(GROUP).props["vpcZoneIdentifiers"] == ["subnet-1", "subnet-2"]
    configuration = run.one(SERVICE).props["networkConfiguration"]
    assert configuration["assignPublicIp"] is False


def test_health_is_known_before_traffic_moves(dev: Any) -> None:
    """Probing listener, then healthy instances, then the serving listener's weights."""
    group = dev.one(GROUP, "news-api-a")
    probe = dev.one(LISTENER, "news-api-probe")
    serve = dev.one(LISTENER, "news-api-serve")
    assert group.props["healthCheckType"] == "ELB"
    assert group.props["minElbCapacity"] == group.props["minSize"]
    assert probe.urn in group.request.dependencies
    assert group.urn in serve.request.dependencies


def test_nobody_reaches_the_probing_listener(dev: Any) -> None:
    """The load balancer admits the serving port only, and an internal one only its own VPC."""
    rules = dev.one("aws:ec2/securityGroup:SecurityGroup", "lb-news-api").props["ingress"]
    assert [(rule["fromPort"], rule["toPort"], rule["cidrBlocks"]) for rule in rules] == [
        (80, 80, ["10.42.0.0/16"])
    ]


def test_alarms_use_the_declared_objectives(dev: Any) -> None:
    """Latency 100 ms mean is 0.1 s in CloudWatch; errors 1 %; CPU 90 % for 5 minutes."""
    alarms = {
        item.name: item.props for item in dev.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")
    }
    assert alarms.keys() == {
        f"news-api-a-{what}" for what in ("errors", "latency", "cpu", "memory")
    }
    assert alarms["news-api-a-latency"]["threshold"] == pytest.approx(0.1)
    assert alarms["news-api-a-latency"]["statistic"] == "Average"
    assert alarms["news-api-a-errors"]["threshold"] == pytest.approx(0.01)
    assert alarms["news-api-a-cpu"]["threshold"] == 90
    assert alarms["news-api-a-cpu"]["period"] * alarms["news-api-a-cpu"]["evaluationPeriods"] == 300


def test_dashboard_is_json_with_a_line_for_each_slot(dev: Any) -> None:
    """Five widgets, each with the one slot that exists."""
    dashboard = dev.one("aws:cloudwatch/dashboard:Dashboard").props
    widgets = json.loads(dashboard["dashboardBody"])["widgets"]
    assert len(widgets) == 5
    labels = [line[-1]["label"] for widget in widgets for line in widget["properties"]["metrics"]]
    assert labels == ["a"] * 5
    assert dashboard["dashboardName"] == "rightsizing-dev-news-api"


def test_exports_say_what_runs(dev: Any) -> None:
    """Names, sizes and weights by workload; the release and phase that apply."""
    assert dev.exports["release"] == "none"
    assert dev.exports["phase"] == 0
    fleet = dev.exports["fleets"]["news-api"]
    assert fleet["dns_name"] == "lb-news-api.elb.example"
    assert fleet["slots"] == {
        "a": {
            "group_name": "news-api-a-1a2b3c4",
            "target_group_arn": "arn:aws:lb/targetGroup:TargetGroup/news-api-a",
            "instance_type": "m5.2xlarge",
            "min_instances": 2,
            "max_instances": 6,
            "weight": 100,
        }
    }
    service = dev.exports["services"]["report-service"]
    assert service["task_definition"] == f"arn:{TASK}/report-service"
    trader = dev.exports["containers"]["trader"]
    assert trader["container_name"] == "trader-1a2b3c4"
    assert "never runs twice" in trader["on_cpu_change"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_preview_registers_the_same_resources(
    stack: str, run_program: Any, request: pytest.FixtureRequest
) -> None:
    """Nothing is created inside an apply, so a preview with unknowns sees every resource."""
    values = request.getfixturevalue(f"{stack}_values")
    applied = request.getfixturevalue(stack)
    preview = run_program(values, stack=stack, preview=True)
    assert preview.error == ""
    assert sorted(item.urn for item in preview.resources) == sorted(
        item.urn for item in applied.resources
    )
