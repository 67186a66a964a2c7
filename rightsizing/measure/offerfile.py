"""Offers and held commitments as a JSON file: written by ``rightsize commit offers``.

Money is a decimal string. A file can also be written by hand, for negotiated prices.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import Field, ValidationError

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel
from rightsizing.model.commitment import PaymentOption, PlanKind
from rightsizing.model.normalisation import LINUX, SHARED
from rightsizing.model.offer import Holding, Offer

_SECONDS_PER_HOUR = 3600


class RateRecord(FrozenModel):
    """Committed dollars a unit of one SKU; a reservation has one rate, amortised."""

    name: str
    region: str
    usd_per_unit: Decimal = Field(gt=0)
    platform: str = LINUX
    tenancy: str = SHARED


class OfferRecord(FrozenModel):
    """One offer. ``valid_until``: when it can no longer be bought."""

    offering_id: str
    kind: PlanKind
    term_years: int
    payment: PaymentOption
    rates: tuple[RateRecord, ...]
    upfront_ratio: Decimal = Field(default=Decimal(0), ge=0, le=1)
    region: str | None = None
    family: str | None = None
    instance_type: str | None = None
    zone: str | None = None
    platform: str = LINUX
    tenancy: str = SHARED
    currency: str = "USD"
    valid_until: datetime | None = None

    def offer(self) -> Offer:
        """As the core takes it. Raises ConfigError for a currency other than USD."""
        if self.currency != "USD":
            raise ConfigError(
                f"offer {self.offering_id} is priced in {self.currency}; usage is priced in USD"
            )
        return Offer(
            offering_id=self.offering_id,
            kind=self.kind,
            term_years=self.term_years,
            payment=self.payment,
            rates={
                (rate.name, rate.region, rate.platform, rate.tenancy): float(rate.usd_per_unit)
                for rate in self.rates
            },
            upfront_ratio=float(self.upfront_ratio),
            region=self.region,
            family=self.family,
            instance_type=self.instance_type,
            zone=self.zone,
            platform=self.platform,
            tenancy=self.tenancy,
        )


class HoldingRecord(FrozenModel):
    """A commitment in force: instances of a reservation, or dollars an hour of a plan."""

    id: str
    offer: OfferRecord
    quantity: Decimal = Field(ge=0)
    start: datetime
    end: datetime

    def holding(self) -> Holding:
        """As the core takes it."""
        return Holding(
            self.offer.offer(),
            float(self.quantity),
            _hour(self.start),
            _hour(self.end),
            holding_id=self.id,
        )


class OfferFile(FrozenModel):
    """The whole document."""

    version: int = Field(default=1, ge=1, le=1)
    source: str
    read_at: datetime
    offers: tuple[OfferRecord, ...] = ()
    held: tuple[HoldingRecord, ...] = ()

    def current(self, now: datetime) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
        """Offers that can be bought now, and a sentence for each that has expired."""
        good: list[Offer] = []
        notes: list[str] = []
        for record in self.offers:
            if record.valid_until is not None and _aware(record.valid_until) <= now:
                notes.append(
                    f"offer {record.offering_id} expired on {record.valid_until:%Y-%m-%d} and is "
                    "left out; `rightsize commit offers` reads today's"
                )
            else:
                good.append(record.offer())
        return tuple(good), tuple(notes)


def read_offer_file(path: Path) -> OfferFile:
    """Read and check. Raises ConfigError naming the file and what is wrong in it."""
    try:
        return OfferFile.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the offers file {path} cannot be read ({error.strerror}); `rightsize commit offers` "
            "writes one"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"the offers file {path} is no text; `rightsize commit offers` writes one"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ConfigError(f"the offers file {path} is wrong at {place}: {first['msg']}") from None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _hour(moment: datetime) -> int:
    return int(_aware(moment).timestamp() // _SECONDS_PER_HOUR)
