"""Where a stack's load balancers, instances and tasks are placed.

A declared VPC is used as it is. Without one, a VPC with a public subnet in each zone is made:
public because there is no NAT gateway, which would cost more than a small fleet saves; security
groups, not routing, keep traffic out. Zones are named, never looked up, so that a preview asks the
cloud nothing and a later one cannot find others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from rightsizing.errors import ConfigError
from rightsizing.model.declaration import NetworkDeclaration

NETWORK_KEY = "rightsizing:network"
MIN_ZONES = 2  # an Application Load Balancer needs subnets in two zones
SUBNET_BITS = 4  # 16 subnets of a VPC: room for every zone of a region
SMALLEST_SUBNET = 28  # prefix length: Amazon VPC, subnet sizing
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class NetworkArgs:
    """A declared network and the region it is in."""

    region: str
    declared: NetworkDeclaration = field(default_factory=NetworkDeclaration)


class Network(pulumi.ComponentResource):
    """A VPC and its subnets, found or made.

    ``public`` says whether the subnets reach the internet by themselves, so that a task needs a
    public address to pull its image; declared subnets are taken to have a NAT gateway.
    """

    vpc_id: pulumi.Output[str]
    subnet_ids: pulumi.Output[Sequence[str]]
    cidr: str
    public: bool

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("rightsizing:index:Network", name, None, opts)
        declared = args.declared
        self.cidr = declared.cidr
        self.public = declared.vpc_id is None
        if declared.vpc_id is not None:
            require_zones(declared.subnet_ids, "subnet_ids")
            self.vpc_id = pulumi.Output.from_input(declared.vpc_id)
            self.subnet_ids = pulumi.Output.from_input(list(declared.subnet_ids))
        else:
            zones = declared.zones or default_zones(args.region)
            require_zones(zones, "zones")
            self._make_vpc(
                name, dict(zip(zones, subnet_blocks(self.cidr, len(zones)), strict=True))
            )
        self.register_outputs({"vpc_id": self.vpc_id, "subnet_ids": self.subnet_ids})

    def _make_vpc(self, name: str, blocks: Mapping[str, str]) -> None:
        own = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=self.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            opts=own,
        )
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, opts=own)
        routes = aws.ec2.RouteTable(
            name,
            vpc_id=vpc.id,
            routes=[aws.ec2.RouteTableRouteArgs(cidr_block=EVERYWHERE, gateway_id=gateway.id)],
            opts=own,
        )
        subnets = []
        for zone, block in blocks.items():
            subnet = aws.ec2.Subnet(
                f"{name}-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=True,
                opts=own,
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-{zone}", subnet_id=subnet.id, route_table_id=routes.id, opts=own
            )
            subnets.append(subnet)
        self.vpc_id = vpc.id
        self.subnet_ids = pulumi.Output.all(*[subnet.id for subnet in subnets]).apply(list)


def default_zones(region: str) -> tuple[str, ...]:
    """The first two zones by name. A region without one of them fails at apply; then name them."""
    return (f"{region}a", f"{region}b")


def require_zones(named: Sequence[str], field_name: str) -> None:
    """Raise ConfigError when fewer places are named than a load balancer needs."""
    if len(set(named)) < MIN_ZONES:
        raise ConfigError(
            f"{NETWORK_KEY}.{field_name} names {len(set(named))}, but a load balancer needs "
            f"{MIN_ZONES} subnets in different zones; add another"
        )


def subnet_blocks(cidr: str, count: int) -> tuple[str, ...]:
    """The first ``count`` of 16 equal blocks of ``cidr``, in order.

    Raises ConfigError when ``cidr`` is no IPv4 network or too small or the zones too many.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ConfigError(
            f"{NETWORK_KEY}.cidr is {cidr!r}, which is no IPv4 network ({error}); use one such as "
            f"10.42.0.0/16"
        ) from error
    if network.prefixlen + SUBNET_BITS > SMALLEST_SUBNET:
        raise ConfigError(
            f"{NETWORK_KEY}.cidr is {cidr!r}, too small to hold 16 subnets of at least "
            f"/{SMALLEST_SUBNET}; use a /{SMALLEST_SUBNET - SUBNET_BITS} or larger"
        )
    if count > 2**SUBNET_BITS:
        raise ConfigError(f"{NETWORK_KEY}.zones names {count} zones; at most {2**SUBNET_BITS} fit")
    blocks = network.subnets(prefixlen_diff=SUBNET_BITS)
    return tuple(str(next(blocks)) for _ in range(count))
