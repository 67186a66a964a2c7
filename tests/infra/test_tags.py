"""Mandatory tags on everything that can carry one."""

from __future__ import annotations

import warnings
from typing import Any

from infra.tags import TAGGED_TYPES, tagged

# No tags in the AWS API, or only through their parent.
UNTAGGABLE = {
    "aws:appautoscaling/policy:Policy",
    "aws:appautoscaling/scheduledAction:ScheduledAction",
    "aws:autoscaling/policy:Policy",
    "aws:autoscaling/schedule:Schedule",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:lambda/permission:Permission",
}
STACK_WIDE = {
    "rightsizing:project": "rightsizing",
    "rightsizing:stack": "dev",
    "cost-centre": "trading",
    "environment": "dev",
}
SHARED = ("network", "services")  # belong to no single workload


def test_everything_carries_the_stack_tags(run_program: Any, dev_values: dict[str, Any]) -> None:
    """Project, stack and the declared tags are on every resource that can be tagged."""
    run = run_program(dev_values)
    tagged_resources = [item for item in run.custom if item.type not in UNTAGGABLE]
    assert len(tagged_resources) > 20
    for item in tagged_resources:
        assert item.tags.items() >= STACK_WIDE.items(), item.urn


def test_workload_resources_carry_their_workload(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """The stable key of a workload is on every resource of it, the slot on those of a slot."""
    run = run_program(dev_values)
    for item in run.custom:
        if item.type in UNTAGGABLE or item.name.startswith(SHARED):
            continue
        assert item.tags.get("rightsizing:workload") in item.name, item.urn
        if item.name.startswith("news-api-a"):
            assert item.tags["rightsizing:slot"] == "a", item.urn


def test_instances_and_volumes_inherit_the_tags(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """Groups propagate every tag at launch; templates tag instances and volumes."""
    run = run_program(dev_values)
    group = run.one("aws:autoscaling/group:Group")
    assert all(tag["propagateAtLaunch"] is True for tag in group.props["tags"])
    template = run.one("aws:ec2/launchTemplate:LaunchTemplate")
    specified = {item["resourceType"]: item["tags"] for item in template.props["tagSpecifications"]}
    assert specified == {"instance": template.tags, "volume": template.tags}


def test_workload_tags_of_the_declaration_are_kept(
    run_program: Any, dev_values: dict[str, Any]
) -> None:
    """Tags declared on one workload reach its resources, and win over the stack's own."""
    fleet = {**dev_values["rightsizing:fleets"]["news-api"], "tags": {"cost-centre": "news"}}
    run = run_program({**dev_values, "rightsizing:fleets": {"news-api": fleet}})
    assert run.one("aws:lb/loadBalancer:LoadBalancer").tags["cost-centre"] == "news"
    assert run.one("aws:ec2/vpc:Vpc").tags["cost-centre"] == "trading"


def test_tag_of_the_resource_wins() -> None:
    """What a resource says about itself is not overwritten, in any of the forms."""
    mine, ours = "mine", {"team": "ours", "more": "x"}
    plain = tagged("aws:ec2/vpc:Vpc", {"tags": {"team": mine}}, ours)
    group = tagged(
        "aws:autoscaling/group:Group",
        {"tags": [{"key": "team", "value": mine, "propagateAtLaunch": False}]},
        ours,
    )
    container = tagged(
        "docker:index/container:Container", {"labels": [{"label": "team", "value": mine}]}, ours
    )
    assert plain == {"tags": {"team": mine, "more": "x"}}
    assert group is not None
    assert group["tags"] == [
        {"key": "more", "value": "x", "propagateAtLaunch": True},
        {"key": "team", "value": mine, "propagateAtLaunch": False},
    ]
    assert container is not None
    assert container["labels"] == [
        {"label": "more", "value": "x"},
        {"label": "team", "value": mine},
    ]


def test_specifications_of_other_kinds_are_kept() -> None:
    """A template that also tags network interfaces goes on doing so."""
    own = [{"resourceType": "network-interface", "tags": {"eni": "1"}}]
    props = tagged("aws:ec2/launchTemplate:LaunchTemplate", {"tagSpecifications": own}, {"a": "b"})
    assert props is not None
    kinds = {item["resourceType"]: item["tags"] for item in props["tagSpecifications"]}
    assert kinds == {
        "network-interface": {"a": "b", "eni": "1"},
        "instance": {"a": "b"},
        "volume": {"a": "b"},
    }


def test_type_without_tags_is_left_alone() -> None:
    """A type that takes no tags would refuse them."""
    assert tagged("aws:cloudwatch/dashboard:Dashboard", {"dashboardName": "x"}, {"a": "b"}) is None


def test_table_matches_the_provider_sdk() -> None:
    """Every listed type really takes a map named tags, and every unlisted one we use does not."""
    import importlib
    import inspect

    for token in sorted(TAGGED_TYPES | UNTAGGABLE):
        module_path, name = token.removeprefix("aws:").rsplit(":", 1)
        package = module_path.split("/")[0].replace("lambda", "lambda_")  # a word of Python
        with warnings.catch_warnings():
            # pulumi_aws warns of its own deprecated aliases while a module is imported.
            warnings.filterwarnings("ignore", r"aws\.", DeprecationWarning)
            module = importlib.import_module(f"pulumi_aws.{package}")
            constructor = getattr(module, f"{name}Args").__init__
        arguments = inspect.signature(constructor).parameters
        assert ("tags" in arguments) == (token in TAGGED_TYPES), token
