"""Demand for the commitment benchmark: a real EC2 fleet both ways round, and generated fleets.

All demand is on-demand dollars, hours x pools (a pool is an instance family). The real fleet
(``usage/ec2_fleet_demand`` of RIGHTSIZING_DATA) is daily counts repeated hourly, two years.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from rightsizing.decide.commitments.optimum import PoolPrices
from rightsizing.model.hourlyusage import Array

HOURS_PER_DAY = 24
YEAR = 8_760
SEED = 7


@dataclass(frozen=True)
class Case:
    """One demand with its prices; scored from hour ``start`` on."""

    name: str
    demand: Array
    prices: PoolPrices
    start: int
    growing: bool = False

    @property
    def scored(self) -> Array:
        """The hours that are scored."""
        return self.demand[self.start :]


def fleet() -> tuple[Array, tuple[str, ...]]:
    """The real fleet by family, at us-east-1 list prices."""
    data = Path(os.environ["RIGHTSIZING_DATA"])
    rows = duckdb.sql(
        f"""
        WITH price AS (
            SELECT instance_type, price_hour FROM '{data}/prices/ec2_ondemand.parquet'
            WHERE region = 'us-east-1' AND os = 'linux' AND as_of = '2022-09-03')
        SELECT split_part(resource_id, '.', 1) AS family, hour_code,
               sum(instances * price_hour) AS usd
        FROM '{data}/usage/ec2_fleet_demand.parquet'
        JOIN price ON price.instance_type = resource_id
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchnumpy()
    families = tuple(sorted(set(rows["family"])))
    return np.asarray(rows["usd"]).reshape(len(families), -1).T.copy(), families


def prices(pools: int, own: float, compute: float) -> PoolPrices:
    """The same ratio for every pool."""
    return PoolPrices(np.full(pools, own), compute)


def generated() -> Iterator[tuple[str, Array, bool]]:
    """Name, three years of demand with days, weeks and noise, and whether it grows steadily."""
    rng = np.random.default_rng(SEED)
    hours = np.arange(3 * YEAR)
    shape = (1 + 0.15 * np.sin(2 * np.pi * hours / 24)) * np.where(hours // 24 % 7 < 5, 1.0, 0.85)
    years = hours / YEAR
    late = years > 1.7
    levels = {
        "steady": (np.ones(hours.size), False),
        "growth 10 % a year": (1.1**years, True),
        "growth 35 % a year": (1.35**years, True),
        "growth 100 % a year": (2.0**years, True),
        "shrink 20 % a year": (0.8**years, False),
        "shrink 50 % a year": (0.5**years, False),
        "halved at once": (np.where(late, 0.5, 1.0), False),
        "doubled at once": (np.where(late, 2.0, 1.0), False),
        "growth, then shrink": (np.where(late, 1.4**1.7 * 0.6 ** (years - 1.7), 1.4**years), False),
        "yearly season": (1 + 0.3 * np.sin(2 * np.pi * years), False),
    }
    for name, (level, growing) in levels.items():
        for noise in (0.02, 0.05) if growing or name == "steady" else (0.05,):
            demand = 100 * level * shape * _noise(rng, hours.size, noise)
            yield f"{name}, noise {noise:.0%}", demand[:, None], growing
    for number in range(4):
        walk = np.exp(np.cumsum(rng.normal(0, 0.5 / np.sqrt(365), hours.size // 24)))
        demand = 100 * np.repeat(walk, 24) * shape
        yield f"random walk {number + 1} (50 % a year)", demand[:, None], False


def _noise(rng: np.random.Generator, size: int, deviation: float) -> Array:
    """Daily autoregressive noise (0.9 a day), repeated hourly."""
    days = size // 24
    found = np.zeros(days)
    steps = rng.normal(0, deviation * np.sqrt(1 - 0.81), days)
    for day in range(1, days):
        found[day] = 0.9 * found[day - 1] + steps[day]
    return np.exp(np.repeat(found, 24))


def cases() -> Iterator[Case]:
    """Every demand at every price, as the results name them."""
    demand, _ = fleet()
    for way, turned in (("forward", demand), ("reversed", demand[::-1].copy())):
        total = turned.sum(axis=1, keepdims=True)
        for days in (366, 90):
            start = days * HOURS_PER_DAY
            for ratio in (0.60, 0.73):
                yield Case(
                    f"fleet {way}, from day {days}, one pool at {ratio:.2f}",
                    total,
                    prices(1, 1.0, ratio),
                    start,
                )
            yield Case(
                f"fleet {way}, from day {days}, families at 0.63, Compute at 0.73",
                turned,
                prices(turned.shape[1], 0.63, 0.73),
                start,
            )
    for name, series, growing in generated():
        for ratio in (0.60, 0.73):
            yield Case(f"{name}, {ratio:.2f}", series, prices(1, 1.0, ratio), YEAR, growing)
