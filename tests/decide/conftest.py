"""Smallest valid profiles and workloads, and the bundled catalog."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.model.base import NoData
from rightsizing.model.cpudays import CpuDays
from rightsizing.model.memorydays import MemoryDays
from rightsizing.model.profile import (
    CpuProfile,
    Evidence,
    Grade,
    MemoryProfile,
    Profile,
    RatePeaks,
)

GIB = 2**30
UNMEASURED = NoData("not measured")
SAMPLES_A_DAY = 288

ProfileMaker = Callable[..., Profile]


def cpu_profile(cores: Sequence[float], capacity: float, **changes: object) -> CpuProfile:
    """A CPU profile by its definition: bins of 0.5 % of capacity, days of 288 samples."""
    bins = [int(value * 200 / capacity) for value in cores]
    days = [
        range(start, min(start + SAMPLES_A_DAY, len(cores)))
        for start in range(0, len(cores), SAMPLES_A_DAY)
    ]
    profile = CpuProfile(
        capacity_cores=capacity,
        histogram=tuple(sorted(Counter(bins).items())),
        samples=len(cores),
        mean_cores=sum(cores) / len(cores),
        peak_cores=max(cores),
        daily_max_cores=tuple(max(cores[index] for index in day) for day in days),
        at_limit_ratio=sum(value >= 0.98 * capacity for value in cores) / len(cores),
        throttled_ratio=UNMEASURED,
        credit_exhausted_ratio=UNMEASURED,
        days=CpuDays(
            capacity_cores=np.array([capacity], dtype=np.float64),
            counts=np.array(
                [[np.bincount([bins[i] for i in day], minlength=max(bins) + 1) for day in days]]
            ),
            samples=np.array([[len(day) for day in days]]),
            sum_cores=np.array([[math.fsum(cores[i] for i in day) for day in days]]),
            max_cores=np.array([[max(cores[i] for i in day) for day in days]]),
        ),
    )
    return replace(profile, **changes)  # type: ignore[arg-type]


def memory_profile(peak_gib: float, capacity_gib: float, **changes: Any) -> MemoryProfile:
    """A memory profile of 14 days with the same peak, under one capacity."""
    peak, capacity = peak_gib * GIB, capacity_gib * GIB
    kills, broken = changes.get("oom_kills", 0), changes.get("oom_limit_bytes")
    limits = [limit for limit in (broken, capacity if kills else None) if limit is not None]
    daily = changes.get("daily_max_bytes", (peak,) * 14)
    profile = MemoryProfile(
        capacity_bytes=capacity,
        histogram=(),
        samples=14 * SAMPLES_A_DAY,
        mean_bytes=peak,
        peak_bytes=peak,
        daily_max_bytes=(peak,) * 14,
        near_limit_ratio=float(peak >= 0.95 * capacity),
        oom_kills=0,
        days=MemoryDays(
            daily_max_bytes=np.array([daily], dtype=np.float64),
            capacity_bytes=np.array([capacity], dtype=np.float64),
            is_capacity_stable=np.array([broken in {None, capacity}]),
            broken_limit_bytes=np.array([max(limits, default=math.nan)], dtype=np.float64),
        ),
    )
    return replace(profile, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_profile() -> ProfileMaker:
    """``make_profile(cpu=cpu_profile(...), memory=None)``: a workload measured for ``days``."""

    def make(
        *,
        cpu: CpuProfile | None = None,
        memory: MemoryProfile | None = None,
        days: int = 14,
        grade: Grade = Grade.GOOD,
        rates: RatePeaks | None = None,
    ) -> Profile:
        return Profile(
            workload="web",
            evidence=Evidence(
                grade=grade,
                days=float(days),
                samples=days * SAMPLES_A_DAY,
                expected_samples=days * SAMPLES_A_DAY,
                interval_s=300,
                start_ms=0,
                end_ms=days * 86_400_000,
                statement=f"{days} days",
            ),
            cpu=cpu or UNMEASURED,
            memory=memory or UNMEASURED,
            rates=rates or RatePeaks(UNMEASURED, UNMEASURED, UNMEASURED),
            instances_mean=UNMEASURED,
            instances_max=UNMEASURED,
        )

    return make


@pytest.fixture(scope="session")
def make_cpu() -> Callable[..., CpuProfile]:
    """See ``cpu_profile``."""
    return cpu_profile


@pytest.fixture(scope="session")
def make_memory() -> Callable[..., MemoryProfile]:
    """See ``memory_profile``."""
    return memory_profile


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The bundled catalog."""
    return Catalog.load()


@pytest.fixture(scope="session")
def steady() -> Callable[[float, int], list[float]]:
    """``steady(cores, days)``: the same demand in every interval."""

    def make(cores: float, days: int = 14) -> list[float]:
        return [cores] * (days * SAMPLES_A_DAY)

    return make
