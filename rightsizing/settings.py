"""Settings of the tool, in layers: defaults, then ``rightsizing:settings`` in the stack file, then
``--set NAME=VALUE`` on the command line. ``docs/reference/settings.md`` is generated from here.

Percentages are 0-100, money is US dollars, a month has 730 hours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import Field, field_validator

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel
from rightsizing.model.declaration import SETTINGS_KEY
from rightsizing.model.freeze import FreezeWindow
from rightsizing.model.shape import CreditMode
from rightsizing.model.stackconfig import parse_model
from rightsizing.model.update import Json


class Settings(FrozenModel):
    """Everything a user may tune. Defaults are those of the published peers where one exists."""

    lookback_days: int = Field(
        default=63,
        ge=1,
        le=455,
        description="Days of measurements a decision looks at; CloudWatch keeps 5 minutes for 63.",
    )
    risk: str = Field(
        default="default",
        description="Largest share of time a workload may be short of CPU: a percentage or "
        "max-savings, balanced, default, max-performance.",
    )
    min_evidence_days: float = Field(
        default=7, ge=1, le=365, description="Days of evidence needed before anything shrinks."
    )
    min_change_pct: float = Field(
        default=10, ge=0, le=99, description="Smaller reductions of a limit are not proposed."
    )
    min_saving_pct: float = Field(
        default=5, ge=0, le=99, description="A cheaper type must save at least this share."
    )
    performance_per_vcpu: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Own benchmark: speed of one vCPU by instance family, m5 being 1.",
    )
    latency_ratio_limit: float | None = Field(
        default=None,
        gt=1,
        description="Slowest 95th percentile of latency under load, as a multiple of that without "
        "load, for user-facing workloads; none: no such guard.",
    )
    credit_mode: CreditMode | None = Field(
        default=None,
        description="CPU credits of burstable types; none: standard for T2, unlimited for others.",
    )
    usd_per_core_month: Decimal | None = Field(
        default=None, ge=0, description="Own rate for a core of a container or host; else unknown."
    )
    usd_per_gib_month: Decimal | None = Field(
        default=None, ge=0, description="Own rate for a GiB of a container or host; else unknown."
    )
    rates_source: str = Field(
        default="stack settings", max_length=120, description="Where the own rates come from."
    )
    discount_rate_pct: float = Field(
        default=8, ge=0, le=100, description="Yearly cost of capital for the net present value."
    )
    implementation_cost_usd: dict[str, Decimal] = Field(
        default_factory=dict, description="Cost of carrying out each phase, by phase number."
    )
    unit_name: str = Field(
        default="request", max_length=40, description="What the workloads produce, for unit cost."
    )
    units_per_month: float | None = Field(
        default=None, gt=0, description="How many of those a month; unit cost is unknown without."
    )

    freeze_windows: tuple[FreezeWindow, ...] = Field(
        default=(), description="When nothing is rolled out: start, end and reason of each."
    )
    rollout_budget_usd: float = Field(
        default=10, ge=0, description="Most a second slot may cost an hour while both are filled."
    )
    rollout_steps: str = Field(
        default="5,25,50,100", description="Weights of a rollout's steps in %, by capacity."
    )
    rollout_soak_min: float = Field(
        default=60, ge=0, description="Minutes the new size serves alone before the old one goes."
    )

    @field_validator("risk", mode="before")
    @classmethod
    def _percentage_as_text(cls, value: object) -> object:
        """YAML reads ``risk: 0.5`` as a number."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number else value


def parse_settings(values: Mapping[str, Json], overrides: Sequence[str] = ()) -> Settings:
    """Settings from a stack file's values and ``NAME=VALUE`` overrides.

    Raises ConfigError for an unknown name (listing the known ones) or a value out of bounds.
    """
    raw = values.get(SETTINGS_KEY)
    if raw is not None and not isinstance(raw, Mapping):
        raise ConfigError(f"{SETTINGS_KEY} must be a mapping of names to values, found {raw!r}")
    merged: dict[str, Json] = dict(raw or {})
    unknown = next((name for name in merged if name not in Settings.model_fields), None)
    if unknown is not None:
        known = ", ".join(Settings.model_fields)
        raise ConfigError(f"{SETTINGS_KEY}.{unknown} is not known; give one of: {known}")
    for override in overrides:
        name, separator, value = override.partition("=")
        if not separator or name not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise ConfigError(f"--set {override!r} must be NAME=VALUE with NAME one of: {known}")
        merged[name] = value
    return parse_model(Settings, merged, SETTINGS_KEY)
