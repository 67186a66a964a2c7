"""The purchase rule and its replay: never the future, growth followed, shrinkage hedged."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.decide.commitments.hindsight import hindsight_cost
from rightsizing.decide.commitments.optimum import PoolPrices
from rightsizing.decide.commitments.outlook import Outlook
from rightsizing.decide.commitments.peerrules import PEER_RULES, Beside
from rightsizing.decide.commitments.purchase import PurchaseRule, chance_of_underuse
from rightsizing.decide.commitments.replay import replay
from rightsizing.errors import ConfigError

YEAR = 8760
ONE_POOL = PoolPrices(np.array([1.0]), 0.6)
AWS = PEER_RULES[0]


def fleet(growth_a_year: float, years: float = 2) -> np.ndarray:
    """Demand with working weeks that grows or shrinks exponentially, hours x 1."""
    hours = np.arange(int(years * YEAR))
    week = np.where(hours // 24 % 7 < 5, 1.0, 0.85)
    return (100 * growth_a_year ** (hours / YEAR) * week)[:, None]


def share(demand: np.ndarray, rule, start: int = YEAR) -> float:
    """Share of the hindsight saving."""
    best = 1 - hindsight_cost(demand[start:], ONE_POOL) / demand[start:].sum()
    return replay(demand, ONE_POOL, rule, start).saving_ratio / best


@pytest.mark.parametrize("growth", [1.0, 1.3, 2.0])
def test_steady_growth_keeps_95_percent_of_the_best(growth: float) -> None:
    """The aim, on demand without noise."""
    assert share(fleet(growth), PurchaseRule()) >= 0.95


def test_shrinkage_is_hedged_where_aws_loses() -> None:
    """Halving every year: ours keeps most of the best, AWS's rule far less."""
    demand = fleet(0.5)
    assert share(demand, PurchaseRule()) >= 0.85
    assert share(demand, AWS) < share(demand, PurchaseRule()) - 0.2


def test_hindsight_bounds_every_rule() -> None:
    """No rule saves more than the programme that knows the future, two pools and Compute."""
    rng = np.random.default_rng(2)
    hours = 26 * 168
    demand = np.repeat(rng.gamma(3, 10, (hours // 24, 2)), 24, axis=0)
    prices = PoolPrices(np.array([0.6, 0.65]), 0.72)
    best = hindsight_cost(demand[8 * 168 :], prices)
    for rule in (PurchaseRule(1), *PEER_RULES):
        assert replay(demand, prices, rule, 8 * 168).cost_usd >= best * (1 - 1e-7)


def test_the_future_is_never_seen() -> None:
    """Changing what follows changes nothing that was bought before."""
    demand = fleet(1.2)
    other = demand.copy()
    other[YEAR + 2000 :] *= 0.1
    cut = 2000 // 168 * 168  # the last review before the change
    first, second = (replay(item, ONE_POOL, PurchaseRule(), YEAR) for item in (demand, other))
    assert np.array_equal(first.compute[:cut], second.compute[:cut])


def test_an_unsteady_past_buys_less() -> None:
    """The same level now, after a year of jumps."""
    rng = np.random.default_rng(4)
    calm = np.full(YEAR, 100.0)
    wild = np.repeat(100 * np.exp(rng.normal(0, 0.7, 365)), 24)
    wild[-28 * 24 :] = 100.0
    rule = PurchaseRule()
    assert rule.purchase(calm, 0.6, 0) > 90
    assert rule.purchase(wild, 0.6, 0) < 80
    assert PurchaseRule(20).purchase(wild, 0.6, 0) <= rule.purchase(wild, 0.6, 0)


def test_what_is_held_is_not_bought_again() -> None:
    """Up to the level, less what is in force."""
    calm = np.full(YEAR, 100.0)
    assert PurchaseRule().purchase(calm, 0.6, 70) == pytest.approx(
        PurchaseRule().purchase(calm, 0.6, 0) - 70
    )
    assert PurchaseRule().purchase(calm, 0.6, 120) == 0


def test_a_family_that_may_be_left_is_covered_by_the_compute_plan() -> None:
    """A family that comes and goes under a steady total: no plan of its own."""
    months = np.repeat(np.arange(12) % 2, 730).astype(float)
    family = 100 * months + 1
    total = np.full(YEAR, 200.0)
    assert PurchaseRule().purchase(family, 0.6, 0, Beside(total, 0.7)) < 20
    assert PurchaseRule().purchase(total, 0.7, 0) > 180


@pytest.mark.parametrize("history", [np.zeros(YEAR), np.full(YEAR, np.nan), np.ones(300)])
def test_without_evidence_nothing_is_bought(history: np.ndarray) -> None:
    """No demand, no data, or under four weeks of it."""
    assert PurchaseRule().purchase(history, 0.6, 0) == 0
    assert Outlook.of(history) is None


def test_holes_are_not_zeros() -> None:
    """A month without data within a steady year changes nothing."""
    holed = np.full(YEAR, 100.0)
    holed[4000:4700] = np.nan
    assert PurchaseRule().purchase(holed, 0.6, 0) > 90


def test_chance_of_underuse_grows_with_the_level() -> None:
    """Half of a steady level is safe, twice of it is not."""
    calm = np.full(YEAR, 100.0)
    low, high = chance_of_underuse(50, calm), chance_of_underuse(200, calm)
    assert low is not None
    assert high is not None
    assert low < 0.1
    assert high > 0.9


def test_bad_arguments() -> None:
    """One sentence with the value and the limit."""
    with pytest.raises(ConfigError, match=r"loss aversion is 0.5"):
        PurchaseRule(0.5)
    with pytest.raises(ConfigError, match="starts at hour 99"):
        replay(np.ones((50, 1)), ONE_POOL, PurchaseRule(), 99)
