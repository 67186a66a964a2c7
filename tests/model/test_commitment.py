"""Decisions as they live in stack configuration."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from rightsizing.model.commitment import CommitmentDecision, CommitmentPlan, PlanKind

PLAN = {
    "offering_id": "a-b",
    "kind": "compute-sp",
    "term_years": 1,
    "payment": "no-upfront",
    "hourly_commitment": "1.25",
    "start": datetime(2026, 11, 23, tzinfo=UTC),
    "reason": "used by 99 %",
}
RESERVED = {"kind": "regional-ri", "count": 2, "instance_type": "m5.large", "region": "us-east-1"}


def test_round_trip() -> None:
    """JSON and back, money exact."""
    plan = CommitmentPlan(decisions=(CommitmentDecision(**PLAN),))
    again = CommitmentPlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert again.usd_per_hour == Decimal("1.25")
    assert CommitmentDecision(**{**PLAN, **RESERVED}).kind is PlanKind.REGIONAL_RI


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hourly_commitment": "0.0001"}, "outside 0.001 to 1000000"),
        ({"hourly_commitment": "0.1234567"}, "more than 5 decimals"),
        ({"hourly_commitment": "much"}, "not a decimal number"),
        ({"hourly_commitment": "NaN"}, "outside"),
        ({"term_years": 2}, "AWS sells 1 and 3"),
        ({"start": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001
        ({"kind": "ec2-instance-sp"}, "needs region and family"),
        ({**RESERVED, "count": 0}, "needs count"),
        ({**RESERVED, "kind": "zonal-ri"}, "needs its zone"),
        ({"count": 3}, "not a count"),
        ({"family": "M5!"}, "instance family"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_mistakes(change, sentence: str) -> None:
    """Each names the value and the limit."""
    with pytest.raises(ValidationError, match=sentence):
        CommitmentDecision(**{**PLAN, **change})
