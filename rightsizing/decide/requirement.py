"""What an instance type must carry for one workload, and in which way one falls short.

Demand is counted in cores of the type it was measured on (``measured_on``). A vCPU of another
family stands for more or fewer of those, by ``Performance``. Where it is not known what the
measurements were taken on, vCPUs are compared one to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rightsizing.catalog.performance import Performance, bundled_performance
from rightsizing.decide.burst import BurstDemand, BurstVerdict
from rightsizing.decide.cpu import weigh
from rightsizing.decide.demand import Demand, Need, is_cut_off
from rightsizing.decide.risk import Risk
from rightsizing.decide.typesteps import PricedShortage
from rightsizing.model.base import NoData
from rightsizing.model.profile import CpuProfile, Profile
from rightsizing.model.recommendation import Excuse, ReasonCode
from rightsizing.model.shape import InstanceShape
from rightsizing.profile.histograms import cpu_upper_edge
from rightsizing.profile.quantiles import quantile_of

BUSY_QUANTILE = 0.95  # of the intervals: how busy the latency guard supposes an instance to be
_NOT_GIVEN = NoData("nothing was given about it")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What candidates are judged by beside the demand for cores and bytes.

    ``measured_on`` is the instance type the measurements were taken on, None if nobody recorded
    it; then it is the current type, provided that ``capacity_cores`` are its vCPUs.
    """

    measured_on: str | None = None
    capacity_cores: float | NoData = _NOT_GIVEN
    busy_cores: float | NoData = _NOT_GIVEN
    burst: BurstDemand | NoData = _NOT_GIVEN


def conditions_of(
    profile: Profile, *, measured_on: str | None = None, burst: BurstDemand | NoData | None = None
) -> Conditions:
    """Conditions as a profile shows them. ``burst`` None: its hourly means, if any."""
    cpu = profile.cpu
    if not isinstance(cpu, CpuProfile):
        return Conditions(measured_on, cpu, cpu, _NOT_GIVEN if burst is None else burst)
    if burst is None:
        hours = cpu.days.hour_mean_cores
        burst = _NOT_GIVEN if hours is None else BurstDemand.of_hours(hours[0])
    busy = quantile_of(
        cpu.histogram,
        BUSY_QUANTILE,
        lambda index: min(cpu_upper_edge(index, cpu.capacity_cores), cpu.peak_cores),
    )
    return Conditions(measured_on, cpu.capacity_cores, busy, burst)


def shortage_of(profile: Profile, risk: Risk, first_day: int) -> PricedShortage | NoData:
    """What being short costs at any number of cores, from the column ``first_day`` of CPU days on.

    NoData where nothing was measured, or where demand fills the capacity: what it would be above
    is then unknown, and its CPU need is a limit that types have to hold.
    """
    cpu = profile.cpu
    if isinstance(cpu, NoData):
        return cpu
    demand = weigh(cpu.days, np.array([first_day]))
    if np.isnan(demand.peak_cores[0]):  # no bin was filled since the change: use all days
        demand = weigh(cpu.days)
    peak = float(demand.peak_cores[0])
    if np.isnan(peak):
        return NoData("no CPU was measured with its capacity")
    if is_cut_off(cpu, peak):
        return NoData("demand fills the capacity")
    return PricedShortage.of(demand, risk)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a type must carry. ``least_*`` are floors that keep dimensions which nobody measured,
    or which the evidence forbids to reduce, as they are."""

    demand: Demand
    least_vcpus: int
    least_memory_mib: int
    current: InstanceShape
    credits_ran_out: bool = False  # on the current type, if it is burstable
    measured_on: str | None = None  # family whose cores the demand is counted in; None: unknown
    performance: Performance = field(default_factory=bundled_performance)
    bursts: Mapping[str, BurstVerdict] = field(default_factory=dict)  # by type, where simulated
    busy_cores: float | NoData = _NOT_GIVEN
    latency_ratio_limit: float | None = None  # None: no guard
    shortage: PricedShortage | NoData = _NOT_GIVEN  # unknown: the CPU need is a limit to hold

    def speed(self, shape: InstanceShape) -> float:
        """Cores of the measured type that one vCPU of ``shape`` stands for."""
        if self.measured_on is None:
            return 1.0
        return self.performance.ratio(self.measured_on, shape.family)

    def cores(self, shape: InstanceShape) -> float:
        """What the type offers, in cores of the measured type."""
        return shape.vcpus * self.speed(shape)

    def least_cores(self, need: Need) -> float:
        """Measured cores a new type must have."""
        if isinstance(self.shortage, NoData):
            return need.target
        return float(self.shortage.least_cores[0])

    def short_ratio(self, shape: InstanceShape) -> float:
        """Share of past time that the type would have been short, so far as that is priced."""
        if isinstance(self.shortage, NoData):
            return 0.0
        return float(self.shortage.short_ratio(np.array([self.cores(shape)]))[0, 0])

    def floor_vcpus(self, shape: InstanceShape) -> float:
        """What is compared with ``least_vcpus``: a floor keeps the work that can be done, so slower
        vCPUs than the current type's are fewer. Faster ones are not more."""
        return shape.vcpus * min(self.performance.ratio(self.current.family, shape.family), 1.0)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One way in which a type is too small: the excuse, and the finding if it is the current."""

    excuse: Excuse
    reason: ReasonCode


def measured_family(conditions: Conditions, current: InstanceShape) -> str | None:
    """The family whose cores the measurements are counted in; None when that is not known."""
    if conditions.measured_on is not None:
        return conditions.measured_on.split(".", 1)[0]
    cores = conditions.capacity_cores
    if isinstance(cores, NoData) or round(cores, 3) != current.vcpus:
        return None
    return current.family
