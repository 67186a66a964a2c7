"""Lambda and Fargate bills against AWS's worked examples; tuning, cold starts, break-even."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsizing.catalog.catalog import Catalog
from rightsizing.catalog.lambdarates import LambdaRates, lambda_rates
from rightsizing.decide.serverless.breakeven import (
    BurstBreakEven,
    break_even_invocations,
    burst_break_even,
)
from rightsizing.decide.serverless.choice import Offer, RunWay, choose_way
from rightsizing.decide.serverless.coldstart import replay_invocations
from rightsizing.decide.serverless.component import Component
from rightsizing.decide.serverless.fargatebill import fargate_size, fargate_usd
from rightsizing.decide.serverless.lambdabill import (
    lambda_bill,
    provisioned_run_usd,
    provisioned_usd,
    tiered_usd,
)
from rightsizing.decide.serverless.memorytuning import MemoryPoint, fit_durations, tune_memory
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.price import Rates
from rightsizing.model.workload import Architecture
from rightsizing.units import to_cents

CATALOG = Catalog.load()


def rates(architecture: Architecture = Architecture.X86_64) -> LambdaRates:
    """us-east-1."""
    found = lambda_rates("us-east-1", architecture)
    assert isinstance(found, LambdaRates)
    return found


@pytest.mark.parametrize(
    ("invocations", "ms", "mib", "ephemeral", "free", "usd"),
    [
        (3_000_000, 120, 1536, 512, True, "2.73"),  # mobile backend
        (7_440_000, 2000, 1024, 512, False, "249.49"),  # telemetry
        (6_000_000, 280, 4096, 2048, True, "106.41"),  # machine learning, 2 GB of /tmp
        (1_000_000, 200, 128, 512, False, "0.62"),  # the calculator: 0.4167 + 0.20
    ],
)
def test_lambda_equals_awss_examples(invocations, ms, mib, ephemeral, free, usd) -> None:
    """https://aws.amazon.com/lambda/pricing/, examples 1 to 3; AWS rounds each part to cents."""
    bill = lambda_bill(
        rates(), invocations=invocations, billed_ms_each=ms, memory_mib=mib,
        ephemeral_mib=ephemeral, free_tier=free,
    )  # fmt: skip
    parts = (bill.compute_usd, bill.request_usd, bill.ephemeral_usd)
    assert sum(to_cents(part) for part in parts) == Decimal(usd)


def test_lambda_on_arm_equals_the_calculator() -> None:
    """4.8 million runs of 3 s at 128 MB: 1,800,000 GB-s, $24.0001 and $0.96."""
    bill = lambda_bill(
        rates(Architecture.ARM64), invocations=4_800_000, billed_ms_each=3000, memory_mib=128
    )
    assert bill.gb_seconds == 1_800_000
    assert bill.compute_usd == Decimal("24.00012")
    assert bill.request_usd == Decimal("0.96")


def test_provisioned_concurrency_equals_awss_example() -> None:
    """100 environments of 1.5 GB for 8 h: $18.00; 500,000 runs of 100 ms on them: $0.73."""
    held = provisioned_usd(rates(), concurrency=100, memory_mib=1536, seconds=8 * 3600)
    run = provisioned_run_usd(rates(), invocations=500_000, ms=100, memory_mib=1536)
    assert (round(held, 2), round(run, 2)) == (Decimal("18.00"), Decimal("0.73"))


def test_tiers_by_hand() -> None:
    """16 billion GB-s: 6 at 0.0000166667, 9 at 0.000015, 1 at 0.0000133334."""
    expected = Decimal("100000.2") + Decimal(135000) + Decimal("13333.4")
    assert tiered_usd(Decimal(16_000_000_000), rates()) == expected


@pytest.mark.parametrize(
    ("tasks", "units", "mib", "gib", "seconds", "arm", "usd"),
    [
        (5, 1024, 2048, 30, 600 * 30, False, 1.26),
        (5, 1024, 2048, 30, 600 * 30, True, 1.02),
        (10, 256, 1024, 20, 3600 * 30, False, 4.37),
    ],
)
def test_fargate_equals_awss_examples(tasks, units, mib, gib, seconds, arm, usd) -> None:
    """https://aws.amazon.com/fargate/pricing/, examples 1 to 3; parts are rounded there."""
    region = CATALOG.fargate_rates("us-east-1")
    if arm:  # the page's own rates a second; the catalog holds x86 only
        hours = 3600 * 730
        region = Rates(Decimal("8.9944e-6") * hours, Decimal("9.889e-7") * hours, "page")
    assert not isinstance(region, NoData)
    found = fargate_usd(
        region, cpu_units=units, memory_mib=mib, task_seconds=tasks * seconds, ephemeral_gib=gib
    )
    # x86: 5 x 18,000 s x (0.011244 + 2 x 0.001235 + 10 x 0.0000308) / 1000 = 1.2620
    assert float(found) == pytest.approx(usd, abs=0.006)


def test_fargate_by_its_rates_to_a_thousandth() -> None:
    """Example 1 unrounded: 90,000 s x (1.1244e-5 + 2 x 1.235e-6 + 10 x 3.08e-8) = 1.26198."""
    region = CATALOG.fargate_rates("us-east-1")
    assert not isinstance(region, NoData)
    found = fargate_usd(
        region, cpu_units=1024, memory_mib=2048, task_seconds=90_000, ephemeral_gib=30
    )
    assert float(found) == pytest.approx(1.26198, rel=0.001)


def test_fargate_sizes_are_those_that_exist() -> None:
    """3 cores and 5 GiB take 4 vCPU and 8 GB; 200 cores nothing."""
    assert fargate_size(3, 5 * 1024) == (4096, 8 * 1024)
    assert isinstance(fargate_size(200, 1024), NoData)


def test_burst_break_even_equals_awss_example() -> None:
    """EC2 User Guide: t3.large at $0.0835 against m5.large at $0.096 is 42.5 %."""
    found = burst_break_even(
        CATALOG.shape("t3.large"), Decimal("0.0835"), CATALOG.shape("m5.large"), Decimal("0.096")
    )
    assert isinstance(found, BurstBreakEven)
    assert found.cpu_ratio == pytest.approx(0.425)


@given(st.integers(1, 10**7), st.integers(1, 5000))
def test_break_even_is_the_last_that_is_no_dearer(fixed_cents: int, ms: int) -> None:
    """One more invocation costs more."""
    fixed = Decimal(fixed_cents) / 100

    def usd(count: int) -> Decimal:
        return lambda_bill(
            rates(), invocations=count, billed_ms_each=ms, memory_mib=512
        ).usd_per_month

    found = break_even_invocations(usd, fixed)
    assert isinstance(found, int)
    assert usd(found) <= fixed < usd(found + 1)


def test_memory_curve_finds_its_parts() -> None:
    """300 ms waiting and 200 ms on one vCPU, from two sizes exactly."""
    points = [
        MemoryPoint(size, 300 + 200 * 1769 / min(size, 1769), 100) for size in (256, 1024, 3008)
    ]
    curve = fit_durations(points)
    assert not isinstance(curve, NoData)
    assert curve.waiting_ms == pytest.approx(300)
    assert curve.computing_ms == pytest.approx(200)
    assert curve.worst_error_ratio < 1e-9


def test_tuned_memory_is_the_cheapest_by_brute_force() -> None:
    """Waiting makes memory dear: the least in the range wins, unless a limit forbids it."""
    curve = fit_durations([MemoryPoint(256, 1000, 10), MemoryPoint(1024, 900, 10)])
    assert not isinstance(curve, NoData)
    best = tune_memory(curve, rates())
    assert not isinstance(best, NoData)
    assert best.memory_mib == 256
    limited = tune_memory(curve, rates(), latency_limit_ms=950)
    assert not isinstance(limited, NoData)
    assert limited.mean_ms <= 950
    assert isinstance(tune_memory(curve, rates(), used_mib=2000), NoData)


def test_one_size_tells_nothing_of_others() -> None:
    """No curve from a single point."""
    assert isinstance(fit_durations([MemoryPoint(256, 1000, 10)]), NoData)


def test_cold_starts_by_hand() -> None:
    """At 0, 1, 2 and 1000 s, 1.5 s each, idle 600 s: cold, cold, warm, cold; two at once."""
    replayed = replay_invocations(np.array([0, 1, 2, 1000.0]), np.full(4, 1.5), idle_s=600)
    assert (replayed.cold_starts, replayed.peak_concurrency) == (3, 2)


def component(**changes) -> Component:
    """A small one."""
    base = {
        "name": "alerts", "invocations": 1000.0, "points": (MemoryPoint(128, 100.0, 1000),),
        "used_mib": 80.0, "cores": 0.07, "cold_ratio": 0.01, "init_ms": 200.0,
        "peak_concurrency": 1, "longest_ms": 300.0,
    }  # fmt: skip
    return Component(**(base | changes))


def offer() -> Offer:
    """us-east-1, beside an m6i.large."""
    return Offer(
        rates(), rates(Architecture.ARM64), CATALOG.fargate_rates("us-east-1"),
        CATALOG.shape("m6i.large"), CATALOG.price("m6i.large", "us-east-1"),
    )  # fmt: skip


def test_rare_runs_go_to_lambda_and_long_ones_do_not() -> None:
    """A thousand short runs cost less than any share; 20 minutes exceed Lambda's 900 s."""
    rare = choose_way(component(), offer()).chosen
    assert not isinstance(rare, NoData)
    assert rare.way is RunWay.LAMBDA_X86
    long = choose_way(component(longest_ms=1_200_000.0), offer())
    assert not isinstance(long.chosen, NoData)
    assert long.chosen.way is RunWay.FARGATE_RUN


def test_a_busy_component_stays_on_the_instance() -> None:
    """A vCPU that is busy all the time: Lambda costs 2.4 times EC2 and more."""
    busy = component(
        invocations=2_628_000.0, points=(MemoryPoint(1769, 1000.0, 1),), cores=1.0, used_mib=1769.0
    )
    chosen = choose_way(busy, offer()).chosen
    assert not isinstance(chosen, NoData)
    assert chosen.way is RunWay.INSTANCE


def test_no_traffic_is_not_decided() -> None:
    """Zero invocations give no verdict, but no error either."""
    choice = choose_way(component(invocations=0.0), offer())
    assert isinstance(choice.chosen, NoData)


def test_negative_figures_are_refused() -> None:
    """With the component and the figure."""
    with pytest.raises(ConfigError, match="component 'alerts': duration at 128 MiB -1"):
        component(points=(MemoryPoint(128, -1.0, 1),))
