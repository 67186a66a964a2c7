"""What the rows of the aws table share."""

from __future__ import annotations

from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.plugin.schema import Property, ResourceType

Row = ResourceType[AwsApi]


def in_order(*rows: Row) -> tuple[Row, ...]:
    """The rows of one module."""
    return rows


def updatable(*names: str) -> dict[str, Property]:
    """Plain properties that update in place."""
    return {name: Property() for name in names}


def replacing(*names: str) -> dict[str, Property]:
    """Plain properties of which any change replaces the resource."""
    return {name: Property(replaces=True) for name in names}
