"""Settings of every process, from environment variables that begin with ``TRADING_``.

``mode`` switches the performance work on: ``before`` collects one source after another and asks for
one article a call; ``after`` does both in bounded batches behind a cache. Everything else is the
same code. ``time_scale`` shortens every simulated wait (0.02: fifty times faster) and the figures
that are reported are divided by it again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "TRADING_"


@unique
class Mode(StrEnum):
    """Without and with the performance work."""

    BEFORE = "before"
    AFTER = "after"


class Settings(BaseModel):
    """What a process is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.AFTER
    seed: int = 1
    time_scale: float = Field(default=1.0, gt=0, le=1)
    outside_url: str = "http://127.0.0.1:9200"
    collector_url: str = "http://127.0.0.1:9201"
    redis_url: str = "redis://127.0.0.1:6379/0"
    data_folder: str = "trading-data"
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    cycle_s: float = Field(default=3600, gt=0)
    source_batch: int = Field(default=10, ge=1)
    sentiment_batch: int = Field(default=50, ge=1)
    cache_ttl_s: float = Field(default=3600, gt=0)
    cache_jitter: float = Field(default=0.1, ge=0, lt=1)
    negative_ttl_s: float = Field(default=60, gt=0)
    attempts: int = Field(default=4, ge=1)
    retry_budget_ratio: float = Field(default=0.2, ge=0)
    call_timeout_s: float = Field(default=10, gt=0)
    drain_s: float = Field(default=1, ge=0, description="served on with health 503 at the end")
    grace_s: float = Field(default=8, ge=0, description="work may take to end; then it is cut off")
    usd_per_cycle: float | None = Field(default=None, ge=0, description="cost of the whole system")
    cpu_work_ms: float = Field(default=2, ge=0, description="CPU work for each article, scaled too")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Settings from ``TRADING_*``; pydantic's ValidationError names a wrong one."""
        given = {
            name: environment[PREFIX + name.upper()]
            for name in cls.model_fields
            if PREFIX + name.upper() in environment
        }
        return cls.model_validate(given)

    def scaled(self, seconds: float) -> float:
        """A simulated time in real seconds."""
        return seconds * self.time_scale
