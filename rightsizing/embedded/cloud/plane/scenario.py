"""What is asked of each workload in the simulation: request rate, work a request, memory, noise.

A scenario is a value from a file or an API call. Workloads are named by their key, the tag
``rightsizing:workload`` of what runs. Nothing of it is measured: it is made up, or stated by who
wrote it.
"""

from __future__ import annotations

import math
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel
from rightsizing.units import SECONDS_PER_DAY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_HOUR_S = 3600
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_SATURDAY = 5


@unique
class PlaneMode(StrEnum):
    """Whose clock moves the data plane."""

    SIMULATED = "simulated"  # moves only when it is told to
    REAL_TIME = "real time"


class ConstantRate(FrozenModel):
    """The same rate always."""

    kind: Literal["constant"] = "constant"
    requests_per_s: float = Field(ge=0)

    def at(self, moments_s: IntArray) -> FloatArray:
        """Requests a second at each moment (seconds since 1970)."""
        return np.full(len(moments_s), self.requests_per_s)


class DiurnalRate(FrozenModel):
    """A cosine over the day, highest at ``peak_hour`` UTC, lower at weekends."""

    kind: Literal["diurnal"] = "diurnal"
    mean_requests_per_s: float = Field(ge=0)
    peak_requests_per_s: float = Field(ge=0)
    peak_hour: float = Field(default=15.0, ge=0, lt=24)
    weekend_ratio: float = Field(default=1.0, ge=0)

    def at(self, moments_s: IntArray) -> FloatArray:
        """Requests a second at each moment; never below zero."""
        hours = moments_s % SECONDS_PER_DAY / _HOUR_S
        curve = np.cos((hours - self.peak_hour) / 24 * 2 * math.pi)
        swing = self.peak_requests_per_s - self.mean_requests_per_s
        rate = np.maximum(self.mean_requests_per_s + swing * curve, 0.0)
        weekday = (moments_s // SECONDS_PER_DAY + _FIRST_WEEKDAY) % 7
        return np.asarray(rate * np.where(weekday >= _SATURDAY, self.weekend_ratio, 1.0))


class TraceRate(FrozenModel):
    """A recorded rate, a value an interval, repeated for ever; starts at ``origin_s``."""

    kind: Literal["trace"] = "trace"
    interval_s: int = Field(default=60, gt=0)
    requests_per_s: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
    origin_s: int = 0

    def at(self, moments_s: IntArray) -> FloatArray:
        """Requests a second at each moment."""
        values = np.asarray(self.requests_per_s, dtype=np.float64)
        return values[(moments_s - self.origin_s) // self.interval_s % len(values)]


Rate = Annotated[ConstantRate | DiurnalRate | TraceRate, Field(discriminator="kind")]


class Noise(FrozenModel):
    """Log-normal noise with mean 1: an AR(1) process over minutes.

    ``sigma`` is the standard deviation of the logarithm, ``correlation`` that of one minute with
    the next.
    """

    sigma: float = Field(default=0.0, ge=0, le=2)
    correlation: float = Field(default=0.0, ge=0, lt=1)


class Demand(FrozenModel):
    """One workload's requests and what each of them takes.

    ``service_core_s`` is CPU time a request on one vCPU of speed 1, ``off_cpu_s`` time it spends
    waiting for others. ``shared_noise`` changes the work a request for all arms alike (the mix of
    requests), ``arm_noise`` each arm's own.
    """

    rate: Rate
    service_core_s: float = Field(gt=0)
    off_cpu_s: float = Field(default=0.0, ge=0)
    variability: float = Field(default=1.0, gt=0)  # (Ca^2 + Cs^2) / 2; 1: M/M/c
    timeout_s: float = Field(default=10.0, gt=0)
    queue_s: float = Field(default=1.0, gt=0)  # a request that waits longer gets a 503
    error_ratio: float = Field(default=0.0, ge=0, le=1)
    rate_noise: Noise = Noise(sigma=0.1, correlation=0.8)
    shared_noise: Noise = Noise(sigma=0.05, correlation=0.7)
    arm_noise: Noise = Noise(sigma=0.02, correlation=0.5)
    idle_cpu_ratio: float = Field(default=0.01, ge=0, lt=1)
    memory_base_mib: float = Field(default=512.0, ge=0)
    memory_per_request_mib: float = Field(default=0.0, ge=0)  # of each request in the system
    warmup_s: float = Field(default=180.0, ge=0)
    warmup_ratio: float = Field(default=1.5, ge=1)  # work a request of a new instance, at first
    restart_s: float = Field(default=20.0, ge=0, le=60)  # after an OOM kill


class Scenario(FrozenModel):
    """All of the simulation's input. ``speeds`` are ratios of one vCPU's speed by family.

    A family that is not named has speed 1. Traffic of fleets comes in at ``serving_port``; other
    listeners get none.
    """

    workloads: dict[str, Demand]
    seed: int = Field(default=0, ge=0)
    speeds: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    region: str = "us-east-1"
    serving_port: int = 80
    mode: PlaneMode = PlaneMode.SIMULATED
    start_ms: int | None = Field(default=None, ge=0)  # of the simulated clock; None: now


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from a JSON file. Raises ConfigError naming what is wrong in it."""
    try:
        return Scenario.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the scenario {path} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ConfigError(
            f"the scenario {path} is wrong at {place} ({first['msg']}); correct it there"
        ) from None
