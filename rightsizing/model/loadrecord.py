"""What a load test left behind: whether this release, at this phase, held under load."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum, unique
from typing import Literal

from pydantic import Field

from rightsizing.model.base import FrozenModel


@unique
class LoadVerdict(StrEnum):
    """How a load test came out."""

    PASSED = "passed"
    REGRESSED = "regressed"  # worse by more than the margin, or over an objective
    INCONCLUSIVE = "inconclusive"  # neither shown
    INTERRUPTED = "interrupted"


class LoadRecord(FrozenModel):
    """One load test of a stack. ``release`` None: its declared sizes. Written once."""

    version: Literal[1] = 1
    at: datetime
    release: str | None
    phase: int = Field(ge=0)
    targets: tuple[str, ...] = Field(min_length=1, description="old and new, or one alone")
    normal_rps: float = Field(gt=0, description="what counts as normal, requests a second")
    multiple: float = Field(gt=0, description="of the normal volume that was driven")
    duration_s: float = Field(gt=0, description="measured, without the warm-up")
    requests: int = Field(ge=0)
    judged: bool = Field(description="held against an old target, or against a limit")
    verdict: LoadVerdict
    reason: str
