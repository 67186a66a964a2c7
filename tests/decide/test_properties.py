"""What holds for every demand: monotone, cheapest, stable, deterministic, bounded."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.decide.demand import demand_of
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.model.base import NoData
from rightsizing.model.price import Price, Rates
from rightsizing.model.profile import RatePeaks
from rightsizing.model.recommendation import Decision
from rightsizing.model.size import ContainerSize, FleetSize, ServiceSize
from rightsizing.model.workload import Architecture, Workload, WorkloadKind

RATES = Rates(Decimal(3), Decimal(2), "test")
UNMEASURED = NoData("not measured")
FAMILIES = ("m5", "c6g", "r6i", "t3", "m7i-flex")
CURRENT_TYPES = ("m5.large", "m5.2xlarge", "c5.4xlarge", "r6g.xlarge", "t3.large", "m5d.xlarge")
# A few families are enough to meet every rule, and keep brute force quick.
POLICY = SizingPolicy(
    allowed_types=tuple(f"{family}.*" for family in (*FAMILIES, "c5", "r6g", "m5d"))
)

cores = st.one_of(st.just(0.0), st.floats(0.001, 40, allow_nan=False))
gibibytes = st.floats(0.05, 200, allow_nan=False)
rate_peaks = st.builds(
    RatePeaks,
    st.one_of(st.just(UNMEASURED), st.floats(1, 2e9)),
    st.one_of(st.just(UNMEASURED), st.floats(1, 2e9)),
    st.one_of(st.just(UNMEASURED), st.floats(1, 1e5)),
)
shares = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=12)


@pytest.fixture(scope="module")
def profile_of(make_profile, make_cpu, make_memory):
    """``profile_of(peak cores, shares of the peak, GiB or None)`` over 14 days."""

    def make(peak, of_peak, memory_gib, rates=None, capacity=48.0):
        pattern = [peak * share for share in of_peak]
        values = (pattern * (700 // len(pattern) + 1))[:700]  # 14 days of 50 intervals
        cpu = make_cpu(values, capacity, daily_max_cores=(max(values),) * 14)
        memory = None if memory_gib is None else make_memory(memory_gib, 256.0)
        profile = make_profile(cpu=cpu, memory=memory, rates=rates)
        return replace(profile, evidence=replace(profile.evidence, interval_s=86_400 // 50))

    return make


def fleet(instance_type: str) -> Workload:
    return Workload(
        key="web",
        kind=WorkloadKind.FLEET,
        size=FleetSize(instance_type=instance_type, min_instances=2, max_instances=4),
        architectures=(Architecture.X86_64, Architecture.ARM64),
    )


def container(millicores: int, mib: int, kind=WorkloadKind.CONTAINER) -> Workload:
    return Workload(
        key="web", kind=kind, size=ContainerSize(cpu_millicores=millicores, memory_mib=mib)
    )


def service(cpu_units: int, mib: int) -> Workload:
    size = ServiceSize(cpu_units=cpu_units, memory_mib=mib, min_tasks=1, max_tasks=3)
    return Workload(key="web", kind=WorkloadKind.SERVICE, size=size)


workloads = st.one_of(
    st.sampled_from(CURRENT_TYPES).map(fleet),
    st.tuples(st.integers(50, 64_000), st.integers(64, 300_000)).map(lambda s: container(*s)),
    st.tuples(st.integers(1, 64), st.integers(1, 300)).map(
        lambda s: container(s[0] * 1000, s[1] * 1024, WorkloadKind.HOST)
    ),
    st.sampled_from([(256, 512), (1024, 8192), (4096, 16384), (16384, 65536), (300, 700)]).map(
        lambda s: service(*s)
    ),
)
scopes = st.sampled_from(list(Scope))


def dimensions(size, catalog) -> tuple[float, float]:
    """CPU and memory of a size."""
    if isinstance(size, FleetSize):
        shape = catalog.shape(size.instance_type)
        return shape.vcpus, shape.memory_mib
    return size.cpu_cores, size.memory_mib


def hourly(size, catalog) -> Decimal:
    """A figure to compare sizes of one kind by: list price, or rates."""
    if isinstance(size, FleetSize):
        price = catalog.price(size.instance_type, "us-east-1")
        assert isinstance(price, Price)
        return price.usd_per_hour
    cpu, memory_mib = dimensions(size, catalog)
    if isinstance(size, ServiceSize):
        return Decimal(str(cpu)) * Decimal("0.04048") + Decimal(memory_mib) / 1024 * Decimal(
            "0.004445"
        )
    return Decimal(str(cpu)) * 3 + Decimal(memory_mib) / 1024 * 2


@given(workloads, cores, shares, gibibytes, st.floats(1, 3), st.floats(1, 3), rate_peaks, scopes)
@settings(max_examples=120, deadline=None)
def test_more_demand_is_never_answered_with_something_cheaper(
    profile_of,
    catalog,
    workload,
    peak,
    of_peak,
    memory_gib,
    cpu_factor,
    memory_factor,
    rates,
    scope,
) -> None:
    """Demand at every instant k times as large: what the data asks for costs no less.

    The minimum saving may keep a current size that is dearer than what more demand would choose;
    the final choice is therefore compared unless the smaller demand kept the current size.
    """
    less = profile_of(peak, of_peak, memory_gib, rates)
    more = profile_of(peak * cpu_factor, of_peak, memory_gib * memory_factor, rates, 48 * 1.0)
    policy = POLICY.model_copy(update={"minimum_saving_ratio": 0.0, "minimum_change_ratio": 0.0})
    answers = [
        recommend(workload, profile, catalog, policy, scope=scope, rates=RATES)
        for profile in (less, more)
    ]
    if answers[1].decision is Decision.KEEP and answers[1].finding == "underprovisioned":
        return  # nothing was large enough for the larger demand
    small, large = (hourly(answer.target, catalog) for answer in answers)
    if answers[0].target != answers[0].current:
        assert small <= large


@given(st.sampled_from(CURRENT_TYPES), cores, shares, gibibytes, rate_peaks, scopes)
@settings(max_examples=100, deadline=None)
def test_the_chosen_type_is_the_cheapest_that_holds_the_demand(
    profile_of, catalog, instance_type, peak, of_peak, memory_gib, rates, scope
) -> None:
    """Against every type of the region, tested here by the rules as written down."""
    profile = profile_of(peak, of_peak, memory_gib, rates)
    policy = POLICY.model_copy(update={"minimum_saving_ratio": 0.0})
    answer = recommend(
        fleet(instance_type), profile, catalog, policy, scope=scope, rates=UNMEASURED
    )
    demand = demand_of(profile, policy)
    current = catalog.shape(instance_type)

    def carries(shape) -> bool:
        return (
            (policy.allows(shape.instance_type) or shape is current)
            and (shape.family == current.family or scope is Scope.ANY_FAMILY)
            and (shape.current_generation or shape.family == current.family)
            and not shape.bare_metal
            and shape.gpu_count == 0
            and (shape.local_storage_gb > 0) <= (current.local_storage_gb > 0)
            and shape.local_storage_gb >= current.local_storage_gb
            and shape.vcpus >= demand.cpu.target
            and shape.memory_mib * 2**20 >= demand.memory.target
            and (
                shape is current
                or (
                    not shape.burstable
                    if isinstance(shape.baseline_cpu_ratio, NoData)
                    else demand.cpu.observed <= shape.baseline_cpu_ratio * shape.vcpus
                )
            )
            and below(rates.network_bytes_per_s, shape.network_baseline_bytes_per_s, shape)
            and below(rates.disk_bytes_per_s, shape.ebs_baseline_bytes_per_s, shape)
            and below(rates.disk_ops_per_s, shape.ebs_baseline_ops_per_s, shape)
        )

    def below(used, baseline, shape) -> bool:
        if isinstance(used, NoData):
            return True
        return shape is current if isinstance(baseline, NoData) else used <= baseline

    prices = [
        catalog.price(shape.instance_type, "us-east-1")
        for shape in catalog.shapes("us-east-1")
        if carries(shape)
    ]
    cheapest = min(
        (price.usd_per_hour for price in prices if isinstance(price, Price)), default=None
    )
    own = hourly(answer.current, catalog)
    if answer.target == answer.current:
        # Kept: nothing fits, it is the cheapest, or it still has half of its margins.
        assert cheapest is None or own <= cheapest
    else:
        assert hourly(answer.target, catalog) == cheapest


marks = st.sampled_from(["at_limit_ratio", "throttled_ratio", "credit_exhausted_ratio", None])


@given(workloads, cores, shares, st.one_of(st.none(), gibibytes), rate_peaks, scopes, marks)
@settings(max_examples=120, deadline=None)
def test_its_own_answer_changes_nothing(
    profile_of, catalog, workload, peak, of_peak, memory_gib, rates, scope, mark
) -> None:
    """Applied and asked again with the same measurements, the answer is to keep."""
    profile = profile_of(peak, of_peak, memory_gib, rates)
    if mark is not None:
        profile = replace(profile, cpu=replace(profile.cpu, **{mark: 0.5}))
    first = recommend(workload, profile, catalog, POLICY, scope=scope, rates=RATES)
    applied = workload.model_copy(update={"size": first.target})
    second = recommend(applied, profile, catalog, POLICY, scope=scope, rates=RATES)
    assert second.target == first.target
    assert second.decision in {Decision.KEEP, Decision.REFUSE}


@given(workloads, cores, shares, st.one_of(st.none(), gibibytes), scopes)
@settings(max_examples=100, deadline=None)
def test_the_target_lies_between_its_bounds(
    profile_of, catalog, workload, peak, of_peak, memory_gib, scope
) -> None:
    """Lower <= target <= upper: in both resources, or in price where they are sold together."""
    found = recommend(
        workload, profile_of(peak, of_peak, memory_gib), catalog, POLICY, scope=scope, rates=RATES
    )
    if isinstance(found.target, ContainerSize):
        lower, target, upper = (
            dimensions(size, catalog)
            for size in (found.lower_bound, found.target, found.upper_bound)
        )
        assert lower[0] <= target[0] <= upper[0]
        assert lower[1] <= target[1] <= upper[1]
    else:
        lower_cost, cost, upper_cost = (
            hourly(size, catalog) for size in (found.lower_bound, found.target, found.upper_bound)
        )
        assert lower_cost <= cost <= upper_cost


@given(workloads, cores, shares, scopes)
@settings(max_examples=100, deadline=None)
def test_memory_nobody_measured_is_never_less_than_before(
    profile_of, catalog, workload, peak, of_peak, scope
) -> None:
    """Whatever CPU does."""
    found = recommend(
        workload, profile_of(peak, of_peak, None), catalog, POLICY, scope=scope, rates=RATES
    )
    assert dimensions(found.target, catalog)[1] >= dimensions(found.current, catalog)[1]


@given(workloads, cores, shares, gibibytes, scopes)
@settings(max_examples=60, deadline=None)
def test_the_same_question_has_the_same_answer(
    profile_of, catalog, workload, peak, of_peak, memory_gib, scope
) -> None:
    """Including the predicted minutes; and the order of the days' samples plays no part."""
    profile = profile_of(peak, of_peak, memory_gib)
    again = profile_of(peak, of_peak, memory_gib)
    assert recommend(workload, profile, catalog, POLICY, scope=scope, rates=RATES) == recommend(
        workload, again, catalog, POLICY, scope=scope, rates=RATES
    )


@given(workloads, cores, shares, gibibytes, scopes)
@settings(max_examples=100, deadline=None)
def test_a_new_target_holds_the_demand_it_was_made_for(
    profile_of, catalog, workload, peak, of_peak, memory_gib, scope
) -> None:
    """Every change fits the CPU target and the memory peak with its margin."""
    profile = profile_of(peak, of_peak, memory_gib)
    found = recommend(workload, profile, catalog, POLICY, scope=scope, rates=RATES)
    if found.decision not in {Decision.DOWNSIZE, Decision.UPSIZE}:
        return
    demand = demand_of(profile, POLICY)
    cpu, memory_mib = dimensions(found.target, catalog)
    before = dimensions(found.current, catalog)
    # A resource that did not change may have half of its margin used.
    needed = demand.cpu.tolerated if cpu == before[0] else demand.cpu.target
    assert cpu >= needed * (1 - 1e-9)
    needed = demand.memory.tolerated if memory_mib == before[1] else demand.memory.target
    assert memory_mib * 2**20 >= needed * (1 - 1e-9)


@given(cores, shares, gibibytes, st.sampled_from(["at_limit_ratio", "throttled_ratio"]))
@settings(max_examples=60, deadline=None)
def test_censored_demand_never_saves(profile_of, catalog, peak, of_peak, memory_gib, mark) -> None:
    """With the mark set, nothing gets smaller in any resource."""
    profile = profile_of(peak, of_peak, memory_gib)
    censored = replace(profile, cpu=replace(profile.cpu, **{mark: 0.5}))
    for workload in (fleet("m5.2xlarge"), container(8000, 32_768), service(4096, 16_384)):
        found = recommend(workload, censored, catalog, POLICY, scope=Scope.ANY_FAMILY, rates=RATES)
        before, after = (dimensions(size, catalog) for size in (found.current, found.target))
        assert after[0] >= before[0]
        assert after[1] >= before[1]
