"""The Vertical Pod Autoscaler's decaying histogram: exponential buckets, weights by age.

Bucket 0 starts at 0, bucket i at ``first * (1.05**i - 1) / 0.05``; there are 176. A percentile is
the UPPER edge of the first bucket at which the cumulative weight reaches the share, without
interpolation; in the last bucket, its start. A sample weighs half as much each 24 hours later; only
relative weights matter. (VPA drops buckets under a weight of 1e-4 at either end; with 0.1 a sample
and a window of 8 days no bucket gets there, so that step is left out.)

Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender/util and
model/aggregations_config.go, as released in 1.4 to 1.7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rightsizing.backtest.series import FloatArray
from rightsizing.units import MILLICORES_PER_CORE, SECONDS_PER_DAY

BUCKETS = 176
_GROWTH = 1.05
_HALF_LIFE_S = SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Buckets:
    """Exponential buckets whose first is ``first`` wide, in the unit of what is measured."""

    first: float

    def start(self, index: int) -> float:
        """Lower edge of a bucket."""
        return self.first * (_GROWTH**index - 1) / (_GROWTH - 1) if index else 0.0

    def find(self, value: float) -> int:
        """Index of the bucket that holds ``value``."""
        if value < self.first:
            return 0
        grown = value * (_GROWTH - 1) / self.first + 1
        return min(int(math.log(grown) / math.log(_GROWTH)), BUCKETS - 1)

    def percentile(self, weights: FloatArray, share: float) -> float:
        """Upper edge of the bucket that reaches ``share`` of the weight; 0 when there is none."""
        reached = np.cumsum(weights)
        if reached[-1] <= 0:
            return 0.0
        last = int(np.flatnonzero(weights)[-1])
        index = min(int(np.searchsorted(reached, share * reached[-1])), last)
        return self.start(min(index + 1, BUCKETS - 1))


CPU_BUCKETS = Buckets(first=0.01)  # cores, to 1,000
MEMORY_BUCKETS = Buckets(first=1e7)  # bytes, to 1e12


def decay(times_s: FloatArray, reference_s: float) -> FloatArray:
    """Weight factor of samples taken at ``times_s``: 1 at the reference, half a day earlier."""
    factors: FloatArray = np.exp2((times_s - reference_s) / _HALF_LIFE_S)
    return factors


def cpu_bucket_of(millicores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bucket of each whole number of millicores, looked up: the logarithm is taken once a value."""
    table = _cpu_table()
    return table[np.minimum(millicores, len(table) - 1)]


@lru_cache(maxsize=1)
def _cpu_table() -> NDArray[np.int64]:
    # The last bucket starts at 1,019 cores: whatever is above falls into it.
    largest = math.ceil(CPU_BUCKETS.start(BUCKETS - 1) * MILLICORES_PER_CORE)
    cores = np.arange(largest + 1) / MILLICORES_PER_CORE
    grown = cores * (_GROWTH - 1) / CPU_BUCKETS.first + 1
    index = (np.log(grown) / math.log(_GROWTH)).astype(np.int64)
    found: NDArray[np.int64] = np.where(
        cores < CPU_BUCKETS.first, 0, np.minimum(index, BUCKETS - 1)
    )
    found.flags.writeable = False
    return found
