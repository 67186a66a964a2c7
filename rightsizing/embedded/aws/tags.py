"""Tags: Pulumi's map, the services' lists, and the provider's default tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.plugin.schema import Property
from rightsizing.embedded.plugin.values import Properties

TAGS = {"tags": Property()}
TAG_OUTPUTS = ("tagsAll",)
TAG_MOVES = {"tagsAll": frozenset({"tags"})}

_RESERVED = "aws:"  # tags the services set themselves


def wanted_tags(api: AwsApi, inputs: Properties) -> dict[str, str]:
    """Default tags of the provider overlaid with the resource's own."""
    return {**api.default_tags, **inputs.get("tags", {})}


def tag_list(api: AwsApi, inputs: Properties) -> list[dict[str, str]]:
    """``[{Key, Value}]``, as EC2, ELB, CloudWatch and IAM take them."""
    return [{"Key": key, "Value": value} for key, value in wanted_tags(api, inputs).items()]


def tag_specifications(api: AwsApi, inputs: Properties, resource: str) -> list[Properties]:
    """EC2's ``TagSpecifications`` for a create call; empty when there are no tags."""
    tags = tag_list(api, inputs)
    return [{"ResourceType": resource, "Tags": tags}] if tags else []


def tag_state(api: AwsApi, inputs: Properties, live: Mapping[str, str]) -> Properties:
    """``tags`` and ``tagsAll`` as the real provider keeps them: defaults only in the second."""
    everything = {key: value for key, value in live.items() if not key.startswith(_RESERVED)}
    own = inputs.get("tags", {})
    tags = {
        key: value
        for key, value in everything.items()
        if key in own or api.default_tags.get(key) != value
    }
    return {"tags": tags, "tagsAll": everything}


def from_list(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """A map from ``[{Key, Value}]`` (ECS spells the keys in lower case)."""
    return {
        tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", ""))
        for tag in tags or ()
    }


def stale_keys(wanted: Mapping[str, str], live: Mapping[str, str]) -> list[str]:
    """Live tag keys to remove, sorted; reserved ones stay."""
    return sorted(key for key in live if key not in wanted and not key.startswith(_RESERVED))
