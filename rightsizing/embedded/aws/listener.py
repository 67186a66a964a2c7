"""Listener, with its actions: weighted forward, fixed response, redirect.

Rules from hashicorp/terraform-provider-aws, internal/service/elbv2/listener.go. A listener's
weights are what a canary moves, so they are read back exactly.
"""

from __future__ import annotations

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.faults import ignoring_absent
from rightsizing.embedded.aws.loadbalancing import (
    find_balancing,
    live_tags,
    update_balancing_tags,
)
from rightsizing.embedded.aws.rules import in_order
from rightsizing.embedded.aws.tags import TAG_MOVES, TAG_OUTPUTS, TAGS, tag_list, tag_state
from rightsizing.embedded.plugin.schema import Property, ResourceType, given
from rightsizing.embedded.plugin.values import Properties
from rightsizing.errors import EmbeddedError
from rightsizing.model.update import Json

_DEFAULT_WEIGHT = 1  # ELB's own, when a target group of a forward names none


def _action_arguments(action: Properties) -> Properties:
    """A Pulumi ``defaultActions`` item as the service takes it."""
    kind = action["type"]
    if kind == "forward":
        return _forward_arguments(action)
    if kind == "fixed-response":
        block = action["fixedResponse"]
        response = given(
            ContentType=block["contentType"],
            MessageBody=block.get("messageBody"),
            StatusCode=str(block["statusCode"]) if "statusCode" in block else None,
        )
        return {"Type": kind, "FixedResponseConfig": response}
    if kind == "redirect":
        block = action["redirect"]
        return {
            "Type": kind,
            "RedirectConfig": given(
                StatusCode=block["statusCode"],
                Host=block.get("host"),
                Path=block.get("path"),
                Port=block.get("port"),
                Protocol=block.get("protocol"),
                Query=block.get("query"),
            ),
        }
    raise EmbeddedError(
        f"the local cloud does not serve listener action {kind!r}; it serves forward, "
        "fixed-response and redirect"
    )


def _forward_arguments(action: Properties) -> Properties:
    if "forward" not in action:
        return {"Type": "forward", "TargetGroupArn": action["targetGroupArn"]}
    block = action["forward"]
    config: Properties = {
        "TargetGroups": [
            {"TargetGroupArn": group["arn"], "Weight": int(group.get("weight", _DEFAULT_WEIGHT))}
            for group in block["targetGroups"]
        ]
    }
    if "stickiness" in block:
        stickiness = block["stickiness"]
        config["TargetGroupStickinessConfig"] = given(
            Enabled=bool(stickiness.get("enabled", False)),
            DurationSeconds=stickiness.get("duration"),
        )
    return {"Type": "forward", "ForwardConfig": config}


def _read_action(action: Json) -> Properties:
    """An action as the service describes it, in Pulumi's form."""
    read: Properties = given(type=action["Type"], order=action.get("Order"))
    if action["Type"] == "forward":
        config = action.get("ForwardConfig") or {}
        groups = config.get("TargetGroups") or [{"TargetGroupArn": action.get("TargetGroupArn")}]
        stickiness = config.get("TargetGroupStickinessConfig") or {}
        if len(groups) == 1:
            read["targetGroupArn"] = groups[0]["TargetGroupArn"]
        read["forward"] = {
            "targetGroups": [
                {
                    "arn": group["TargetGroupArn"],
                    "weight": int(group.get("Weight", _DEFAULT_WEIGHT)),
                }
                for group in groups
            ],
            "stickiness": {
                "enabled": bool(stickiness.get("Enabled", False)),
                "duration": int(stickiness.get("DurationSeconds") or 0),
            },
        }
    elif action["Type"] == "fixed-response":
        config = action["FixedResponseConfig"]
        read["fixedResponse"] = given(
            contentType=config.get("ContentType"),
            messageBody=config.get("MessageBody"),
            statusCode=config.get("StatusCode"),
        )
    elif action["Type"] == "redirect":
        config = action["RedirectConfig"]
        read["redirect"] = given(
            statusCode=config.get("StatusCode"),
            host=config.get("Host"),
            path=config.get("Path"),
            port=config.get("Port"),
            protocol=config.get("Protocol"),
            query=config.get("Query"),
        )
    return read


def _listener_arguments(inputs: Properties) -> Properties:
    return given(
        DefaultActions=[_action_arguments(action) for action in inputs["defaultActions"]],
        Port=inputs.get("port"),
        Protocol=inputs.get("protocol"),
        SslPolicy=inputs.get("sslPolicy"),
        Certificates=[{"CertificateArn": inputs["certificateArn"]}]
        if inputs.get("certificateArn")
        else None,
    )


def _create_listener(api: AwsApi, inputs: Properties) -> str:
    created = api.client("elbv2").create_listener(
        LoadBalancerArn=inputs["loadBalancerArn"],
        **given(Tags=tag_list(api, inputs) or None),
        **_listener_arguments(inputs),
    )
    return str(created["Listeners"][0]["ListenerArn"])


def _read_listener(api: AwsApi, arn: str, known: Properties) -> Properties | None:
    listener = find_balancing(api, "describe_listeners", "Listeners", ListenerArns=[arn])
    if listener is None:
        return None
    certificates = listener.get("Certificates") or [{}]
    return given(
        arn=arn,
        loadBalancerArn=listener["LoadBalancerArn"],
        port=listener.get("Port"),
        protocol=listener.get("Protocol"),
        sslPolicy=listener.get("SslPolicy"),
        certificateArn=certificates[0].get("CertificateArn"),
        defaultActions=[_read_action(action) for action in listener["DefaultActions"]],
        **tag_state(api, known, live_tags(api, arn)),
    )


def _update_listener(api: AwsApi, arn: str, inputs: Properties, changed: frozenset[str]) -> None:
    if changed - {"tags"}:
        api.client("elbv2").modify_listener(ListenerArn=arn, **_listener_arguments(inputs))
    if "tags" in changed:
        update_balancing_tags(api, arn, inputs)


def _delete_listener(api: AwsApi, arn: str, _known: Properties) -> None:
    with ignoring_absent():
        api.client("elbv2").delete_listener(ListenerArn=arn)


TYPES = in_order(
    ResourceType(
        pulumi_type="aws:lb/listener:Listener",
        source="hashicorp/terraform-provider-aws internal/service/elbv2/listener.go",
        properties={
            "loadBalancerArn": Property(replaces=True, required=True),
            "port": Property(),
            "protocol": Property(computed=True),
            "sslPolicy": Property(computed=True),
            "certificateArn": Property(),
            "defaultActions": Property(
                required=True,
                unordered=True,  # target groups of a forward are a set
                nested_computed=frozenset(
                    {"order", "targetGroupArn", "forward", "stickiness", "weight"}
                ),
            ),
            **TAGS,
        },
        outputs=("arn", *TAG_OUTPUTS),
        moves=TAG_MOVES,
        create=_create_listener,
        read=_read_listener,
        update=_update_listener,
        delete=_delete_listener,
    ),
)
