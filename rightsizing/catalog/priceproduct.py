"""Reads one product of the AWS Price List: what an hour costs, by purchase option.

A product is JSON with ``product.attributes`` and ``terms``; terms hold price dimensions with a unit
and a price per currency. Whatever is not a plain positive price in US dollars is left out, never
read as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum, unique
from typing import Any

from rightsizing.catalog.catalog import ON_DEMAND
from rightsizing.model.workload import Architecture

HOURS_PER_YEAR = 8760  # as AWS spreads upfront payments

_LEASES = {"1yr": 1, "3yr": 3}
_PAYMENTS = {
    "No Upfront": "no-upfront",
    "Partial Upfront": "partial-upfront",
    "All Upfront": "all-upfront",
}
_HOURLY_UNITS = frozenset({"hrs", "hours", "vcpu-hours", "gb-hours"})


@unique
class FargateUnit(StrEnum):
    """What Fargate bills by the hour."""

    VCPU = "vcpu"
    GIB = "gib"


@dataclass(frozen=True, slots=True)
class FargateRate:
    """One of Fargate's two Linux rates."""

    architecture: Architecture
    unit: FargateUnit
    usd_per_hour: Decimal


# Ends of Fargate's usage types; what comes before is the region's billing prefix.
_FARGATE = {
    "Fargate-vCPU-Hours:perCPU": (Architecture.X86_64, FargateUnit.VCPU),
    "Fargate-GB-Hours": (Architecture.X86_64, FargateUnit.GIB),
    "Fargate-ARM-vCPU-Hours:perCPU": (Architecture.ARM64, FargateUnit.VCPU),
    "Fargate-ARM-GB-Hours": (Architecture.ARM64, FargateUnit.GIB),
}


def instance_type_of(product: Mapping[str, Any]) -> str:
    """The instance type the product prices; empty if it prices something else."""
    return str(_attributes(product).get("instanceType", ""))


def instance_rates(product: Mapping[str, Any]) -> dict[str, Decimal]:
    """Dollars an hour by purchase option: on-demand, and commitments with upfront spread out."""
    terms = product.get("terms", {})
    rates = {}
    on_demand = _hourly(terms.get("OnDemand", {}))
    if on_demand is not None:
        rates[ON_DEMAND] = on_demand
    for term in terms.get("Reserved", {}).values():
        option, rate = _commitment(term)
        if option is not None and rate is not None:
            rates[option] = rate
    return rates


def fargate_rate(product: Mapping[str, Any]) -> FargateRate | None:
    """The Fargate rate a product states; None when it prices something else."""
    usage = str(_attributes(product).get("usagetype", ""))
    for ending, (architecture, unit) in _FARGATE.items():
        prefix = usage.removesuffix(ending)
        if prefix == usage or (prefix and not prefix.endswith("-")):
            continue
        usd = _hourly(product.get("terms", {}).get("OnDemand", {}))
        return None if usd is None else FargateRate(architecture, unit, usd)
    return None


def _attributes(product: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = product.get("product", {}).get("attributes", {})
    return found


def _hourly(terms: Mapping[str, Any]) -> Decimal | None:
    """The one positive hourly price of an on-demand product; None when it states none."""
    prices = [
        _usd(dimension)
        for term in terms.values()
        for dimension in term.get("priceDimensions", {}).values()
        if str(dimension.get("unit", "")).lower() in _HOURLY_UNITS
    ]
    positive = [price for price in prices if price is not None and price > 0]
    return positive[0] if len(positive) == 1 else None


def _commitment(term: Mapping[str, Any]) -> tuple[str | None, Decimal | None]:
    """Name of the purchase option and its effective dollars an hour."""
    attributes = term.get("termAttributes", {})
    years = _LEASES.get(attributes.get("LeaseContractLength", ""))
    payment = _PAYMENTS.get(attributes.get("PurchaseOption", ""))
    offering = attributes.get("OfferingClass")
    if years is None or payment is None or not offering:
        return None, None
    effective = Decimal(0)
    for dimension in term.get("priceDimensions", {}).values():
        usd = _usd(dimension)
        if usd is None:
            return None, None
        upfront = dimension.get("unit") == "Quantity"
        effective += usd / (years * HOURS_PER_YEAR) if upfront else usd
    if effective <= 0:
        return None, None
    return f"{years}y {offering} {payment}", effective.quantize(Decimal("1e-6"))


def _usd(dimension: Mapping[str, Any]) -> Decimal | None:
    try:
        return Decimal(dimension["pricePerUnit"]["USD"])
    except (KeyError, TypeError, InvalidOperation):
        return None
