"""Sharing a cost: efficiency, symmetry, null player, cents, FOCUS rows."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.decide.tenancy.allocation import (
    AllocationMethod,
    allocate,
    share_ratios,
    split,
)
from rightsizing.decide.tenancy.bound import fractional_bound
from rightsizing.decide.tenancy.costgame import (
    MOST_EXACT,
    Shares,
    airport_values,
    coalition_costs,
    dual_corners,
    exact_values,
    shapley,
)
from rightsizing.decide.tenancy.focus import check_charges, split_charges
from rightsizing.decide.tenancy.nodetype import NodeType
from rightsizing.decide.tenancy.tenants import Tenants
from rightsizing.errors import BadTrace

TYPES = (
    NodeType("c", Decimal("0.085"), 2.0, 4096.0, 50),
    NodeType("m", Decimal("0.096"), 2.0, 8192.0, 50),
    NodeType("r", Decimal("0.126"), 2.0, 16384.0, 50),
)


def tenants_of(cores, memory) -> Tenants:
    """Tenants t0, t1, ... without rules."""
    count = len(memory)
    return Tenants(
        tuple(f"t{index}" for index in range(count)),
        np.array(cores, dtype=float).reshape(count, -1),
        np.array(memory, dtype=float),
        ("",) * count,
        (False,) * count,
    )


@given(
    cents=st.integers(-(10**9), 10**9),
    weights=st.lists(st.floats(0, 1e3), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-6),
)
def test_parts_add_up_to_the_cent(cents, weights) -> None:
    """Whatever the shares; and nobody without a share pays."""
    amount = Decimal(cents) / 100
    parts = split(amount, weights)
    assert sum(parts) == amount
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


def test_equal_shares_differ_by_a_cent() -> None:
    """10.00 in three: 3.34, 3.33, 3.33."""
    assert split(Decimal("10.00"), [1 / 3] * 3) == (
        Decimal("3.34"), Decimal("3.33"), Decimal("3.33"),
    )  # fmt: skip


def test_a_fraction_of_a_cent_is_kept() -> None:
    """0.005 beside 55.20 goes to somebody."""
    assert sum(split(Decimal("55.205"), [0.5, 0.5])) == Decimal("55.205")


def test_shapley_by_its_definition() -> None:
    """Mean over all orders of what each adds, four tenants."""
    generator = np.random.default_rng(1)
    tenants = tenants_of(generator.uniform(0, 2, (4, 3)), generator.uniform(0, 9000, 4))
    cost = coalition_costs(tenants, dual_corners(TYPES))
    by_orders = np.zeros(4)
    for order in permutations(range(4)):
        for position, row in enumerate(order):
            by_orders[row] += cost(order[: position + 1]) - cost(order[:position])
    np.testing.assert_allclose(exact_values(4, cost), by_orders / 24)


def test_the_game_costs_what_the_bound_says() -> None:
    """The corners of the dual give the covering programme's optimum."""
    generator = np.random.default_rng(2)
    tenants = tenants_of(generator.uniform(0, 2, (9, 4)), generator.uniform(0, 20000, 9))
    cost = coalition_costs(tenants, dual_corners(TYPES))
    for rows in ([0], [1, 2, 3], list(range(9))):
        bound = fractional_bound(tenants.demand()[rows], TYPES).usd_per_hour
        assert cost(rows) == pytest.approx(bound)


@pytest.mark.parametrize("count", [5, MOST_EXACT + 3])
def test_efficiency_symmetry_and_null_player(count: int) -> None:
    """Exact and sampled: shares add up to 1, twins pay alike, who needs nothing pays nothing."""
    generator = np.random.default_rng(count)
    cores = generator.uniform(0.1, 1, (count, 4))
    memory = generator.uniform(100, 4000, count)
    cores[1], memory[1] = cores[0], memory[0]
    cores[2], memory[2] = 0, 0
    shares = shapley(tenants_of(cores, memory), TYPES)
    assert shares.ratios.sum() == pytest.approx(1)
    allowed = 1e-12 if shares.orders == 0 else 6 * shares.standard_error
    assert abs(shares.ratios[0] - shares.ratios[1]) <= allowed
    assert shares.ratios[2] == pytest.approx(0, abs=1e-12)


def test_sampling_agrees_with_the_exact_values() -> None:
    """Twelve tenants both ways, within five standard errors."""
    generator = np.random.default_rng(9)
    cores, memory = generator.uniform(0, 1, (12, 4)), generator.uniform(0, 4000, 12)
    exact = shapley(tenants_of(cores, memory), TYPES)
    # A thirteenth who needs nothing changes nobody's share but makes it sampled.
    sampled = shapley(tenants_of(np.vstack([cores, np.zeros((1, 4))]), np.append(memory, 0)), TYPES)
    assert (exact.orders, sampled.orders > 0) == (0, True)
    gaps = np.abs(sampled.ratios[:12] - exact.ratios)
    assert gaps.max() <= 5 * sampled.standard_error


def test_airport_game() -> None:
    """Peaks 1, 2, 4: 1/3, 1/3 + 1/2, 1/3 + 1/2 + 2; and the same by the definition."""
    peaks = np.array([2.0, 1.0, 4.0])
    values = airport_values(peaks)
    np.testing.assert_allclose(values, [1 / 3 + 1 / 2, 1 / 3, 1 / 3 + 1 / 2 + 2])
    np.testing.assert_allclose(
        values, exact_values(3, lambda rows: max((peaks[row] for row in rows), default=0.0))
    )


def test_who_rests_at_the_peak_pays_less() -> None:
    """Two busy by day, one by night: the night's adds little beyond its memory."""
    tenants = tenants_of([[2, 0], [2, 0], [0, 2]], [100, 100, 100])
    shares = shapley(tenants, TYPES).ratios
    assert shares[2] < shares[0] / 2


def test_proportional_sums_and_follows_use() -> None:
    """Twice the use, twice the share."""
    tenants = tenants_of([1, 2], [1000, 2000])
    values = fractional_bound(tenants.demand(), TYPES).values
    shares = share_ratios(AllocationMethod.PROPORTIONAL, tenants, TYPES, values)
    np.testing.assert_allclose(shares.ratios, [1 / 3, 2 / 3])
    found = allocate(Decimal("100.00"), tenants, AllocationMethod.PROPORTIONAL, shares)
    assert [item.usd for item in found.shares] == [Decimal("33.33"), Decimal("66.67")]


ROW = {"BilledCost": "1.01", "EffectiveCost": "0.97", "BillingCurrency": "USD", "ResourceId": "i"}


def test_focus_rows_add_up_and_say_how() -> None:
    """Each metric of each charge, credits too; dimensions stay; ratios add up to 1."""
    rows = [ROW, {**ROW, "BilledCost": "-0.0000007", "EffectiveCost": "0"}]
    charges = check_charges("bill.csv", list(ROW), rows)
    parts = split_charges(
        charges, ("a", "b", "c"), AllocationMethod.EVEN, Shares(np.full(3, 1 / 3), 0.0, 0)
    )
    for number, row in enumerate(rows):
        mine = parts.rows[3 * number : 3 * number + 3]
        for column in ("BilledCost", "EffectiveCost"):
            assert sum(Decimal(item[column]) for item in mine) == Decimal(row[column])
        assert {item["ResourceId"] for item in mine} == {"i"}
        details = [json.loads(item["AllocatedMethodDetails"]) for item in mine]
        ratios = [detail["Elements"][0]["AllocatedRatio"] for detail in details]
        assert sum(ratios) == pytest.approx(1)
    assert parts.total() == charges.total()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW, {**ROW, "BillingCurrency": "EUR"}], "mixes the currencies EUR, USD"),
        ([{**ROW, "BilledCost": "many"}], "row 1: BilledCost 'many' is no number"),
        ([], "holds no charges"),
    ],
)
def test_charges_that_cannot_be_split(rows, said) -> None:
    """One sentence each."""
    with pytest.raises(BadTrace, match=said):
        check_charges("bill.csv", list(ROW), rows)
