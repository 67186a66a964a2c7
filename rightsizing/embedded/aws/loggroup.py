"""CloudWatch log group.

Rules from hashicorp/terraform-provider-aws, internal/service/logs/group.go. A retention of 0 days
means for ever.
"""

from __future__ import annotations

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import ignoring_absent
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.aws.tags import (
    TAG_MOVES,
    TAG_OUTPUTS,
    TAGS,
    stale_keys,
    tag_state,
    wanted_tags,
)
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json


def _create_group(api: AwsApi, inputs: Properties) -> str:
    api.client("logs").create_log_group(
        logGroupName=inputs["name"],
        tags=wanted_tags(api, inputs),
        **given(kmsKeyId=inputs.get("kmsKeyId")),
    )
    _set_retention(api, inputs)
    return str(inputs["name"])


def _set_retention(api: AwsApi, inputs: Properties) -> None:
    logs, days = api.client("logs"), inputs.get("retentionInDays", 0)
    if days:
        logs.put_retention_policy(logGroupName=inputs["name"], retentionInDays=days)
    else:  # 0 means for ever
        logs.delete_retention_policy(logGroupName=inputs["name"])


def _log_group(api: AwsApi, name: str) -> Json | None:
    groups = api.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return next((group for group in groups if group["logGroupName"] == name), None)


def _read_group(api: AwsApi, name: str, known: Properties) -> Properties | None:
    group = _log_group(api, name)
    if group is None:
        return None
    arn = group["arn"].removesuffix(":*")
    tags = api.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]
    return {
        "arn": arn,
        "name": name,
        "retentionInDays": group.get("retentionInDays", 0),
        "kmsKeyId": group.get("kmsKeyId", ""),
        **tag_state(api, known, tags),
    }


def _update_group(api: AwsApi, name: str, inputs: Properties, changed: frozenset[str]) -> None:
    logs = api.client("logs")
    if "retentionInDays" in changed:
        _set_retention(api, inputs)
    if "tags" in changed:
        arn = api.arn("logs", f"log-group:{name}")
        live = logs.list_tags_for_resource(resourceArn=arn)["tags"]
        if stale := stale_keys(wanted_tags(api, inputs), live):
            logs.untag_resource(resourceArn=arn, tagKeys=stale)
        if tags := wanted_tags(api, inputs):
            logs.tag_resource(resourceArn=arn, tags=tags)


def _delete_group(api: AwsApi, name: str, known: Properties) -> None:
    if known.get("skipDestroy"):
        return
    logs = api.client("logs")
    with ignoring_absent():
        # Moto keeps the tags of a deleted group for the next one of that name.
        if keys := list(known.get("tagsAll", ())):
            arn = api.arn("logs", f"log-group:{name}")
            logs.untag_resource(resourceArn=arn, tagKeys=keys)
        logs.delete_log_group(logGroupName=name)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:cloudwatch/logGroup:LogGroup",
        source="hashicorp/terraform-provider-aws internal/service/logs/group.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "retentionInDays": Property(default=0),
            "kmsKeyId": Property(),
            "skipDestroy": Property(default=False),
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        naming=Naming(limit=512),
        moves=TAG_MOVES,
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
    ),
)
