"""EC2 families by what they are built for, and the cheapest type of a class that fits a demand.

The class is read from the letter AWS names families by (c compute, m general, r/x/z/u memory, t
burstable; https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html, read
2026-07). Prices and shapes come from the catalog that is passed in; an unpriced type is no offer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.shape import InstanceShape
from rightsizing.model.workload import Architecture
from rightsizing.plan.case import FamilyClass

_CLASS_BY_LETTERS = {
    "c": FamilyClass.COMPUTE,
    "m": FamilyClass.GENERAL,
    "r": FamilyClass.MEMORY,
    "x": FamilyClass.MEMORY,
    "z": FamilyClass.MEMORY,
    "u": FamilyClass.MEMORY,
    "t": FamilyClass.BURSTABLE,
}


class PricedShapes(Protocol):
    """The part of the catalog a plan needs."""

    def shape(self, instance_type: str) -> InstanceShape:
        """Specification of a type; raises CatalogError for an unknown one."""
        ...

    def shapes(self, region: str) -> tuple[InstanceShape, ...]:
        """Every type offered in a region."""
        ...

    def price(self, instance_type: str, region: str) -> Price | NoData:
        """On-demand Linux list price."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A shape with its list price, for a month of the case's own length."""

    shape: InstanceShape
    price: Price
    usd_per_month: Decimal

    @property
    def memory_gib(self) -> Decimal:
        """Memory in GiB, exact."""
        return Decimal(self.shape.memory_mib) / 1024


def family_class(instance_type: str) -> FamilyClass:
    """What a type's family is built for."""
    letters = re.match(r"[a-z]+", instance_type)
    return _CLASS_BY_LETTERS.get(letters.group(0) if letters else "", FamilyClass.OTHER)


def offer(
    catalog: PricedShapes, instance_type: str, region: str, month_hours: Decimal
) -> Offer | NoData:
    """One type with its price; NoData when the catalog knows no price or no such type."""
    try:
        shape = catalog.shape(instance_type)
    except CatalogError as error:
        return NoData(str(error))
    price = catalog.price(instance_type, region)
    if isinstance(price, NoData):
        return price
    return Offer(shape, price, price.usd_per_hour * month_hours)


def cheapest_offer(
    catalog: PricedShapes,
    region: str,
    month_hours: Decimal,
    *,
    classes: Iterable[FamilyClass],
    min_vcpus: Decimal,
    min_memory_gib: Decimal,
    architecture: Architecture | None = None,
) -> Offer | NoData:
    """The cheapest priced type of ``classes`` with at least that capacity, without GPU or metal.

    Ties go to the name that sorts first, so that the answer is always the same.
    """
    wanted = frozenset(classes)
    found = [
        Offer(shape, price, price.usd_per_hour * month_hours)
        for shape in catalog.shapes(region)
        if family_class(shape.instance_type) in wanted
        and not (shape.gpu_count or shape.bare_metal)
        and (architecture is None or shape.architecture is architecture)
        and shape.vcpus >= min_vcpus
        and Decimal(shape.memory_mib) >= min_memory_gib * 1024
        and isinstance(price := catalog.price(shape.instance_type, region), Price)
    ]
    if not found:
        names = ", ".join(sorted(item.value for item in wanted))
        return NoData(f"the catalog prices no {names} type of that size in {region}")
    return min(found, key=lambda item: (item.usd_per_month, item.shape.instance_type))
