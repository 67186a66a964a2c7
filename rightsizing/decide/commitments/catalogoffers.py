"""Offers from the catalog's list prices, where none were read from AWS.

The catalog prices some options only, and gives no offering ids: theirs begin with ``list:``, and
nothing can be bought by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rightsizing.catalog.catalog import Catalog
from rightsizing.errors import CatalogError
from rightsizing.model.base import NoData
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.hourlyusage import Service, Sku
from rightsizing.model.normalisation import LINUX, SHARED
from rightsizing.model.offer import Offer

LIST_PREFIX = "list:"
_OPTION = re.compile(r"^(?P<years>[13])y (?P<kind>standard|ec2-instance-sp) (?P<payment>.+)$")
_UPFRONT = {PaymentOption.ALL_UPFRONT: 1.0, PaymentOption.NO_UPFRONT: 0.0}


def catalog_offers(catalog: Catalog, skus: Iterable[Sku]) -> tuple[Offer, ...]:
    """Offers for the SKUs that the catalog prices: Linux, shared tenancy."""
    wanted = sorted(
        {
            (sku.region, sku.name)
            for sku in skus
            if sku.service is Service.EC2 and (sku.platform, sku.tenancy) == (LINUX, SHARED)
        }
    )
    found: list[Offer] = []
    families: dict[tuple[str, str, str], dict[tuple[str, str, str, str], float]] = {}
    for region, name in wanted:
        for option in catalog.options(region):
            match = _OPTION.match(option)
            usd = None if match is None else _price(catalog, name, region, option)
            if match is None or usd is None:
                continue
            if match["kind"] == "standard":
                found.append(_offer(match, option, {(name, region, LINUX, SHARED): usd}, name))
            else:
                family = name.partition(".")[0]
                rates = families.setdefault((option, region, family), {})
                rates[name, region, LINUX, SHARED] = usd
    for (option, _, _), rates in families.items():
        match = _OPTION.match(option)
        assert match is not None
        found.append(_offer(match, option, rates, None))
    return tuple(found)


def _price(catalog: Catalog, name: str, region: str, option: str) -> float | None:
    try:
        price = catalog.price(name, region, option)
    except CatalogError:
        return None
    return None if isinstance(price, NoData) else float(price.usd_per_hour)


def _offer(
    match: re.Match[str],
    option: str,
    rates: dict[tuple[str, str, str, str], float],
    instance_type: str | None,
) -> Offer:
    name, region, _, _ = next(iter(rates))
    payment = PaymentOption(match["payment"])
    family = name.partition(".")[0]
    return Offer(
        offering_id=f"{LIST_PREFIX}{option}:{region}:{instance_type or family}",
        kind=PlanKind.REGIONAL_RI if instance_type else PlanKind.EC2_INSTANCE_SP,
        term_years=int(match["years"]),
        payment=payment,
        rates=rates,
        upfront_ratio=_UPFRONT.get(payment, 0.5),
        region=region,
        family=None if instance_type else family,
        instance_type=instance_type,
    )
