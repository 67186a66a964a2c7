"""Purchases that a stack may make: savings plans, reserved cache nodes, reserved databases.

Nothing is declared without a confirmation of exactly these purchases. What is declared is protected
and kept when it leaves the stack, since no update can give money back. EC2 reserved instances have
no resource type: they are listed for whoever buys them by hand. A savings plan is queued until the
confirmation's moment and can be withdrawn so long; a reservation has a fixed id.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pulumi
import pulumi_aws as aws

from rightsizing.model.commitment import CommitmentDecision
from rightsizing.model.phased import CommitmentsDeclaration, Confirmation


class Commitments(pulumi.ComponentResource):
    """The confirmed purchases of a stack."""

    def __init__(
        self,
        name: str,
        declared: CommitmentsDeclaration,
        confirmed: Confirmation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rightsizing:index:Commitments", name, None, opts)
        kept = pulumi.ResourceOptions(
            parent=self,
            protect=True,
            retain_on_delete=True,
            # They are fixed once bought; without this a changed moment would buy anew.
            ignore_changes=["purchaseTime"],
        )
        for plan, item in savings_plans(declared).items():
            aws.savingsplans.SavingsPlan(
                plan,
                savings_plan_offering_id=item.offering_id,
                commitment=item.hourly_commitment,
                purchase_time=f"{confirmed.purchase_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                opts=kept,
            )
        owned = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        for reservation, node in declared.cache_nodes.items():
            aws.elasticache.ReservedCacheNode(
                reservation,
                reserved_cache_nodes_offering_id=node.offering_id,
                elasticache_reserved_cache_node_id=reservation,
                cache_node_count=node.count,
                opts=owned,
            )
        for reservation, database in declared.databases.items():
            aws.rds.ReservedInstance(
                reservation,
                offering_id=database.offering_id,
                reservation_id=reservation,
                instance_count=database.count,
                opts=owned,
            )
        self.register_outputs({})


def savings_plans(declared: CommitmentsDeclaration) -> dict[str, CommitmentDecision]:
    """Savings plans by logical name: the same for the same purchase, wherever it stands.

    From kind, offering and amount, so that removing an earlier decision renames no later one; the
    second of two equal purchases is numbered.
    """
    found: dict[str, CommitmentDecision] = {}
    for item in declared.plan.decisions:
        if item.kind.is_reservation:
            continue
        amount = item.hourly_commitment.replace(".", "-")
        name = first = f"{item.kind.value}-{item.offering_id[:8]}-{amount}"
        number = 1
        while name in found:
            number += 1
            name = f"{first}-{number}"
        found[name] = item
    return found


def commitments_summary(declared: CommitmentsDeclaration) -> dict[str, Any]:
    """What is bought by the stack, what is only proposed, and what is bought by hand."""
    plans = savings_plans(declared)
    by_hand = [item for item in declared.plan.decisions if item.kind.is_reservation]
    return {
        "confirmed": declared.confirmed is not None,
        "usd_per_hour": f"{sum(item.usd_per_hour for item in plans.values()):f}",
        "savings_plans": sorted(plans),
        "reserved_nodes": sorted(declared.cache_nodes),
        "reserved_databases": sorted(declared.databases),
        "by_hand": [
            f"{item.count} x {item.instance_type} in {item.zone or item.region}, offering "
            f"{item.offering_id}"
            for item in by_hand
        ],
    }
