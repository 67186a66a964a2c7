"""A scaling policy as a release carries it: integers and strings only, so that it hashes.

It says how the range of a size is used. A size without one is scaled by target tracking on mean CPU
at the stack's ``target_cpu_pct``, as it always was.
"""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from rightsizing.model.base import FrozenModel

# Amazon EC2 Auto Scaling quotas: scheduled actions of a group.
MOST_SCHEDULED = 125
# Five fields in UTC; days by number or name, lists and ranges, as AWS and Unix write them.
CRON_PATTERN = re.compile(r"^[0-5]?\d ([01]?\d|2[0-3]) (\*|[0-9,-]+) (\*|[0-9A-Za-z,-]+) \S+$")


class ScheduledMinimum(FrozenModel):
    """From each time on that ``cron`` names (UTC), at least ``minimum`` instances or tasks."""

    cron: str = Field(description="minute hour day month weekday, UTC; Sunday is 0")
    minimum: int = Field(ge=0, le=10_000, description="least instances or tasks from then on")

    @field_validator("cron")
    @classmethod
    def _shaped_like_cron(cls, value: str) -> str:
        if not CRON_PATTERN.match(value):
            raise ValueError(f"{value!r} is not a time such as '30 7 * * 1,2,3,4,5'")
        return value


class Predictive(FrozenModel):
    """AWS's predictive scaling beside dynamic scaling; it only ever scales out."""

    target_cpu_pct: int = Field(ge=10, le=95, description="mean CPU that forecasts aim at")
    mode: Literal["forecast_only", "forecast_and_scale"] = Field(
        default="forecast_only", description="only look, or act on the forecast"
    )
    buffer_seconds: int = Field(
        default=300, ge=0, le=3600, description="how long before its hour capacity is started"
    )


class ScalingPolicy(FrozenModel):
    """How a size's range is used. ``target_cpu_pct`` None: by the clock alone."""

    target_cpu_pct: int | None = Field(
        default=None, ge=10, le=95, description="mean CPU that target tracking aims at"
    )
    warmup_seconds: int | None = Field(
        default=None, ge=0, le=3600, description="until a new instance counts in the metric"
    )
    schedule: tuple[ScheduledMinimum, ...] = Field(
        default=(), max_length=MOST_SCHEDULED, description="minimum by the clock"
    )
    predictive: Predictive | None = Field(default=None, description="forecasts by AWS; fleets only")

    @model_validator(mode="after")
    def _scales_by_something(self) -> Self:
        if self.target_cpu_pct is None and not self.schedule:
            raise ValueError("a scaling policy needs target_cpu_pct, a schedule or both")
        return self

    def __str__(self) -> str:
        parts = []
        if self.target_cpu_pct is not None:
            parts.append(f"target {self.target_cpu_pct} %")
        if self.schedule:
            parts.append(f"{len(self.schedule)} scheduled minima")
        if self.predictive is not None:
            parts.append(f"predictive ({self.predictive.mode.replace('_', ' ')})")
        return ", ".join(parts)
