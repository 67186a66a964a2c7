"""The static optimum: constant commitments that minimise the cost of given hours, exactly.

One pool: with committed price p and on-demand price o of a unit, the last unit pays for itself when
it is used in a share p/o of the hours, so the optimum is the quantile 1 - p/o of demand (the
newsvendor). Several prices in a pool: the cost is convex and piecewise linear in the commitment,
and the walk over its sorted breakpoints ends where the slope turns positive.

Pools with a Compute plan above them: each pool's plan is a quantile again, given the others, as a
dollar of it only frees Compute dollars where those are not used up. Going round until nothing
changes is a descent on breakpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightsizing.errors import ConfigError
from rightsizing.model.hourlyusage import Array

MAX_ROUNDS = 200
_RELATIVE_TOLERANCE = 1e-8  # of the cost: a round that saves less is the last
_FIRST_STEP, _LAST_STEP = 0.1, 1e-4  # of the Compute plan: first move, smallest of it


def quantile_optimum(demand: Array, ratio: float, held: float = 0.0) -> float:
    """Units to add to ``held`` for one pool, from its demand by hour.

    ``ratio`` is committed over on-demand price; at 1 and above nothing pays.
    """
    if not ratio > 0:
        raise ConfigError(
            f"the ratio of committed to on-demand price is {ratio:g}, must be above 0"
        )
    if ratio >= 1 or demand.size == 0:
        return 0.0
    return max(0.0, float(lower_quantile(demand, 1 - ratio)) - held)


def lower_quantile(values: Array, share: float) -> float:
    """A smallest minimiser of the newsvendor's cost: an order statistic, never interpolated."""
    place = min(max(int(np.ceil(share * values.size - 1e-9)) - 1, 0), values.size - 1)
    return float(np.partition(values, place)[place])


def plan_optimum(spend: Array, ratios: Array) -> float:
    """Best hourly commitment of one savings plan over SKUs of different ratios.

    ``spend`` is on-demand dollars, hours x SKUs; ``ratios`` the plan's rate over on demand, by SKU.
    Exact: O(n log n) over all breakpoints.
    """
    order = np.argsort(ratios, kind="stable")
    chosen = ratios[order]
    hours = spend.shape[0]
    if hours == 0 or not chosen.size:
        return 0.0
    ends = np.cumsum(spend[:, order] * chosen, axis=1)  # commitment at which each SKU is covered
    gains = 1 / chosen
    drops = gains - np.append(gains[1:], 0.0)
    points = ends.ravel()
    falls = np.broadcast_to(drops, ends.shape).ravel()
    walk = np.argsort(points, kind="stable")
    slope = hours * gains[0] - np.cumsum(falls[walk])
    if hours * gains[0] <= hours:
        return 0.0
    place = int(np.searchsorted(-slope, -hours * (1 - 1e-12)))  # first slope at most 1 an hour
    return float(points[walk[min(place, len(walk) - 1)]])


@dataclass(frozen=True, slots=True)
class PoolPrices:
    """Ratios of committed to on-demand price: of each pool's own plan, and of the Compute plan.

    A pool without a plan of its own has ratio 1.
    """

    own: Array  # by pool
    compute: float  # 1 where there is no Compute plan

    def __post_init__(self) -> None:
        if (self.own <= 0).any() or self.compute <= 0:
            raise ConfigError("a ratio of committed to on-demand price must be above 0")


@dataclass(frozen=True, slots=True)
class StaticOptimum:
    """Constant coverage, in on-demand dollars an hour, and what the hours cost with it."""

    own: Array  # by pool
    compute: float
    cost_usd: float
    on_demand_usd: float

    @property
    def saving_ratio(self) -> float:
        """Effective savings rate, 0-1."""
        return 1 - self.cost_usd / self.on_demand_usd if self.on_demand_usd else 0.0


def pools_optimum(demand: Array, prices: PoolPrices, weights: Array | None = None) -> StaticOptimum:
    """Best constant coverage of every pool and of the Compute plan, by descent on breakpoints.

    Args:
        demand: on-demand dollars, hours x pools.
        prices: ratios.
        weights: how many hours each row stands for; None: one.

    The first start buys pools alone, the second the Compute plan first. A descent along the axes
    can stop at a corner of the cost, so the Compute plan of the cheaper is then moved by shrinking
    steps, the pools following, as long as that saves.
    """
    quantile = _Quantiles(np.ones(demand.shape[0]) if weights is None else weights)
    alone = [
        quantile(demand[:, pool], 1 - ratio) if ratio < 1 else 0.0
        for pool, ratio in enumerate(prices.own)
    ]
    starts = (np.zeros(demand.shape[1]), np.array(alone))
    best = min(
        (_descend(demand, prices, quantile, start) for start in starts),
        key=lambda found: found.cost_usd,
    )
    if prices.compute >= 1 or (prices.own >= 1).all():
        return best
    step = _FIRST_STEP * max(best.compute, float(best.own.mean()))
    smallest = step * _LAST_STEP
    while step > smallest:
        moves = [best.compute + step, max(0.0, best.compute - step)]
        found = min(
            (_descend(demand, prices, quantile, best.own, fixed=move) for move in moves),
            key=lambda one: one.cost_usd,
        )
        if found.cost_usd < best.cost_usd * (1 - _RELATIVE_TOLERANCE):
            best = found
        else:
            step /= 2
    return best


class _Quantiles:
    """Lower quantiles under fixed weights; a plain partition where all weights are equal."""

    def __init__(self, weights: Array) -> None:
        self.weights = weights
        self.total = float(weights.sum())
        self._plain = bool((weights == weights[0]).all()) if weights.size else True

    def __call__(self, values: Array, share: float) -> float:
        if self._plain:
            return lower_quantile(values, share)
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(self.weights[order]) >= share * self.total * (1 - 1e-12)
        return float(values[order[int(np.argmax(reached))]])


def _descend(
    demand: Array,
    prices: PoolPrices,
    quantile: _Quantiles,
    start: Array,
    fixed: float | None = None,
) -> StaticOptimum:
    own = start.copy()
    rest = np.maximum(demand - own, 0.0)
    total = rest.sum(axis=1)
    compute = 0.0 if fixed is None else fixed
    cost = np.inf
    pays = np.flatnonzero(prices.own < 1)
    for _ in range(MAX_ROUNDS):
        if fixed is None and prices.compute < 1:
            compute = max(0.0, quantile(total, 1 - prices.compute))
        for pool in pays:
            others = total - rest[:, pool]
            # A dollar of this pool's plan is worth a dollar while the pool needs it and the Compute
            # plan could not have covered the rest; above that it is worth nothing.
            worth = np.minimum(demand[:, pool], demand[:, pool] + others - compute)
            own[pool] = max(0.0, quantile(worth, 1 - prices.own[pool]))
            rest[:, pool] = np.maximum(demand[:, pool] - own[pool], 0.0)
            total = others + rest[:, pool]
        paid = float(own @ prices.own) + compute * prices.compute
        found = paid * quantile.total + float(quantile.weights @ np.maximum(total - compute, 0.0))
        if found >= cost * (1 - _RELATIVE_TOLERANCE):
            break
        cost = found
    on_demand = float(quantile.weights @ demand.sum(axis=1))
    return StaticOptimum(own, compute, found, on_demand)
