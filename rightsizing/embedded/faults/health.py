"""Targets that fail their health checks although they run."""

from __future__ import annotations

from typing import Any

from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup, elbv2_backends

from rightsizing.embedded.cloud.clock import Clock
from rightsizing.embedded.faults.book import FaultBook, arm_matches
from rightsizing.embedded.faults.plan import UnhealthyTargets
from rightsizing.model.workload import WORKLOAD_TAG

SLOT_TAG = "rightsizing:slot"
_TargetGroup: Any = FakeTargetGroup  # changed in place, which its type does not allow


def fail_health_checks(book: FaultBook, clock: Clock) -> None:
    """Put it into moto; once a process."""
    healthy = _TargetGroup.health_for

    def failing(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        status = healthy(self, target, ec2_backend)
        if status.status == "healthy" and _fails(self, status.instance_id):
            return FakeHealthStatus(
                status.instance_id,
                status.port,
                status.health_check_port,
                "unhealthy",
                "Target.FailedHealthChecks",
                "Health checks failed",
            )
        return status

    def _fails(group: Any, target_id: str) -> bool:
        account, region = group.arn.split(":")[4], group.arn.split(":")[3]
        backend = elbv2_backends[account][region]
        tags = backend.tagging_service.get_tag_dict_for_resource(group.arn)
        workload, slot = tags.get(WORKLOAD_TAG, ""), tags.get(SLOT_TAG, "")
        for fault in book.lasting(UnhealthyTargets, clock.now_ms()):
            meant = arm_matches(fault, workload, slot) and fault.target_group_contains in group.arn
            if meant and target_id in sorted(group.targets)[: fault.count]:
                return True
        return False

    _TargetGroup.health_for = failing
