"""Task sizes of ECS services on Fargate."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from rightsizing.catalog.fargate import FARGATE_SIZES
from rightsizing.decide.policy import Scope, SizingPolicy
from rightsizing.decide.recommend import recommend
from rightsizing.model.base import NoData
from rightsizing.model.profile import Grade
from rightsizing.model.recommendation import Decision, ReasonCode
from rightsizing.model.size import ServiceSize
from rightsizing.model.workload import Architecture, Workload, WorkloadKind


def service(cpu_units: int, memory_mib: int, tasks: int = 2, **changes) -> Workload:
    """A service of some tasks."""
    size = ServiceSize(
        cpu_units=cpu_units, memory_mib=memory_mib, min_tasks=tasks, max_tasks=tasks * 3
    )
    return Workload(key="api", kind=WorkloadKind.SERVICE, size=size, **changes)


@pytest.fixture
def decide(catalog):
    """``decide(workload, profile)`` with the default policy."""

    def run(workload, profile, policy=None):
        return recommend(
            workload,
            profile,
            catalog,
            policy or SizingPolicy(),
            scope=Scope.SAME_FAMILY,
            rates=NoData("no rates"),
        )

    return run


def test_a_task_shrinks_to_the_cheapest_size_of_the_grid(
    make_profile, make_cpu, make_memory, steady, decide
) -> None:
    """0.3 vCPU and 1.5 x e ** 0.04 = 1.56 GiB: .5 vCPU with 2 GiB.

    Two tasks: from 2 x (2 x 0.04048 + 4 x 0.004445) x 730 = $144.16 to $42.53, saving $101.63.
    """
    profile = make_profile(cpu=make_cpu(steady(0.3), 2.0), memory=make_memory(1.5, 4))
    found = decide(service(2048, 4096), profile)
    assert found.decision is Decision.DOWNSIZE
    assert found.target == ServiceSize(cpu_units=512, memory_mib=2048, min_tasks=2, max_tasks=6)
    before = 2 * (2 * Decimal("0.04048") + 4 * Decimal("0.004445")) * 730
    after = 2 * (Decimal("0.5") * Decimal("0.04048") + 2 * Decimal("0.004445")) * 730
    assert found.saving_usd_per_month == before - after


def test_memory_may_force_a_larger_cpu_size(make_profile, make_cpu, make_memory, steady, decide):
    """10 GiB do not go with one vCPU on Fargate: 2 vCPU with 11 GiB is the least."""
    profile = make_profile(cpu=make_cpu(steady(0.2), 4.0), memory=make_memory(10, 30))
    found = decide(service(4096, 30 * 1024), profile)
    assert found.target.cpu_units == 2048
    assert found.target.memory_mib == 11 * 1024  # 10 x e ** 0.04 = 10.41 GiB


def test_unmeasured_memory_keeps_at_least_what_it_has(
    make_profile, make_cpu, steady, decide
) -> None:
    """4 GiB unmeasured: CPU falls only as far as the grid allows with 4 GiB."""
    found = decide(service(2048, 4096), make_profile(cpu=make_cpu(steady(0.1), 2.0)))
    assert found.target.memory_mib == 4096
    assert found.target.cpu_units == 512
    assert ReasonCode.MEMORY_UNMEASURED in found.reasons


def test_weak_evidence_refuses(make_profile, make_cpu, make_memory, steady, decide) -> None:
    """Two days are not enough to take anything away."""
    profile = make_profile(
        cpu=make_cpu(steady(0.1, 2), 2.0), memory=make_memory(0.5, 4), days=2, grade=Grade.WEAK
    )
    found = decide(service(2048, 4096), profile)
    assert found.decision is Decision.REFUSE
    assert found.target == found.current


def test_a_task_that_is_too_small_grows(
    make_profile, make_cpu, make_memory, steady, decide
) -> None:
    """All of 0.25 vCPU in use: 1.25 x 0.25 = .3125 are tried, so .5; its pair of memory follows."""
    profile = make_profile(cpu=make_cpu(steady(0.25), 0.25), memory=make_memory(0.3, 0.5))
    found = decide(service(256, 512), profile)
    assert found.decision is Decision.UPSIZE
    assert found.target.cpu_units == 512
    assert found.target.memory_mib == 1024
    assert ReasonCode.CPU_UNDERPROVISIONED in found.reasons


def test_rates_that_are_unknown_leave_the_size_right(
    make_profile, make_cpu, make_memory, steady, decide
) -> None:
    """arm64 and other regions have no dated Fargate rates here."""
    profile = make_profile(cpu=make_cpu(steady(0.3), 2.0), memory=make_memory(1.5, 4))
    for workload in (
        service(2048, 4096, region="eu-west-1"),
        service(2048, 4096, architectures=(Architecture.ARM64,)),
    ):
        found = decide(workload, profile)
        assert (found.target.cpu_units, found.target.memory_mib) == (512, 2048)
        assert isinstance(found.cost_after, NoData)


@pytest.mark.parametrize("cores", [0.05, 0.19, 0.3, 1.1, 2.9, 6.0, 12.0])
@pytest.mark.parametrize("memory_gib", [0.1, 0.9, 3.3, 13.0, 40.0])
def test_the_choice_is_the_cheapest_that_fits(
    make_profile, make_cpu, make_memory, decide, cores, memory_gib
) -> None:
    """Against every size of the grid."""
    profile = make_profile(cpu=make_cpu([cores] * 700, 16.0), memory=make_memory(memory_gib, 120))
    found = decide(service(16_384, 120 * 1024), profile).uncapped_target
    fitting = [
        (cpu / 1024 * 0.04048 + mib / 1024 * 0.004445)
        for cpu, mib in FARGATE_SIZES
        if cpu / 1024 >= cores and mib / 1024 >= memory_gib * math.exp(0.04)
    ]
    assert found.cpu_cores * 0.04048 + found.memory_mib / 1024 * 0.004445 == pytest.approx(
        min(fitting)
    )
