"""The table of the local aws provider: every type it serves, one row each.

Since version 7 of the real provider every regional resource has a ``region``: taken from the
provider when not given, and replacing when changed (internal/framework of
hashicorp/terraform-provider-aws, "enhanced region support"). IAM is global and has none.
"""

from __future__ import annotations

from dataclasses import replace

from rightsizing.embedded.aws import (
    autoscaling,
    containers,
    events,
    functions,
    identity,
    launchtemplate,
    listener,
    loadbalancing,
    loggroup,
    monitoring,
    network,
    routing,
    scaling,
    schedules,
    securitygroup,
    taskdefinition,
)
from rightsizing.embedded.aws.clients import AwsApi
from rightsizing.embedded.aws.rules import Row
from rightsizing.embedded.plugin.schema import Property
from rightsizing.embedded.plugin.values import Properties

_REGION = Property(replaces=True, computed=True)


def _in_region(row: Row) -> Row:
    def create(api: AwsApi, inputs: Properties) -> str:
        return row.create(api.in_region(inputs.get("region")), inputs)

    def read(api: AwsApi, resource_id: str, known: Properties) -> Properties | None:
        there = api.in_region(known.get("region"))
        live = row.read(there, resource_id, known)
        return None if live is None else {**live, "region": there.region}

    def update(api: AwsApi, resource_id: str, inputs: Properties, changed: frozenset[str]) -> None:
        assert row.update is not None  # set only when the row has one
        row.update(api.in_region(inputs.get("region")), resource_id, inputs, changed)

    def delete(api: AwsApi, resource_id: str, known: Properties) -> None:
        row.delete(api.in_region(known.get("region")), resource_id, known)

    return replace(
        row,
        properties={**row.properties, "region": _REGION},
        create=create,
        read=read,
        update=None if row.update is None else update,
        delete=delete,
    )


_REGIONAL: tuple[Row, ...] = (
    *network.TYPES,
    *routing.TYPES,
    *securitygroup.TYPES,
    *launchtemplate.TYPES,
    *autoscaling.TYPES,
    *scaling.TYPES,
    *schedules.TYPES,
    *loadbalancing.TYPES,
    *listener.TYPES,
    *monitoring.TYPES,
    *loggroup.TYPES,
    *taskdefinition.TYPES,
    *containers.TYPES,
    *functions.TYPES,
    *events.TYPES,
)
_GLOBAL: tuple[Row, ...] = identity.TYPES

TABLE: dict[str, Row] = {
    row.pulumi_type: row for row in (*(_in_region(row) for row in _REGIONAL), *_GLOBAL)
}
