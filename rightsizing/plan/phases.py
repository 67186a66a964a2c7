"""The phases of a plan: what each changes, what it needs before, how it is judged, what it earns.

Four phases are the reference plan: sizes, instance families, performance, architecture. In this
version phases 3 and 4 have no sizes, and say that nothing is measured yet instead of a saving.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pydantic import Field

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.base import FrozenModel, NoData
from rightsizing.model.release import LAST_PHASE
from rightsizing.plan.criteria import Criterion, criteria_of_slos
from rightsizing.plan.finance import DEFAULT_DISCOUNT_RATE, Amount, Appraisal
from rightsizing.plan.risk import Risk, SizeChange

PHASE_TITLES = {
    1: "CPU and memory of containers and hosts, fleet size in its family",
    2: "instance family, autoscaling and commitments",
    3: "performance: parallel work, batching, caching, connection pools",
    4: "architecture: many tenants an instance, serverless jobs",
}
SIZED_PHASES = (1, 2)
NOT_SIZED = NoData("nothing measured yet: this phase has no sizes and claims no saving")
DEFAULT_WATCH_DAYS = 7
DEFAULT_ENTRY_DAYS = 14  # grade GOOD


class PlanAssumptions(FrozenModel):
    """What measurements cannot tell. A phase without a cost has an unknown one, not 0."""

    implementation_cost_usd: dict[int, Decimal] = Field(default_factory=dict)
    discount_rate: Decimal = Field(default=DEFAULT_DISCOUNT_RATE, gt=-1, le=10)
    unit_name: str = "unit"
    units_per_month: Decimal | None = Field(default=None, gt=0)
    entry_days: int = Field(default=DEFAULT_ENTRY_DAYS, ge=1, le=366)
    watch_days: int = Field(default=DEFAULT_WATCH_DAYS, ge=0, le=366)

    def cost_of(self, phase: int) -> Amount:
        """Implementation cost of a phase. Raises ConfigError when it is negative."""
        cost = self.implementation_cost_usd.get(phase)
        if cost is None:
            return NoData(f"the implementation cost of phase {phase} was not given")
        if cost < 0:
            raise ConfigError(f"the implementation cost of phase {phase} is {cost}, below 0")
        return cost

    @property
    def units(self) -> Amount:
        """Units of work a month."""
        if self.units_per_month is None:
            return NoData("units of work a month were not given")
        return self.units_per_month


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """One phase. ``saving`` is unknown as soon as one change's is; ``known_saving`` is the rest."""

    number: int
    title: str
    changes: tuple[SizeChange, ...]
    entry_checks: tuple[str, ...]
    success_criteria: tuple[tuple[str, Criterion], ...]  # workload key, criterion
    risk: Risk
    confidence: float | NoData  # day coverage, 0-1
    saving_usd_per_month: Amount
    known_saving_usd_per_month: Decimal
    implementation_cost_usd: Amount
    appraisal: Appraisal


def entry_check_titles(phase: int, assumptions: PlanAssumptions) -> tuple[str, ...]:
    """What must hold before a phase, in words; ``check`` evaluates the same list."""
    titles = [
        f"at least {assumptions.entry_days} days of measurements for every workload it changes",
        "evidence good enough for every change",
        "a release is set, and is not quarantined",
        "live facts equal what is applied",
    ]
    if phase > 1:
        titles.insert(
            0, f"phase {phase - 1} is applied and was watched for {assumptions.watch_days} days"
        )
    return tuple(titles)


def success_criteria(changes: tuple[SizeChange, ...]) -> tuple[tuple[str, Criterion], ...]:
    """Objectives of every changed workload."""
    return tuple(
        (change.workload.key, criterion)
        for change in changes
        for criterion in criteria_of_slos(change.workload.slos)
    )


def require_phase_order(current: int, wanted: int) -> None:
    """Refuse to skip a phase; staying and going back are always allowed.

    Raises PlanRejected when ``wanted`` is more than one above ``current``, ConfigError when it is
    no phase at all.
    """
    if not 0 <= wanted <= LAST_PHASE:
        raise ConfigError(f"phase {wanted} asked for, must be 0 to {LAST_PHASE}")
    if wanted > current + 1:
        applied = f"phase {current} is applied" if current else "no phase is applied"
        raise PlanRejected(f"phase {wanted} asked for, {applied}; apply phase {current + 1} first")
