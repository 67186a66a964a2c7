"""What to buy now: from usage, offers and what is held to purchases with their evidence.

Demand is what is left on demand under the commitments in force. Each pool (region and family) takes
the cheapest offer of the asked term and payment, the Compute plan what pools leave; amounts are
``PurchaseRule``'s. The result is billed by the exact waterfall on the last four weeks, before and
after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

import numpy as np

from rightsizing.decide.commitments.outlook import HOURS_PER_DAY
from rightsizing.decide.commitments.peerrules import Beside
from rightsizing.decide.commitments.purchase import WINDOW_DAYS, PurchaseRule, chance_of_underuse
from rightsizing.decide.commitments.waterfall import Bill, bill
from rightsizing.errors import TelemetryError
from rightsizing.model.commitment import (
    COMMITMENT_DECIMALS,
    MIN_COMMITMENT_USD_PER_HOUR,
    PaymentOption,
    PlanKind,
)
from rightsizing.model.hourlyusage import Array, Usage
from rightsizing.model.offer import HOURS_PER_YEAR, Holding, Offer

EXPIRY_NOTICE_DAYS = 90
_QUANTUM = Decimal(1).scaleb(-COMMITMENT_DECIMALS)


@dataclass(frozen=True, slots=True)
class Purchase:
    """One thing to buy. ``break_even_months``: use in full for so long pays the whole term, even
    if nothing ran afterwards; None where it never does."""

    offer: Offer
    pool: str | None  # None: every pool
    quantity: float  # instances, or dollars an hour
    usd_per_hour: Decimal
    upfront_usd: Decimal
    ratio: float  # committed over on-demand price of what it covers
    break_even_months: float | None
    chance_of_underuse: float | None  # below 80 % over the term, by the outlook
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One bill in the field's terms. Ratios are 0-1."""

    list_usd: Decimal
    total_usd: Decimal
    coverage: float
    utilisation: float
    effective_savings_rate: float

    @classmethod
    def of(cls, found: Bill) -> Figures:
        """Read off a bill."""
        everything, paid = found.usage.list_usd, found.commitment_usd
        return cls(
            list_usd=_dollars(everything),
            total_usd=found.total(),
            coverage=found.covered_list_usd / everything if everything else 0.0,
            utilisation=1 - found.unused_usd / paid if paid else 1.0,
            effective_savings_rate=1 - found.total_usd / everything if everything else 0.0,
        )


@dataclass(frozen=True, slots=True)
class CommitmentAdvice:
    """Purchases, the last four weeks before and after them, and what to know."""

    purchases: tuple[Purchase, ...]
    before: Figures
    after: Figures
    scored_hours: int
    most_to_lose_usd: Decimal  # of the purchases, if all usage stopped today
    notes: tuple[str, ...]


def advise(
    usage: Usage,
    offers: Sequence[Offer],
    held: Sequence[Holding],
    rule: PurchaseRule,
    payment: PaymentOption,
) -> CommitmentAdvice:
    """Decide what to buy at the end of the usage.

    Raises TelemetryError when the usage has under four weeks of recorded hours.
    """
    recorded = int(usage.known.sum())
    if recorded < WINDOW_DAYS * HOURS_PER_DAY:
        raise TelemetryError(
            f"the usage has {recorded} recorded hours, a year's commitment needs at least "
            f"{WINDOW_DAYS * HOURS_PER_DAY} ({WINDOW_DAYS} days); give a longer export"
        )
    now = usage.first_hour + usage.hours
    active, notes = _in_force(held, now)
    fitting = [
        offer
        for offer in offers
        if (offer.term_years, offer.payment) == (rule.term_years, payment)
        and offer.kind is not PlanKind.ZONAL_RI
    ]
    if not fitting:
        notes.append(
            f"no offer of {rule.term_years} years with {payment.value} payment is known; "
            "`rightsize commit offers` reads them from AWS"
        )
    left = _left_on_demand(usage, active)
    purchases = _purchases(usage, left, fitting, rule)
    recent = usage.between(max(0, usage.hours - WINDOW_DAYS * HOURS_PER_DAY), usage.hours)
    bought = [Holding(item.offer, item.quantity) for item in purchases]
    before, after = bill(recent, active), bill(recent, [*active, *bought])
    for item, taken in zip(active, before.used_usd.T, strict=True):
        committed = item.usd_per_hour * len(taken)
        if committed and taken.sum() < 0.8 * committed:
            notes.append(
                f"{item.holding_id or item.offer.offering_id} is used by "
                f"{taken.sum() / committed:.0%}: it is larger than the usage it covers, let it end"
            )
    return CommitmentAdvice(
        purchases=tuple(purchases),
        before=Figures.of(before),
        after=Figures.of(after),
        scored_hours=before.usage.hours,
        most_to_lose_usd=sum(
            (item.usd_per_hour * item.offer.term_hours for item in purchases), Decimal(0)
        ),
        notes=tuple(notes),
    )


def _in_force(held: Sequence[Holding], now: int) -> tuple[list[Holding], list[str]]:
    active: list[Holding] = []
    notes: list[str] = []
    for item in held:
        name = item.holding_id or item.offer.offering_id
        if item.end_hour is not None and item.end_hour <= now:
            notes.append(f"{name} has expired and counts for nothing")
            continue
        if item.first_hour is not None and item.first_hour >= now:
            notes.append(
                f"{name} has not begun; it is counted as if it had, so as not to buy twice"
            )
        if item.end_hour is not None and item.end_hour - now < EXPIRY_NOTICE_DAYS * HOURS_PER_DAY:
            days = (item.end_hour - now) // HOURS_PER_DAY
            notes.append(
                f"{name} ends in {days} days; what it covers is bought then, not now: run this "
                "again after its end"
            )
        active.append(Holding(item.offer, item.quantity, holding_id=item.holding_id))
    return active, notes


def _left_on_demand(usage: Usage, active: Sequence[Holding]) -> Array:
    """Units left on demand under today's commitments, hours x SKUs; NaN where not recorded."""
    left = np.full_like(usage.quantity, np.nan)
    left[usage.known] = bill(usage, active).on_demand
    return left


def _purchases(
    usage: Usage, left: Array, offers: Sequence[Offer], rule: PurchaseRule
) -> list[Purchase]:
    dollars = left * usage.rates
    compute = _cheapest([one for one in offers if one.kind is PlanKind.COMPUTE_SP], usage, dollars)
    beside = None
    if compute is not None:
        beside = Beside(dollars[:, compute.places].sum(axis=1), compute.ratio)
    found: list[Purchase] = []
    own_left = dollars.copy()
    for pool in sorted({sku.pool for sku in usage.skus}):
        inside = [place for place, sku in enumerate(usage.skus) if sku.pool == pool]
        choices = [one for one in offers if one.kind is not PlanKind.COMPUTE_SP]
        chosen = _cheapest(choices, usage, dollars, inside)
        if chosen is None:
            continue
        history = dollars[:, chosen.places].sum(axis=1)
        coverage = rule.purchase(history, chosen.ratio, 0.0, beside)
        bought = _purchase(chosen, pool, coverage, history, rule)
        if bought is not None:
            found.append(bought)
            share = 1 - np.minimum(
                1, float(bought.usd_per_hour) / chosen.ratio / _positive(history)
            )
            own_left[:, chosen.places] *= share[:, None]
    if compute is not None:
        history = own_left[:, compute.places].sum(axis=1)
        coverage = rule.purchase(history, compute.ratio, 0.0)
        bought = _purchase(compute, None, coverage, history, rule)
        if bought is not None:
            found.append(bought)
    return found


@dataclass(frozen=True, slots=True)
class _Chosen:
    offer: Offer
    places: list[int]
    ratio: float


def _cheapest(
    offers: Sequence[Offer], usage: Usage, dollars: Array, inside: Sequence[int] | None = None
) -> _Chosen | None:
    """The offer of the lowest ratio over what it covers; of equal ones a plan, then more usage."""
    best: tuple[tuple[float, bool, float, str], _Chosen] | None = None
    weights = np.nansum(dollars[-WINDOW_DAYS * HOURS_PER_DAY :], axis=0)
    for offer in offers:
        places = [
            place
            for place in (range(len(usage.skus)) if inside is None else inside)
            if offer.covers(usage.skus[place])
        ]
        weight = float(weights[places].sum())
        if weight <= 0:
            continue
        ratios = [offer.rate(usage.skus[p]) / usage.skus[p].usd_per_unit for p in places]
        ratio = float(np.average(ratios, weights=weights[places]))
        key = (round(ratio, 4), offer.kind.is_reservation, -weight, offer.offering_id)
        if best is None or key < best[0]:
            best = (key, _Chosen(offer, places, ratio))
    return None if best is None else best[1]


def _purchase(
    chosen: _Chosen, pool: str | None, coverage: float, history: Array, rule: PurchaseRule
) -> Purchase | None:
    offer, ratio = chosen.offer, chosen.ratio
    hourly = Decimal(str(coverage * ratio))
    if offer.kind.is_reservation:
        unit = Decimal(str(offer.unit_usd_per_hour))
        count = int(hourly / unit)
        quantity, hourly = float(count), count * unit
    else:
        hourly = hourly.quantize(_QUANTUM, rounding=ROUND_DOWN)
        quantity = float(hourly)
    if hourly < MIN_COMMITMENT_USD_PER_HOUR:
        return None
    covered = float(hourly) / ratio
    recent = history[-WINDOW_DAYS * HOURS_PER_DAY :]
    recent = recent[~np.isnan(recent)]
    used = float(np.minimum(recent, covered).mean()) / covered
    scope = pool or "all families"
    return Purchase(
        offer=offer,
        pool=pool,
        quantity=quantity,
        usd_per_hour=hourly,
        upfront_usd=(hourly * offer.term_hours * Decimal(str(offer.upfront_ratio))).quantize(
            Decimal("0.01")
        ),
        ratio=ratio,
        break_even_months=offer.term_months * ratio / used if used * 1.0 > ratio else None,
        chance_of_underuse=chance_of_underuse(covered, history, rule.term_years),
        reason=(
            f"{scope}: covers ${covered:.4f} an hour of on-demand cost at {1 - ratio:.1%} off; "
            f"used by {used:.1%} in the last {WINDOW_DAYS} days, pays from {ratio:.1%}"
        ),
    )


def _positive(values: Array) -> Array:
    return np.where(values > 0, values, np.inf)


def _dollars(amount: float) -> Decimal:
    return Decimal(str(round(amount, 6)))


def yearly_list_usd(usage: Usage) -> Decimal:
    """On-demand cost of a year at the mean of the recorded hours."""
    hours = int(usage.known.sum())
    return _dollars(usage.list_usd / hours * HOURS_PER_YEAR) if hours else Decimal(0)
