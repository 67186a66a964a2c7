"""Application load balancer and target group, and what the listener shares with them.

Rules from hashicorp/terraform-provider-aws, internal/service/elbv2: load_balancer.go,
target_group.go. Names are limited to 32 characters by the service.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import absent, ignoring_absent
from rightsizing.embedded.aws.rules import in_order, replacing
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

_SOURCE = "hashicorp/terraform-provider-aws internal/service/elbv2/"
_NAME_LIMIT = 32  # characters, CreateLoadBalancer and CreateTargetGroup
_HOSTED_ZONE_ID = "Z35SXDOTRQ7X7K"  # AWS's own zone of load balancers in us-east-1

# Pulumi property -> attribute key of the service
_BALANCER_ATTRIBUTES = {
    "idleTimeout": "idle_timeout.timeout_seconds",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
}
_GROUP_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "slowStart": "slow_start.duration_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
}
_HEALTH_CHECK = {
    "enabled": "HealthCheckEnabled",
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
}


def find_balancing(api: AwsApi, operation: str, key: str, **arguments: Json) -> Json | None:
    """The first item an ELB describe call finds, or None."""
    try:
        found = getattr(api.client("elbv2"), operation)(**arguments)[key]
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found[0] if found else None


def live_tags(api: AwsApi, arn: str) -> dict[str, str]:
    """Tags of a load balancer, target group or listener."""
    described = api.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return from_list(described[0]["Tags"]) if described else {}


def update_balancing_tags(api: AwsApi, arn: str, inputs: Properties) -> None:
    """Make the tags of an ELB resource equal to the inputs."""
    elb = api.client("elbv2")
    stale = stale_keys(wanted_tags(api, inputs), live_tags(api, arn))
    if stale:
        elb.remove_tags(ResourceArns=[arn], TagKeys=stale)
    if tags := tag_list(api, inputs):
        elb.add_tags(ResourceArns=[arn], Tags=tags)


def _attributes(inputs: Properties, names: dict[str, str]) -> list[Properties]:
    return [
        {"Key": key, "Value": str(inputs[name]).lower()}
        for name, key in names.items()
        if name in inputs
    ]


def _read_attributes(pairs: Json, names: dict[str, str]) -> Properties:
    live = {pair["Key"]: pair["Value"] for pair in pairs}
    return {name: _typed(live[key]) for name, key in names.items() if key in live}


def _typed(text: str) -> Json:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.isdigit() else text


def _create_balancer(api: AwsApi, inputs: Properties) -> str:
    elb = api.client("elbv2")
    arn = elb.create_load_balancer(
        Name=inputs["name"],
        Type=inputs["loadBalancerType"],
        Scheme="internal" if inputs.get("internal") else "internet-facing",
        **given(
            Tags=tag_list(api, inputs) or None,
            Subnets=inputs.get("subnets"),
            SecurityGroups=inputs.get("securityGroups"),
            IpAddressType=inputs.get("ipAddressType"),
        ),
    )["LoadBalancers"][0]["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=_attributes(inputs, _BALANCER_ATTRIBUTES)
    )
    return str(arn)


def _read_balancer(api: AwsApi, arn: str, known: Properties) -> Properties | None:
    balancer = find_balancing(
        api, "describe_load_balancers", "LoadBalancers", LoadBalancerArns=[arn]
    )
    if balancer is None:
        return None
    pairs = api.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=arn)
    return {
        "arn": arn,
        "arnSuffix": arn.split(":loadbalancer/", 1)[-1],
        "name": balancer["LoadBalancerName"],
        "dnsName": balancer["DNSName"],
        "zoneId": balancer.get("CanonicalHostedZoneId") or _HOSTED_ZONE_ID,
        "vpcId": balancer.get("VpcId", ""),
        "internal": balancer["Scheme"] == "internal",
        "loadBalancerType": balancer["Type"],
        "ipAddressType": balancer.get("IpAddressType", "ipv4"),
        "subnets": [zone["SubnetId"] for zone in balancer.get("AvailabilityZones", ())],
        "securityGroups": balancer.get("SecurityGroups", []),
        **_read_attributes(pairs["Attributes"], _BALANCER_ATTRIBUTES),
        **tag_state(api, known, live_tags(api, arn)),
    }


def _update_balancer(api: AwsApi, arn: str, inputs: Properties, changed: frozenset[str]) -> None:
    elb = api.client("elbv2")
    if changed & _BALANCER_ATTRIBUTES.keys():
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=_attributes(inputs, _BALANCER_ATTRIBUTES)
        )
    if "securityGroups" in changed:
        elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=inputs["securityGroups"])
    if "subnets" in changed:
        elb.set_subnets(LoadBalancerArn=arn, Subnets=inputs["subnets"])
    if "ipAddressType" in changed:
        elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType=inputs["ipAddressType"])
    if "tags" in changed:
        update_balancing_tags(api, arn, inputs)


def _delete_balancer(api: AwsApi, arn: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("elbv2").delete_load_balancer(LoadBalancerArn=arn)


def _health_check(inputs: Properties) -> Properties:
    block = inputs.get("healthCheck", {})
    arguments = {api_name: block[key] for key, api_name in _HEALTH_CHECK.items() if key in block}
    if "matcher" in block:
        arguments["Matcher"] = {"HttpCode": str(block["matcher"])}
    if "port" in block:
        arguments["HealthCheckPort"] = str(block["port"])
    return arguments


def _create_group(api: AwsApi, inputs: Properties) -> str:
    elb = api.client("elbv2")
    arn = elb.create_target_group(
        Name=inputs["name"],
        TargetType=inputs["targetType"],
        **given(
            Tags=tag_list(api, inputs) or None,
            Port=inputs.get("port"),
            Protocol=inputs.get("protocol"),
            ProtocolVersion=inputs.get("protocolVersion"),
            VpcId=inputs.get("vpcId"),
        ),
        **_health_check(inputs),
    )["TargetGroups"][0]["TargetGroupArn"]
    _set_group_attributes(api, str(arn), inputs)
    return str(arn)


def _set_group_attributes(api: AwsApi, arn: str, inputs: Properties) -> None:
    if attributes := _attributes(inputs, _GROUP_ATTRIBUTES):
        api.client("elbv2").modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=attributes
        )


def _read_group(api: AwsApi, arn: str, known: Properties) -> Properties | None:
    group = find_balancing(api, "describe_target_groups", "TargetGroups", TargetGroupArns=[arn])
    if group is None:
        return None
    pairs = api.client("elbv2").describe_target_group_attributes(TargetGroupArn=arn)
    check = {key: group[name] for key, name in _HEALTH_CHECK.items() if name in group}
    return given(
        arn=arn,
        arnSuffix=arn.rsplit(":", 1)[-1],
        name=group["TargetGroupName"],
        port=group.get("Port"),
        protocol=group.get("Protocol"),
        protocolVersion=group.get("ProtocolVersion"),
        vpcId=group.get("VpcId"),
        targetType=group["TargetType"],
        loadBalancerArns=group.get("LoadBalancerArns", []),
        healthCheck={**check, **given(matcher=group.get("Matcher", {}).get("HttpCode"))},
        **_read_attributes(pairs["Attributes"], _GROUP_ATTRIBUTES),
        **tag_state(api, known, live_tags(api, arn)),
    )


def _update_group(api: AwsApi, arn: str, inputs: Properties, changed: frozenset[str]) -> None:
    if "healthCheck" in changed:
        api.client("elbv2").modify_target_group(TargetGroupArn=arn, **_health_check(inputs))
    if changed & _GROUP_ATTRIBUTES.keys():
        _set_group_attributes(api, arn, inputs)
    if "tags" in changed:
        update_balancing_tags(api, arn, inputs)


def _delete_group(api: AwsApi, arn: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("elbv2").delete_target_group(TargetGroupArn=arn)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:lb/loadBalancer:LoadBalancer",
        source=_SOURCE + "load_balancer.go",
        properties={
            "name": Property(replaces=True, computed=True),
            "internal": Property(replaces=True, computed=True),
            "loadBalancerType": Property(replaces=True, default="application"),
            "ipAddressType": Property(computed=True),
            "subnets": Property(computed=True, unordered=True),
            "securityGroups": Property(computed=True, unordered=True),
            "idleTimeout": Property(default=60),
            "enableDeletionProtection": Property(default=False),
            "enableHttp2": Property(default=True),
            "dropInvalidHeaderFields": Property(default=False),
            **TAGS,
        },
        outputs=("arn", "arnSuffix", "dnsName", "vpcId", "zoneId", *TAG_OUTPUTS),
        naming=Naming(limit=_NAME_LIMIT),
        moves=TAG_MOVES,
        create=_create_balancer,
        read=_read_balancer,
        update=_update_balancer,
        delete=_delete_balancer,
    ),
    ResourceType(
        pulumi_type="aws:lb/targetGroup:TargetGroup",
        source=_SOURCE + "target_group.go",
        properties={
            "name": Property(replaces=True, computed=True),
            **replacing("port", "protocol", "vpcId"),
            "protocolVersion": Property(replaces=True, computed=True),
            "targetType": Property(replaces=True, default="instance"),
            "healthCheck": Property(
                computed=True, nested_computed=frozenset({*_HEALTH_CHECK, "matcher"})
            ),
            "deregistrationDelay": Property(default=300),
            "slowStart": Property(default=0),
            "loadBalancingAlgorithmType": Property(computed=True),
            **TAGS,
        },
        outputs=("arn", "arnSuffix", "loadBalancerArns", *TAG_OUTPUTS),
        naming=Naming(limit=_NAME_LIMIT),
        moves=TAG_MOVES,
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
    ),
)
