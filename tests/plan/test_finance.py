"""One definition of ROI, payback, NPV and cost a unit; unknown stays unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.plan.finance import (
    Never,
    appraise,
    cost_per_unit,
    npv,
    payback_months,
    roi_gross_first_year,
    roi_net_first_year,
    total,
)

UNKNOWN = NoData("nobody knows")
amounts = st.decimals(min_value=0, max_value=10**6, places=2)
costs = st.decimals(min_value=1, max_value=10**6, places=2)


def test_roi_is_net_of_the_cost() -> None:
    """(12 x 60 - 1000) / 1000 = -0.28."""
    assert roi_net_first_year(Decimal(60), Decimal(1000)) == Decimal("-0.28")


def test_gross_is_one_more_than_net() -> None:
    """12 x 60 / 1000 = 0.72 = -0.28 + 1."""
    assert roi_gross_first_year(Decimal(60), Decimal(1000)) == Decimal("0.72")


def test_roi_of_a_free_change_is_no_number() -> None:
    """A ratio to $0 does not exist."""
    assert isinstance(roi_net_first_year(Decimal(10), Decimal(0)), NoData)


def test_payback_in_months() -> None:
    """$500 at $125 a month takes 4 months."""
    assert payback_months(Decimal(125), Decimal(500)) == 4


def test_a_free_saving_pays_back_at_once() -> None:
    """Nothing was spent, so nothing has to come back."""
    assert payback_months(Decimal(5), Decimal(0)) == 0


@pytest.mark.parametrize(
    ("saving", "cost", "reason"), [("0", "10", "saves nothing"), ("-5", "0", "$5.00 more a month")]
)
def test_no_saving_never_pays_back(saving: str, cost: str, reason: str) -> None:
    """Never is said with its reason, not as infinity."""
    found = payback_months(Decimal(saving), Decimal(cost))
    assert isinstance(found, Never)
    assert reason in found.reason


def test_npv_without_discount_is_the_sum() -> None:
    """36 x 10 - 100 = 260."""
    assert npv(Decimal(10), Decimal(100), discount_rate=Decimal(0)) == 260


def test_npv_equals_the_sum_of_discounted_months() -> None:
    """Against a month-by-month sum in floating point, an independent way to the same figure."""
    found = npv(Decimal(100), Decimal(1000), discount_rate=Decimal("0.08"))
    oracle = sum(100 / 1.08 ** (month / 12) for month in range(1, 37)) - 1000
    assert isinstance(found, Decimal)
    assert float(found) == pytest.approx(oracle, abs=1e-6)  # float rounding over 36 terms


def test_an_impossible_discount_rate_is_refused() -> None:
    """-100 % would divide by zero."""
    with pytest.raises(ConfigError, match="above -1"):
        npv(Decimal(1), Decimal(1), discount_rate=Decimal(-1))


def test_a_negative_cost_is_refused() -> None:
    """A cost below 0 is a mistake, not a saving."""
    with pytest.raises(ConfigError, match="below 0"):
        appraise(Decimal(1), Decimal(-1))


@pytest.mark.parametrize(("saving", "cost"), [(UNKNOWN, Decimal(1)), (Decimal(1), UNKNOWN)])
def test_unknown_stays_unknown(saving: Decimal | NoData, cost: Decimal | NoData) -> None:
    """No figure is made up from half of what it needs."""
    found = appraise(saving, cost)
    assert found.roi_net_first_year == UNKNOWN
    assert found.payback_months == UNKNOWN
    assert found.npv_usd == UNKNOWN


def test_cost_per_unit() -> None:
    """85 / 2880 = 0.02951."""
    found = cost_per_unit(Decimal(85), Decimal(2880))
    assert isinstance(found, Decimal)
    assert round(found, 5) == Decimal("0.02951")


def test_cost_per_no_units_is_unknown() -> None:
    """Nothing divided among nothing has no price."""
    assert isinstance(cost_per_unit(Decimal(85), Decimal(0)), NoData)


def test_a_total_with_an_unknown_part_is_unknown() -> None:
    """And says how many parts are."""
    assert total((Decimal(1), UNKNOWN)) == NoData("1 of 2 parts unknown: nobody knows")


@given(saving=amounts, cost=costs, more=amounts)
def test_a_larger_saving_is_never_worse(saving: Decimal, cost: Decimal, more: Decimal) -> None:
    """ROI and NPV rise with the saving."""
    low, high = appraise(saving, cost), appraise(saving + more, cost)
    assert isinstance(low.roi_net_first_year, Decimal)
    assert isinstance(high.roi_net_first_year, Decimal)
    assert high.roi_net_first_year >= low.roi_net_first_year
    assert isinstance(low.npv_usd, Decimal)
    assert isinstance(high.npv_usd, Decimal)
    assert high.npv_usd >= low.npv_usd


@given(saving=st.decimals(min_value="0.01", max_value=10**6, places=2), cost=costs)
def test_payback_within_a_year_means_a_positive_roi(saving: Decimal, cost: Decimal) -> None:
    """Both say that twelve savings exceed the cost."""
    months, roi = payback_months(saving, cost), roi_net_first_year(saving, cost)
    assert isinstance(months, Decimal)
    assert isinstance(roi, Decimal)
    # Division rounds at 28 digits, so compare away from the boundary.
    if abs(12 * saving - cost) > Decimal("0.001"):
        assert (months < 12) == (roi > 0)
