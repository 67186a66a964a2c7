"""VPC, subnet and internet gateway, and what EC2's other types share.

Rules from hashicorp/terraform-provider-aws, internal/service/ec2: vpc_.go, vpc_subnet.go,
vpc_internet_gateway.go.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import ACCOUNT_ID, AwsApi
from rightsizing.embedded.aws.faults import absent, ignoring_absent
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.aws.tags import (
    TAG_MOVES,
    TAG_OUTPUTS,
    TAGS,
    from_list,
    stale_keys,
    tag_list,
    tag_specifications,
    tag_state,
    wanted_tags,
)
from rightsizing.embedded.plugin.schema import Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

_SOURCE = "hashicorp/terraform-provider-aws internal/service/ec2/"


def update_tags(api: AwsApi, resource_id: str, inputs: Properties) -> None:
    """Make the tags of an EC2 resource equal to the inputs."""
    ec2 = api.client("ec2")
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource_id]}])["Tags"]
    stale = stale_keys(wanted_tags(api, inputs), from_list(found))
    if stale:
        ec2.delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in stale])
    if tags := tag_list(api, inputs):
        ec2.create_tags(Resources=[resource_id], Tags=tags)


def find_one(api: AwsApi, operation: str, key: str, **arguments: Json) -> Json | None:
    """The first item a describe call finds, or None."""
    try:
        found = getattr(api.client("ec2"), operation)(**arguments)[key]
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found[0] if found else None


def _create_vpc(api: AwsApi, inputs: Properties) -> str:
    ec2 = api.client("ec2")
    vpc_id = ec2.create_vpc(
        CidrBlock=inputs["cidrBlock"],
        InstanceTenancy=inputs["instanceTenancy"],
        TagSpecifications=tag_specifications(api, inputs, "vpc"),
    )["Vpc"]["VpcId"]
    _set_vpc_attributes(api, vpc_id, inputs, frozenset({"enableDnsSupport", "enableDnsHostnames"}))
    return str(vpc_id)


def _set_vpc_attributes(
    api: AwsApi, vpc_id: str, inputs: Properties, names: frozenset[str]
) -> None:
    ec2 = api.client("ec2")
    for name, argument in (
        ("enableDnsSupport", "EnableDnsSupport"),
        ("enableDnsHostnames", "EnableDnsHostnames"),
    ):
        if name in names and name in inputs:
            ec2.modify_vpc_attribute(VpcId=vpc_id, **{argument: {"Value": inputs[name]}})


def _read_vpc(api: AwsApi, vpc_id: str, known: Properties) -> Properties | None:
    vpc = find_one(api, "describe_vpcs", "Vpcs", VpcIds=[vpc_id])
    if vpc is None:
        return None
    ec2 = api.client("ec2")
    here = [{"Name": "vpc-id", "Values": [vpc_id]}]
    tables = ec2.describe_route_tables(
        Filters=[*here, {"Name": "association.main", "Values": ["true"]}]
    )["RouteTables"]
    groups = ec2.describe_security_groups(
        Filters=[*here, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    lists = ec2.describe_network_acls(Filters=[*here, {"Name": "default", "Values": ["true"]}])
    main_table = tables[0]["RouteTableId"] if tables else None
    return given(
        arn=api.arn("ec2", f"vpc/{vpc_id}"),
        cidrBlock=vpc["CidrBlock"],
        instanceTenancy=vpc["InstanceTenancy"],
        enableDnsSupport=_vpc_flag(ec2, vpc_id, "enableDnsSupport", "EnableDnsSupport"),
        enableDnsHostnames=_vpc_flag(ec2, vpc_id, "enableDnsHostnames", "EnableDnsHostnames"),
        defaultNetworkAclId=next((item["NetworkAclId"] for item in lists["NetworkAcls"]), None),
        defaultRouteTableId=main_table,
        mainRouteTableId=main_table,
        defaultSecurityGroupId=next((item["GroupId"] for item in groups), None),
        dhcpOptionsId=vpc.get("DhcpOptionsId"),
        ownerId=ACCOUNT_ID,
        **tag_state(api, known, from_list(vpc.get("Tags"))),
    )


def _vpc_flag(ec2: Json, vpc_id: str, attribute: str, key: str) -> bool:
    return bool(ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)[key]["Value"])


def _update_vpc(api: AwsApi, vpc_id: str, inputs: Properties, changed: frozenset[str]) -> None:
    _set_vpc_attributes(api, vpc_id, inputs, changed)
    if "tags" in changed:
        update_tags(api, vpc_id, inputs)


def _delete_vpc(api: AwsApi, vpc_id: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("ec2").delete_vpc(VpcId=vpc_id)


def _create_subnet(api: AwsApi, inputs: Properties) -> str:
    ec2 = api.client("ec2")
    subnet_id = ec2.create_subnet(
        **given(
            VpcId=inputs["vpcId"],
            CidrBlock=inputs.get("cidrBlock"),
            AvailabilityZone=inputs.get("availabilityZone"),
            AvailabilityZoneId=inputs.get("availabilityZoneId"),
        ),
        TagSpecifications=tag_specifications(api, inputs, "subnet"),
    )["Subnet"]["SubnetId"]
    _map_public_ip(api, subnet_id, inputs)
    return str(subnet_id)


def _map_public_ip(api: AwsApi, subnet_id: str, inputs: Properties) -> None:
    api.client("ec2").modify_subnet_attribute(
        SubnetId=subnet_id,
        MapPublicIpOnLaunch={"Value": bool(inputs.get("mapPublicIpOnLaunch"))},
    )


def _read_subnet(api: AwsApi, subnet_id: str, known: Properties) -> Properties | None:
    subnet = find_one(api, "describe_subnets", "Subnets", SubnetIds=[subnet_id])
    if subnet is None:
        return None
    return given(
        arn=subnet.get("SubnetArn") or api.arn("ec2", f"subnet/{subnet_id}"),
        vpcId=subnet["VpcId"],
        cidrBlock=subnet["CidrBlock"],
        availabilityZone=subnet["AvailabilityZone"],
        availabilityZoneId=subnet.get("AvailabilityZoneId"),
        mapPublicIpOnLaunch=bool(subnet.get("MapPublicIpOnLaunch")),
        ownerId=ACCOUNT_ID,
        **tag_state(api, known, from_list(subnet.get("Tags"))),
    )


def _update_subnet(
    api: AwsApi, subnet_id: str, inputs: Properties, changed: frozenset[str]
) -> None:
    if "mapPublicIpOnLaunch" in changed:
        _map_public_ip(api, subnet_id, inputs)
    if "tags" in changed:
        update_tags(api, subnet_id, inputs)


def _delete_subnet(api: AwsApi, subnet_id: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("ec2").delete_subnet(SubnetId=subnet_id)


def _create_gateway(api: AwsApi, inputs: Properties) -> str:
    ec2 = api.client("ec2")
    gateway_id = ec2.create_internet_gateway(
        TagSpecifications=tag_specifications(api, inputs, "internet-gateway")
    )["InternetGateway"]["InternetGatewayId"]
    if "vpcId" in inputs:
        ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=inputs["vpcId"])
    return str(gateway_id)


def _gateway(api: AwsApi, gateway_id: str) -> Json | None:
    return find_one(
        api, "describe_internet_gateways", "InternetGateways", InternetGatewayIds=[gateway_id]
    )


def _attached_vpc(gateway: Json) -> str:
    attachments = gateway.get("Attachments") or [{}]
    return str(attachments[0].get("VpcId", ""))


def _read_gateway(api: AwsApi, gateway_id: str, known: Properties) -> Properties | None:
    gateway = _gateway(api, gateway_id)
    if gateway is None:
        return None
    return {
        "arn": api.arn("ec2", f"internet-gateway/{gateway_id}"),
        "vpcId": _attached_vpc(gateway),
        "ownerId": ACCOUNT_ID,
        **tag_state(api, known, from_list(gateway.get("Tags"))),
    }


def _update_gateway(
    api: AwsApi, gateway_id: str, inputs: Properties, changed: frozenset[str]
) -> None:
    ec2 = api.client("ec2")
    if "vpcId" in changed:
        old = _attached_vpc(_gateway(api, gateway_id) or {})
        if old:
            ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=old)
        if inputs.get("vpcId"):
            ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=inputs["vpcId"])
    if "tags" in changed:
        update_tags(api, gateway_id, inputs)


def _delete_gateway(api: AwsApi, gateway_id: str, _known: Properties) -> None:
    gateway = _gateway(api, gateway_id)
    if gateway is None:
        return
    ec2 = api.client("ec2")
    with ignoring_absent():
        if vpc_id := _attached_vpc(gateway):
            ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc_id)
        ec2.delete_internet_gateway(InternetGatewayId=gateway_id)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:ec2/vpc:Vpc",
        source=_SOURCE + "vpc_.go",
        properties={
            "cidrBlock": Property(replaces=True, required=True),
            "instanceTenancy": Property(replaces=True, default="default"),
            "enableDnsSupport": Property(default=True),
            "enableDnsHostnames": Property(computed=True),
            **TAGS,
        },
        outputs=(
            "arn",
            "defaultNetworkAclId",
            "defaultRouteTableId",
            "defaultSecurityGroupId",
            "dhcpOptionsId",
            "mainRouteTableId",
            "ownerId",
            *TAG_OUTPUTS,
        ),
        moves=TAG_MOVES,
        create=_create_vpc,
        read=_read_vpc,
        update=_update_vpc,
        delete=_delete_vpc,
    ),
    ResourceType(
        pulumi_type="aws:ec2/subnet:Subnet",
        source=_SOURCE + "vpc_subnet.go",
        properties={
            "vpcId": Property(replaces=True, required=True),
            "cidrBlock": Property(replaces=True),
            "availabilityZone": Property(replaces=True, computed=True),
            "availabilityZoneId": Property(replaces=True, computed=True),
            "mapPublicIpOnLaunch": Property(default=False),
            **TAGS,
        },
        outputs=("arn", "ownerId", *TAG_OUTPUTS),
        moves=TAG_MOVES,
        create=_create_subnet,
        read=_read_subnet,
        update=_update_subnet,
        delete=_delete_subnet,
    ),
    ResourceType(
        pulumi_type="aws:ec2/internetGateway:InternetGateway",
        source=_SOURCE + "vpc_internet_gateway.go",
        properties={"vpcId": Property(computed=True), **TAGS},
        outputs=("arn", "ownerId", *TAG_OUTPUTS),
        moves=TAG_MOVES,
        create=_create_gateway,
        read=_read_gateway,
        update=_update_gateway,
        delete=_delete_gateway,
    ),
)
