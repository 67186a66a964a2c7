"""Prices with their source and date, and monthly costs with their basis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from rightsizing.model.base import NoData
from rightsizing.units import HOURS_PER_MONTH, format_usd


@dataclass(frozen=True, slots=True)
class Price:
    """One list unit price (FOCUS: ListUnitPrice)."""

    usd_per_hour: Decimal
    region: str
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Rates:
    """Owner's own rates for capacity that has no price list, as in a cost review."""

    usd_per_core_month: Decimal
    usd_per_gib_month: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """A month's cost in US dollars and where the figure comes from."""

    usd_per_month: Decimal
    basis: str  # e.g. "us-east-1 Linux on-demand list, 2026-07-20, 730 h, 2 instances (minimum)"

    def __str__(self) -> str:
        return format_usd(self.usd_per_month)


def monthly_cost(price: Price | NoData, count: float, count_basis: str) -> MonthlyCost | NoData:
    """Cost of ``count`` instances for 730 hours; unknown prices stay unknown."""
    if isinstance(price, NoData):
        return price
    amount = price.usd_per_hour * HOURS_PER_MONTH * Decimal(str(count))
    basis = f"{price.region} on-demand list, {price.as_of}, {HOURS_PER_MONTH} h, {count_basis}"
    return MonthlyCost(amount, basis)
