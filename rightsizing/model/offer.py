"""What can be bought, and what is held: offers with their prices, holdings with their dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rightsizing.errors import ConfigError
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.hourlyusage import Service, Sku
from rightsizing.model.normalisation import (
    LINUX,
    SHARED,
    is_size_flexible,
    normalisation_factor,
    split_type,
)
from rightsizing.units import MONTHS_PER_YEAR

HOURS_PER_YEAR = 8_760
PriceKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Offer:
    """A reservation or plan on offer.

    ``rates`` are committed dollars a unit: of the one instance type of a reservation (amortised:
    upfront over the term's hours plus the hourly charge), of every SKU a plan covers. The upfront
    ratio is the part of the whole price that is paid at once.
    """

    offering_id: str
    kind: PlanKind
    term_years: int
    payment: PaymentOption
    rates: Mapping[PriceKey, float]
    upfront_ratio: float = 0.0
    region: str | None = None
    family: str | None = None
    instance_type: str | None = None
    zone: str | None = None
    platform: str = LINUX
    tenancy: str = SHARED
    account: str | None = None
    classes: frozenset[Service] = field(default_factory=lambda: frozenset(Service))

    def __post_init__(self) -> None:
        if self.term_years not in (1, 3):
            raise ConfigError(
                f"offer {self.offering_id} has a term of {self.term_years} years, AWS sells 1 and 3"
            )
        if self.kind.is_reservation and (self.instance_type is None or self.region is None):
            raise ConfigError(f"reservation {self.offering_id} names no instance type and region")
        if not all(rate > 0 for rate in self.rates.values()):
            raise ConfigError(f"offer {self.offering_id} has a rate that is not above 0")

    @property
    def term_hours(self) -> int:
        """Hours of the term."""
        return self.term_years * HOURS_PER_YEAR

    @property
    def term_months(self) -> int:
        """Months of the term."""
        return self.term_years * MONTHS_PER_YEAR

    @property
    def flexible(self) -> bool:
        """A regional reservation that covers other sizes of its family."""
        if self.kind is not PlanKind.REGIONAL_RI or self.instance_type is None:
            return False
        return is_size_flexible(split_type(self.instance_type)[0], self.platform, self.tenancy)

    @property
    def unit_usd_per_hour(self) -> float:
        """Dollars an hour of one unit of quantity: one reserved instance, or one dollar."""
        return next(iter(self.rates.values())) if self.kind.is_reservation else 1.0

    @property
    def factor(self) -> float:
        """Normalised units of one reserved instance."""
        return normalisation_factor(self.instance_type) if self.instance_type else 0.0

    def covers(self, sku: Sku) -> bool:
        """Whether usage of the SKU can be billed under this offer."""
        if self.region is not None and sku.region != self.region:
            return False
        if self.kind.is_reservation:
            return self._reserves(sku)
        if self.family is not None and sku.family != self.family:
            return False
        return sku.service in self.classes and sku.price_key in self.rates

    def _reserves(self, sku: Sku) -> bool:
        same = (sku.platform, sku.tenancy) == (self.platform, self.tenancy)
        if sku.service is not Service.EC2 or not same:
            return False
        if self.flexible and self.instance_type is not None:
            return sku.family == split_type(self.instance_type)[0]
        in_zone = self.kind is not PlanKind.ZONAL_RI or sku.zone == self.zone
        return sku.name == self.instance_type and in_zone

    def rate(self, sku: Sku) -> float:
        """Committed dollars a unit of the SKU; a flexible reservation's goes by its factors."""
        if self.flexible:
            return self.unit_usd_per_hour * normalisation_factor(sku.name) / self.factor
        if self.kind.is_reservation:
            return self.unit_usd_per_hour
        return self.rates[sku.price_key]


@dataclass(frozen=True, slots=True)
class Holding:
    """A commitment: ``quantity`` instances of a reservation, or dollars an hour of a plan.

    Active in hours ``first_hour`` to ``end_hour`` (not included), counted as ``Usage`` counts them;
    None: before and after everything.
    """

    offer: Offer
    quantity: float
    first_hour: int | None = None
    end_hour: int | None = None
    holding_id: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.quantity < float("inf"):
            raise ConfigError(
                f"commitment {self.holding_id or self.offer.offering_id} has a quantity of "
                f"{self.quantity:g}, must be 0 or more"
            )

    @property
    def usd_per_hour(self) -> float:
        """What it costs in each active hour, amortised."""
        return self.quantity * self.offer.unit_usd_per_hour
