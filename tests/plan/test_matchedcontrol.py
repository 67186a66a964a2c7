"""Before and after against a control: right on average, and silent without one."""

from __future__ import annotations

import numpy as np
import pytest

from rightsizing.model.base import NoData
from rightsizing.plan.matchedcontrol import MeasuredSaving, measured_saving

DAYS_A_MONTH = 730 / 24


def series(seed: int = 1, growth: float = 1.0):
    """56 days: api and web move alike, noise apart; all grow by ``growth`` in the second half."""
    random = np.random.default_rng(seed)
    week = np.tile([1.1, 1.1, 1.1, 1.1, 1.0, 0.8, 0.8], 8)
    level = week * np.where(np.arange(56) < 28, 1.0, growth)
    return {
        "api": 10 * level * random.normal(1, 0.03, 56),
        "web": 30 * level * random.normal(1, 0.03, 56),
        "jobs": 5 * random.uniform(0, 4, 56),
    }


def test_growth_is_not_taken_for_a_loss() -> None:
    """Usage grows by 1.5, the change halves the cost: 10 x 1.5 / 2 = 7.5 saved a day, not 2.5."""
    daily = series(growth=1.5)
    daily["api"][28:] *= 0.5
    found = measured_saving(daily, "api", 28, frozenset({"api"}))
    assert isinstance(found, MeasuredSaving)
    assert found.control == "web"
    truth = daily["api"][:28].mean() * 1.5 / 2 * DAYS_A_MONTH
    assert found.saving_usd_per_month == pytest.approx(truth, rel=0.05)
    assert found.low_usd_per_month < truth < found.high_usd_per_month
    assert found.shown


def test_nothing_changed_is_not_shown_often() -> None:
    """Of 40 series without an effect, the 90 % interval misses 0 in at most 9.

    Binomial with 0.1: 10 or more have a chance of 0.5 %.
    """
    missed = 0
    for seed in range(40):
        found = measured_saving(series(seed), "api", 28, frozenset({"api"}))
        assert isinstance(found, MeasuredSaving)
        missed += found.shown
    assert missed <= 9


@pytest.mark.parametrize(
    ("kept", "change", "changed", "said"),
    [
        (("api", "jobs"), 28, {"api"}, "without a control the saving is not known"),
        (("api", "web"), 28, {"api", "web"}, "without a control"),
        (("api", "web"), 5, {"api"}, "5 days of charges before"),
        (("api", "web"), 54, {"api"}, "2 days of charges after"),
        (("web",), 28, {"api"}, "no charges of api"),
    ],
)
def test_no_figure_without_what_it_needs(kept, change, changed, said) -> None:
    """A noisy neighbour, a changed one, too few days: said, and no number."""
    daily = {name: value for name, value in series().items() if name in kept}
    found = measured_saving(daily, "api", change, frozenset(changed))
    assert isinstance(found, NoData)
    assert said in found.reason


def test_the_same_bill_gives_the_same_interval() -> None:
    """Seeded."""
    assert measured_saving(series(), "api", 28, frozenset()) == measured_saving(
        series(), "api", 28, frozenset()
    )
