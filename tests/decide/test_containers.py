"""Limits of containers and capacity of hosts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.errors import ConfigError
from rightsizing.model.base import NoData
from rightsizing.model.price import MonthlyCost, Rates
from rightsizing.model.profile import Grade
from rightsizing.model.recommendation import Decision, Finding, ReasonCode
from rightsizing.model.size import ContainerSize
from rightsizing.model.workload import Workload, WorkloadKind

# The reference case's own rates: $41.67 / 16 cores and $188.35 / 15.3 GiB a month.
RATES = Rates(Decimal("41.67") / 16, Decimal("188.35") / Decimal("15.3"), "review's own rates")
TRADER_MIB = 15_667  # 15.3 GiB


def container(millicores: int, mib: int, kind: WorkloadKind = WorkloadKind.CONTAINER) -> Workload:
    """A container or host of that size."""
    return Workload(
        key="trader",
        kind=kind,
        size=ContainerSize(cpu_millicores=millicores, memory_mib=mib),
    )


@pytest.fixture
def decide(catalog):
    """``decide(workload, profile)`` with the default policy and the case's rates."""

    def run(workload, profile, policy=None, rates=RATES):
        return recommend(
            workload,
            profile,
            catalog,
            policy or SizingPolicy(),
            scope=Scope.SAME_FAMILY,
            rates=rates,
        )

    return run


def test_the_trader_keeps_its_memory_and_loses_cores(
    make_profile, make_cpu, make_memory, decide
) -> None:
    """16 cores at 7.2 % mean and 8.6 % peak, 85.4 % of 15.3 GiB.

    CPU: 1.376 in steps of 0.25: 1.5 cores, 77 % mean and 92 % peak; to be short for 3 of 288
    intervals (1.04 %) would pass the risk of 0.5 %.
    Memory: the peak of 13.07 GiB must stay below 95 % of the limit: 13.75 GiB, in steps of 64 MiB
    14,144; 9.7 % less, which is not worth a change.
    Money: 14.5 cores x $2.604.
    """
    day = [1.152] * 285 + [1.376] * 3
    profile = make_profile(cpu=make_cpu(day * 14, 16.0), memory=make_memory(0.854 * 15.3, 15.3))
    found = decide(container(16_000, TRADER_MIB), profile)
    assert found.decision is Decision.DOWNSIZE
    assert found.target == ContainerSize(cpu_millicores=1500, memory_mib=TRADER_MIB)
    assert found.uncapped_target == ContainerSize(cpu_millicores=1500, memory_mib=14_144)
    assert found.lower_bound.memory_mib >= 14_085  # 13.07 GiB / 0.95
    assert found.reasons == (ReasonCode.CPU_OVERPROVISIONED, ReasonCode.CHANGE_TOO_SMALL)
    assert found.projected_cpu_mean_ratio == pytest.approx(1.1543 / 1.5, abs=0.001)
    assert found.projected_cpu_peak_ratio == pytest.approx(1.376 / 1.5)
    saving = Decimal("14.5") * RATES.usd_per_core_month
    assert found.saving_usd_per_month == pytest.approx(saving, abs=Decimal("1e-9"))
    assert isinstance(found.cost_after, MonthlyCost)
    assert "once the host shrinks" in found.cost_after.basis


@pytest.mark.parametrize(
    ("cores", "millicores"),
    [
        (0.0, 50),  # the policy's least
        (0.001, 50),
        (0.08, 100),  # .1
        (0.3, 300),
        (0.81, 850),
        (2.3, 2500),  # above one core in quarters
    ],
)
def test_limits_come_in_readable_steps(make_profile, make_cpu, steady, decide, cores, millicores):
    """Steady use, up to the next 50 millicores below one core and the next 250 above."""
    profile = make_profile(cpu=make_cpu(steady(cores), 16.0))
    assert decide(container(16_000, 1024), profile).target.cpu_millicores == millicores


def test_memory_alone_can_shrink(make_profile, make_cpu, make_memory, steady, decide) -> None:
    """1 GiB used of 4: 1,024 x e ** 0.04 = 1,065.8, in steps of 64: 1,088 MiB; CPU stays."""
    profile = make_profile(cpu=make_cpu(steady(0.97), 1.0), memory=make_memory(1, 4))
    found = decide(container(1000, 4096), profile)
    assert found.target == ContainerSize(cpu_millicores=1000, memory_mib=1088)
    assert found.reasons == (ReasonCode.MEMORY_OVERPROVISIONED,)


def test_unmeasured_memory_stays(make_profile, make_cpu, steady, decide) -> None:
    """Fewer cores, the same memory, and a note on what is missing."""
    found = decide(container(4000, 4096), make_profile(cpu=make_cpu(steady(0.5), 4.0)))
    assert found.decision is Decision.DOWNSIZE
    assert found.target.memory_mib == 4096
    assert ReasonCode.MEMORY_UNMEASURED in found.reasons
    assert any("memory" in missing for missing in found.missing_evidence)


def test_unmeasured_cpu_stays(make_profile, make_memory, decide) -> None:
    """The other way round."""
    found = decide(container(4000, 4096), make_profile(memory=make_memory(1, 4)))
    assert found.target == ContainerSize(cpu_millicores=4000, memory_mib=1088)
    assert ReasonCode.NO_MEASUREMENTS in found.reasons


def test_a_kill_raises_memory_and_forbids_less_cpu(
    make_profile, make_cpu, make_memory, steady, decide
) -> None:
    """Killed under 1 GiB though no sample shows more than 60 %: 1.2 x the limit, and no savings."""
    profile = make_profile(cpu=make_cpu(steady(0.1), 4.0), memory=make_memory(0.6, 1, oom_kills=2))
    found = decide(container(4000, 1024), profile)
    assert found.decision is Decision.UPSIZE
    assert found.finding is Finding.UNDERPROVISIONED
    assert found.target == ContainerSize(cpu_millicores=4000, memory_mib=1280)  # 1,228.8
    assert "2 out-of-memory kills" in found.binding


def test_a_limit_stays_while_its_margin_does(make_profile, make_memory, decide) -> None:
    """1,024 MiB holds a peak of 940 and stays; 1,000 x e ** 0.04 = 1,040.8 asks for 1,088.

    1,000 MiB are above 95 % of the limit (972.8), so the newest day alone would raise it.
    """
    calm = decide(container(1000, 1024), make_profile(memory=make_memory(940 / 1024, 1)))
    assert calm.target.memory_mib == 1024
    full = decide(container(1000, 1024), make_profile(memory=make_memory(1000 / 1024, 1)))
    assert full.target.memory_mib == 1088
    assert ReasonCode.MEMORY_UNDERPROVISIONED in full.reasons


def test_a_reduction_below_the_minimum_change_waits(make_profile, make_cpu, steady, decide) -> None:
    """3.5 of 3.75 cores would be a change of 6.7 %."""
    profile = make_profile(cpu=make_cpu(steady(3.49), 3.75))
    found = decide(container(3750, 1024), profile)
    assert found.decision is Decision.KEEP
    assert ReasonCode.CHANGE_TOO_SMALL in found.reasons
    assert found.uncapped_target.cpu_millicores == 3500
    eager = SizingPolicy(minimum_change_ratio=0.05)
    assert decide(container(3750, 1024), profile, eager).target.cpu_millicores == 3500


def test_weak_evidence_refuses_and_says_what_it_would_allow(
    make_profile, make_cpu, make_memory, steady, decide
) -> None:
    """Three days: the reduction is named, not made."""
    profile = make_profile(
        cpu=make_cpu(steady(0.2, 3), 4.0), memory=make_memory(0.5, 4), days=3, grade=Grade.WEAK
    )
    found = decide(container(4000, 4096), profile)
    assert found.decision is Decision.REFUSE
    assert found.reasons == (ReasonCode.EVIDENCE_TOO_WEAK,)
    assert found.target == found.current
    assert found.uncapped_target == ContainerSize(cpu_millicores=200, memory_mib=576)
    assert "7 days" in found.missing_evidence[0]


def test_hosts_come_in_whole_cores_and_gibibytes(
    make_profile, make_cpu, make_memory, steady, decide
) -> None:
    """A host without declared size is what was measured: 8 cores and 32 GiB -> 3 and 6.

    2.2 cores; 5 x e ** 0.04 = 5.20 GiB; $26.04 and $12.31 a unit are saved for good.
    """
    profile = make_profile(cpu=make_cpu(steady(2.199), 8.0), memory=make_memory(5, 32))
    found = decide(Workload(key="vm", kind=WorkloadKind.HOST), profile)
    assert found.current == ContainerSize(cpu_millicores=8000, memory_mib=32 * 1024)
    assert found.target == ContainerSize(cpu_millicores=3000, memory_mib=6 * 1024)
    assert isinstance(found.cost_after, MonthlyCost)
    assert "once the host shrinks" not in found.cost_after.basis


def test_without_rates_the_money_is_unknown(make_profile, make_cpu, steady, decide) -> None:
    """A container has no price list."""
    profile = make_profile(cpu=make_cpu(steady(0.5), 4.0))
    found = decide(container(4000, 4096), profile, rates=NoData("no rates declared"))
    assert isinstance(found.cost_after, NoData)
    assert isinstance(found.saving_usd_per_month, NoData)
    assert "cost unknown" in found.sentence


def test_a_size_nobody_knows_is_an_error(make_profile, make_cpu, steady, decide) -> None:
    """No declared size and no measured memory capacity: nothing to start from."""
    workload = Workload(key="vm", kind=WorkloadKind.HOST)
    with pytest.raises(ConfigError, match="vm declares no size"):
        decide(workload, make_profile(cpu=make_cpu(steady(1.0), 4.0)))
    with pytest.raises(ConfigError, match="vm declares no size"):
        decide(workload, NoData("nothing"))


def test_an_answered_kill_forbids_going_back(make_profile, make_memory, decide) -> None:
    """Killed under 1,000 MiB, raised to 1,216: the peak of 900 would allow 960, the kill not."""
    mib = 1 / 1024
    memory = make_memory(900 * mib, 1216 * mib, oom_limit_bytes=1000 * 2**20)
    found = decide(container(1000, 1216), make_profile(memory=memory))
    assert found.target.memory_mib == 1216
    without = make_profile(memory=make_memory(900 * mib, 1216 * mib))
    assert decide(container(1000, 1216), without).target.memory_mib == 960


@pytest.mark.parametrize(
    ("days", "samples", "memory_mib"),
    [(1, 288, 4096), (14, 14, 4096), (6, 6 * 288, 4096), (7, 7 * 144, 1088)],
)
def test_memory_of_few_days_reduces_nothing(
    make_profile, make_cpu, make_memory, steady, decide, days, samples, memory_mib
) -> None:
    """CPU of 14 days vouches for no memory: an agent of yesterday, or a sample a day, is too few.

    Seven days at half of their 288 samples are enough: 1 GiB x e ** 0.05 is 1,088 MiB.
    """
    memory = make_memory(1, 4, daily_max_bytes=(2**30,) * days, samples=samples)
    profile = make_profile(cpu=make_cpu(steady(1.0), 4.0), memory=memory)
    found = decide(container(4000, 4096), profile)
    assert found.target == ContainerSize(cpu_millicores=1000, memory_mib=memory_mib)
    assert (ReasonCode.EVIDENCE_TOO_WEAK in found.reasons) == (memory_mib == 4096)
