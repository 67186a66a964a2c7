"""IAM role, a policy of its own, and the attachment of a managed policy to it.

Rules from hashicorp/terraform-provider-aws, internal/service/iam: role.go,
role_policy.go, role_policy_attachment.go.
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
    from_list,
    stale_keys,
    tag_list,
    tag_state,
    wanted_tags,
)
from rightsizing.embedded.plugin.schema import Naming, Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

_SOURCE = "hashicorp/terraform-provider-aws internal/service/iam/"


def _create_role(api: AwsApi, inputs: Properties) -> str:
    api.client("iam").create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Path=inputs["path"],
        MaxSessionDuration=inputs["maxSessionDuration"],
        Tags=tag_list(api, inputs),
        **given(
            Description=inputs.get("description"),
            PermissionsBoundary=inputs.get("permissionsBoundary"),
        ),
    )
    return str(inputs["name"])


def _read_role(api: AwsApi, name: str, known: Properties) -> Properties | None:
    try:
        role = api.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    return {
        "arn": role["Arn"],
        "name": role["RoleName"],
        "uniqueId": role["RoleId"],
        "createDate": role["CreateDate"].isoformat(),
        "path": role["Path"],
        "description": role.get("Description", ""),
        "maxSessionDuration": role.get("MaxSessionDuration", 3600),
        "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
        "permissionsBoundary": role.get("PermissionsBoundary", {}).get(
            "PermissionsBoundaryArn", ""
        ),
        **tag_state(api, known, from_list(role.get("Tags"))),
    }


def _document(policy: Json) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy, separators=(",", ":"))


def _update_role(api: AwsApi, name: str, inputs: Properties, changed: frozenset[str]) -> None:
    iam = api.client("iam")
    if "assumeRolePolicy" in changed:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=inputs["assumeRolePolicy"])
    if changed & {"description", "maxSessionDuration"}:
        iam.update_role(
            RoleName=name,
            Description=inputs.get("description", ""),
            MaxSessionDuration=inputs["maxSessionDuration"],
        )
    if "permissionsBoundary" in changed:
        if inputs.get("permissionsBoundary"):
            iam.put_role_permissions_boundary(
                RoleName=name, PermissionsBoundary=inputs["permissionsBoundary"]
            )
        else:
            iam.delete_role_permissions_boundary(RoleName=name)
    if "tags" in changed:
        live = from_list(iam.list_role_tags(RoleName=name)["Tags"])
        if stale := stale_keys(wanted_tags(api, inputs), live):
            iam.untag_role(RoleName=name, TagKeys=stale)
        if tags := tag_list(api, inputs):
            iam.tag_role(RoleName=name, Tags=tags)


def _delete_role(api: AwsApi, name: str, known: Properties) -> None:
    iam = api.client("iam")
    with ignoring_absent():
        if known.get("forceDetachPolicies"):
            for policy in _attached(api, name):
                iam.detach_role_policy(RoleName=name, PolicyArn=policy)
        iam.delete_role(RoleName=name)


def _attached(api: AwsApi, role: str) -> list[str]:
    pages = api.client("iam").get_paginator("list_attached_role_policies")
    return [
        policy["PolicyArn"]
        for page in pages.paginate(RoleName=role)
        for policy in page["AttachedPolicies"]
    ]


def _attach(api: AwsApi, inputs: Properties) -> str:
    api.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}"


def _read_attachment(api: AwsApi, attachment: str, _known: Properties) -> Properties | None:
    role, _, policy = attachment.partition("/")
    try:
        attached = _attached(api, role)
    except ClientError as error:
        if absent(error):
            return None
        raise
    return {"role": role, "policyArn": policy} if policy in attached else None


def _detach(api: AwsApi, attachment: str, _known: Properties) -> None:
    role, _, policy = attachment.partition("/")
    with ignoring_absent():
        api.client("iam").detach_role_policy(RoleName=role, PolicyArn=policy)


def _put_policy(api: AwsApi, inputs: Properties) -> str:
    api.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{inputs['name']}"


def _read_policy(api: AwsApi, policy: str, _known: Properties) -> Properties | None:
    role, _, name = policy.partition(":")
    try:
        live = api.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    except ClientError as error:
        if absent(error):
            return None
        raise
    return {"role": role, "name": name, "policy": _document(live["PolicyDocument"])}


def _update_policy(api: AwsApi, _policy: str, inputs: Properties, _changed: frozenset[str]) -> None:
    _put_policy(api, inputs)


def _delete_policy(api: AwsApi, policy: str, _known: Properties) -> None:
    role, _, name = policy.partition(":")
    with ignoring_absent():
        api.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:iam/role:Role",
        source=_SOURCE + "role.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "path": Property(replaces=True, default="/"),
            "assumeRolePolicy": Property(required=True, document=True),
            "description": Property(),
            "maxSessionDuration": Property(default=3600),
            "permissionsBoundary": Property(),
            "forceDetachPolicies": Property(default=False),
            **TAGS,
        },
        outputs=("arn", "createDate", "uniqueId", *TAG_OUTPUTS),
        naming=Naming(limit=64),
        moves=TAG_MOVES,
        create=_create_role,
        read=_read_role,
        update=_update_role,
        delete=_delete_role,
    ),
    ResourceType(
        pulumi_type="aws:iam/rolePolicy:RolePolicy",
        source=_SOURCE + "role_policy.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "role": Property(replaces=True, required=True),
            "policy": Property(required=True, document=True),
        },
        naming=Naming(limit=128),
        create=_put_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        pulumi_type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        source=_SOURCE + "role_policy_attachment.go",
        properties={
            "role": Property(replaces=True, required=True),
            "policyArn": Property(replaces=True, required=True),
        },
        create=_attach,
        read=_read_attachment,
        delete=_detach,
    ),
)
