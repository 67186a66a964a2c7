"""Security group, with its rules inline.

Rules from hashicorp/terraform-provider-aws, internal/service/ec2/vpc_security_group.go. AWS puts an
"allow all" egress rule into a new group; the real provider removes it, so that state and group
agree, and so does this one.
"""

from __future__ import annotations

from rightsizing.embedded.aws.clients import ACCOUNT_ID, AwsApi
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

_CALLS = {
    "ingress": ("authorize_security_group_ingress", "revoke_security_group_ingress"),
    "egress": ("authorize_security_group_egress", "revoke_security_group_egress"),
}
_LIVE_KEYS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}


def _create(api: AwsApi, inputs: Properties) -> str:
    ec2 = api.client("ec2")
    arguments = {"VpcId": inputs["vpcId"]} if "vpcId" in inputs else {}
    group_id = ec2.create_security_group(
        GroupName=inputs["name"],
        Description=inputs["description"],
        TagSpecifications=tag_specifications(api, inputs, "security-group"),
        **arguments,
    )["GroupId"]
    for direction in _CALLS:
        _set_rules(api, group_id, direction, inputs.get(direction, []))
    return str(group_id)


def _set_rules(api: AwsApi, group_id: str, direction: str, wanted: list[Properties]) -> None:
    ec2 = api.client("ec2")
    authorize, revoke = _CALLS[direction]
    group = find_one(api, "describe_security_groups", "SecurityGroups", GroupIds=[group_id])
    live = (group or {}).get(_LIVE_KEYS[direction], [])
    if live:
        getattr(ec2, revoke)(GroupId=group_id, IpPermissions=live)
    if wanted:
        permissions = [_permission(rule, group_id) for rule in wanted]
        getattr(ec2, authorize)(GroupId=group_id, IpPermissions=permissions)


def _permission(rule: Properties, own_id: str) -> Properties:
    protocol = str(rule["protocol"])
    described = {"Description": rule["description"]} if rule.get("description") else {}
    groups = list(rule.get("securityGroups", ()))
    if rule.get("self"):
        groups.append(own_id)
    permission: Properties = {
        "IpProtocol": "-1" if protocol == "all" else protocol,
        "IpRanges": [{"CidrIp": cidr, **described} for cidr in rule.get("cidrBlocks", ())],
        "Ipv6Ranges": [{"CidrIpv6": cidr, **described} for cidr in rule.get("ipv6CidrBlocks", ())],
        "PrefixListIds": [{"PrefixListId": item} for item in rule.get("prefixListIds", ())],
        "UserIdGroupPairs": [{"GroupId": group, **described} for group in groups],
    }
    if permission["IpProtocol"] != "-1":
        permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    return permission


def _rule(permission: Json, own_id: str) -> Properties:
    groups = [pair["GroupId"] for pair in permission.get("UserIdGroupPairs", ())]
    sources = [
        *permission.get("IpRanges", ()),
        *permission.get("Ipv6Ranges", ()),
        *permission.get("UserIdGroupPairs", ()),
    ]
    return {
        "protocol": permission["IpProtocol"],
        "fromPort": permission.get("FromPort", 0),
        "toPort": permission.get("ToPort", 0),
        "cidrBlocks": [item["CidrIp"] for item in permission.get("IpRanges", ())],
        "ipv6CidrBlocks": [item["CidrIpv6"] for item in permission.get("Ipv6Ranges", ())],
        "prefixListIds": [item["PrefixListId"] for item in permission.get("PrefixListIds", ())],
        "securityGroups": [group for group in groups if group != own_id],
        "self": own_id in groups,
        "description": next((item["Description"] for item in sources if "Description" in item), ""),
    }


def _read(api: AwsApi, group_id: str, known: Properties) -> Properties | None:
    group = find_one(api, "describe_security_groups", "SecurityGroups", GroupIds=[group_id])
    if group is None:
        return None
    return {
        "arn": api.arn("ec2", f"security-group/{group_id}"),
        "name": group["GroupName"],
        "description": group["Description"],
        "vpcId": group.get("VpcId", ""),
        "ownerId": ACCOUNT_ID,
        **{
            direction: [_rule(item, group_id) for item in group.get(key, ())]
            for direction, key in _LIVE_KEYS.items()
        },
        **tag_state(api, known, from_list(group.get("Tags"))),
    }


def _update(api: AwsApi, group_id: str, inputs: Properties, changed: frozenset[str]) -> None:
    for direction in _CALLS:
        if direction in changed:
            _set_rules(api, group_id, direction, inputs.get(direction, []))
    if "tags" in changed:
        update_tags(api, group_id, inputs)


def _delete(api: AwsApi, group_id: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("ec2").delete_security_group(GroupId=group_id)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:ec2/securityGroup:SecurityGroup",
        source="hashicorp/terraform-provider-aws internal/service/ec2/vpc_security_group.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "description": Property(replaces=True, default="Managed by Pulumi"),
            "vpcId": Property(replaces=True, computed=True),
            "ingress": Property(computed=True, unordered=True),
            "egress": Property(computed=True, unordered=True),
            "revokeRulesOnDelete": Property(default=False),
            **TAGS,
        },
        outputs=("arn", "ownerId", *TAG_OUTPUTS),
        naming=Naming(),
        moves=TAG_MOVES,
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
    ),
)
