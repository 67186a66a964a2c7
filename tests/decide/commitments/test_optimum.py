"""Static optima against brute force and an independent linear programme."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from rightsizing.decide.commitments.optimum import (
    PoolPrices,
    plan_optimum,
    pools_optimum,
    quantile_optimum,
)
from rightsizing.decide.commitments.portfolio import PlanChoice, Wishes, best_portfolio
from rightsizing.errors import ConfigError


def cost(demand, own, compute, prices) -> float:
    """Bill of constant coverage, written out."""
    rest = np.maximum(demand - own, 0).sum(axis=1)
    committed = own @ prices.own + compute * prices.compute
    return float(committed * len(demand) + np.maximum(rest - compute, 0).sum())


def programme(demand, prices) -> float:
    """The same by a dense linear programme: minimise over coverage and two layers of shortfall."""
    hours, pools = demand.shape
    size = pools + 1 + hours * pools + hours
    objective = np.concatenate(
        [hours * prices.own, [hours * prices.compute], np.zeros(hours * pools), np.ones(hours)]
    )
    rows, bounds = [], []
    for hour in range(hours):
        last = np.zeros(size)
        last[pools] = last[pools + 1 + hours * pools + hour] = -1
        for pool in range(pools):
            line = np.zeros(size)
            line[pool] = line[pools + 1 + hour * pools + pool] = -1
            last[pools + 1 + hour * pools + pool] = 1
            rows.append(line)
            bounds.append(-demand[hour, pool])
        rows.append(last)
        bounds.append(0)
    return float(linprog(objective, A_ub=np.array(rows), b_ub=bounds, method="highs").fun)


def test_newsvendor() -> None:
    """Ratio 0.6 of demand 1..10: the quantile 0.4 is 4; two are held already."""
    demand = np.arange(1.0, 11)
    assert quantile_optimum(demand, 0.6) == 4
    assert quantile_optimum(demand, 0.6, held=2) == 2
    assert quantile_optimum(demand, 1.1) == 0


@pytest.mark.parametrize("seed", range(6))
def test_plan_optimum_is_the_best_of_all_breakpoints(seed: int) -> None:
    """Brute force over every breakpoint of the convex cost."""
    rng = np.random.default_rng(seed)
    spend, ratios = rng.gamma(2, 5, (30, 4)), rng.uniform(0.4, 0.95, 4)
    order = np.argsort(ratios)

    def total(commitment: float) -> float:
        left = np.full(30, commitment)
        paid = commitment * 30
        for place in order:
            taken = np.minimum(left, spend[:, place] * ratios[place])
            left = left - taken
            paid += (spend[:, place] - taken / ratios[place]).sum()
        return float(paid)

    points = [0.0, *np.cumsum(spend[:, order] * ratios[order], axis=1).ravel()]
    best = min(total(point) for point in points)
    assert total(plan_optimum(spend, ratios)) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_pools_and_a_compute_plan_equal_the_programme(seed: int) -> None:
    """Descent on breakpoints against HiGHS, pools of different ratios."""
    rng = np.random.default_rng(seed)
    demand = rng.gamma(2, 10, (60, 4)) * rng.uniform(0.2, 2, 4)
    prices = PoolPrices(rng.uniform(0.45, 0.7, 4), 0.75)
    found = pools_optimum(demand, prices)
    assert found.cost_usd == pytest.approx(cost(demand, found.own, found.compute, prices), rel=1e-9)
    assert found.cost_usd == pytest.approx(programme(demand, prices), rel=5e-5)  # 0.00 %


def test_weights_stand_for_repeated_hours() -> None:
    """Three copies of a row are one row of weight 3."""
    rng = np.random.default_rng(3)
    rows, weights = rng.gamma(2, 10, (20, 3)), rng.integers(1, 4, 20)
    prices = PoolPrices(np.full(3, 0.6), 0.7)
    once = pools_optimum(rows, prices, weights.astype(float))
    each = pools_optimum(np.repeat(rows, weights, axis=0), prices)
    assert once.cost_usd == pytest.approx(each.cost_usd, rel=1e-6)


def test_portfolio_of_one_year_equals_the_static_optimum() -> None:
    """Without terms, budgets and risk the programme is the same problem."""
    rng = np.random.default_rng(1)
    demand = rng.gamma(4, 10, (1, 1, 80, 2))
    choices = [PlanChoice("a", 0, 0.6), PlanChoice("b", 1, 0.6), PlanChoice("c", None, 0.7)]
    static = pools_optimum(demand[0, 0], PoolPrices(np.full(2, 0.6), 0.7))
    found = best_portfolio(demand, choices)
    assert found.expected_usd * 80 / 8760 == pytest.approx(static.cost_usd, rel=1e-5)


def test_capital_risk_and_budget_change_the_mix() -> None:
    """Dear capital and a budget buy less upfront; risk lowers the worst case; counts are whole."""
    rng = np.random.default_rng(0)
    demand = np.stack([rng.gamma(4, 10, (3, 20, 1)) * level for level in (1.0, 0.4, 1.6)])
    choices = [PlanChoice("1y", 0, 0.62), PlanChoice("3y", 0, 0.4, 3, 1.0, step_usd=0.5)]
    plain = best_portfolio(demand, choices)
    dear = best_portfolio(demand, choices, Wishes(cost_of_capital=0.4))
    tight = best_portfolio(demand, choices, Wishes(upfront_budget_usd=50_000))
    wary = best_portfolio(demand, choices, Wishes(risk_weight=4, tail=0.34))
    assert dear.upfront_usd < plain.upfront_usd
    assert tight.upfront_usd <= 50_000 * (1 + 1e-9)
    assert wary.cvar_usd <= plain.cvar_usd + 1e-6
    assert plain.coverage[1] / 0.5 == pytest.approx(round(plain.coverage[1] / 0.5))


def test_impossible_wishes_are_refused() -> None:
    """A tail of nothing has no mean."""
    with pytest.raises(ConfigError, match="tail 0 must be above 0"):
        Wishes(tail=0)
    with pytest.raises(ConfigError, match="must be above 0"):
        quantile_optimum(np.ones(3), 0)
