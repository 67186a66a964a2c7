"""A service's past, minute by minute and resource by resource: what a canary judge is tried on.

A resource is whatever served a share of the same traffic on the same size: an instance, a replica,
an availability zone. Steps without a row are NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightsizing.errors import TelemetryError
from rightsizing.model.base import NoData

FloatArray = NDArray[np.float64]
MINUTE_S = 60
MOST_STEPS = 1_000_000  # two years of minutes; a stray time must not fill the memory
FIGURES = (
    "requests",
    "errors",
    "slow",
    "latency_p99_ms",
    "latency_mean_ms",
    "cpu_share",
    "capacity_cores",
)


@dataclass(frozen=True, slots=True)
class PastRow:
    """One resource in one step. ``cpu_share`` is 0-1 of its capacity; None: not measured."""

    resource: str
    start_ms: int
    requests: float | None = None
    errors: float | None = None
    slow: float | None = None
    latency_p99_ms: float | None = None
    latency_mean_ms: float | None = None
    cpu_share: float | None = None
    capacity_cores: float | None = None


@dataclass(frozen=True, slots=True)
class ServicePast:
    """Figures of ``PastRow`` as arrays (resources, steps) on an even grid; NaN: not measured."""

    source: str
    resources: tuple[str, ...]
    start_ms: int
    step_s: int
    requests: FloatArray
    errors: FloatArray
    slow: FloatArray
    latency_p99_ms: FloatArray
    latency_mean_ms: FloatArray
    cpu_share: FloatArray
    capacity_cores: FloatArray
    notes: tuple[str, ...] = field(default=())

    @property
    def steps(self) -> int:
        """How many steps the grid has."""
        return int(self.requests.shape[1])

    @property
    def end_ms(self) -> int:
        """End of the last step."""
        return self.start_ms + self.steps * self.step_s * 1000

    def measured(self, figure: str) -> bool:
        """Whether a figure was measured at all."""
        return bool(np.isfinite(getattr(self, figure)).any())

    def requests_per_core_s(self) -> FloatArray:
        """Load of a core in each step, over all resources; NaN where either is not known."""
        known = np.isfinite(self.requests) & (np.nan_to_num(self.capacity_cores) > 0)
        served = np.where(known, self.requests, 0.0).sum(axis=0)
        cores = np.where(known, self.capacity_cores, 0.0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            load: FloatArray = np.where(cores > 0, served / self.step_s / cores, np.nan)
        return load

    def per_minute(self, figure: str) -> float | NoData:
        """Mean of a count over all resources, a minute of the measured steps."""
        values = getattr(self, figure)
        seen = np.isfinite(values).any(axis=0)
        if not seen.any():
            return NoData(f"{figure} was not measured")
        total = float(np.nansum(values[:, seen]))
        return total / int(seen.sum()) * MINUTE_S / self.step_s


def past_of(rows: Iterable[PastRow], source: str, notes: tuple[str, ...] = ()) -> ServicePast:
    """Put rows on their grid; of two rows of one resource and step the later one counts.

    The step is the commonest distance between rows of a resource.

    Raises TelemetryError when there are fewer than two steps, or more than a million.
    """
    cells: dict[tuple[str, int], PastRow] = {}
    for row in rows:
        cells[row.resource, row.start_ms] = row
    resources = tuple(sorted({resource for resource, _ in cells}))
    times = np.array(sorted({start for _, start in cells}), dtype=np.int64)
    if len(times) < 2:
        raise TelemetryError(
            f"{source} holds {len(times)} measured steps, a back-test needs hours of them"
        )
    gaps, counts = np.unique(np.diff(times), return_counts=True)
    step_ms = int(gaps[int(np.argmax(counts))])
    start_ms = int(times[0])
    shape = (len(resources), int((times[-1] - start_ms) // step_ms) + 1)
    if shape[1] > MOST_STEPS:
        raise TelemetryError(
            f"the times of {source} span {shape[1]:,} steps of {step_ms // 1000} s, at most "
            f"{MOST_STEPS:,} are taken; correct the time that is wrong"
        )
    arrays = {name: np.full(shape, np.nan) for name in FIGURES}
    at = {resource: index for index, resource in enumerate(resources)}
    for (resource, start), row in cells.items():
        place = at[resource], (start - start_ms) // step_ms
        for name in FIGURES:
            value = getattr(row, name)
            if value is not None:
                arrays[name][place] = value
    return ServicePast(source, resources, start_ms, step_ms // 1000, **arrays, notes=notes)
