"""A cost review as data: what it measured, what it claims, by which criteria it wants to be judged.

One file describes one workload's case, ``case.yaml``. Numbers are ``Decimal`` and keep the digits
they were written with, because a claim is compared at its own printed precision: $0.080 says more
than $0.08. Percentages are 0-100. Nothing here judges anything; that is ``audit``.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum, unique
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel
from rightsizing.model.stackconfig import parse_model
from rightsizing.units import HOURS_PER_MONTH

MAX_CASE_BYTES = 1024 * 1024  # chosen by us: a review is a page, not a data set

# Bounds that keep every product and ratio of two figures within Decimal's 28 digits.
Positive = Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=6)]
NotNegative = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=6)]
Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=6)]
Claimed = Annotated[Decimal, Field(ge=-(10**9), le=10**9, decimal_places=6)]
Measured = Annotated[
    Decimal, Field(gt=0, le=100, decimal_places=6)
]  # %; a machine that ran used something


@unique
class FamilyClass(StrEnum):
    """What an EC2 family is built for, in AWS's words."""

    COMPUTE = "compute-optimised"
    GENERAL = "general-purpose"
    MEMORY = "memory-optimised"
    BURSTABLE = "burstable"
    OTHER = "other"


@unique
class Kpi(StrEnum):
    """What a criterion is about. ``OTHER`` is known to the review but measured by nobody here."""

    CPU_MEAN_24H_PCT = "cpu_mean_24h_pct"
    MEMORY_PCT = "memory_pct"
    LATENCY_MEAN_MS = "latency_mean_ms"
    LATENCY_P99_MS = "latency_p99_ms"
    ERROR_RATIO = "error_ratio"
    COST_PER_UNIT_USD = "cost_per_unit_usd"
    UPTIME_PCT = "uptime_pct"
    OTHER = "other"


class Capacity(FrozenModel):
    """Size of the machine that was measured. GiB are powers of two, as Docker's ``g``."""

    logical_cores: Positive
    physical_cores: Positive | None = None
    memory_gib: Positive


class Utilisation(FrozenModel):
    """What was measured. A window or interval of None was not stated, which weakens the rest."""

    cpu_mean_pct: Measured
    cpu_peak_pct: Measured
    memory_pct: Measured
    window_days: Positive | None = None
    interval_s: Positive | None = None
    processes: int | None = Field(default=None, ge=1)
    workload_processes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _peak_is_a_peak(self) -> Self:
        if self.cpu_peak_pct < self.cpu_mean_pct:
            raise ValueError(
                f"cpu_peak_pct {self.cpu_peak_pct} is below cpu_mean_pct {self.cpu_mean_pct}"
            )
        return self


class UnitsOfWork(FrozenModel):
    """What the workload produces, for instance trades."""

    name: str = "unit"
    per_month: Positive
    per_cycle: Positive | None = None
    cycles_per_month: Positive | None = None
    cycle_s: Positive | None = None


class Bill(FrozenModel):
    """A month's bill and its lines. ``other`` holds whatever is neither CPU nor memory."""

    total_usd_per_month: Positive
    cpu_usd_per_month: NotNegative
    memory_usd_per_month: NotNegative
    other_usd_per_month: dict[str, NotNegative] = Field(default_factory=dict)

    @property
    def lines(self) -> dict[str, Decimal]:
        """All lines by name."""
        own = {"cpu": self.cpu_usd_per_month, "memory": self.memory_usd_per_month}
        return {**own, **self.other_usd_per_month}


class Limits(FrozenModel):
    """Limits a phase asks for; a missing one stays as it is."""

    cpus: Positive | None = None
    memory_gib: Positive | None = None


class InstanceClaim(FrozenModel):
    """The instance a phase asks for: a family, or one type. ``considered`` are types to price."""

    family: FamilyClass
    instance_type: str | None = None
    burst_credits: bool = False
    considered: tuple[str, ...] = ()


class CacheClaim(FrozenModel):
    """A cache a phase adds."""

    ttl_s: Positive
    hit_pct: Percent


class Effect(FrozenModel):
    """A speed-up a phase promises: from ``before`` to ``after``, claimed as a range of factors."""

    what: str
    unit: str
    before: Positive
    after_low: Positive
    after_high: Positive
    factor_low: Positive
    factor_high: Positive


class PhaseClaim(FrozenModel):
    """One phase as the review claims it. ``evidence``: what its saving rests on; None: nothing."""

    number: int = Field(ge=1, le=9)
    title: str
    when: str = ""
    limits: Limits | None = None
    host_shrinks: bool = False  # the capacity given up is really no longer billed
    instance: InstanceClaim | None = None
    cache: CacheClaim | None = None
    effects: tuple[Effect, ...] = ()
    other_changes: tuple[str, ...] = ()
    saves_on: tuple[str, ...] = ()  # what the saving is taken from, by the bill's names
    saving_usd_per_month: NotNegative
    saving_parts_usd_per_month: dict[str, NotNegative] = Field(default_factory=dict)
    cost_after_usd_per_month: NotNegative | None = None
    implementation_cost_usd: NotNegative
    roi_pct: Claimed | None = None
    margin_over_peak: Positive | None = None
    memory_pct_after: Percent | None = None
    risk: str = ""
    confidence_pct: Percent | None = None
    evidence: str | None = None


class SummaryClaims(FrozenModel):
    """What the review says about the whole plan."""

    saving_usd_per_month: NotNegative | None = None
    saving_pct: tuple[Claimed, ...] = ()
    annual_saving_usd: NotNegative | None = None
    annual_cost_before_usd: NotNegative | None = None
    annual_cost_after_usd: NotNegative | None = None
    three_year_saving_usd: NotNegative | None = None
    implementation_cost_usd: NotNegative | None = None
    roi_pct: Claimed | None = None
    cost_per_unit_before_usd: Positive | None = None
    cost_per_unit_after_usd: Positive | None = None
    units_per_month_after: Positive | None = None
    units_growth_evidence: str | None = None
    overprovisioned_pct: Percent | None = None


class Alert(FrozenModel):
    """When to alert: above ``above``, for at least ``for_s`` or for a share of units of work."""

    above: NotNegative
    for_s: Positive | None = None
    for_unit_pct: Percent | None = None


class KpiTarget(FrozenModel):
    """A criterion: the KPI stays between ``minimum`` and ``maximum`` (None: open)."""

    name: str
    kpi: Kpi
    unit: str
    minimum: NotNegative | None = None
    maximum: NotNegative | None = None
    from_phase: int = Field(default=0, ge=0, le=9)  # 0: in every phase
    alert: Alert | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError(f"KPI {self.name!r} needs a minimum or a maximum")
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low > high:
            raise ValueError(f"minimum {low} is above maximum {high}")
        return self


class Safety(FrozenModel):
    """How the review wants the change made."""

    rollback_within_s: Positive | None = None
    canary: bool = False
    load_test_ratio: Positive | None = None
    watch_days: Positive | None = None


class Case(FrozenModel):
    """A whole review. ``singleton``: a second copy must never run, so no canary pair fits it."""

    title: str
    workload: str
    region: str = "us-east-1"
    month_hours: Positive = Decimal(HOURS_PER_MONTH)
    singleton: bool = False
    stateless_parts: tuple[str, ...] = ()
    capacity: Capacity
    utilisation: Utilisation
    units: UnitsOfWork
    bill: Bill
    phases: tuple[PhaseClaim, ...]
    summary: SummaryClaims = SummaryClaims()
    kpis: tuple[KpiTarget, ...] = ()
    safety: Safety = Safety()
    other_observations: dict[str, str] = Field(default_factory=dict)  # kept for people

    @model_validator(mode="after")
    def _phases_in_order(self) -> Self:
        numbers = [phase.number for phase in self.phases]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"phases are numbered {numbers}, must rise and not repeat")
        return self

    def kpi(self, kpi: Kpi) -> KpiTarget | None:
        """First target for a KPI that holds in every phase."""
        return next((item for item in self.kpis if item.kpi is kpi and item.from_phase == 0), None)


class _DecimalConstructor(SafeConstructor):
    """Safe YAML whose fractions keep their digits."""

    def construct_exact(self, node: ScalarNode) -> Decimal:
        text = str(self.construct_scalar(node)).replace("_", "")
        try:
            return Decimal(text)
        except InvalidOperation:
            raise ConfigError(f"the case holds {text!r}, must be a finite number") from None


_DecimalConstructor.add_constructor("tag:yaml.org,2002:float", _DecimalConstructor.construct_exact)


def load_case(text: str, name: str = "case") -> Case:
    """Parse a case from YAML text. Raises ConfigError naming the field, the value and ``name``."""
    if len(text.encode("utf-8", errors="replace")) > MAX_CASE_BYTES:
        raise ConfigError(f"{name} is {len(text):,} characters, above the limit of 1 MiB")
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _DecimalConstructor
    try:
        value: Any = yaml.load(text)
    except YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{name} is not readable as YAML: {reason}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{name} holds {type(value).__name__}, must be a mapping of the case")
    return parse_model(Case, value, name)
