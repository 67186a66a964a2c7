"""What committing to a case's instance saves: its base load, at the catalog's committed prices.

The base of one instance that always runs is every hour, so the whole of it is committed, by the
cheapest option of the wanted term. Prices are amortised; what is paid at once is said.
"""

from __future__ import annotations

from typing import Protocol

from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.plan.case import Case
from rightsizing.plan.families import Offer, PricedShapes
from rightsizing.plan.figures import number, percent, usd
from rightsizing.plan.savings import Effect, Replace
from rightsizing.units import MONTHS_PER_YEAR

HOURS_PER_YEAR = 8_760


class CommittedPrices(PricedShapes, Protocol):
    """A catalog that also prices commitments."""

    def price(self, instance_type: str, region: str, option: str = ...) -> Price | NoData:
        """Effective dollars an hour of an option; on demand without one."""
        ...

    def options(self, region: str) -> tuple[str, ...]:
        """Options with a price table for a region."""
        ...


def commitment_effect(
    case: Case,
    host: Offer | NoData,
    catalog: CommittedPrices,
    years: int,
    moved_by: tuple[int, ...],
) -> tuple[Effect, tuple[str, ...]]:
    """The effect on the bill, and its arithmetic. ``moved_by``: phases that would undo it."""
    if isinstance(host, NoData):
        return host, ()
    name = host.shape.instance_type
    offers = [
        (price.usd_per_hour, option, price)
        for option in catalog.options(case.region)
        if option.startswith(f"{years}y ")
        and isinstance(price := catalog.price(name, case.region, option), Price)
    ]
    if not offers:
        return NoData(f"the catalog prices no {years}-year commitment of {name}"), ()
    hourly, option, price = min(offers, key=lambda item: item[:2])
    month = hourly * case.month_hours
    ratio = hourly / host.price.usd_per_hour
    upfront = hourly * HOURS_PER_YEAR * years
    months = ratio * years * MONTHS_PER_YEAR
    base = (
        f"the base is one {name} at all hours; {option} is ${number(hourly, 5)} x "
        f"{number(case.month_hours)} h = {usd(month)} a month ({price.source}, {price.as_of})"
    )
    pays = (
        f"pays when used {number(hourly, 5)} / {number(host.price.usd_per_hour, 5)} = "
        f"{percent(ratio * 100, 1)} of the hours, for {number(months, 1)} of "
        f"{years * MONTHS_PER_YEAR} months"
    )
    why = [base, pays]
    if "all-upfront" in option:
        why.append(f"{usd(upfront)} is paid at once, in each term; the figures spread it")
    if price.as_of.year < host.price.as_of.year:
        why.append(
            f"its price is of {price.as_of}, the on-demand price of {host.price.as_of}: ask AWS "
            "for today's (`rightsize commit offers`) before buying"
        )
    if moved_by:
        why.append(
            f"phase {' and '.join(map(str, moved_by))} would move work off this instance, and a "
            "commitment is paid all the same: decide that first"
        )
    return Replace(host.usd_per_month, month), tuple(why)
