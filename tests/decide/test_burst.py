"""Burst credits against a minute-by-minute simulator, and flex types against a count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.credits import (
    CreditTerms,
    credit_terms,
    default_credit_mode,
)
from rightsizing.decide.burst import (
    BurstDemand,
    BurstVerdict,
    flex_minutes_short,
    judge_bursts,
    judge_credits,
    run_credits,
)
from rightsizing.model.base import NoData
from rightsizing.model.shape import CreditMode
from rightsizing.units import MINUTES_PER_MONTH

CATALOG = Catalog.load()
NAMES = ("t2.micro", "t3.nano", "t3.large", "t3a.2xlarge", "t4g.medium")
demands = st.lists(st.floats(0, 9), min_size=1, max_size=60)


def terms_of(name: str) -> CreditTerms:
    found = credit_terms(CATALOG.shape(name))
    assert isinstance(found, CreditTerms)
    return found


def by_minutes(
    cores: list[float], terms: CreditTerms, mode: CreditMode, balance: float, parts: int
) -> tuple[float, float, float]:
    """(balance, starved minutes, billed credits), in slices of 1/parts minute, plain Python."""
    earn, most = terms.earned_per_minute / parts, terms.kept_at_most
    starved = billed = 0.0
    for minute_cores in cores:
        for _ in range(parts):
            use = min(minute_cores, terms.vcpus) / parts
            balance = balance + earn - use
            if mode is CreditMode.STANDARD and balance < 0:
                starved += 1 / parts if use > earn else 0
                balance = 0.0
            if mode is CreditMode.UNLIMITED and balance < -most:
                billed += -most - balance
                balance = -most
            balance = min(balance, most)
    return balance, starved, billed


@given(demands, st.sampled_from(NAMES), st.sampled_from(list(CreditMode)), st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_the_simulation_equals_plain_minutes(cores, name, mode, filled) -> None:
    """Exact in credits; in starved time to a slice of the simulator for each step."""
    terms = terms_of(name)
    start = filled * terms.kept_at_most * (1 if mode is CreditMode.STANDARD else -1)
    found = run_credits(
        np.array(cores)[np.newaxis, np.newaxis, :], 1.0, [terms], mode, np.array([[start]])
    )
    balance, starved, billed = by_minutes(cores, terms, mode, start, parts=20)
    assert found.balance[0, 0] == pytest.approx(balance, abs=1e-6)
    assert found.billed_credits[0, 0] == pytest.approx(billed, abs=1e-6)
    assert found.starved_minutes[0, 0] == pytest.approx(starved, abs=0.051 * len(cores))


@given(demands, st.sampled_from(list(CreditMode)), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_the_length_of_a_step_does_not_matter(cores, mode, split) -> None:
    """A step of an hour equals its parts at the same rate."""
    terms = [terms_of(name) for name in NAMES]
    empty = np.zeros((1, len(terms)))
    whole = np.array(cores)[np.newaxis, np.newaxis, :]
    long = run_credits(whole, 60.0, terms, mode, empty)
    short = run_credits(whole.repeat(split, axis=-1), 60.0 / split, terms, mode, empty)
    assert short.balance == pytest.approx(long.balance, abs=1e-6)
    assert short.starved_minutes == pytest.approx(long.starved_minutes, abs=1e-6)
    assert short.billed_credits == pytest.approx(long.billed_credits, abs=1e-6)


def test_workloads_and_types_at_once_equal_one_by_one() -> None:
    """Three workloads on five types: the same numbers as fifteen runs."""
    terms = [terms_of(name) for name in NAMES]
    cores = np.random.default_rng(5).gamma(1.0, 0.5, (3, 1, 200))
    together = run_credits(cores, 5.0, terms, CreditMode.STANDARD, np.zeros((3, 5)))
    for row in range(3):
        for column, item in enumerate(terms):
            alone = run_credits(
                cores[row : row + 1], 5.0, [item], CreditMode.STANDARD, np.zeros((1, 1))
            )
            assert alone.starved_minutes[0, 0] == together.starved_minutes[row, column]


def test_a_standard_type_starves_when_credits_are_gone() -> None:
    """t3.large, one core for 12 hours a day, idle for 12, hourly means.

    Earns 36 an hour, spends 60: a busy half costs 12 x 24 = 288, an idle half brings 12 x 36 = 432.
    Once running it never starves. From empty, the first busy half starves throughout: 720 minutes
    of the two measured days, that is 720 / 2,880 of 43,800 = 10,950 a month.
    """
    cores = np.array(([1.0] * 12 + [0.0] * 12) * 2)
    demand = BurstDemand(cores, 60.0, "two days")
    verdict = judge_credits(demand, [terms_of("t3.large")], CreditMode.STANDARD, [1.0])[0]
    assert verdict.starved_minutes == pytest.approx(720 / 2880 * MINUTES_PER_MONTH)
    assert verdict.surplus_usd == 0
    evening = BurstDemand(cores[::-1].copy(), 60.0, "idle first")
    rested = judge_credits(evening, [terms_of("t3.large")], CreditMode.STANDARD, [1.0])[0]
    assert rested.starved_minutes == 0


def test_surplus_is_billed_beyond_a_day_of_earnings() -> None:
    """t3.large at a steady core drains 24 credits an hour beyond what it earns.

    In the second pass the surplus is used up, so all is billed: 24 / 60 vCPU-hours an hour at
    $0.05, times 730 hours = $14.60 a month.
    """
    demand = BurstDemand(np.full(24 * 14, 1.0), 60.0, "steady")
    verdict = judge_credits(demand, [terms_of("t3.large")], CreditMode.UNLIMITED, [1.0])[0]
    assert verdict.surplus_usd == pytest.approx(14.60)
    assert verdict.starved_minutes == 0


def test_use_at_the_baseline_is_free_for_ever() -> None:
    """0.6 of a t3.large's 2 x 30 %: nothing starves, nothing is billed."""
    demand = BurstDemand(np.full(288 * 30, 0.6), 5.0, "steady")
    for mode in CreditMode:
        verdict = judge_credits(demand, [terms_of("t3.large")], mode, [1.0])[0]
        assert (verdict.starved_minutes, verdict.surplus_usd) == (0, 0)


def test_a_faster_vcpu_spends_fewer_credits() -> None:
    """One measured core is half of a vCPU that is twice as fast, below 0.6: nothing is billed."""
    demand = BurstDemand(np.full(24 * 14, 1.0), 60.0, "steady")
    slow, fast = judge_credits(
        demand, [terms_of("t3.large"), terms_of("t4g.large")], CreditMode.UNLIMITED, [1.0, 2.0]
    )
    assert slow.surplus_usd > 0
    assert fast.surplus_usd == 0
    assert fast.sustained_cores == pytest.approx(1.2)


@given(demands, st.floats(1, 3), st.sampled_from(list(CreditMode)))
@settings(max_examples=60, deadline=None)
def test_more_use_never_starves_or_costs_less(cores, factor, mode) -> None:
    """At every instant k times as much."""
    terms = [terms_of(name) for name in NAMES]
    speeds = [1.0] * len(terms)
    less = judge_credits(BurstDemand(np.array(cores), 60.0, ""), terms, mode, speeds)
    more = judge_credits(BurstDemand(np.array(cores) * factor, 60.0, ""), terms, mode, speeds)
    for low, high in zip(less, more, strict=True):
        assert high.starved_minutes >= low.starved_minutes - 1e-6
        assert high.surplus_usd >= low.surplus_usd - 1e-9


def test_steps_nobody_measured_neither_earn_nor_spend() -> None:
    """A gap of ten hours leaves the result as it is, per measured month."""
    busy = [1.0] * 24
    gap = judge_credits(
        BurstDemand(np.array([*busy, *[np.nan] * 10, *busy]), 60.0, ""),
        [terms_of("t3.large")], CreditMode.STANDARD, [1.0],
    )[0]  # fmt: skip
    whole = judge_credits(
        BurstDemand(np.array(busy * 2), 60.0, ""),
        [terms_of("t3.large")], CreditMode.STANDARD, [1.0],
    )[0]  # fmt: skip
    assert gap.starved_minutes == pytest.approx(whole.starved_minutes)
    assert isinstance(BurstDemand.of_hours(np.full((14, 24), np.nan)), NoData)


def test_flex_types_count_each_day_by_itself() -> None:
    """At full speed all day, 5 % of it is refused: 72 minutes a day; a quiet day lends none.

    24 hours above the baseline: 0.05 x 24 = 1.2 h short. Of two days, one quiet: 1.2 h of 48,
    times 43,800 minutes = 1,095.
    """
    busy, quiet = [1.0] * 24, [0.1] * 24
    steady = BurstDemand(np.array(busy), 60.0, "")
    assert flex_minutes_short(steady, 0.8) == pytest.approx(0.05 * MINUTES_PER_MONTH)
    both = BurstDemand(np.array(busy + quiet), 60.0, "")
    assert flex_minutes_short(both, 0.8) == pytest.approx(1095)
    # 22 hours of 24 are 92 %: within what is promised.
    most = BurstDemand(np.array([1.0] * 22 + [0.1] * 2), 60.0, "")
    assert flex_minutes_short(most, 0.8) == 0


def test_types_are_judged_by_what_they_are() -> None:
    """Burstable by credits in their family's mode, flex by the day, others not at all."""
    shapes = {
        name: CATALOG.shape(name)
        for name in ("t2.large", "t3.large", "m7i-flex.large", "m5.large", "t8i.small")
    }
    demand = BurstDemand(np.full(24 * 14, 1.0), 60.0, "steady")
    found = judge_bursts(shapes, demand, lambda _shape: 1.0, default_credit_mode)
    assert set(found) == {"t2.large", "t3.large", "m7i-flex.large"}
    assert found["t2.large"].mode is CreditMode.STANDARD
    assert found["t2.large"].starved_minutes == pytest.approx(MINUTES_PER_MONTH)
    assert found["t3.large"].surplus_usd == pytest.approx(14.60)
    assert found["m7i-flex.large"] == BurstVerdict(
        CreditMode.STANDARD, 0.8, pytest.approx(0.05 * MINUTES_PER_MONTH), 0.0, "steady"
    )


@pytest.mark.parametrize(
    ("name", "per_hour", "kept"),
    [
        ("t3.nano", 6, 144),
        ("t3.large", 36, 864),
        ("t2.2xlarge", 81.6, 1958.4),
        ("t2.micro", 6, 144),
    ],
)
def test_credit_table(name: str, per_hour: float, kept: float) -> None:
    """Credits an hour and the most that is kept, as AWS's table has them."""
    terms = terms_of(name)
    assert terms.earned_per_minute * 60 == pytest.approx(per_hour, rel=1e-4)
    assert terms.kept_at_most == pytest.approx(kept, rel=1e-4)


@pytest.mark.parametrize("name", ["m5.large", "m7i-flex.large", "t8i.small"])
def test_types_without_credits(name: str) -> None:
    """Neither ordinary nor flex types, nor a family the table does not list."""
    assert isinstance(credit_terms(CATALOG.shape(name)), NoData)
