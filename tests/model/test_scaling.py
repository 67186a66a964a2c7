"""Scaling policies in a release: optional, hashed when there, and absent from every id when not."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from rightsizing.model.release import Release
from rightsizing.model.scaling import Predictive, ScalingPolicy, ScheduledMinimum
from rightsizing.model.size import FleetSize, ServiceSize

FLEET = FleetSize(instance_type="m5.large", min_instances=2, max_instances=6)
POLICY = ScalingPolicy(
    target_cpu_pct=50, schedule=(ScheduledMinimum(cron="55 7 * * 1,2", minimum=4),)
)


def test_a_size_without_a_policy_is_written_as_before() -> None:
    """No key appears, so ids of earlier releases stay."""
    assert set(FLEET.model_dump(mode="json")) == {
        "kind",
        "instance_type",
        "min_instances",
        "max_instances",
    }


def test_a_policy_is_part_of_the_id_and_survives_a_round_trip() -> None:
    """The same sizes with a policy are another release; absent settings are not written."""
    scaled = FLEET.model_copy(update={"scaling": POLICY})
    one, other = Release(baseline={"web": FLEET}), Release(baseline={"web": scaled})
    assert one.id != other.id
    again = Release.model_validate(json.loads(other.canonical_json()))
    assert (again, again.id) == (other, other.id)
    assert b"null" not in other.canonical_json()


@pytest.mark.parametrize("cron", ["61 7 * * *", "0 25 * * *", "0 7 * *", "rate(1 day)"])
def test_an_impossible_time_is_refused(cron: str) -> None:
    """The value is named."""
    with pytest.raises(ValidationError, match="is not a time such as"):
        ScheduledMinimum(cron=cron, minimum=1)


def test_a_policy_scales_by_something() -> None:
    """Neither target nor schedule is a mistake; so is a forecast for a service."""
    with pytest.raises(ValidationError, match="target_cpu_pct, a schedule or both"):
        ScalingPolicy()
    forecast = ScalingPolicy(target_cpu_pct=50, predictive=Predictive(target_cpu_pct=50))
    with pytest.raises(ValidationError, match="predictive scaling is for fleets"):
        ServiceSize(cpu_units=256, memory_mib=512, min_tasks=1, max_tasks=2, scaling=forecast)
