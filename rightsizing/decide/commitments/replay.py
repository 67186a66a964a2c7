"""A buying rule over time: it sees the past, buys, and the hours that follow are billed.

Pools first, each with its own plan; then the Compute plan, on what the pools' plans would have left
uncovered. Every purchase lasts one term. Hours before ``start`` are history only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.decide.commitments.optimum import PoolPrices
from rightsizing.decide.commitments.outlook import HOURS_PER_DAY
from rightsizing.decide.commitments.peerrules import Beside, BuyingRule
from rightsizing.errors import ConfigError
from rightsizing.model.hourlyusage import Array
from rightsizing.model.offer import HOURS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Replay:
    """What a rule did. Money is dollars over the scored hours."""

    rule: str
    on_demand_usd: float  # everything on demand: buying nothing
    committed_usd: float
    used_usd: float
    cost_usd: float
    own: Array  # covered dollars an hour of each pool's plan, scored hours x pools
    compute: Array  # and of the Compute plan

    @property
    def saving_ratio(self) -> float:
        """Effective savings rate: 1 - cost / on demand; negative when it lost."""
        return 1 - self.cost_usd / self.on_demand_usd if self.on_demand_usd else 0.0

    @property
    def utilisation(self) -> float:
        """Used over committed dollars; 1 when nothing was bought."""
        return self.used_usd / self.committed_usd if self.committed_usd else 1.0

    @property
    def coverage(self) -> float:
        """Share of on-demand cost that commitments covered."""
        paid_on_demand = self.cost_usd - self.committed_usd
        return 1 - paid_on_demand / self.on_demand_usd if self.on_demand_usd else 0.0


def replay(
    demand: Array,
    prices: PoolPrices,
    rule: BuyingRule,
    start: int,
    *,
    term_hours: int = HOURS_PER_YEAR,
) -> Replay:
    """Walk forward from hour ``start``. ``demand`` is on-demand dollars, hours x pools.

    Raises ConfigError when there is no history or nothing to score.
    """
    hours, pools = demand.shape
    if not 0 < start < hours:
        raise ConfigError(f"the replay starts at hour {start}, must lie within 1 to {hours - 1}")
    own = np.zeros((hours, pools))
    compute = np.zeros(hours)
    for now in range(start, hours, rule.review_days * HOURS_PER_DAY):
        end = min(hours, now + term_hours)
        past = demand[:now]
        beside = Beside(past.sum(axis=1), prices.compute) if prices.compute < 1 else None
        for pool in np.flatnonzero(prices.own < 1):
            ratio, held = float(prices.own[pool]), float(own[now, pool])
            own[now:end, pool] += rule.purchase(past[:, pool], ratio, held, beside)
        if prices.compute < 1:
            rest = np.maximum(past - own[now], 0.0).sum(axis=1)
            compute[now:end] += rule.purchase(rest, prices.compute, float(compute[now]))
    return _scored(rule.name, demand[start:], prices, own[start:], compute[start:])


def _scored(name: str, demand: Array, prices: PoolPrices, own: Array, compute: Array) -> Replay:
    known = ~np.isnan(demand).any(axis=1)
    demand, own, compute = demand[known], own[known], compute[known]
    rest = np.maximum(demand - own, 0.0).sum(axis=1)
    committed = float((own @ prices.own).sum() + compute.sum() * prices.compute)
    used = float((np.minimum(demand, own) @ prices.own).sum()) + float(
        np.minimum(rest, compute).sum() * prices.compute
    )
    left = float(np.maximum(rest - compute, 0.0).sum())
    return Replay(name, float(demand.sum()), committed, used, committed + left, own, compute)
