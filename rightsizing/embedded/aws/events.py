"""What starts a job: SQS queue, EventBridge rule and the target of a rule.

Rules from hashicorp/terraform-provider-aws, internal/service: sqs/queue.go, events/rule.go,
events/target.go. The local cloud keeps a rule and a target; nothing starts by them.
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
    stale_keys,
    tag_list,
    tag_state,
    wanted_tags,
)
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties

_SOURCE = "hashicorp/terraform-provider-aws internal/service/"
_SCHEDULES_ONLY = "the local cloud serves rules on a schedule only"
# Pulumi's name -> the queue attribute; all whole numbers but the last.
_ATTRIBUTES = {
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "delaySeconds": "DelaySeconds",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "maxMessageSize": "MaximumMessageSize",
    "redrivePolicy": "RedrivePolicy",
}
_GONE = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"}
)


def _attributes(inputs: Properties) -> dict[str, str]:
    return {
        attribute: str(inputs[name])
        for name, attribute in _ATTRIBUTES.items()
        if inputs.get(name) is not None
    }


def _create_queue(api: AwsApi, inputs: Properties) -> str:
    made = api.client("sqs").create_queue(
        QueueName=inputs["name"], Attributes=_attributes(inputs), tags=wanted_tags(api, inputs)
    )
    return str(made["QueueUrl"])


def _read_queue(api: AwsApi, url: str, known: Properties) -> Properties | None:
    sqs = api.client("sqs")
    try:
        live = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        tags = sqs.list_queue_tags(QueueUrl=url).get("Tags") or {}
    except ClientError as error:
        if _queue_is_gone(error):
            return None
        raise
    figures = {
        name: int(live[attribute])
        for name, attribute in _ATTRIBUTES.items()
        if attribute in live and name != "redrivePolicy"
    }
    return given(
        name=live["QueueArn"].rsplit(":", 1)[-1],
        arn=live["QueueArn"],
        url=url,
        redrivePolicy=live.get("RedrivePolicy"),
        **figures,
        **tag_state(api, known, tags),
    )


def _queue_is_gone(error: ClientError) -> bool:
    return absent(error) or error.response.get("Error", {}).get("Code") in _GONE


def _update_queue(api: AwsApi, url: str, inputs: Properties, changed: frozenset[str]) -> None:
    sqs = api.client("sqs")
    if changed - {"tags"}:
        attributes = _attributes(inputs)
        if "redrivePolicy" in changed and not inputs.get("redrivePolicy"):
            attributes["RedrivePolicy"] = ""
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    if "tags" in changed:
        live = sqs.list_queue_tags(QueueUrl=url).get("Tags") or {}
        if stale := stale_keys(wanted_tags(api, inputs), live):
            sqs.untag_queue(QueueUrl=url, TagKeys=stale)
        if tags := wanted_tags(api, inputs):
            sqs.tag_queue(QueueUrl=url, Tags=tags)


def _delete_queue(api: AwsApi, url: str, _known: Properties) -> None:
    try:
        api.client("sqs").delete_queue(QueueUrl=url)
    except ClientError as error:
        if not _queue_is_gone(error):
            raise


def _put_rule(api: AwsApi, inputs: Properties, *, tagged: bool = True) -> str:
    api.client("events").put_rule(
        Name=inputs["name"],
        ScheduleExpression=inputs["scheduleExpression"],
        State=inputs.get("state") or "ENABLED",
        **given(Description=inputs.get("description")),
        **({"Tags": tag_list(api, inputs)} if tagged else {}),
    )
    return str(inputs["name"])


def _read_rule(api: AwsApi, name: str, known: Properties) -> Properties | None:
    events = api.client("events")
    try:
        live = events.describe_rule(Name=name)
        tags = events.list_tags_for_resource(ResourceARN=live["Arn"])["Tags"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    return {
        "name": live["Name"],
        "arn": live["Arn"],
        "scheduleExpression": live.get("ScheduleExpression", ""),
        "state": live.get("State", "ENABLED"),
        "description": live.get("Description", ""),
        **tag_state(api, known, from_list(tags)),
    }


def _update_rule(api: AwsApi, name: str, inputs: Properties, changed: frozenset[str]) -> None:
    events = api.client("events")
    if changed - {"tags"}:
        _put_rule(api, inputs, tagged=False)
    if "tags" in changed:
        arn = events.describe_rule(Name=name)["Arn"]
        live = from_list(events.list_tags_for_resource(ResourceARN=arn)["Tags"])
        if stale := stale_keys(wanted_tags(api, inputs), live):
            events.untag_resource(ResourceARN=arn, TagKeys=stale)
        if tags := tag_list(api, inputs):
            events.tag_resource(ResourceARN=arn, Tags=tags)


def _delete_rule(api: AwsApi, name: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("events").delete_rule(Name=name)


def _put_target(api: AwsApi, inputs: Properties) -> str:
    target = given(
        Id=inputs["targetId"],
        Arn=inputs["arn"],
        Input=inputs.get("input"),
        RoleArn=inputs.get("roleArn"),
    )
    api.client("events").put_targets(Rule=inputs["rule"], Targets=[target])
    return f"{inputs['rule']}-{inputs['targetId']}"


def _read_target(api: AwsApi, _target: str, known: Properties) -> Properties | None:
    try:
        targets = api.client("events").list_targets_by_rule(Rule=known["rule"])["Targets"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    for target in targets:
        if target["Id"] == known["targetId"]:
            return given(
                rule=known["rule"],
                targetId=target["Id"],
                arn=target["Arn"],
                input=target.get("Input"),
                roleArn=target.get("RoleArn"),
            )
    return None


def _update_target(api: AwsApi, _target: str, inputs: Properties, _changed: frozenset[str]) -> None:
    _put_target(api, inputs)


def _remove_target(api: AwsApi, _target: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("events").remove_targets(Rule=known["rule"], Ids=[known["targetId"]])


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:sqs/queue:Queue",
        source=_SOURCE + "sqs/queue.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "visibilityTimeoutSeconds": Property(default=30),
            "messageRetentionSeconds": Property(default=345_600),
            "delaySeconds": Property(default=0),
            "receiveWaitTimeSeconds": Property(default=0),
            "maxMessageSize": Property(computed=True),
            "redrivePolicy": Property(document=True),
            **TAGS,
        },
        outputs=("arn", "url", *TAG_OUTPUTS),
        naming=Naming(limit=80),
        moves=TAG_MOVES,
        create=_create_queue,
        read=_read_queue,
        update=_update_queue,
        delete=_delete_queue,
    ),
    ResourceType(
        pulumi_type="aws:cloudwatch/eventRule:EventRule",
        source=_SOURCE + "events/rule.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "scheduleExpression": Property(required=True),
            "description": Property(),
            "state": Property(computed=True),
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        naming=Naming(limit=64),
        moves=TAG_MOVES,
        refused={"eventPattern": _SCHEDULES_ONLY, "eventBusName": _SCHEDULES_ONLY},
        create=_put_rule,
        read=_read_rule,
        update=_update_rule,
        delete=_delete_rule,
    ),
    ResourceType(
        pulumi_type="aws:cloudwatch/eventTarget:EventTarget",
        source=_SOURCE + "events/target.go",
        properties={
            "rule": Property(replaces=True, required=True),
            "targetId": Property(replaces=True, computed=True),
            "arn": Property(required=True),
            "input": Property(),
            "roleArn": Property(),
        },
        naming=Naming(property="targetId", limit=64),
        create=_put_target,
        read=_read_target,
        update=_update_target,
        delete=_remove_target,
    ),
)
