"""Duration as a function of memory, from measurements, and the cheapest memory under a limit.

A function gets CPU in proportion to memory, one vCPU at 1,769 MiB; beyond that more vCPUs, which a
single thread does not use. So

    t(M) = waiting + computing * 1769 / min(M, 1769)

is fitted to the measured means by least squares with both parts at least 0, weighted by the number
of invocations. Two memory sizes are needed; with one, nothing is said about others. Sizes beyond
the measured range are never proposed, nor less memory than is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np
from scipy.optimize import nnls

from rightsizing.catalog.lambdarates import LEAST_MEMORY_MIB, MIB_PER_VCPU, LambdaRates
from rightsizing.decide.serverless.lambdabill import gb_seconds
from rightsizing.model.base import NoData

STEP_MIB = 64
USED_MARGIN = 1.2  # memory proposed is at least this much of what was used


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """Measured at one memory size."""

    memory_mib: int
    mean_ms: float
    invocations: int


@dataclass(frozen=True, slots=True)
class DurationCurve:
    """The fitted curve, with the range it holds in and its largest relative error there."""

    waiting_ms: float
    computing_ms: float  # on one vCPU
    least_mib: int
    most_mib: int
    worst_error_ratio: float

    def duration_ms(self, memory_mib: int) -> float:
        """Mean duration at a memory size."""
        return self.waiting_ms + self.computing_ms * MIB_PER_VCPU / min(memory_mib, MIB_PER_VCPU)


@dataclass(frozen=True, slots=True)
class TunedMemory:
    """The cheapest size in the measured range, and what an invocation takes and costs there."""

    memory_mib: int
    mean_ms: float
    usd_per_million: Decimal


def fit_durations(points: Sequence[MemoryPoint]) -> DurationCurve | NoData:
    """Fit the curve; NoData with fewer than two memory sizes."""
    sizes = sorted({point.memory_mib for point in points})
    if len(sizes) < 2:
        return NoData("measured at one memory size only; measure at a second one to tune memory")
    share = np.array([MIB_PER_VCPU / min(point.memory_mib, MIB_PER_VCPU) for point in points])
    means = np.array([point.mean_ms for point in points])
    weights = np.sqrt([max(point.invocations, 1) for point in points])
    design = np.column_stack([np.ones(len(points)), share])
    (waiting, computing), _ = nnls(design * weights[:, np.newaxis], means * weights)
    fitted = design @ np.array([waiting, computing])
    errors = np.abs(fitted - means) / np.maximum(means, 1e-9)
    return DurationCurve(float(waiting), float(computing), sizes[0], sizes[-1], float(errors.max()))


def tune_memory(
    curve: DurationCurve,
    rates: LambdaRates,
    *,
    used_mib: float = 0.0,
    latency_limit_ms: float | None = None,
) -> TunedMemory | NoData:
    """The cheapest memory size of the measured range that meets the limit.

    Args:
        curve: fitted.
        rates: of the region and architecture.
        used_mib: most memory that was used; 20 % more is kept.
        latency_limit_ms: most mean duration, or None.
    """
    least = max(curve.least_mib, LEAST_MEMORY_MIB, int(np.ceil(used_mib * USED_MARGIN)))
    sizes = sorted(
        {least, curve.most_mib, *range(-(-least // STEP_MIB) * STEP_MIB, curve.most_mib, STEP_MIB)}
    )
    best: TunedMemory | None = None
    for size in sizes:
        if not least <= size <= curve.most_mib:
            continue
        mean_ms = curve.duration_ms(size)
        if latency_limit_ms is not None and mean_ms > latency_limit_ms:
            continue
        billed = Decimal(repr(mean_ms)).to_integral_value(ROUND_CEILING)
        usd = gb_seconds(billed * 1_000_000, size) * rates.tiers[0][1]
        if best is None or usd < best.usd_per_million:
            best = TunedMemory(size, mean_ms, usd)
    if best is None:
        return NoData(
            f"no size from {least} to {curve.most_mib} MiB holds the memory in use and the limit"
        )
    return best
