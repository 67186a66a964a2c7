"""The least that could have been paid: capacity of somebody who knows the load in advance.

It obeys the same delays as any policy. An instance that must serve at a minute is launched, and
paid for, ``launch_minutes`` before; and it may only end after ``hold_minutes`` in a row in which it
was not needed, as the scale-in alarm demands. It is never short. No policy that is never short can
cost less; one that is short at times can.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rightsizing.decide.autoscaling.environment import Environment
from rightsizing.decide.autoscaling.load import Load
from rightsizing.decide.autoscaling.policies import IN_MINUTES
from rightsizing.decide.autoscaling.tracking import ROUNDING

FloatArray = NDArray[np.float64]


def needed_instances(
    load: Load, environment: Environment, *, capacity: float, least: int
) -> FloatArray:
    """Instances that carry each minute's load, at least ``least``; holes need only that."""
    share = np.nan_to_num(load.values) / (capacity * environment.full)
    return np.maximum(np.ceil(share - ROUNDING), float(least))


def clairvoyant_instances(
    load: Load,
    environment: Environment,
    *,
    capacity: float,
    least: int,
    hold_minutes: int = IN_MINUTES,
) -> FloatArray:
    """Instances paid for in each minute, shape (minutes,)."""
    needed = needed_instances(load, environment, capacity=capacity, least=least)
    ahead = environment.launch_minutes
    padded = np.concatenate(
        [np.full(hold_minutes, float(least)), needed, np.full(ahead, float(least))]
    )
    windows = sliding_window_view(padded, hold_minutes + 1 + ahead)
    largest: FloatArray = windows.max(axis=1)
    return largest


def clairvoyant_mean(
    load: Load,
    environment: Environment,
    *,
    capacity: float,
    least: int,
    first_day: int = 0,
) -> float:
    """Mean instances over measured minutes from ``first_day`` on."""
    paid = clairvoyant_instances(load, environment, capacity=capacity, least=least)
    known = np.isfinite(load.values)
    known[: first_day * 1440] = False
    return float(paid[known].mean())
