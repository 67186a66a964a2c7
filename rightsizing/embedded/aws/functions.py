"""Lambda: function from an image, permission to invoke it, and a queue as its source.

Rules from hashicorp/terraform-provider-aws, internal/service/lambda: function.go, permission.go,
event_source_mapping.go. Functions from an archive are refused: the local cloud runs none, and
``infra/`` makes them from images.
"""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import absent, ignoring_absent
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

_SOURCE = "hashicorp/terraform-provider-aws internal/service/lambda/"
_IMAGES_ONLY = "the local cloud serves functions from images only; give imageUri"
_CODE = frozenset({"imageUri", "architectures"})


def _configuration(inputs: Properties) -> Properties:
    image = inputs.get("imageConfig") or {}
    logging = inputs.get("loggingConfig") or {}
    return given(
        Role=inputs["role"],
        MemorySize=inputs["memorySize"],
        Timeout=inputs["timeout"],
        Description=inputs.get("description"),
        EphemeralStorage={"Size": int((inputs.get("ephemeralStorage") or {}).get("size", 512))},
        Environment={"Variables": (inputs.get("environment") or {}).get("variables", {})},
        ImageConfig=given(
            Command=image.get("commands"),
            EntryPoint=image.get("entryPoints"),
            WorkingDirectory=image.get("workingDirectory"),
        )
        or None,
        LoggingConfig=given(LogFormat=logging.get("logFormat"), LogGroup=logging.get("logGroup"))
        or None,
    )


def _create_function(api: AwsApi, inputs: Properties) -> str:
    api.client("lambda").create_function(
        FunctionName=inputs["name"],
        PackageType="Image",
        Code={"ImageUri": inputs["imageUri"]},
        Architectures=inputs.get("architectures") or ["x86_64"],
        Tags=wanted_tags(api, inputs),
        **_configuration(inputs),
    )
    return str(inputs["name"])


def _read_function(api: AwsApi, name: str, known: Properties) -> Properties | None:
    try:
        found = api.client("lambda").get_function(FunctionName=name)
    except ClientError as error:
        if absent(error):
            return None
        raise
    live = found["Configuration"]
    variables = (live.get("Environment") or {}).get("Variables") or {}
    arn = live["FunctionArn"]
    return given(
        name=live["FunctionName"],
        packageType=live.get("PackageType"),
        imageUri=(found.get("Code") or {}).get("ImageUri") or known.get("imageUri"),
        imageConfig=known.get("imageConfig"),  # moto does not give it back
        loggingConfig=_logging(live.get("LoggingConfig"), known),
        role=live["Role"],
        architectures=live.get("Architectures"),
        memorySize=live["MemorySize"],
        timeout=live["Timeout"],
        description=live.get("Description", ""),
        ephemeralStorage={"size": live.get("EphemeralStorage", {}).get("Size", 512)},
        environment={"variables": variables} if variables else None,
        arn=arn,
        invokeArn=(
            f"arn:aws:apigateway:{api.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
        ),
        version=live["Version"],
        **tag_state(api, known, found.get("Tags") or {}),
    )


def _logging(live: Json | None, known: Properties) -> Json | None:
    """As the service says, where the local cloud keeps it."""
    if not live or "loggingConfig" not in known:
        return known.get("loggingConfig")
    return given(
        logFormat=live.get("LogFormat"),
        logGroup=live.get("LogGroup") or known["loggingConfig"].get("logGroup"),
    )


def _update_function(api: AwsApi, name: str, inputs: Properties, changed: frozenset[str]) -> None:
    functions = api.client("lambda")
    if changed & _CODE:
        functions.update_function_code(
            FunctionName=name,
            ImageUri=inputs["imageUri"],
            Architectures=inputs.get("architectures") or ["x86_64"],
        )
    if changed - _CODE - {"tags"}:
        functions.update_function_configuration(FunctionName=name, **_configuration(inputs))
    if "tags" in changed:
        arn = functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        live = functions.list_tags(Resource=arn)["Tags"]
        if stale := stale_keys(wanted_tags(api, inputs), live):
            functions.untag_resource(Resource=arn, TagKeys=stale)
        if tags := wanted_tags(api, inputs):
            functions.tag_resource(Resource=arn, Tags=tags)


def _delete_function(api: AwsApi, name: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("lambda").delete_function(FunctionName=name)


def _add_permission(api: AwsApi, inputs: Properties) -> str:
    api.client("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=inputs["statementId"],
        Action=inputs["action"],
        Principal=inputs["principal"],
        **given(SourceArn=inputs.get("sourceArn")),
    )
    return str(inputs["statementId"])


def _read_permission(api: AwsApi, statement_id: str, known: Properties) -> Properties | None:
    try:
        policy = api.client("lambda").get_policy(FunctionName=known["function"])["Policy"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    for statement in json.loads(policy)["Statement"]:
        if statement["Sid"] != statement_id:
            continue
        principal = statement["Principal"]
        condition = statement.get("Condition", {}).get("ArnLike", {})
        return given(
            function=known["function"],
            statementId=statement_id,
            action=statement["Action"],
            principal=principal.get("Service") if isinstance(principal, dict) else principal,
            sourceArn=condition.get("AWS:SourceArn") or known.get("sourceArn"),
        )
    return None


def _remove_permission(api: AwsApi, statement_id: str, known: Properties) -> None:
    with ignoring_absent():
        api.client("lambda").remove_permission(
            FunctionName=known["function"], StatementId=statement_id
        )


def _mapping(inputs: Properties) -> Properties:
    return given(
        FunctionName=inputs["functionName"],
        BatchSize=inputs.get("batchSize"),
        MaximumBatchingWindowInSeconds=inputs.get("maximumBatchingWindowInSeconds"),
        Enabled=inputs["enabled"],
        FunctionResponseTypes=inputs.get("functionResponseTypes"),
    )


def _create_mapping(api: AwsApi, inputs: Properties) -> str:
    made = api.client("lambda").create_event_source_mapping(
        EventSourceArn=inputs["eventSourceArn"], **_mapping(inputs)
    )
    return str(made["UUID"])


def _read_mapping(api: AwsApi, uuid: str, known: Properties) -> Properties | None:
    try:
        live = api.client("lambda").get_event_source_mapping(UUID=uuid)
    except ClientError as error:
        if absent(error):
            return None
        raise
    return given(
        eventSourceArn=live["EventSourceArn"],
        functionName=known.get("functionName"),
        functionArn=live["FunctionArn"],
        batchSize=live.get("BatchSize"),
        # Not kept by the local cloud.
        maximumBatchingWindowInSeconds=known.get("maximumBatchingWindowInSeconds"),
        functionResponseTypes=known.get("functionResponseTypes"),
        enabled=str(live.get("State", "Enabled")).startswith("Enabl"),
        uuid=uuid,
        state=live.get("State"),
    )


def _update_mapping(api: AwsApi, uuid: str, inputs: Properties, _changed: frozenset[str]) -> None:
    api.client("lambda").update_event_source_mapping(UUID=uuid, **_mapping(inputs))


def _delete_mapping(api: AwsApi, uuid: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("lambda").delete_event_source_mapping(UUID=uuid)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:lambda/function:Function",
        source=_SOURCE + "function.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "packageType": Property(replaces=True, default="Zip"),
            "imageUri": Property(required=True),
            "imageConfig": Property(),
            "loggingConfig": Property(computed=True),
            "role": Property(required=True),
            "architectures": Property(computed=True),
            "memorySize": Property(default=128),
            "timeout": Property(default=3),
            "description": Property(),
            "ephemeralStorage": Property(computed=True),
            "environment": Property(),
            **TAGS,
        },
        outputs=("arn", "invokeArn", "version", *TAG_OUTPUTS),
        naming=Naming(limit=64),
        moves=TAG_MOVES,
        refused={"code": _IMAGES_ONLY, "s3Bucket": _IMAGES_ONLY, "runtime": _IMAGES_ONLY},
        create=_create_function,
        read=_read_function,
        update=_update_function,
        delete=_delete_function,
    ),
    ResourceType(
        pulumi_type="aws:lambda/permission:Permission",
        source=_SOURCE + "permission.go",
        properties={
            "function": Property(replaces=True, required=True),
            "statementId": Property(replaces=True, computed=True),
            "action": Property(replaces=True, required=True),
            "principal": Property(replaces=True, required=True),
            "sourceArn": Property(replaces=True),
        },
        naming=Naming(property="statementId", limit=100),
        create=_add_permission,
        read=_read_permission,
        delete=_remove_permission,
    ),
    ResourceType(
        pulumi_type="aws:lambda/eventSourceMapping:EventSourceMapping",
        source=_SOURCE + "event_source_mapping.go",
        properties={
            "eventSourceArn": Property(replaces=True, required=True),
            "functionName": Property(required=True),
            "batchSize": Property(computed=True),
            "maximumBatchingWindowInSeconds": Property(computed=True),
            "functionResponseTypes": Property(unordered=True),
            "enabled": Property(default=True),
        },
        outputs=("functionArn", "state", "uuid"),
        create=_create_mapping,
        read=_read_mapping,
        update=_update_mapping,
        delete=_delete_mapping,
    ),
)
