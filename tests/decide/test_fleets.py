"""Instance types of fleets: the reference figures, the guards, the money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightsizing.decide.instance import cheapest_holding
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.errors import CatalogError, ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost
from rightsizing.model.profile import Grade, RatePeaks
from rightsizing.model.recommendation import Decision, ExcuseCode, Finding, ReasonCode
from rightsizing.model.shape import InstanceShape
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.model.workload import Architecture, Workload, WorkloadKind

NO_RATES = NoData("no rates")
UNMEASURED = NoData("not measured")
BOTH = (Architecture.X86_64, Architecture.ARM64)


def fleet(instance_type: str, count: int = 2, **changes) -> Workload:
    """A fleet of some instances in us-east-1."""
    size = FleetSize(instance_type=instance_type, min_instances=count, max_instances=count * 2)
    return Workload(key="web", kind=WorkloadKind.FLEET, size=size, **changes)


def test_the_reference_fleet_halves(make_profile, make_cpu, make_memory, steady, catalog) -> None:
    """m5.2xlarge, CPU limit 30 % of 8 vCPUs, peak memory 9 GiB: m5.xlarge within the family.

    CPU 2.4 of 4 vCPUs; memory 9 x e ** 0.04 = 9.37 of 16 GiB; m5.large has only 8 GiB.
    Saves (0.384 - 0.192) x 730 x 2 instances = $280.32 a month.
    """
    profile = make_profile(cpu=make_cpu(steady(2.399), 8.0), memory=make_memory(9, 32))
    found = recommend(
        fleet("m5.2xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert found.decision is Decision.DOWNSIZE
    assert found.finding is Finding.OVERPROVISIONED
    assert found.target == FleetSize(instance_type="m5.xlarge", min_instances=2, max_instances=4)
    assert found.saving_usd_per_month == Decimal("280.32")
    assert set(found.reasons) == {
        ReasonCode.CPU_OVERPROVISIONED,
        ReasonCode.MEMORY_OVERPROVISIONED,
    }
    assert found.projected_cpu_peak_ratio == pytest.approx(2.399 / 4)
    assert found.projected_memory_peak_ratio == pytest.approx(9 / 16)
    large = next(excuse for excuse in found.excuses if excuse.candidate == "m5.large")
    assert large.code is ExcuseCode.CPU_TOO_SMALL
    assert isinstance(found.cost_after, MonthlyCost)
    assert "2026-07-20" in found.cost_after.basis
    assert "2 instances (minimum)" in found.cost_after.basis


@pytest.mark.parametrize(
    ("architectures", "instance_type", "usd"),
    [
        (BOTH, "x8g.medium", "71.32"),
        ((Architecture.X86_64,), "r5a.large", "82.49"),  # 0.113 x 730
    ],
)
def test_the_reference_case_is_bound_by_memory(
    make_profile, make_cpu, make_memory, catalog, architectures, instance_type, usd
) -> None:
    """13.07 GiB on 1.15 cores (peak 1.38): the cheapest memory-optimised type of 16 GiB.

    13.07 x e ** 0.04 = 13.60 of 16 GiB (82 % at the peak). The one vCPU of x8g.medium is worth 1.53
    of c5's, the two of r5a.large (13,085 / 16,498) ** 0.7 x 2 = 1.70: both hold 1.376.
    """
    day = [1.152] * 287 + [1.376]
    profile = make_profile(cpu=make_cpu(day * 14, 16.0), memory=make_memory(13.0662, 32))
    found = recommend(
        fleet("c5.4xlarge", 1, architectures=architectures),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.ANY_FAMILY,
        rates=NO_RATES,
    )
    assert found.target.instance_type == instance_type
    assert isinstance(found.cost_after, MonthlyCost)
    assert str(found.cost_after) == f"${usd}"
    assert found.projected_memory_peak_ratio == pytest.approx(0.8166, abs=1e-4)


def test_memory_that_was_not_measured_is_never_reduced(
    make_profile, make_cpu, steady, catalog
) -> None:
    """Two idle cores of eight: fewer cores are only taken with the same memory."""
    profile = make_profile(cpu=make_cpu(steady(0.5), 8.0))
    within = recommend(
        fleet("m5.2xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert within.decision is Decision.REFUSE
    assert within.target == within.current
    assert ReasonCode.MEMORY_UNMEASURED in within.reasons
    assert any("CloudWatch agent" in missing for missing in within.missing_evidence)
    across = recommend(
        fleet("m5.2xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.ANY_FAMILY,
        rates=NO_RATES,
    )
    assert across.decision is Decision.DOWNSIZE
    assert catalog.shape(across.target.instance_type).memory_mib >= 32 * 1024
    assert catalog.shape(across.target.instance_type).vcpus < 8


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"grade": Grade.WEAK, "days": 3}, ReasonCode.EVIDENCE_TOO_WEAK),
        ({"throttled_ratio": 0.2}, ReasonCode.DEMAND_CENSORED),
        ({"at_limit_ratio": 0.02}, ReasonCode.DEMAND_CENSORED),
        ({"oom_kills": 1}, ReasonCode.DEMAND_CENSORED),
    ],
)
def test_doubtful_demand_is_never_reduced(
    make_profile, make_cpu, make_memory, steady, catalog, scope, change, reason
) -> None:
    """Weak evidence, throttling, exhausted credits, a limit that was hit, a kill: refused."""
    of_cpu = {k: v for k, v in change.items() if k.endswith("_ratio")}
    of_memory = {k: v for k, v in change.items() if k == "oom_kills"}
    of_evidence = {k: v for k, v in change.items() if k in {"grade", "days"}}
    profile = make_profile(
        cpu=make_cpu(steady(0.2), 8.0, **of_cpu),
        memory=make_memory(1, 4, **of_memory),
        **of_evidence,
    )
    found = recommend(
        fleet("m5.2xlarge"), profile, catalog, SizingPolicy(), scope=scope, rates=NO_RATES
    )
    assert found.decision is Decision.REFUSE
    assert found.target == found.current
    assert found.uncapped_target != found.current
    assert reason in found.reasons
    assert found.missing_evidence


def test_a_limit_that_is_hit_leads_to_more_even_on_weak_evidence(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """Three days at 100 % of two vCPUs: 2 x 1.25 are tried, and no less memory than before."""
    profile = make_profile(
        cpu=make_cpu(steady(2.0, 3), 2.0),
        memory=make_memory(1, 8),
        days=3,
        grade=Grade.WEAK,
    )
    found = recommend(
        fleet("m5.large"), profile, catalog, SizingPolicy(), scope=Scope.SAME_FAMILY, rates=NO_RATES
    )
    assert found.decision is Decision.UPSIZE
    assert found.finding is Finding.UNDERPROVISIONED
    assert found.target.instance_type == "m5.xlarge"
    assert ReasonCode.CPU_UNDERPROVISIONED in found.reasons


def test_network_is_compared_with_the_baseline(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """1 Gbit/s is within m5.large's "up to 10", not within its 0.75: m5.xlarge (1.25) it is."""
    rates = RatePeaks(1e9 / 8, UNMEASURED, UNMEASURED)
    profile = make_profile(cpu=make_cpu(steady(0.2), 8.0), memory=make_memory(1, 32), rates=rates)
    found = recommend(
        fleet("m5.2xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert found.target.instance_type == "m5.xlarge"
    large = next(excuse for excuse in found.excuses if excuse.candidate == "m5.large")
    assert large.code is ExcuseCode.NETWORK_TOO_SMALL
    assert large.sentence == "750.0 Mbit/s of network at its baseline; 1000.0 are used"


@pytest.mark.parametrize(
    ("rates", "code"),
    [
        (RatePeaks(UNMEASURED, 100e6, UNMEASURED), ReasonCode.EBS_THROUGHPUT_UNDERPROVISIONED),
        (RatePeaks(UNMEASURED, UNMEASURED, 4000.0), ReasonCode.EBS_IOPS_UNDERPROVISIONED),
    ],
)
def test_ebs_above_the_baseline_needs_a_larger_type(
    make_profile, make_cpu, make_memory, steady, catalog, rates, code
) -> None:
    """m5.large sustains 81.25 MB/s and 3,600 operations; m5.xlarge 143.75 MB/s and 6,000."""
    profile = make_profile(cpu=make_cpu(steady(0.2), 2.0), memory=make_memory(1, 8), rates=rates)
    found = recommend(
        fleet("m5.large"), profile, catalog, SizingPolicy(), scope=Scope.SAME_FAMILY, rates=NO_RATES
    )
    assert found.decision is Decision.UPSIZE
    assert found.target.instance_type == "m5.xlarge"
    assert code in found.reasons


def test_burstable_and_flex_types_need_their_baseline(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """Half a core steadily: t3.medium (2 x 20 %) is excused, t3.large (2 x 30 %) may carry it."""
    profile = make_profile(cpu=make_cpu(steady(0.5), 2.0), memory=make_memory(2, 8))
    found = recommend(
        fleet("t3.large"), profile, catalog, SizingPolicy(), scope=Scope.SAME_FAMILY, rates=NO_RATES
    )
    assert found.target.instance_type == "t3.large"
    medium = next(excuse for excuse in found.excuses if excuse.candidate == "t3.medium")
    assert medium.code is ExcuseCode.BURST_CREDITS
    assert medium.sentence == "it sustains 0.40 cores; 0.50 are used"
    idle = make_profile(cpu=make_cpu(steady(0.05), 2.0), memory=make_memory(1, 8))
    smaller = recommend(
        fleet("t3.large"), idle, catalog, SizingPolicy(), scope=Scope.SAME_FAMILY, rates=NO_RATES
    )
    assert smaller.target.instance_type == "t3.small"  # 2 GiB for 1.04; baseline 2 x 20 %


def test_credits_that_run_out_need_a_larger_baseline(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """A t3.large held at its 0.6 cores shows no more than that; t3.xlarge sustains 1.6."""
    cpu = make_cpu(steady(0.6), 2.0, credit_exhausted_ratio=0.3)
    profile = make_profile(cpu=cpu, memory=make_memory(2, 8))
    found = recommend(
        fleet("t3.large"), profile, catalog, SizingPolicy(), scope=Scope.SAME_FAMILY, rates=NO_RATES
    )
    assert found.decision is Decision.UPSIZE
    assert found.finding is Finding.UNDERPROVISIONED
    assert found.target.instance_type == "t3.xlarge"
    assert "credits ran out" in found.binding
    # The old measurements do not push the new type on to the next one.
    again = recommend(
        fleet("t3.xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert again.target.instance_type == "t3.xlarge"


def test_a_fit_on_weak_evidence_is_not_called_right(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """One day says that m5.large is not too small; it does not say that it is optimal."""
    profile = make_profile(
        cpu=make_cpu(steady(1.2, 1), 2.0), memory=make_memory(6, 8), days=1, grade=Grade.WEAK
    )
    found = recommend(
        fleet("m5.large"), profile, catalog, SizingPolicy(), scope=Scope.SAME_FAMILY, rates=NO_RATES
    )
    assert found.decision is Decision.KEEP
    assert found.finding is Finding.UNKNOWN
    assert ReasonCode.EVIDENCE_TOO_WEAK in found.reasons


def test_special_types_are_not_proposed(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """No accelerators, bare metal, local disks, old generations or foreign architectures."""
    profile = make_profile(cpu=make_cpu(steady(30.0), 64.0), memory=make_memory(100, 256))
    found = recommend(
        fleet("m5.16xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.ANY_FAMILY,
        rates=NO_RATES,
    )
    shape = catalog.shape(found.target.instance_type)
    assert found.decision is Decision.DOWNSIZE
    assert (shape.gpu_count, shape.local_storage_gb, shape.bare_metal) == (0, 0, False)
    assert shape.current_generation
    assert shape.architecture is Architecture.X86_64


def test_local_storage_in_use_is_kept(make_profile, make_cpu, make_memory, steady, catalog) -> None:
    """An m5d.xlarge has 150 GB nobody measured; half of it is not taken away."""
    profile = make_profile(cpu=make_cpu(steady(0.1), 4.0), memory=make_memory(1, 16))
    found = recommend(
        fleet("m5d.xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert found.decision is Decision.KEEP
    large = next(excuse for excuse in found.excuses if excuse.candidate == "m5d.large")
    assert large.code is ExcuseCode.NOT_GENERAL_PURPOSE
    assert "not measured" in large.sentence


def test_the_policy_names_types(make_profile, make_cpu, make_memory, steady, catalog) -> None:
    """Only what the owner allows, and nothing the owner excludes."""
    profile = make_profile(cpu=make_cpu(steady(0.5), 8.0), memory=make_memory(2, 32))
    policy = SizingPolicy(allowed_types=("m7i.*", "c7i.*"), excluded_types=("c7i.*",))
    found = recommend(
        fleet("m5.2xlarge"), profile, catalog, policy, scope=Scope.ANY_FAMILY, rates=NO_RATES
    )
    assert found.target.instance_type == "m7i.large"


def test_a_small_saving_is_not_worth_it(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """m5a.large saves 10.4 % over m5.large ($0.086 to $0.096); at a minimum of 15 % it stays."""
    profile = make_profile(cpu=make_cpu(steady(1.0), 2.0), memory=make_memory(6, 8))
    policy = SizingPolicy(minimum_saving_ratio=0.15, allowed_types=("m5a.*",))
    kept = recommend(
        fleet("m5.large"), profile, catalog, policy, scope=Scope.ANY_FAMILY, rates=NO_RATES
    )
    assert kept.decision is Decision.KEEP
    assert ReasonCode.CHANGE_TOO_SMALL in kept.reasons
    eager = policy.model_copy(update={"minimum_saving_ratio": 0.10})
    moved = recommend(
        fleet("m5.large"), profile, catalog, eager, scope=Scope.ANY_FAMILY, rates=NO_RATES
    )
    assert moved.target.instance_type == "m5a.large"


def test_a_region_without_prices_is_sized_within_the_family(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """eu-central-2 has no dated prices: the size is right, the money is unknown, not zero."""
    profile = make_profile(cpu=make_cpu(steady(0.5), 8.0), memory=make_memory(2, 32))
    found = recommend(
        fleet("m5.2xlarge", region="eu-central-2"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert found.target.instance_type == "m5.large"
    assert isinstance(found.cost_after, NoData)
    assert isinstance(found.saving_usd_per_month, NoData)
    across = recommend(
        fleet("m5.2xlarge", region="eu-central-2"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.ANY_FAMILY,
        rates=NO_RATES,
    )
    assert across.decision is Decision.KEEP
    assert ReasonCode.PRICE_UNKNOWN in across.reasons


def test_nothing_large_enough_keeps_and_says_so(
    make_profile, make_cpu, make_memory, steady, catalog
) -> None:
    """A demand beyond the family's largest size is not answered with a smaller one."""
    profile = make_profile(cpu=make_cpu(steady(8.0), 8.0), memory=make_memory(30, 32))
    found = recommend(
        fleet("t3.2xlarge"),
        profile,
        catalog,
        SizingPolicy(),
        scope=Scope.SAME_FAMILY,
        rates=NO_RATES,
    )
    assert found.decision is Decision.KEEP
    assert found.finding is Finding.UNDERPROVISIONED
    assert ReasonCode.NO_CANDIDATE_FITS in found.reasons


def test_without_measurements_nothing_changes(catalog) -> None:
    """No data is a reason to keep, with the current cost still known."""
    found = recommend(
        fleet("m5.large", 3),
        NoData("the store holds no rows of web"),
        catalog,
        SizingPolicy(),
        scope=Scope.ANY_FAMILY,
        rates=NO_RATES,
    )
    assert found.decision is Decision.KEEP
    assert found.finding is Finding.UNKNOWN
    assert found.reasons == (ReasonCode.NO_MEASUREMENTS,)
    assert found.evidence.grade is Grade.NONE
    assert str(found.cost_before) == "$210.24"  # 0.096 x 730 x 3
    assert found.saving_usd_per_month == 0


def test_a_type_or_region_nobody_knows_is_an_error(make_profile, make_cpu, steady, catalog) -> None:
    """The message has the nearest names; nothing is guessed."""
    profile = make_profile(cpu=make_cpu(steady(1.0), 2.0))
    with pytest.raises(CatalogError, match=r"m5\.large"):
        recommend(
            fleet("m5.lage"),
            profile,
            catalog,
            SizingPolicy(),
            scope=Scope.ANY_FAMILY,
            rates=NO_RATES,
        )
    with pytest.raises(CatalogError, match="mars-north-1"):
        recommend(
            fleet("m5.large", region="mars-north-1"),
            profile,
            catalog,
            SizingPolicy(),
            scope=Scope.ANY_FAMILY,
            rates=NO_RATES,
        )


def test_a_size_of_another_kind_is_an_error(make_profile, make_cpu, steady, catalog) -> None:
    """A fleet is not sized in millicores."""
    workload = Workload(
        key="web",
        kind=WorkloadKind.FLEET,
        size=ContainerSize(cpu_millicores=1000, memory_mib=1024),
    )
    profile = make_profile(cpu=make_cpu(steady(1.0), 2.0))
    with pytest.raises(ConfigError, match="is a fleet but its size is that of a container"):
        recommend(
            workload, profile, catalog, SizingPolicy(), scope=Scope.ANY_FAMILY, rates=NO_RATES
        )


def test_the_cheapest_type_that_holds_a_size(catalog) -> None:
    """2 cores and 15.1 GiB: r6g.large with an ARM image, r5a.large without; a declared
    size says nothing of the family it was measured on."""
    size = ContainerSize(cpu_millicores=1750, memory_mib=15_424)
    arm = cheapest_holding(size, catalog, "us-east-1", BOTH)
    x86 = cheapest_holding(size, catalog, "us-east-1", (Architecture.X86_64,))
    assert isinstance(arm, InstanceShape)
    assert isinstance(x86, InstanceShape)
    assert (arm.instance_type, x86.instance_type) == ("r6g.large", "r5a.large")
    huge = ContainerSize(cpu_millicores=1_000_000, memory_mib=1024)
    assert isinstance(cheapest_holding(huge, catalog, "us-east-1", BOTH), NoData)
