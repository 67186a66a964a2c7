"""A shop's own program that leaves load balancer, slots and alarms to the Fleet component."""

import os

import pulumi

from infra.components.fleet import Fleet, FleetArgs
from infra.components.network import Network, NetworkArgs
from infra.providers import aws_provider
from infra.tags import register_mandatory_tags
from rightsizing.model.size import FleetSize
from rightsizing.model.workload import Architecture
from rightsizing.sizing import stack_sizing

REGION = "us-east-1"
TODAY = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)

register_mandatory_tags(pulumi.get_project(), pulumi.get_stack(), {"team": "shop"})

# The stand-ins of this example; your program has a provider of its own.
provider = aws_provider(REGION, embedded=True, environment=os.environ)
on_aws = pulumi.ResourceOptions(providers=[provider])

network = Network("shop", NetworkArgs(REGION), on_aws)
web = Fleet(
    "shop-web",
    FleetArgs(
        rollout=stack_sizing().fleet_slots("shop-web", default=TODAY),
        ami={
            Architecture.X86_64: "ami-0a11ce00000000086",
            Architecture.ARM64: "ami-0a11ce00000000064",
        },
        region=REGION,
        vpc_id=network.vpc_id,
        subnet_ids=network.subnet_ids,
        cidr=network.cidr,
    ),
    on_aws,
)
pulumi.export("web", web.summary)
