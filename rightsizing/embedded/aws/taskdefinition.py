"""ECS task definition, and what the cluster and the service share with it.

Rules from hashicorp/terraform-provider-aws, internal/service/ecs/task_definition.go. Every change
registers a new revision, so all of it replaces; a deleted one is deregistered.
"""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import absent, ignoring_absent
from rightsizing.embedded.aws.rules import in_order, replacing
from rightsizing.embedded.aws.tags import (
    TAG_MOVES,
    TAG_OUTPUTS,
    TAGS,
    from_list,
    stale_keys,
    tag_state,
    wanted_tags,
)
from rightsizing.embedded.plugin.schema import Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties

GONE = frozenset({"INACTIVE", "DRAINING"})  # states of what was deleted


def ecs_tags(api: AwsApi, inputs: Properties) -> list[dict[str, str]]:
    """``[{key, value}]``: ECS spells them in lower case."""
    return [{"key": key, "value": value} for key, value in wanted_tags(api, inputs).items()]


def update_ecs_tags(api: AwsApi, arn: str, inputs: Properties) -> None:
    """Make the tags of an ECS resource equal to the inputs."""
    ecs = api.client("ecs")
    live = from_list(ecs.list_tags_for_resource(resourceArn=arn)["tags"])
    if stale := stale_keys(wanted_tags(api, inputs), live):
        ecs.untag_resource(resourceArn=arn, tagKeys=stale)
    if tags := ecs_tags(api, inputs):
        ecs.tag_resource(resourceArn=arn, tags=tags)


_TASK_TEXTS = (
    "family",
    "cpu",
    "memory",
    "networkMode",
    "executionRoleArn",
    "taskRoleArn",
    "requiresCompatibilities",
    "runtimePlatform",
)


def _register(api: AwsApi, inputs: Properties) -> str:
    arguments = given(**{name: inputs.get(name) for name in _TASK_TEXTS})
    for name in ("cpu", "memory"):
        if name in arguments:
            arguments[name] = str(arguments[name])
    api.client("ecs").register_task_definition(
        containerDefinitions=json.loads(inputs["containerDefinitions"]),
        tags=ecs_tags(api, inputs),
        **arguments,
    )
    return str(inputs["family"])


def _read_definition(api: AwsApi, family: str, known: Properties) -> Properties | None:
    reference = known.get("arn", family)
    try:
        described = api.client("ecs").describe_task_definition(
            taskDefinition=reference, include=["TAGS"]
        )
    except ClientError as error:
        if absent(error) or "Unable to describe" in str(error):
            return None
        raise
    definition = described["taskDefinition"]
    if definition.get("status") in GONE:
        return None
    arn = definition["taskDefinitionArn"]
    # A revision cannot change, so its container definitions are not read back: AWS returns them
    # with defaults filled in, which would look like drift.
    definitions = (
        {}
        if "containerDefinitions" in known
        else {"containerDefinitions": json.dumps(definition["containerDefinitions"])}
    )
    return given(
        arn=arn,
        arnWithoutRevision=arn.rsplit(":", 1)[0],
        revision=definition["revision"],
        **definitions,
        **{name: definition[name] for name in _TASK_TEXTS if definition.get(name)},
        **tag_state(api, known, from_list(described.get("tags"))),
    )


def _update_definition(
    api: AwsApi, _family: str, inputs: Properties, changed: frozenset[str]
) -> None:
    if "tags" in changed:
        update_ecs_tags(api, inputs["arn"], inputs)


def _deregister(api: AwsApi, _family: str, known: Properties) -> None:
    if known.get("skipDestroy"):
        return
    with ignoring_absent():
        api.client("ecs").deregister_task_definition(taskDefinition=known["arn"])


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:ecs/taskDefinition:TaskDefinition",
        source="hashicorp/terraform-provider-aws internal/service/ecs/task_definition.go",
        properties={
            "family": Property(replaces=True, required=True),
            "containerDefinitions": Property(replaces=True, required=True, document=True),
            **replacing("cpu", "memory", "executionRoleArn", "taskRoleArn", "runtimePlatform"),
            "networkMode": Property(replaces=True, computed=True),
            "requiresCompatibilities": Property(replaces=True, computed=True, unordered=True),
            "skipDestroy": Property(default=False),
            "trackLatest": Property(default=False),
            **TAGS,
        },
        outputs=("arn", "arnWithoutRevision", "revision", *TAG_OUTPUTS),
        moves=TAG_MOVES,
        create=_register,
        read=_read_definition,
        update=_update_definition,
        delete=_deregister,
    ),
)
