"""The policies that can be replayed, with every parameter and where its default comes from.

One type a mechanism, because their rules differ: alarms a minute long (EC2 Auto Scaling and
Application Auto Scaling, target tracking and step), a control loop of 15 seconds (Kubernetes), and
capacity set by the clock alone. Floors (scheduled or predicted) raise any of them.

Utilisations are shares of one instance's whole capacity (0 to 1), times are minutes unless named
otherwise, instances are tasks or pods where the platform has those.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

import numpy as np
from numpy.typing import NDArray

from rightsizing.errors import ConfigError

FloatArray = NDArray[np.float64]

# Low alarm of target tracking as a share of the target. AWS does not document it; read off alarms
# in public configurations: 35 for 50 and 28 for 40 (EC2), 67.5 for 75 and 27 for 30 (ECS).
EC2_LOW_RATIO = 0.70
ECS_LOW_RATIO = 0.90
OUT_MINUTES = 3  # AlarmHigh: 3 datapoints of 1 minute (EC2 and Application Auto Scaling guides)
IN_MINUTES = 15  # AlarmLow: 15 datapoints of 1 minute
EC2_WARMUP_MINUTES = 5  # DefaultInstanceWarmup unset: the DefaultCooldown of 300 s stands in
ECS_COOLDOWN_MINUTES = 5  # ScaleInCooldown of ECS services: 300 s


@unique
class Platform(StrEnum):
    """Who scales: decides which mechanisms a workload can have."""

    EC2 = "ec2"
    ECS = "ecs"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Floors:
    """Least instances by the clock, over a whole replay.

    ``least`` has one entry a slot of ``SLOT_MINUTES`` from the start of the replay. ``label`` says
    how they were made. Scheduled actions and predictive scaling both only ever raise what dynamic
    scaling asks for: the larger of them counts (EC2 Auto Scaling guide, predictive scaling).
    """

    least: FloatArray
    label: str
    predicted: bool = False


SLOT_MINUTES = 5  # grid of floors; a scheduled action may name any minute, five are fine enough


@dataclass(frozen=True, slots=True)
class Step:
    """One step adjustment: from ``lower`` above the alarm's threshold upwards.

    ``change`` instances are added (negative: removed); with ``percent`` it is a percentage of the
    counted capacity, rounded as AWS documents: above 1 down, between 0 and 1 up to 1, towards zero
    below -1, between -1 and 0 to -1.
    """

    lower: float
    change: float


@dataclass(frozen=True, slots=True)
class TrackingPolicy:
    """Target tracking or step scaling on mean CPU (or on requests an instance).

    With ``steps`` the proportional answer to AlarmHigh is replaced by the step whose lower bound is
    the greatest at or below the metric's distance from the threshold; ``steps_in`` answers
    AlarmLow, by the distance below it. Capacity that warms up counts as the group's, not in the
    metric, so an alarm that stays on adds only what a higher answer adds (EC2 guide, step scaling).

    ``quiet_while_warming``: no scale-in while any instance launches or warms up (EC2).
    ``in_cooldown_minutes``: no second scale-in within it; a scale-out ends it (ECS).
    """

    minimum: int
    maximum: int
    target: float
    low_ratio: float = EC2_LOW_RATIO
    out_minutes: int = OUT_MINUTES
    in_minutes: int = IN_MINUTES
    warmup_minutes: int = EC2_WARMUP_MINUTES
    quiet_while_warming: bool = True
    in_cooldown_minutes: int = 0
    scales_in: bool = True
    steps: tuple[Step, ...] = ()
    steps_in: tuple[Step, ...] = ()
    percent: bool = False
    least_change: int = 1  # MinAdjustmentMagnitude; for percentages only
    floors: Floors | None = None

    def __post_init__(self) -> None:
        _check_range(self.minimum, self.maximum)
        _check_share("target", self.target)
        _check_share("low_ratio", self.low_ratio)
        for name in ("out_minutes", "in_minutes", "least_change"):
            _check_at_least(name, getattr(self, name), 1)
        for name in ("warmup_minutes", "in_cooldown_minutes"):
            _check_at_least(name, getattr(self, name), 0)
        if any(step.lower < 0 for step in (*self.steps, *self.steps_in)):
            raise ConfigError("a step's lower bound is a distance from the threshold, at least 0")


@dataclass(frozen=True, slots=True)
class HpaPolicy:
    """Kubernetes HorizontalPodAutoscaler on mean CPU, autoscaling/v2 defaults.

    Source: kube-controller-manager flags and the HorizontalPodAutoscaler page of Kubernetes: sync
    every 15 s, tolerance 10 %, scale-down stabilised over 300 s (the largest answer of the window
    counts), scale-up at most the larger of 100 % and 4 pods in 15 s, scale-down at most 100 %.
    """

    minimum: int
    maximum: int
    target: float
    tolerance: float = 0.10
    stabilisation_s: int = 300
    up_percent: float = 100.0
    up_pods: int = 4
    down_percent: float = 100.0
    floors: Floors | None = None

    def __post_init__(self) -> None:
        _check_range(self.minimum, self.maximum)
        _check_share("target", self.target)
        if self.stabilisation_s % 15 or not 0 <= self.stabilisation_s <= 3600:
            raise ConfigError(
                f"stabilisation_s {self.stabilisation_s} must be a multiple of 15 from 0 to 3600"
            )


@dataclass(frozen=True, slots=True)
class ClockPolicy:
    """Capacity set by the clock alone: scheduled actions, or one fixed number all day.

    Without ``floors`` the capacity is ``minimum`` at all times.
    """

    minimum: int
    maximum: int
    floors: Floors | None = None

    def __post_init__(self) -> None:
        _check_range(self.minimum, self.maximum)


Policy = TrackingPolicy | HpaPolicy | ClockPolicy


def ec2_tracking(
    minimum: int, maximum: int, target: float, floors: Floors | None = None, *, warmup: int = 5
) -> TrackingPolicy:
    """Target tracking of an EC2 Auto Scaling group at its defaults."""
    return TrackingPolicy(minimum, maximum, target, warmup_minutes=warmup, floors=floors)


def ecs_tracking(
    minimum: int, maximum: int, target: float, floors: Floors | None = None
) -> TrackingPolicy:
    """Target tracking of an ECS service: no warm-up, cooldowns, tighter low alarm."""
    return TrackingPolicy(
        minimum,
        maximum,
        target,
        low_ratio=ECS_LOW_RATIO,
        warmup_minutes=0,
        quiet_while_warming=False,
        in_cooldown_minutes=ECS_COOLDOWN_MINUTES,
        floors=floors,
    )


def _check_range(minimum: int, maximum: int) -> None:
    if not 0 <= minimum <= maximum or maximum < 1:
        raise ConfigError(
            f"a range of {minimum} to {maximum} instances is not one; give 0 <= min <= max, max > 0"
        )


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ConfigError(f"{name} {value:g} must be above 0 and at most 1")


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{name} {value} must be at least {least}")
