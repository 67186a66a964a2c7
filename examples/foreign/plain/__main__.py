"""A shop's own program on plain pulumi_aws. Two lines make its size follow the release.

Without a release in the stack's configuration the size is TODAY, so adding the two lines changes
nothing by itself.
"""

import os

import pulumi
import pulumi_aws as aws

from infra.providers import aws_provider
from rightsizing.model.size import FleetSize
from rightsizing.sizing import stack_sizing  # line one

TODAY = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
size = stack_sizing().fleet("shop-web", default=TODAY)  # line two

# The stand-ins of this example; your program has a provider of its own.
provider = aws_provider("us-east-1", embedded=True, environment=os.environ)
on_aws = pulumi.ResourceOptions(provider=provider)

template = aws.ec2.LaunchTemplate(
    "web",
    image_id="ami-0a11ce00000000086",
    instance_type=size.instance_type,
    opts=on_aws,
)
group = aws.autoscaling.Group(
    "web",
    min_size=size.min_instances,
    max_size=size.max_instances,
    availability_zones=["us-east-1a", "us-east-1b"],
    launch_template=aws.autoscaling.GroupLaunchTemplateArgs(
        id=template.id, version=template.latest_version.apply(str)
    ),
    tags=[
        # The key by which the tool finds and measures the workload.
        aws.autoscaling.GroupTagArgs(
            key="rightsizing:workload", value="shop-web", propagate_at_launch=True
        )
    ],
    opts=pulumi.ResourceOptions(
        provider=provider,
        ignore_changes=["desiredCapacity"],  # the autoscaler's
        # Running instances ignore a new template, so a new size needs a new group.
        replace_on_changes=["launchTemplate"],
    ),
)
pulumi.export("group_name", group.name)
pulumi.export("instance_type", template.instance_type)
