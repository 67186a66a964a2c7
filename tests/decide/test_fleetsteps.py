"""A recommended type is the one that the back-test's rule over types takes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.decide.requirement import shortage_of
from rightsizing.decide.risk import Risk
from rightsizing.decide.typesteps import PricedShortage, StepNeeds, Steps, best_steps, step_costs
from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.model.profile import Profile
from rightsizing.model.recommendation import Decision, ExcuseCode, ReasonCode, Recommendation
from rightsizing.model.size import FleetSize
from rightsizing.model.workload import Workload, WorkloadKind
from rightsizing.units import mib_to_bytes

REGION = "us-east-1"
POLICY = SizingPolicy(allowed_types=("m5.*",), excluded_types=("*.metal",))
Sized = Callable[..., Recommendation]


@pytest.fixture
def sized(catalog: Catalog) -> Sized:
    """The recommendation for a fleet of one m5 type."""

    def run(profile: Profile, current: str = "m5.4xlarge", policy: SizingPolicy = POLICY):
        fleet = FleetSize(instance_type=current, min_instances=1, max_instances=1)
        workload = Workload(key="web", kind=WorkloadKind.FLEET, size=fleet, region=REGION)
        return recommend(
            workload,
            profile,
            catalog,
            policy,
            scope=Scope.SAME_FAMILY,
            rates=NoData("not needed"),
        )

    return run


def test_the_type_is_that_of_the_rule_over_types(
    sized, catalog, make_profile, make_cpu, make_memory
) -> None:
    """Forty fleets of random demand on m5.4xlarge: the same choice over the sizes of m5."""
    prices = {
        shape: price
        for shape in catalog.shapes(REGION)
        if shape.family == "m5" and not shape.bare_metal
        if isinstance(price := catalog.price(shape.instance_type, REGION), Price)
    }
    steps = Steps(
        cores=np.array([float(shape.vcpus) for shape in prices]),
        memory_bytes=np.array([float(mib_to_bytes(shape.memory_mib)) for shape in prices]),
        cost=np.array([float(price.usd_per_hour) for price in prices.values()]),
    )
    names = [shape.instance_type for shape in prices]
    generator, taken = np.random.default_rng(12), set()
    for risk in (Risk(0.0003), Risk(0.005), Risk(0.05), Risk(0.3)):
        policy = POLICY.model_copy(update={"risk": risk, "minimum_saving_ratio": 0.0})
        for _ in range(10):
            level, share = generator.uniform(0.2, 6), generator.uniform(0, 0.02)
            day = np.full(288, level)
            day[: int(288 * share * 3)] = level + generator.uniform(0, 9)
            cores = np.minimum(np.tile(day, 14) * generator.uniform(0.9, 1, 288 * 14), 15.0)
            cpu = make_cpu(cores.tolist(), 16.0)
            profile = make_profile(cpu=cpu, memory=make_memory(1, 64))
            shortage = shortage_of(profile, risk, 0)
            assert isinstance(shortage, PricedShortage)
            zero = np.zeros(1)
            needs = StepNeeds(shortage.least_cores, zero, zero, zero, np.array([True]))
            expected = names[int(best_steps(step_costs(shortage, steps), steps, needs)[0])]
            taken.add(expected)
            assert sized(profile, policy=policy).target.instance_type == expected
    assert len(taken) >= 3


def test_a_smaller_type_may_be_short_within_the_risk(
    sized, make_profile, make_cpu, make_memory
) -> None:
    """1 of 288 intervals at 2.3 cores, the rest at 1; the risk is 0.5 %.

    Two vCPUs cost $0.096 and 0.048 x 594 x 2 x 0.0035 = $0.198 of shortage, four cost $0.192. At
    3 % the shortage is worth $0.031.
    """
    cpu = make_cpu(([1.0] * 287 + [2.3]) * 14, 16.0)
    profile = make_profile(cpu=cpu, memory=make_memory(4, 64))
    assert sized(profile).target.instance_type == "m5.xlarge"
    policy = POLICY.model_copy(update={"risk": Risk(0.03)})
    found = sized(profile, policy=policy)
    assert found.target.instance_type == "m5.large"
    assert "m5.large is short 0.35 % of past time" in found.binding


def test_a_cheaper_type_says_what_its_shortage_is_worth(
    sized, make_profile, make_cpu, make_memory
) -> None:
    """m5.large would fit the risk; what it saves is less than its shortage is worth."""
    cpu = make_cpu(([1.0] * 287 + [2.3]) * 14, 16.0)
    found = sized(make_profile(cpu=cpu, memory=make_memory(4, 64)))
    (excuse,) = [item for item in found.excuses if item.candidate == "m5.large"]
    assert excuse.code is ExcuseCode.CPU_TOO_SMALL
    saved = (Decimal("0.192") - Decimal("0.096")) * 730
    assert excuse.sentence == (
        f"short 0.35 % of past time, which is worth more than the ${saved:.2f} a month it saves"
    )


def test_a_shortage_worth_a_step_is_underprovisioned(
    sized, make_profile, make_cpu, make_memory
) -> None:
    """The same demand on m5.large: raised, with its reason; what is then in force is kept."""
    cpu = make_cpu(([1.0] * 287 + [2.3]) * 14, 16.0)
    profile = make_profile(cpu=cpu, memory=make_memory(4, 64))
    found = sized(profile, current="m5.large")
    assert (found.decision, found.target.instance_type) == (Decision.UPSIZE, "m5.xlarge")
    assert found.reasons == (ReasonCode.CPU_UNDERPROVISIONED,)
    assert sized(profile, current="m5.xlarge").decision is Decision.KEEP


def test_what_it_lacks_may_be_worth_less_than_a_step(
    sized, make_profile, make_cpu, make_memory
) -> None:
    """At 3 % m5.large is exceeded every day and stays, without a reason against it."""
    cpu = make_cpu(([1.0] * 287 + [2.3]) * 14, 16.0)
    profile = make_profile(cpu=cpu, memory=make_memory(4, 64))
    found = sized(
        profile, current="m5.large", policy=POLICY.model_copy(update={"risk": Risk(0.03)})
    )
    assert found.decision is Decision.KEEP
    assert ReasonCode.CPU_UNDERPROVISIONED not in found.reasons
