"""Hourly usage by SKU: what ran, what it costs on demand, and which hours were not recorded.

A quantity is instance hours within the hour for EC2, and the unit of the price for Fargate and
Lambda. An hour nobody recorded is NaN for every SKU; it is left out of totals, never counted as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique

import numpy as np
from numpy.typing import NDArray

from rightsizing.errors import TelemetryError
from rightsizing.model.normalisation import LINUX, SHARED, split_type

Array = NDArray[np.float64]


@unique
class Service(StrEnum):
    """Services that Compute Savings Plans cover."""

    EC2 = "ec2"
    FARGATE = "fargate"
    LAMBDA = "lambda"


@dataclass(frozen=True, slots=True)
class Sku:
    """One priced kind of usage. ``name`` is the instance type, or the usage type elsewhere."""

    name: str
    region: str
    usd_per_unit: float  # on demand
    service: Service = Service.EC2
    platform: str = LINUX
    tenancy: str = SHARED
    zone: str | None = None
    account: str | None = None
    workload: str | None = None

    @property
    def family(self) -> str | None:
        """Instance family; None outside EC2."""
        return split_type(self.name)[0] if self.service is Service.EC2 else None

    @property
    def price_key(self) -> tuple[str, str, str, str]:
        """What a savings plan's rate depends on: name, region, platform, tenancy."""
        return (self.name, self.region, self.platform, self.tenancy)

    @property
    def pool(self) -> str:
        """``region/family`` for EC2, else ``region/service``: what an EC2 plan can cover."""
        return f"{self.region}/{self.family or self.service.value}"


@dataclass(frozen=True, slots=True)
class Usage:
    """``quantity`` is hours x SKUs; hour ``first_hour`` counts from 1970-01-01 00:00 UTC."""

    skus: tuple[Sku, ...]
    quantity: Array
    first_hour: int = 0

    def __post_init__(self) -> None:
        if self.quantity.ndim != 2 or self.quantity.shape[1] != len(self.skus):
            raise TelemetryError(
                f"usage is {self.quantity.shape}, must be hours x {len(self.skus)} SKUs"
            )
        if (self.quantity < 0).any():
            hour, sku = np.argwhere(self.quantity < 0)[0]
            raise TelemetryError(
                f"usage of {self.skus[sku].name} is {self.quantity[hour, sku]:g} in hour {hour}; "
                "quantities are 0 or more, book refunds as credits"
            )
        for sku in self.skus:
            if not sku.usd_per_unit > 0:
                raise TelemetryError(
                    f"{sku.name} in {sku.region} costs {sku.usd_per_unit:g} on demand, must be "
                    "above 0"
                )

    @property
    def hours(self) -> int:
        """Rows, with and without data."""
        return int(self.quantity.shape[0])

    @property
    def known(self) -> NDArray[np.bool_]:
        """Hours with a figure for every SKU."""
        return np.asarray(~np.isnan(self.quantity).any(axis=1))

    @property
    def rates(self) -> Array:
        """On-demand dollars a unit, by SKU."""
        return np.array([sku.usd_per_unit for sku in self.skus])

    @property
    def list_usd(self) -> float:
        """Cost of all recorded hours on demand."""
        return float((self.quantity[self.known] @ self.rates).sum())

    def recorded(self) -> Usage:
        """Only the hours with data, in order; the hours' dates are lost."""
        return replace(self, quantity=self.quantity[self.known])

    def between(self, start: int, stop: int) -> Usage:
        """Rows ``start`` to ``stop``."""
        return replace(self, quantity=self.quantity[start:stop], first_hour=self.first_hour + start)

    def pools(self) -> tuple[tuple[str, ...], Array]:
        """Pools and their on-demand dollars an hour, hours x pools."""
        names = tuple(sorted({sku.pool for sku in self.skus}))
        return names, self._summed(names)

    def _summed(self, names: Sequence[str]) -> Array:
        dollars = np.zeros((self.hours, len(names)))
        place = {name: index for index, name in enumerate(names)}
        for column, sku in enumerate(self.skus):
            dollars[:, place[sku.pool]] += self.quantity[:, column] * sku.usd_per_unit
        return dollars
