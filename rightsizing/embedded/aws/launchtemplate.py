"""Launch template: every change of what it launches is a new numbered version.

Rules from hashicorp/terraform-provider-aws, internal/service/ec2/ec2_launch_template.go: only the
name replaces; ``latest_version`` becomes unknown while a version is being made (SetNewComputed);
a new template or version leaves running instances as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import ignoring_absent
from rightsizing.embedded.aws.network import find_one, update_tags
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.aws.tags import (
    TAG_MOVES,
    TAG_OUTPUTS,
    TAGS,
    from_list,
    tag_specifications,
    tag_state,
)
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json


def _upper(value: Json) -> Json:
    """camelCase keys to the API's PascalCase, deeply; texts ``true``/``false`` to booleans."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _upper(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_upper(item) for item in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _lower(value: Json) -> Json:
    """The API's PascalCase keys to camelCase, deeply."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _lower(item) for key, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _tags_out(specifications: Json) -> Json:
    return [
        {
            "ResourceType": item["resourceType"],
            "Tags": [{"Key": key, "Value": text} for key, text in item.get("tags", {}).items()],
        }
        for item in specifications
    ]


def _tags_in(specifications: Json) -> Json:
    return [
        {"resourceType": item["ResourceType"], "tags": from_list(item["Tags"])}
        for item in specifications
        if item["ResourceType"] != "launch-template"  # moto adds the template's own tags
    ]


def _interfaces_out(interfaces: Json) -> Json:
    return [
        {_INTERFACE_KEYS.get(key, key): item for key, item in _upper(entry).items()}
        for entry in interfaces
    ]


def _interfaces_in(interfaces: Json) -> Json:
    back = {there: here for here, there in _INTERFACE_KEYS.items()}
    return [
        _lower({back.get(key, key): item for key, item in entry.items()}) for entry in interfaces
    ]


_INTERFACE_KEYS = {"SecurityGroups": "Groups"}


@dataclass(frozen=True, slots=True)
class _Field:
    """One property of the template's data: its API name and how it converts."""

    api_name: str
    outward: Callable[[Json], Json] = _upper
    inward: Callable[[Json], Json] = _lower


_DATA = {
    "imageId": _Field("ImageId"),
    "instanceType": _Field("InstanceType"),
    "keyName": _Field("KeyName"),
    "userData": _Field("UserData", outward=str, inward=str),
    "ebsOptimized": _Field("EbsOptimized"),
    "disableApiTermination": _Field("DisableApiTermination"),
    "instanceInitiatedShutdownBehavior": _Field("InstanceInitiatedShutdownBehavior"),
    "vpcSecurityGroupIds": _Field("SecurityGroupIds"),
    "blockDeviceMappings": _Field("BlockDeviceMappings"),
    "networkInterfaces": _Field("NetworkInterfaces", _interfaces_out, _interfaces_in),
    "iamInstanceProfile": _Field("IamInstanceProfile"),
    "monitoring": _Field("Monitoring"),
    "metadataOptions": _Field("MetadataOptions"),
    "creditSpecification": _Field("CreditSpecification"),
    "cpuOptions": _Field("CpuOptions"),
    "placement": _Field("Placement"),
    "tagSpecifications": _Field("TagSpecifications", _tags_out, _tags_in),
}
_RULES = {
    **{name: Property() for name in _DATA},
    "vpcSecurityGroupIds": Property(unordered=True),
    "blockDeviceMappings": Property(
        nested_computed=frozenset({"iops", "throughput", "volumeSize", "volumeType"})
    ),
    "metadataOptions": Property(
        computed=True,
        nested_computed=frozenset(
            {"httpEndpoint", "httpTokens", "httpPutResponseHopLimit", "httpProtocolIpv6"}
        ),
    ),
}
_VERSIONED = frozenset({*_DATA, "description"})


def _data(inputs: Properties) -> Properties:
    return {
        rule.api_name: rule.outward(inputs[name])
        for name, rule in _DATA.items()
        if inputs.get(name) not in (None, "", [], {})
    }


def _described(inputs: Properties) -> Properties:
    return {"VersionDescription": inputs["description"]} if inputs.get("description") else {}


def _create(api: AwsApi, inputs: Properties) -> str:
    created = api.client("ec2").create_launch_template(
        LaunchTemplateName=inputs["name"],
        LaunchTemplateData=_data(inputs),
        TagSpecifications=tag_specifications(api, inputs, "launch-template"),
        **_described(inputs),
    )
    return str(created["LaunchTemplate"]["LaunchTemplateId"])


def _read(api: AwsApi, template_id: str, known: Properties) -> Properties | None:
    template = find_one(
        api, "describe_launch_templates", "LaunchTemplates", LaunchTemplateIds=[template_id]
    )
    if template is None:
        return None
    latest = template["LatestVersionNumber"]
    version = api.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template_id, Versions=[str(latest)]
    )["LaunchTemplateVersions"][0]
    data = version["LaunchTemplateData"]
    read = {
        name: rule.inward(data[rule.api_name])
        for name, rule in _DATA.items()
        if rule.api_name in data
    }
    # What the program once gave and the newest version no longer has is drift too.
    gone = dict.fromkeys((name for name in _DATA if name in known and name not in read), "")
    return {
        **gone,
        **read,
        "arn": api.arn("ec2", f"launch-template/{template_id}"),
        "name": template["LaunchTemplateName"],
        "description": version.get("VersionDescription", ""),
        "latestVersion": latest,
        "defaultVersion": template["DefaultVersionNumber"],
        **tag_state(api, known, from_list(template.get("Tags"))),
    }


def _update(api: AwsApi, template_id: str, inputs: Properties, changed: frozenset[str]) -> None:
    ec2 = api.client("ec2")
    made = None
    if changed & _VERSIONED:
        made = ec2.create_launch_template_version(
            LaunchTemplateId=template_id, LaunchTemplateData=_data(inputs), **_described(inputs)
        )["LaunchTemplateVersion"]["VersionNumber"]
    default = made if inputs.get("updateDefaultVersion") else None
    if "defaultVersion" in changed:
        default = inputs["defaultVersion"]
    if default is not None:
        ec2.modify_launch_template(LaunchTemplateId=template_id, DefaultVersion=str(default))
    if "tags" in changed:
        update_tags(api, template_id, inputs)


def _delete(api: AwsApi, template_id: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("ec2").delete_launch_template(LaunchTemplateId=template_id)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:ec2/launchTemplate:LaunchTemplate",
        source="hashicorp/terraform-provider-aws internal/service/ec2/ec2_launch_template.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "description": Property(),
            "defaultVersion": Property(computed=True),
            "updateDefaultVersion": Property(),
            **_RULES,
            **TAGS,
        },
        outputs=("arn", "latestVersion", *TAG_OUTPUTS),
        naming=Naming(limit=128),
        moves={**TAG_MOVES, "latestVersion": _VERSIONED},
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
    ),
)
