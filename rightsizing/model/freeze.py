"""A span of time in which nothing is rolled out: a release freeze, a trading day, a holiday."""

from __future__ import annotations

from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from rightsizing.model.base import FrozenModel


class FreezeWindow(FrozenModel):
    """Both ends carry a time zone; ``end`` is not part of it."""

    start: AwareDatetime = Field(description="first moment of it, such as 2026-12-20T00:00:00Z")
    end: AwareDatetime = Field(description="first moment after it")
    reason: str = Field(default="change freeze", min_length=1, max_length=200)

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be later than start")
        return self
