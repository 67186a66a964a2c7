"""What became of every request of a load test, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightsizing.load.arrivals import FloatArray, IntArray, Schedule

BoolArray = npt.NDArray[np.bool_]
# In place of an HTTP status.
PENDING = 0  # not due when the test was ended, or not answered when it was
NOT_SENT = -1  # too many were under way
TIMED_OUT = -2
NOT_ANSWERED = -3  # refused, reset, or an answer that is no HTTP
FIRST_FAILING_STATUS = 400


@dataclass(frozen=True, slots=True)
class Samples:
    """One entry a request of ``schedule``. Latencies are NaN where nothing came back.

    ``latency_ms`` counts from the moment a request was due, so a generator that is late makes
    figures worse and never better; ``late_ms`` says how late it was.
    """

    schedule: Schedule
    status: IntArray
    latency_ms: FloatArray
    late_ms: FloatArray
    elapsed_s: float  # until the last arrival, or until it was ended
    interrupted: bool = False

    @property
    def measured(self) -> BoolArray:
        """Requests after the warm-up that were due before the test was ended."""
        known: BoolArray = (self.schedule.block >= 0) & (self.status != PENDING)
        return known

    @property
    def failed(self) -> BoolArray:
        """Requests without an answer under 400."""
        bad: BoolArray = (self.status < 1) | (self.status >= FIRST_FAILING_STATUS)
        return bad

    @property
    def measured_s(self) -> float:
        """Measured seconds so far."""
        spent = min(self.elapsed_s - self.schedule.warm_up_s, self.schedule.duration_s)
        return max(spent, 0.0)

    def of_target(self, target: int) -> BoolArray:
        """Measured requests of one target."""
        own: BoolArray = self.measured & (self.schedule.target == target)
        return own


def empty_samples(plan: Schedule) -> Samples:
    """Nothing sent yet."""
    count = len(plan.due_s)
    return Samples(
        plan,
        np.full(count, PENDING, dtype=np.int64),
        np.full(count, np.nan),
        np.full(count, np.nan),
        0.0,
    )
