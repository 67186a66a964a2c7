"""Figures of one target: latency quantiles, failures and throughput, with intervals. Pure.

Requests near each other in time resemble each other, so intervals come from resampling whole blocks
(block bootstrap, Kuensch 1989): of the requests of every resample the same figure is computed, and
the middle 95 % of the results is the interval. Few blocks make it too narrow: at least eight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rightsizing.load.arrivals import FloatArray
from rightsizing.load.samples import NOT_SENT, BoolArray, Samples

RESAMPLES = 1000
LEVEL = 0.95
LEAST_BLOCKS = 8
RULE_OF_THREE = 3.0  # upper 95 % limit of a share with no event among n: 3 / n


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the range that holds it with 95 % confidence. NaN: no data."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Blocks:
    """Measured requests of one target, sorted by latency. ``block`` counts its own from 0.

    Failed requests have no latency that means anything and are left out of quantiles; they count
    as failures, and as no throughput.
    """

    latency_ms: FloatArray
    block: np.ndarray
    ok: np.ndarray  # answered requests by block
    failed: np.ndarray  # by block
    block_s: float

    @property
    def count(self) -> int:
        """How many blocks."""
        return len(self.ok)

    def quantile(self, share: float, weights: np.ndarray) -> float:
        """Least latency that this share of answered requests did not exceed; NaN without any."""
        if not len(self.latency_ms):
            return float("nan")
        passed = np.cumsum(weights[self.block])
        if passed[-1] <= 0:
            return float("nan")
        place = int(np.searchsorted(passed, share * passed[-1]))
        return float(self.latency_ms[min(place, len(self.latency_ms) - 1)])

    def error_ratio(self, weights: np.ndarray) -> float:
        """Share (0-1) of requests that failed."""
        failed, ok = float(self.failed @ weights), float(self.ok @ weights)
        return failed / (failed + ok) if failed + ok else float("nan")

    def throughput_rps(self, weights: np.ndarray) -> float:
        """Answered requests a second of this target's own time."""
        seconds = self.block_s * float(weights.sum())
        return float(self.ok @ weights) / seconds if seconds else float("nan")


Figure = Callable[[np.ndarray], float]


def blocks_of(samples: Samples, target: int) -> Blocks:
    """A target's requests by block; blocks that were cut short by an interruption are left out."""
    own = samples.of_target(target)
    complete = own & (samples.schedule.block < _finished(samples))
    names, index = np.unique(samples.schedule.block[complete], return_inverse=True)
    good: BoolArray = ~samples.failed[complete]
    latencies = samples.latency_ms[complete][good]
    order = np.argsort(latencies, kind="stable")
    return Blocks(
        latency_ms=latencies[order],
        block=index[good][order],
        ok=np.bincount(index[good], minlength=len(names)),
        failed=np.bincount(index[~good], minlength=len(names)),
        block_s=samples.schedule.block_s,
    )


def not_sent(samples: Samples, target: int) -> int:
    """Requests that were due while too many were under way."""
    return int(((samples.status == NOT_SENT) & samples.of_target(target)).sum())


def intervals(
    figures: dict[str, Figure], blocks: int, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """The figures on all blocks, with intervals; every resample serves all figures at once."""
    whole = np.ones(blocks)
    drawn: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(resamples if blocks else 0):
        weights = np.bincount(rng.integers(blocks, size=blocks), minlength=blocks).astype(float)
        for name, figure in figures.items():
            drawn[name].append(figure(weights))
    edge = (1 - LEVEL) / 2
    found = {}
    for name, figure in figures.items():
        known = np.array([value for value in drawn[name] if np.isfinite(value)])
        low, high = np.quantile(known, [edge, 1 - edge]) if len(known) else (np.nan, np.nan)
        estimate = figure(whole) if blocks else float("nan")
        found[name] = Interval(estimate, float(low), float(high))
    return found


def _finished(samples: Samples) -> int:
    """Number of blocks that were driven to their end."""
    if not samples.interrupted:
        return samples.schedule.blocks
    return int(samples.measured_s // samples.schedule.block_s)
