"""ECS cluster and service.

Rules from hashicorp/terraform-provider-aws, internal/service/ecs: cluster.go, service.go. A
new revision of the task definition is taken up in place.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import absent, ignoring_absent
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.aws.tags import (
    TAG_MOVES,
    TAG_OUTPUTS,
    TAGS,
    from_list,
    tag_state,
)
from rightsizing.embedded.aws.taskdefinition import GONE, ecs_tags, update_ecs_tags
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

_SOURCE = "hashicorp/terraform-provider-aws internal/service/ecs/"


def _create_cluster(api: AwsApi, inputs: Properties) -> str:
    created = api.client("ecs").create_cluster(
        clusterName=inputs["name"],
        tags=ecs_tags(api, inputs),
        **given(settings=inputs.get("settings")),
    )
    return str(created["cluster"]["clusterArn"])


def _read_cluster(api: AwsApi, arn: str, known: Properties) -> Properties | None:
    found = api.client("ecs").describe_clusters(clusters=[arn], include=["TAGS", "SETTINGS"])
    if not found["clusters"] or found["clusters"][0]["status"] in GONE:
        return None
    cluster = found["clusters"][0]
    return given(
        arn=cluster["clusterArn"],
        name=cluster["clusterName"],
        settings=cluster.get("settings"),
        **tag_state(api, known, from_list(cluster.get("tags"))),
    )


def _update_cluster(api: AwsApi, arn: str, inputs: Properties, changed: frozenset[str]) -> None:
    if "settings" in changed:
        api.client("ecs").update_cluster(cluster=arn, settings=inputs["settings"])
    if "tags" in changed:
        update_ecs_tags(api, arn, inputs)


def _delete_cluster(api: AwsApi, arn: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("ecs").delete_cluster(cluster=arn)


def _network(inputs: Properties) -> Properties | None:
    block = inputs.get("networkConfiguration")
    if not block:
        return None
    return {
        "awsvpcConfiguration": {
            "subnets": block["subnets"],
            "securityGroups": block.get("securityGroups", []),
            "assignPublicIp": "ENABLED" if block.get("assignPublicIp") else "DISABLED",
        }
    }


def _balancers(inputs: Properties) -> list[Properties] | None:
    if "loadBalancers" not in inputs:
        return None
    return [
        given(
            targetGroupArn=item.get("targetGroupArn"),
            containerName=item["containerName"],
            containerPort=item["containerPort"],
        )
        for item in inputs["loadBalancers"]
    ]


def _service_arguments(inputs: Properties) -> Properties:
    """Arguments that create and update share."""
    breaker = inputs.get("deploymentCircuitBreaker")
    return given(
        taskDefinition=inputs["taskDefinition"],
        networkConfiguration=_network(inputs),
        loadBalancers=_balancers(inputs),
        platformVersion=inputs.get("platformVersion"),
        healthCheckGracePeriodSeconds=inputs.get("healthCheckGracePeriodSeconds"),
        enableExecuteCommand=inputs.get("enableExecuteCommand"),
        enableECSManagedTags=inputs.get("enableEcsManagedTags"),
        propagateTags=inputs.get("propagateTags"),
        deploymentConfiguration=given(
            maximumPercent=inputs.get("deploymentMaximumPercent"),
            minimumHealthyPercent=inputs.get("deploymentMinimumHealthyPercent"),
            deploymentCircuitBreaker=breaker
            and {"enable": bool(breaker["enable"]), "rollback": bool(breaker["rollback"])},
        ),
    )


def _create_service(api: AwsApi, inputs: Properties) -> str:
    created = api.client("ecs").create_service(
        serviceName=inputs["name"],
        tags=ecs_tags(api, inputs),
        desiredCount=inputs.get("desiredCount", 0),
        **given(
            cluster=inputs.get("cluster"),
            launchType=inputs.get("launchType"),
            schedulingStrategy=inputs.get("schedulingStrategy"),
        ),
        **_service_arguments(inputs),
    )
    return str(created["service"]["serviceArn"])


def _read_service(api: AwsApi, arn: str, known: Properties) -> Properties | None:
    try:
        found = api.client("ecs").describe_services(
            services=[arn], include=["TAGS"], **given(cluster=known.get("cluster"))
        )["services"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    if not found or found[0]["status"] in GONE:
        return None
    service = found[0]
    network = service.get("networkConfiguration", {}).get("awsvpcConfiguration")
    deployment = service.get("deploymentConfiguration", {})
    # Like the real provider: a short form given by the program is read back in that form.
    definition, cluster = service["taskDefinition"], service["clusterArn"]
    if not str(known.get("taskDefinition", "arn:")).startswith("arn:"):
        definition = definition.rsplit("/", 1)[-1]
    if not str(known.get("cluster", "arn:")).startswith("arn:"):
        cluster = cluster.rsplit("/", 1)[-1]
    return given(
        arn=service["serviceArn"],
        name=service["serviceName"],
        cluster=cluster,
        taskDefinition=definition,
        desiredCount=service["desiredCount"],
        launchType=service.get("launchType"),
        schedulingStrategy=service.get("schedulingStrategy"),
        platformVersion=service.get("platformVersion"),
        deploymentMaximumPercent=deployment.get("maximumPercent"),
        deploymentMinimumHealthyPercent=deployment.get("minimumHealthyPercent"),
        deploymentCircuitBreaker=deployment.get("deploymentCircuitBreaker"),
        healthCheckGracePeriodSeconds=service.get("healthCheckGracePeriodSeconds"),
        loadBalancers=[
            given(
                targetGroupArn=item.get("targetGroupArn"),
                containerName=item.get("containerName"),
                containerPort=item.get("containerPort"),
            )
            for item in service.get("loadBalancers", ())
        ],
        networkConfiguration=network and _read_network(network),
        **tag_state(api, known, from_list(service.get("tags"))),
    )


def _read_network(network: Json) -> Properties:
    return {
        "subnets": network.get("subnets", []),
        "securityGroups": network.get("securityGroups", []),
        "assignPublicIp": network.get("assignPublicIp") == "ENABLED",
    }


def _update_service(api: AwsApi, arn: str, inputs: Properties, changed: frozenset[str]) -> None:
    ecs = api.client("ecs")
    where = given(cluster=inputs.get("cluster"), service=arn)
    if changed - {"tags", "desiredCount"}:
        ecs.update_service(**where, **_service_arguments(inputs))
    if "desiredCount" in changed:
        ecs.update_service(**where, desiredCount=inputs.get("desiredCount", 0))
    if "tags" in changed:
        update_ecs_tags(api, arn, inputs)


def _delete_service(api: AwsApi, arn: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("ecs").delete_service(
            service=arn, force=True, **given(cluster=known.get("cluster"))
        )


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:ecs/cluster:Cluster",
        source=_SOURCE + "cluster.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "settings": Property(computed=True, unordered=True),
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        naming=Naming(),
        moves=TAG_MOVES,
        create=_create_cluster,
        read=_read_cluster,
        update=_update_cluster,
        delete=_delete_cluster,
    ),
    ResourceType(
        pulumi_type="aws:ecs/service:Service",
        source=_SOURCE + "service.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "cluster": Property(replaces=True, computed=True),
            "taskDefinition": Property(required=True),
            "desiredCount": Property(),
            "launchType": Property(replaces=True, computed=True),
            "schedulingStrategy": Property(replaces=True, default="REPLICA"),
            "platformVersion": Property(computed=True),
            "networkConfiguration": Property(
                unordered=True, nested_computed=frozenset({"securityGroups", "assignPublicIp"})
            ),
            "loadBalancers": Property(computed=True, unordered=True),
            "deploymentMaximumPercent": Property(default=200),
            "deploymentMinimumHealthyPercent": Property(default=100),
            "deploymentCircuitBreaker": Property(computed=True),
            "healthCheckGracePeriodSeconds": Property(computed=True),
            "enableEcsManagedTags": Property(default=False),
            "enableExecuteCommand": Property(default=False),
            "propagateTags": Property(),
            "waitForSteadyState": Property(default=False),
            "forceNewDeployment": Property(),
            "forceDelete": Property(),
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        naming=Naming(),
        moves=TAG_MOVES,
        create=_create_service,
        read=_read_service,
        update=_update_service,
        delete=_delete_service,
    ),
)
