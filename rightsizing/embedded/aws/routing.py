"""Route table and its associations.

Rules from hashicorp/terraform-provider-aws, internal/service/ec2: vpc_route_table.go,
vpc_route_table_association.go.
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
from rightsizing.embedded.plugin.schema import Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.model.update import Json

_SOURCE = "hashicorp/terraform-provider-aws internal/service/ec2/"


def _create_table(api: AwsApi, inputs: Properties) -> str:
    ec2 = api.client("ec2")
    table_id = ec2.create_route_table(
        VpcId=inputs["vpcId"], TagSpecifications=tag_specifications(api, inputs, "route-table")
    )["RouteTable"]["RouteTableId"]
    for route in inputs.get("routes", ()):
        ec2.create_route(RouteTableId=table_id, **_route_arguments(route))
    return str(table_id)


def _route_arguments(route: Properties) -> Properties:
    return given(
        DestinationCidrBlock=route["cidrBlock"],
        GatewayId=route.get("gatewayId"),
        NatGatewayId=route.get("natGatewayId"),
        NetworkInterfaceId=route.get("networkInterfaceId"),
    )


def _live_routes(table: Json) -> list[Properties]:
    """Routes of the program: not the table's own local one."""
    return [
        given(
            cidrBlock=route["DestinationCidrBlock"],
            gatewayId=route.get("GatewayId"),
            natGatewayId=route.get("NatGatewayId"),
            networkInterfaceId=route.get("NetworkInterfaceId"),
        )
        for route in table.get("Routes", ())
        if route.get("GatewayId") != "local" and "DestinationCidrBlock" in route
    ]


def _read_table(api: AwsApi, table_id: str, known: Properties) -> Properties | None:
    table = find_one(api, "describe_route_tables", "RouteTables", RouteTableIds=[table_id])
    if table is None:
        return None
    return {
        "arn": api.arn("ec2", f"route-table/{table_id}"),
        "vpcId": table["VpcId"],
        "routes": _live_routes(table),
        "ownerId": ACCOUNT_ID,
        **tag_state(api, known, from_list(table.get("Tags"))),
    }


def _update_table(api: AwsApi, table_id: str, inputs: Properties, changed: frozenset[str]) -> None:
    ec2 = api.client("ec2")
    if "routes" in changed:
        table = find_one(api, "describe_route_tables", "RouteTables", RouteTableIds=[table_id])
        wanted = inputs.get("routes", [])
        live = _live_routes(table)
        for route in live:
            if route not in wanted:
                ec2.delete_route(RouteTableId=table_id, DestinationCidrBlock=route["cidrBlock"])
        for route in wanted:
            if route not in live:
                ec2.create_route(RouteTableId=table_id, **_route_arguments(route))
    if "tags" in changed:
        update_tags(api, table_id, inputs)


def _delete_table(api: AwsApi, table_id: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("ec2").delete_route_table(RouteTableId=table_id)


def _create_association(api: AwsApi, inputs: Properties) -> str:
    return str(
        api.client("ec2").associate_route_table(
            RouteTableId=inputs["routeTableId"],
            **given(SubnetId=inputs.get("subnetId"), GatewayId=inputs.get("gatewayId")),
        )["AssociationId"]
    )


def _association(api: AwsApi, association_id: str, known: Properties) -> tuple[str, Json] | None:
    """Its current id and itself. Moving it to another table gave it a new id, so look by place."""
    filters = [{"Name": "association.route-table-association-id", "Values": [association_id]}]
    if known.get("subnetId"):
        filters = [{"Name": "association.subnet-id", "Values": [known["subnetId"]]}]
    elif known.get("gatewayId"):
        filters = [{"Name": "association.gateway-id", "Values": [known["gatewayId"]]}]
    table = find_one(api, "describe_route_tables", "RouteTables", Filters=filters)
    for found in (table or {}).get("Associations", ()):
        if association_id == found["RouteTableAssociationId"] or any(
            known.get(ours) and known[ours] == found.get(theirs)
            for ours, theirs in (("subnetId", "SubnetId"), ("gatewayId", "GatewayId"))
        ):
            return found["RouteTableAssociationId"], found
    return None


def _read_association(api: AwsApi, association_id: str, known: Properties) -> Properties | None:
    found = _association(api, association_id, known)
    if found is None:
        return None
    return given(
        routeTableId=found[1]["RouteTableId"],
        subnetId=found[1].get("SubnetId"),
        gatewayId=found[1].get("GatewayId"),
    )


def _update_association(
    api: AwsApi, association_id: str, inputs: Properties, _changed: frozenset[str]
) -> None:
    found = _association(api, association_id, inputs)
    api.client("ec2").replace_route_table_association(
        AssociationId=found[0] if found else association_id, RouteTableId=inputs["routeTableId"]
    )


def _delete_association(api: AwsApi, association_id: str, known: Properties) -> None:
    found = _association(api, association_id, known)
    if found is not None:
        with ignoring_absent():
            api.client("ec2").disassociate_route_table(AssociationId=found[0])


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:ec2/routeTable:RouteTable",
        source=_SOURCE + "vpc_route_table.go",
        properties={
            "vpcId": Property(replaces=True, required=True),
            "routes": Property(computed=True, unordered=True),
            **TAGS,
        },
        outputs=("arn", "ownerId", *TAG_OUTPUTS),
        moves=TAG_MOVES,
        create=_create_table,
        read=_read_table,
        update=_update_table,
        delete=_delete_table,
    ),
    ResourceType(
        pulumi_type="aws:ec2/routeTableAssociation:RouteTableAssociation",
        source=_SOURCE + "vpc_route_table_association.go",
        properties={
            "routeTableId": Property(required=True),
            "subnetId": Property(replaces=True),
            "gatewayId": Property(replaces=True),
        },
        create=_create_association,
        read=_read_association,
        update=_update_association,
        delete=_delete_association,
    ),
)
