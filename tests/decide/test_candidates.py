"""How candidates are compared: speed of a vCPU, latency, credits over time, zones, generation."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.catalog.performance import bundled_performance
from rightsizing.decide.burst import BurstDemand
from rightsizing.decide.choice import Option, cheapest
from rightsizing.decide.demand import demand_of
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.decide.requirement import conditions_of
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.recommendation import Decision, ExcuseCode, ReasonCode
from rightsizing.model.shape import CreditMode
from rightsizing.model.size import FleetSize
from rightsizing.model.workload import Architecture, Workload, WorkloadClass, WorkloadKind
from rightsizing.settings import parse_settings

NO_RATES = NoData("no rates")
BOTH = (Architecture.X86_64, Architecture.ARM64)


def fleet(instance_type: str, **changes) -> Workload:
    """One instance in us-east-1, with images for both architectures."""
    size = FleetSize(instance_type=instance_type, min_instances=1, max_instances=2)
    given_by_owner = {"architectures": BOTH, **changes}
    return Workload(key="web", kind=WorkloadKind.FLEET, size=size, **given_by_owner)


def only(*patterns: str, **changes) -> SizingPolicy:
    """A policy that allows these type patterns."""
    return SizingPolicy(allowed_types=patterns, **changes)


@pytest.fixture(scope="session")
def ask(catalog):
    """``ask(workload, profile, policy, conditions)`` over all families."""

    def make(workload, profile, policy, conditions=None):
        return recommend(
            workload,
            profile,
            catalog,
            policy,
            scope=Scope.ANY_FAMILY,
            rates=NO_RATES,
            conditions=conditions,
        )

    return make


def excuse_of(found, candidate):
    return next(excuse for excuse in found.excuses if excuse.candidate == candidate)


def test_demand_is_counted_in_vcpus_of_the_candidate(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """2.5 cores of m5 are needed; two vCPUs of m7g stand for 2 x 1.497 = 2.99.

    m7g: 25,623 iterations a second over 14,397, to the power of 0.7. m6g's two stand for 2.46.
    """
    profile = make_profile(cpu=make_cpu(steady(2.499), 4.0), memory=make_memory(3, 16))
    found = ask(fleet("m5.xlarge"), profile, only("m6g.*", "m7g.*"))
    assert found.target.instance_type == "m7g.large"
    assert found.projected_cpu_peak_ratio == pytest.approx(2.499 / 2.9945, abs=1e-3)
    assert "a vCPU of m7g counts as 1.50 of m5" in found.binding
    excuse = excuse_of(found, "m6g.large")
    assert excuse.code is ExcuseCode.CPU_TOO_SMALL
    assert excuse.sentence == "2 vCPUs worth 2.46 of m5; 2.50 are needed"


def test_slower_vcpus_must_be_more(make_profile, make_cpu, make_memory, steady, ask) -> None:
    """1.94 of two m5 vCPUs; two of m5a stand for 2 x 0.932 = 1.86: not enough."""
    profile = make_profile(cpu=make_cpu(steady(1.94), 2.0), memory=make_memory(3, 8))
    found = ask(fleet("m5.large"), profile, only("m5a.*"))
    assert found.decision is Decision.KEEP
    assert "worth 1.86 of m5" in excuse_of(found, "m5a.large").sentence


def test_the_users_benchmark_replaces_the_median(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """Who measured m7g at 1.2 of m5 needs more than two: 2 x 1.2 = 2.4 of 2.5."""
    profile = make_profile(cpu=make_cpu(steady(2.499), 4.0), memory=make_memory(3, 16))
    policy = only("m7g.*", performance_per_vcpu={"m7g": 1.2})
    found = ask(fleet("m5.xlarge"), profile, policy)
    assert found.target.instance_type == "m7g.xlarge"
    assert excuse_of(found, "m7g.large").sentence == "2 vCPUs worth 2.40 of m5; 2.50 are needed"


def test_a_family_without_a_figure_is_counted_one_to_one_and_said(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """m5n has no figure: two vCPUs are two, and the recommendation says why."""
    profile = make_profile(cpu=make_cpu(steady(1.0), 4.0), memory=make_memory(3, 16))
    found = ask(fleet("m5.xlarge"), profile, only("m5n.*"))
    assert found.target.instance_type == "m5n.large"
    assert found.projected_cpu_peak_ratio == pytest.approx(0.5, abs=0.01)
    assert any("no performance figure for m5n" in item for item in found.missing_evidence)


def test_measurements_of_an_unknown_machine_are_counted_one_to_one(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """Measured under 3 cores, which no m5.xlarge has: whose cores they are is not known."""
    profile = make_profile(cpu=make_cpu(steady(2.499), 3.0), memory=make_memory(3, 16))
    found = ask(fleet("m5.xlarge"), profile, only("m7g.*"))
    assert found.target.instance_type == "m7g.xlarge"
    assert any("compared one to one" in item for item in found.missing_evidence)


def test_a_type_that_was_left_is_still_the_measure(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """After the move the measurements are still m5's; named so, they ask for nothing more.

    Read as m7g's own they would be 2.0 cores of two vCPUs, and too much.
    """
    profile = make_profile(cpu=make_cpu(steady(1.999), 4.0), memory=make_memory(3, 16))
    first = ask(fleet("m5.xlarge"), profile, only("m7g.*"))
    moved = fleet(first.target.instance_type)
    known = ask(moved, profile, only("m7g.*"), conditions_of(profile, measured_on="m5.xlarge"))
    assert known.decision is Decision.KEEP
    assert known.target == first.target


FAMILIES = ("m5", "m5a", "m6g", "m7g", "c5a", "r6a", "m8a", "m5n")
currents = st.sampled_from(["m5.large", "m5.2xlarge", "m7g.xlarge", "c5.4xlarge", "m5n.xlarge"])


@given(currents, st.floats(0.01, 1.0), st.floats(0.1, 1.0), st.floats(0.5, 60))
@settings(max_examples=60, deadline=None)
def test_its_own_answer_changes_nothing_across_families(
    make_profile, make_cpu, make_memory, catalog, ask, instance_type, peak, low, memory_gib
) -> None:
    """Applied and asked again with the same measurements and what they were taken on."""
    vcpus = catalog.shape(instance_type).vcpus
    cores = [peak * vcpus, low * peak * vcpus] * (7 * 288)
    profile = make_profile(cpu=make_cpu(cores, float(vcpus)), memory=make_memory(memory_gib, 999))
    conditions = conditions_of(profile, measured_on=instance_type)
    policy = only(*(f"{family}.*" for family in FAMILIES))
    first = ask(fleet(instance_type), profile, policy, conditions)
    second = ask(fleet(first.target.instance_type), profile, policy, conditions)
    assert second.target == first.target
    assert second.decision in {Decision.KEEP, Decision.REFUSE}


@given(currents, st.floats(0.01, 1.0), st.floats(0.1, 1.0), st.floats(0.5, 60))
@settings(max_examples=60, deadline=None)
def test_the_cheapest_type_with_enough_translated_vcpus(
    make_profile, make_cpu, make_memory, catalog, ask, instance_type, peak, low, memory_gib
) -> None:
    """Against every type of the allowed families, translated here by hand."""
    current = catalog.shape(instance_type)
    cores = [peak * current.vcpus, low * peak * current.vcpus] * (7 * 288)
    profile = make_profile(
        cpu=make_cpu(cores, float(current.vcpus), at_limit_ratio=0.0),
        memory=make_memory(memory_gib, 999),
    )
    policy = only(*(f"{family}.*" for family in FAMILIES), minimum_saving_ratio=0.0)
    found = ask(fleet(instance_type), profile, policy)
    demand = demand_of(profile, policy)
    speeds = bundled_performance().speeds
    prices = {}
    for shape in catalog.shapes("us-east-1"):
        ratio = 1.0
        if shape.family in speeds and current.family in speeds:
            ratio = speeds[shape.family] / speeds[current.family]
        price = catalog.price(shape.instance_type, "us-east-1")
        if (
            shape.family in FAMILIES
            and (shape.current_generation or shape.family == current.family)
            and not shape.bare_metal
            and isinstance(price, Price)
            and shape.vcpus * ratio >= demand.cpu.target * (1 - 1e-9)  # rounding
            and shape.memory_mib * 2**20 >= demand.memory.target
        ):
            prices[shape.instance_type] = price.usd_per_hour
    if found.target != found.current:
        assert prices[found.target.instance_type] == min(prices.values())
    elif prices:
        own = catalog.price(instance_type, "us-east-1")
        assert own.usd_per_hour <= min(prices.values())


@pytest.mark.parametrize("candidate", ["m5a.large", "t3.large"])
def test_a_floor_counts_slower_vcpus_as_fewer(
    make_profile, make_cpu, make_memory, steady, ask, candidate
) -> None:
    """Demand that was cut off is not moved to as many slower vCPUs, however cheap."""
    profile = make_profile(
        cpu=make_cpu(steady(0.3), 2.0, throttled_ratio=0.5), memory=make_memory(3, 8)
    )
    found = ask(fleet("m5.large"), profile, only(candidate.replace("large", "*")))
    assert found.target.instance_type == "m5.large"
    assert "fewer than 2 are not allowed" in excuse_of(found, candidate).sentence


def test_the_latency_guard_depends_on_the_number_of_vcpus(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """1.2 cores are 60 % of two vCPUs, which answer within 1.2 times up to 45 %; four up to 67 %.

    The guard is off unless asked for, and never on for batch work.
    """
    profile = make_profile(cpu=make_cpu(steady(1.2), 8.0), memory=make_memory(3, 32))
    strict = only("m5.*", latency_ratio_limit=1.2)
    found = ask(fleet("m5.2xlarge"), profile, strict)
    assert found.target.instance_type == "m5.xlarge"
    excuse = excuse_of(found, "m5.large")
    assert excuse.code is ExcuseCode.LATENCY
    assert excuse.sentence == (
        "60% busy in busy minutes; 2 vCPUs answer within 1.2 times the unloaded time up to 45%"
    )
    batch = fleet("m5.2xlarge", workload_class=WorkloadClass.BATCH)
    assert ask(batch, profile, strict).target.instance_type == "m5.large"
    assert ask(fleet("m5.2xlarge"), profile, only("m5.*")).target.instance_type == "m5.large"


def test_a_current_type_that_answers_too_slowly_is_too_small(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """1.2 of two vCPUs with a guard of 1.2 times: four are needed."""
    profile = make_profile(cpu=make_cpu(steady(1.2), 2.0), memory=make_memory(3, 8))
    found = ask(fleet("m5.large"), profile, only("m5.*", latency_ratio_limit=1.2))
    assert found.decision is Decision.UPSIZE
    assert found.target.instance_type == "m5.xlarge"
    assert ReasonCode.CPU_UNDERPROVISIONED in found.reasons


HOUR_PATTERN = np.array([[1.0] * 4 + [0.1] * 20] * 14)


def test_credits_over_time_carry_what_a_baseline_does_not(
    make_profile, make_cpu, make_memory, ask
) -> None:
    """A core for 4 hours a day: 240 + 120 = 360 credits of the 864 that t3.large earns a day."""
    day = [1.0] * 48 + [0.1] * 240
    profile = make_profile(cpu=make_cpu(day * 14, 2.0), memory=make_memory(3, 8))
    burst = BurstDemand.of_hours(HOUR_PATTERN)
    policy = only("t3.*")
    known = ask(fleet("m5.large"), profile, policy, conditions_of(profile, burst=burst))
    assert known.target.instance_type == "t3.medium"  # earns 576 a day
    unknown = ask(fleet("m5.large"), profile, policy)
    assert unknown.target.instance_type == "m5.large"
    assert excuse_of(unknown, "t3.large").code is ExcuseCode.BURST_CREDITS


def test_surplus_credits_are_on_the_price(make_profile, make_cpu, make_memory, steady, ask) -> None:
    """A steady core on t3.large (unlimited): 0.0832 + 0.4 vCPU-hours of surplus at $0.05 = 0.103.

    More than m5.large's 0.096, so nothing is saved; t3 counts as 0.989 of m5, hence 0.103.
    """
    profile = make_profile(cpu=make_cpu(steady(1.0), 2.0), memory=make_memory(5, 8))
    burst = BurstDemand.of_hours(np.full((14, 24), 1.0))
    found = ask(fleet("m5.large"), profile, only("t3.large"), conditions_of(profile, burst=burst))
    assert found.decision is Decision.KEEP
    excuse = excuse_of(found, "t3.large")
    assert excuse.code is ExcuseCode.COSTS_MORE
    # (1 / 0.98938 - 0.6) x 0.05 x 730 = 14.99
    assert excuse.sentence == "it fits and costs more, with $14.99 a month of surplus CPU credits"


def test_standard_credits_run_out(make_profile, make_cpu, make_memory, steady, ask) -> None:
    """The same in standard mode: held at the baseline all month, 43,800 minutes."""
    profile = make_profile(cpu=make_cpu(steady(1.0), 2.0), memory=make_memory(5, 8))
    burst = BurstDemand.of_hours(np.full((14, 24), 1.0))
    policy = only("t3.large", credit_mode=CreditMode.STANDARD)
    found = ask(fleet("m5.large"), profile, policy, conditions_of(profile, burst=burst))
    excuse = excuse_of(found, "t3.large")
    assert excuse.code is ExcuseCode.BURST_CREDITS
    assert excuse.sentence == (
        "credits would be gone for 43800 minutes a month; it sustains 0.59 cores "
        "(hourly means of 14 days)"
    )


def test_surplus_is_part_of_what_a_move_costs(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """From m5.xlarge (0.192) to t3.large at 0.0832 + surplus of 0.0205: shown as 0.1037 x 730."""
    profile = make_profile(cpu=make_cpu(steady(1.0), 4.0), memory=make_memory(5, 16))
    burst = BurstDemand.of_hours(np.full((14, 24), 1.0))
    found = ask(fleet("m5.xlarge"), profile, only("t3.large"), conditions_of(profile, burst=burst))
    assert found.target.instance_type == "t3.large"
    assert found.cost_after.usd_per_month == pytest.approx(Decimal("75.73"), abs=Decimal("0.02"))
    assert "with surplus CPU credits" in found.cost_after.basis


def test_flex_types_may_run_at_full_speed_most_of_a_day(
    make_profile, make_cpu, make_memory, ask
) -> None:
    """1.5 cores for 20 hours a day is above m7i-flex's 40 %, and below 95 % of the day."""
    day = [1.5] * 240 + [0.1] * 48
    profile = make_profile(cpu=make_cpu(day * 14, 4.0), memory=make_memory(3, 16))
    most = BurstDemand.of_hours(np.array([[1.5] * 20 + [0.1] * 4] * 14))
    found = ask(fleet("m5.xlarge"), profile, only("m7i-flex.*"), conditions_of(profile, burst=most))
    assert found.target.instance_type == "m7i-flex.large"
    always = BurstDemand.of_hours(np.full((14, 24), 1.5))
    refused = ask(
        fleet("m5.xlarge"), profile, only("m7i-flex.*"), conditions_of(profile, burst=always)
    )
    assert "full speed would be refused for 2190 minutes a month" in (
        excuse_of(refused, "m7i-flex.large").sentence  # 5 % of 43,800
    )


def test_a_type_that_the_zones_in_use_lack_is_not_taken(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """use1-az3 has no m7g; without zones it is taken, and what was not checked is said."""
    profile = make_profile(cpu=make_cpu(steady(0.5), 4.0), memory=make_memory(5, 16))
    old = fleet("m5.xlarge", zones=("use1-az3", "use1-az1"))
    kept = ask(old, profile, only("m7g.*"))
    assert kept.target.instance_type == "m5.xlarge"
    excuse = excuse_of(kept, "m7g.large")
    assert excuse.code is ExcuseCode.NOT_OFFERED
    assert excuse.sentence == "not offered in use1-az3"
    free = ask(fleet("m5.xlarge"), profile, only("m7g.*"))
    assert free.target.instance_type == "m7g.large"
    assert "the zones in use; m7g.large is not offered in use1-az3" in free.missing_evidence
    named = ask(fleet("m5.xlarge", zones=("us-east-1a", "us-east-1b")), profile, only("m7g.*"))
    assert any("differs by account" in item for item in named.missing_evidence)


def test_of_equal_options_the_newer_generation_is_taken() -> None:
    """Equal in price, memory and vCPUs; the current one stays whatever its generation."""
    options = [
        Option(name, Decimal("0.096"), 2, 8192, generation=generation)
        for name, generation in (("m5.large", 5), ("m7.large", 7), ("m6.large", 6))
    ]
    newest, own = cheapest(options, prefer="c5.large"), cheapest(options, prefer="m5.large")
    assert newest is not None
    assert own is not None
    assert (newest.name, own.name) == ("m7.large", "m5.large")


@pytest.mark.parametrize(("name", "generation"), [("m7i-flex.large", 7), ("x2iedn.xlarge", 2)])
def test_the_generation_is_in_the_name(catalog, name, generation) -> None:
    """The first number of the family."""
    assert catalog.shape(name).generation == generation


def test_credits_that_ran_out_are_not_simulated(
    make_profile, make_cpu, make_memory, steady, ask
) -> None:
    """Use held at a baseline shows no demand to simulate: the limit within the baseline decides."""
    cpu = make_cpu(steady(0.6), 2.0, credit_exhausted_ratio=0.3)
    profile = make_profile(cpu=cpu, memory=make_memory(2, 8))
    burst = BurstDemand.of_hours(np.full((14, 24), 0.6))
    found = ask(fleet("t3.large"), profile, only("t3.*"), conditions_of(profile, burst=burst))
    assert found.target.instance_type == "t3.xlarge"


def test_cpu_nobody_measured_has_no_busy_minutes(make_profile, make_memory, ask) -> None:
    """The guard has nothing to judge, and the vCPUs stay."""
    profile = make_profile(memory=make_memory(3, 16))
    found = ask(fleet("m5.xlarge"), profile, only("m5.*", latency_ratio_limit=1.2))
    assert found.target.instance_type == "m5.xlarge"
    assert isinstance(conditions_of(profile).busy_cores, NoData)
    assert replace(conditions_of(profile)).measured_on is None


@pytest.mark.parametrize(
    "value",
    [
        {"performance_per_vcpu": {"m7g": 0}},
        {"performance_per_vcpu": {"m7g": -1.2}},
        {"performance_per_vcpu": {"m7g": "fast"}},
        {"latency_ratio_limit": 1},
        {"credit_mode": "infinite"},
    ],
)
def test_settings_that_mean_nothing_are_refused(value) -> None:
    """A speed of nothing, a latency without any wait, a mode that AWS does not have."""
    with pytest.raises(ConfigError, match=next(iter(value))):
        parse_settings({"rightsizing:settings": value})
