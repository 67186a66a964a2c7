"""AWS's billing of usage under commitments, hour by hour, exactly.

Order (AWS, "Understanding how Savings Plans apply", "How Reserved Instances are applied"):

1. zonal reservations, to their exact type and zone
2. regional reservations: of a fixed size to their exact type; flexible ones by normalised units,
   smallest size first
3. EC2 Instance Savings Plans
4. Compute Savings Plans; both give the highest saving first, of equal ones the lowest rate, and a
   plan's own account before others
5. what is left, on demand

A commitment is used in its hour or lost. All hours are worked on at once; the loops run over SKUs
and commitments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from rightsizing.model.commitment import PlanKind
from rightsizing.model.hourlyusage import Array, Sku, Usage
from rightsizing.model.normalisation import normalisation_factor
from rightsizing.model.offer import Holding

_NO_UNITS = 1e-12  # rounding dust below which a quantity counts as nothing


@dataclass(frozen=True, slots=True)
class Bill:
    """What the recorded hours cost; arrays have one row a recorded hour.

    Every unit is in exactly one of ``covered`` (hours x SKUs, by holding) and ``on_demand``.
    """

    usage: Usage  # recorded hours only
    holdings: tuple[Holding, ...]
    covered: tuple[Array, ...]
    on_demand: Array
    committed_usd: Array  # hours x holdings: what is paid, used or not
    used_usd: Array  # hours x holdings: the part that covered usage

    @property
    def on_demand_usd(self) -> float:
        """Dollars paid on demand."""
        return float((self.on_demand @ self.usage.rates).sum())

    @property
    def commitment_usd(self) -> float:
        """Dollars paid for commitments, used or not, amortised."""
        return float(self.committed_usd.sum())

    @property
    def total_usd(self) -> float:
        """All dollars."""
        return self.on_demand_usd + self.commitment_usd

    @property
    def covered_list_usd(self) -> float:
        """On-demand cost of what commitments covered."""
        return float(sum((part @ self.usage.rates).sum() for part in self.covered))

    @property
    def unused_usd(self) -> float:
        """Commitment dollars that covered nothing."""
        return float((self.committed_usd - self.used_usd).sum())

    def total(self) -> Decimal:
        """All dollars, as stored: to a millionth."""
        return Decimal(str(round(self.total_usd, 6)))


def bill(usage: Usage, holdings: Sequence[Holding]) -> Bill:
    """Apply the holdings to the usage. Hours without data are left out on both sides."""
    known = usage.known
    recorded = usage.recorded()
    hours = usage.first_hour + np.flatnonzero(known)
    left = recorded.quantity.copy()
    covered = [np.zeros_like(left) for _ in holdings]
    active = _active(holdings, hours)
    for kind in PlanKind:
        chosen = [index for index, item in enumerate(holdings) if item.offer.kind is kind]
        if kind.is_reservation:
            # Fixed sizes first, so that a flexible one is left for the sizes nothing else fits.
            for index in sorted(chosen, key=lambda one: (holdings[one].offer.flexible, one)):
                _reserve(holdings[index], active[:, index], recorded, left, covered[index])
        else:
            _spend({one: holdings[one] for one in chosen}, active, recorded, left, covered)
    committed = active * np.array([item.usd_per_hour for item in holdings])
    used = np.zeros_like(committed)
    for index, item in enumerate(holdings):
        rates = np.array(
            [item.offer.rate(sku) if item.offer.covers(sku) else 0.0 for sku in recorded.skus]
        )
        used[:, index] = covered[index] @ rates
    return Bill(recorded, tuple(holdings), tuple(covered), left, committed, used)


def _active(holdings: Sequence[Holding], hours: np.ndarray) -> Array:
    """1 where a holding is active, hours x holdings."""
    active = np.ones((len(hours), len(holdings)))
    for index, item in enumerate(holdings):
        if item.first_hour is not None:
            active[:, index] *= hours >= item.first_hour
        if item.end_hour is not None:
            active[:, index] *= hours < item.end_hour
    return active


def _reserve(holding: Holding, active: Array, usage: Usage, left: Array, covered: Array) -> None:
    offer = holding.offer
    units = active * holding.quantity * (offer.factor if offer.flexible else 1.0)
    places = [index for index, sku in enumerate(usage.skus) if offer.covers(sku)]

    def factor(index: int) -> float:
        return normalisation_factor(usage.skus[index].name) if offer.flexible else 1.0

    for index in sorted(places, key=lambda one: (_foreign(holding, usage.skus[one]), factor(one))):
        taken = np.minimum(left[:, index], units / factor(index))
        _move(taken, left, covered, index)
        units = np.maximum(units - taken * factor(index), 0.0)


def _spend(
    plans: Mapping[int, Holding],
    active: Array,
    usage: Usage,
    left: Array,
    covered: Sequence[Array],
) -> None:
    """Plans of one kind: pairs of plan and SKU in the order of their savings."""
    dollars = {index: active[:, index] * plan.quantity for index, plan in plans.items()}
    pairs = []
    for index, plan in plans.items():
        offer = plan.offer
        for place, sku in enumerate(usage.skus):
            if offer.covers(sku):
                rate = offer.rate(sku)
                saving = round(1 - rate / sku.usd_per_unit, 9)
                pairs.append((_foreign(plan, sku), -saving, rate, index, place))
    for _, _, rate, index, place in sorted(pairs):
        taken = np.minimum(left[:, place], dollars[index] / rate)
        _move(taken, left, covered[index], place)
        dollars[index] = np.maximum(dollars[index] - taken * rate, 0.0)


def _move(taken: Array, left: Array, covered: Array, place: int) -> None:
    covered[:, place] += taken
    rest = left[:, place] - taken
    left[:, place] = np.where(rest < _NO_UNITS, 0.0, rest)


def _foreign(holding: Holding, sku: Sku) -> bool:
    """Whether the usage is another account's; without accounts everything is one's own."""
    owner = holding.offer.account
    return owner is not None and sku.account is not None and owner != sku.account
