"""A waterfall adds up to the bill's change, whatever comes in whatever order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.plan.savings import (
    Become,
    Claim,
    Effect,
    Keep,
    Replace,
    Step,
    StepKind,
    in_cents,
    waterfall,
)

WORKLOADS = ("api", "batch", "db")
amounts = st.decimals(0, 5000, places=4)
effects: st.SearchStrategy[Effect] = st.one_of(
    st.decimals(0, 1, places=3).map(Keep),
    amounts.map(Become),
    st.tuples(amounts, amounts).map(lambda pair: Replace(*pair)),
    amounts.map(Claim),
    st.just(NoData("not measured")),
)
steps = st.builds(
    Step,
    st.sampled_from(StepKind),
    st.sampled_from(WORKLOADS),
    st.text("abc", min_size=1, max_size=3),
    effects,
    st.integers(0, 4),
)
plans = st.lists(
    steps, max_size=12, unique_by=lambda item: (item.kind, item.workload, item.title, item.phase)
)
bills = st.fixed_dictionaries(dict.fromkeys(WORKLOADS, amounts))


@settings(max_examples=150, deadline=None)
@given(bills, plans, st.randoms(use_true_random=False))
def test_the_sum_of_steps_is_the_difference_of_bills(bill, plan, random) -> None:
    """To the cent, in any order of input; and no step saves more than what is left."""
    found = waterfall(bill, plan)
    shuffled = list(plan)
    random.shuffle(shuffled)
    assert waterfall(bill, shuffled) == found
    assert sum(item.saving_usd for item in found.steps) == found.before_usd - found.after_usd
    # an independent sum: the bill rounded once, as an invoice would
    assert found.before_usd == sum(bill.values()).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    for item in found.steps:
        assert item.saving_usd <= item.before_usd
        assert item.after_usd >= 0
        assert item.after_usd == item.after_usd.quantize(Decimal("0.01"))
    assert sum(found.saving_of(kind=kind) for kind in StepKind) == found.saving_usd
    assert sum(found.saving_of(phase=phase) for phase in found.phases) == found.saving_usd


@settings(max_examples=100, deadline=None)
@given(bills, plans)
def test_each_step_starts_where_the_one_before_ended(bill, plan) -> None:
    """Of each workload, so that nothing is saved twice."""
    found = waterfall(bill, plan)
    left = dict(found.before)
    for item in found.steps:
        assert item.before_usd == left[item.step.workload]
        left[item.step.workload] = item.after_usd
    assert left == found.after


def test_every_kind_in_its_order() -> None:
    """Given backwards, priced in the fixed order.

    100: half the size -> 50; off half the time -> 25; a fifth fewer -> 20; 15 covered for 9 -> 14.
    """
    plan = [
        Step(StepKind.COMMIT, "api", "plan", Replace(Decimal(15), Decimal(9))),
        Step(StepKind.AUTOSCALE, "api", "range", Keep(Decimal("0.8"))),
        Step(StepKind.SCHEDULE, "api", "nights", Keep(Decimal("0.5"))),
        Step(StepKind.RESIZE, "api", "size", Become(Decimal(50))),
    ]
    found = waterfall({"api": Decimal(100)}, plan)
    assert [item.step.kind.value for item in found.steps] == [
        "resize",
        "schedule",
        "autoscale",
        "commit",
    ]
    assert [item.saving_usd for item in found.steps] == [50, 25, 5, 6]
    assert found.after_usd == 14


def test_what_is_terminated_is_not_resized() -> None:
    """A size for a workload that is gone costs and saves nothing."""
    plan = [
        Step(StepKind.RESIZE, "api", "size", Become(Decimal(50))),
        Step(StepKind.TERMINATE, "api", "gone", Keep(Decimal(0))),
    ]
    found = waterfall({"api": Decimal(100)}, plan)
    assert [item.saving_usd for item in found.steps] == [100, 0]
    assert found.after_usd == 0


def test_a_commitment_above_what_is_left_is_left_out() -> None:
    """Of 10 left nothing is bought for 60, though it would have paid on the 100 before."""
    plan = [
        Step(StepKind.RESIZE, "api", "size", Become(Decimal(10))),
        Step(StepKind.COMMIT, "api", "plan", Replace(Decimal(100), Decimal(60))),
    ]
    found = waterfall({"api": Decimal(100)}, plan)
    assert found.after_usd == 10
    assert found.steps[1].remark == "left out: it costs $50.00 more"


def test_a_larger_size_costs_more_and_counts() -> None:
    """What is too small must grow: -$20."""
    found = waterfall(
        {"api": Decimal(30)}, [Step(StepKind.RESIZE, "api", "up", Become(Decimal(50)))]
    )
    assert found.saving_usd == -20


def test_a_claim_stops_at_the_bill() -> None:
    """$40 claimed of $25: $25, and said."""
    step = Step(StepKind.CACHE, "api", "cache", Claim(Decimal(40)), 3)
    priced = waterfall({"api": Decimal(25)}, [step]).steps[0]
    assert priced.saving_usd == 25
    assert priced.remark == "$40.00 are claimed, but only $25.00 are left on the bill"


def test_cents_add_up() -> None:
    """Three thirds of a dollar are 0.34 + 0.33 + 0.33, not 0.99."""
    third = Decimal(1) / 3
    found = in_cents({"a": third, "b": third, "c": third})
    assert found == {"a": Decimal("0.34"), "b": Decimal("0.33"), "c": Decimal("0.33")}


@pytest.mark.parametrize(
    ("bill", "plan", "said"),
    [
        ({"api": Decimal(-3)}, [], "api costs -3 a month, must be 0 or more"),
        ({"api": Decimal("NaN")}, [], "api costs NaN"),
        ({"api": Decimal(1)}, [Step(StepKind.CACHE, "x", "t", Keep(Decimal(1)))], "'x', which"),
        (
            {"api": Decimal(1)},
            [Step(StepKind.CACHE, "api", "t", Keep(Decimal(1)))] * 2,
            "is given twice",
        ),
        (
            {"api": Decimal(1)},
            [Step(StepKind.CACHE, "api", "t", Keep(Decimal(2)))],
            "keeps 2 of the cost",
        ),
        ({"api": Decimal(1)}, [Step(StepKind.CACHE, "api", "t", Claim(Decimal(-2)))], "has -2"),
    ],
)
def test_mistakes(bill, plan, said) -> None:
    """One sentence with the value and the limit."""
    with pytest.raises(ConfigError, match=said):
        waterfall(bill, plan)
