"""Commitments as values: reserved instances and savings plans, bought or recommended.

A ``CommitmentDecision`` is small enough to live in stack configuration: strings and integers only,
money as a decimal string. A savings plan commits dollars an hour; a reservation commits a count of
instances. Names are AWS's own.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum, unique
from typing import Self

from pydantic import Field, field_validator, model_validator

from rightsizing.model.base import FrozenModel

# CreateSavingsPlan: 0.001 to 1,000,000 dollars an hour, at most five decimals.
MIN_COMMITMENT_USD_PER_HOUR = Decimal("0.001")
MAX_COMMITMENT_USD_PER_HOUR = Decimal(1_000_000)
COMMITMENT_DECIMALS = 5
_FAMILY = re.compile(r"^[a-z][a-z0-9-]*$")


@unique
class PlanKind(StrEnum):
    """Kinds in the order in which AWS applies them to usage."""

    ZONAL_RI = "zonal-ri"
    REGIONAL_RI = "regional-ri"
    EC2_INSTANCE_SP = "ec2-instance-sp"
    COMPUTE_SP = "compute-sp"

    @property
    def is_reservation(self) -> bool:
        """True when instances are committed, not dollars an hour."""
        return self in (PlanKind.ZONAL_RI, PlanKind.REGIONAL_RI)


@unique
class PaymentOption(StrEnum):
    """How a commitment is paid."""

    NO_UPFRONT = "no-upfront"
    PARTIAL_UPFRONT = "partial-upfront"
    ALL_UPFRONT = "all-upfront"


class CommitmentDecision(FrozenModel):
    """One purchase, decided: what, how much, from when, and why.

    ``hourly_commitment`` is dollars an hour over the term (a reservation's: its effective price
    times ``count``), as a decimal string.
    """

    offering_id: str = Field(min_length=1, max_length=128, description="AWS's id of the offering")
    kind: PlanKind = Field(description="kind of reservation or plan")
    term_years: int = Field(description="1 or 3")
    payment: PaymentOption = Field(description="how it is paid")
    hourly_commitment: str = Field(description="dollars an hour, a decimal string such as 1.25")
    count: int = Field(default=0, ge=0, description="instances reserved; 0 for a savings plan")
    start: datetime = Field(description="when it begins, UTC")
    region: str | None = Field(default=None, description="None: every region (Compute plans)")
    family: str | None = Field(default=None, description="instance family, None: every family")
    instance_type: str | None = Field(default=None, description="of a reservation")
    zone: str | None = Field(default=None, description="of a zonal reservation")
    reason: str = Field(min_length=1, max_length=500, description="why, in a sentence")

    @field_validator("term_years")
    @classmethod
    def _one_or_three(cls, value: int) -> int:
        if value not in (1, 3):
            raise ValueError(f"term_years is {value}, AWS sells 1 and 3")
        return value

    @field_validator("hourly_commitment")
    @classmethod
    def _within_limits(cls, value: str) -> str:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            raise ValueError(f"{value!r} is not a decimal number of dollars an hour") from None
        if not amount.is_finite() or not (
            MIN_COMMITMENT_USD_PER_HOUR <= amount <= MAX_COMMITMENT_USD_PER_HOUR
        ):
            raise ValueError(
                f"{value} dollars an hour is outside {MIN_COMMITMENT_USD_PER_HOUR} to "
                f"{MAX_COMMITMENT_USD_PER_HOUR}"
            )
        exponent = amount.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > COMMITMENT_DECIMALS:
            raise ValueError(f"{value} has more than {COMMITMENT_DECIMALS} decimals")
        return value

    @field_validator("start")
    @classmethod
    def _start_has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("start has no time zone; write it in UTC, such as 2026-11-23T00:00Z")
        return value

    @field_validator("family")
    @classmethod
    def _family_is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not _FAMILY.match(value):
            raise ValueError(f"{value!r} is not an instance family such as m7g")
        return value

    @model_validator(mode="after")
    def _scope_fits_the_kind(self) -> Self:
        if self.kind.is_reservation:
            if self.count < 1 or self.instance_type is None or self.region is None:
                raise ValueError("a reservation needs count, instance_type and region")
        elif self.count:
            raise ValueError("a savings plan commits dollars an hour, not a count")
        if self.kind is PlanKind.ZONAL_RI and self.zone is None:
            raise ValueError("a zonal reservation needs its zone")
        if self.kind is PlanKind.EC2_INSTANCE_SP and None in (self.region, self.family):
            raise ValueError("an EC2 Instance Savings Plan needs region and family")
        return self

    @property
    def usd_per_hour(self) -> Decimal:
        """The hourly commitment as a number."""
        return Decimal(self.hourly_commitment)


class CommitmentPlan(FrozenModel):
    """The purchases of a stack, decided together."""

    version: int = Field(default=1, ge=1, le=1, description="of this format")
    decisions: tuple[CommitmentDecision, ...] = Field(default=(), description="in buying order")

    @property
    def usd_per_hour(self) -> Decimal:
        """What all purchases commit, dollars an hour."""
        return sum((item.usd_per_hour for item in self.decisions), Decimal(0))
