"""From usage and offers to the portfolio programme: scenarios of three years, choices, the answer.

A scenario is the mean week of the last four in parts of six hours, times the outlook's multiplier
of each year; all pools share the scenario of their total. Growth is not bought ahead, so a
multiplier above 1 counts as 1. Pools are families, as for purchases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rightsizing.decide.commitments.outlook import HOURS_PER_DAY, HOURS_PER_WEEK, Outlook
from rightsizing.decide.commitments.portfolio import PlanChoice, Portfolio, Wishes, best_portfolio
from rightsizing.decide.commitments.purchase import WINDOW_DAYS
from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.model.commitment import PlanKind
from rightsizing.model.hourlyusage import Array, Usage
from rightsizing.model.offer import HOURS_PER_YEAR, Offer

YEARS = 3
_HOURS_TOGETHER = 6  # a week is 28 parts: days and nights remain, the programme stays small
_EVERY = 4  # of 20 scenarios, every fourth: five quantiles, as many as the programme solves at once


@dataclass(frozen=True, slots=True)
class Mixture:
    """The portfolio with the offers it is made of (same order as its coverage)."""

    offers: tuple[Offer, ...]
    choices: tuple[PlanChoice, ...]
    portfolio: Portfolio
    on_demand_usd: float  # expected cost of the three years without commitments


def best_mixture(usage: Usage, offers: Sequence[Offer], wishes: Wishes) -> Mixture:
    """Choose terms and payments together.

    Raises TelemetryError when the usage is too short for an outlook, ConfigError when no offer
    covers any of it at a discount.
    """
    names, demand = usage.pools()
    scenarios = three_years(demand)
    picked: list[Offer] = []
    choices: list[PlanChoice] = []
    weights = np.nansum(usage.quantity[-WINDOW_DAYS * HOURS_PER_DAY :], axis=0) * usage.rates
    for offer in offers:
        if offer.kind is PlanKind.ZONAL_RI:
            continue
        places = [place for place, sku in enumerate(usage.skus) if offer.covers(sku)]
        if not places or not weights[places].sum():
            continue
        pools = {usage.skus[place].pool for place in places}
        ratio = float(
            np.average(
                [offer.rate(usage.skus[p]) / usage.skus[p].usd_per_unit for p in places],
                weights=weights[places],
            )
        )
        if ratio >= 1:
            continue
        compute = offer.kind is PlanKind.COMPUTE_SP
        picked.append(offer)
        choices.append(
            PlanChoice(
                offer.offering_id,
                None if compute else names.index(next(iter(pools))),
                ratio,
                offer.term_years,
                offer.upfront_ratio,
                offer.unit_usd_per_hour / ratio if offer.kind.is_reservation else 0.0,
            )
        )
    if not choices:
        raise ConfigError("no offer covers any of this usage at a discount; give --offers")
    portfolio = best_portfolio(scenarios, choices, wishes)
    hours = scenarios.shape[2]
    expected = float(scenarios.sum()) / len(scenarios) * HOURS_PER_YEAR / hours
    return Mixture(tuple(picked), tuple(choices), portfolio, expected)


def three_years(demand: Array) -> Array:
    """Scenarios x years x parts of the week x pools, from hours x pools (NaN: no data)."""
    outlook = Outlook.of(demand.sum(axis=1), YEARS)
    window = demand[-WINDOW_DAYS * HOURS_PER_DAY :]
    if outlook is None or len(window) < WINDOW_DAYS * HOURS_PER_DAY or np.isnan(window).all():
        raise TelemetryError(
            f"the usage has too few recorded hours for three years' outlook; give at least "
            f"{WINDOW_DAYS} days"
        )
    weeks = window.reshape(-1, HOURS_PER_WEEK, demand.shape[1])
    known = np.isfinite(weeks)
    # An hour of the week that was never recorded takes its pool's mean, not another pool's.
    means = np.nansum(window, axis=0) / np.maximum(np.isfinite(window).sum(axis=0), 1)
    sums, counts = np.where(known, weeks, 0.0).sum(axis=0), known.sum(axis=0)
    week = np.where(counts > 0, sums / np.maximum(counts, 1), means)
    yearly = np.stack(
        [part.mean(axis=1) for part in np.array_split(outlook.multipliers, YEARS, axis=1)], axis=1
    )
    week = week.reshape(-1, _HOURS_TOGETHER, demand.shape[1]).mean(axis=1)
    return np.asarray(np.minimum(yearly, 1.0)[2::_EVERY, :, None, None] * week)
