"""The two histograms of a profile: their bins, as Ibis expressions and as plain arithmetic.

CPU: bins of 0.5 % of the capacity the sample was taken under. Memory and rates: logarithmic bins of
1 %. A histogram is a mapping bin -> count, so two of them merge by adding counts, whatever order or
engine they come from. Values are read back at a bin's upper edge, never below the sample.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import ibis
import numpy as np
import numpy.typing as npt
from ibis.expr import types as ir

CPU_BINS_PER_CAPACITY = 200  # 0.5 % each; finer than the 1 % that Compute Optimizer shows
AT_LIMIT_RATIO = 0.98  # CPU at 98 % of capacity and more counts as at the limit (chosen by us)
# 327 times the capacity. Only a broken reading is above; it counts here, so that arrays stay small.
HIGHEST_CPU_BIN = 65_535
LOG_BIN_RATIO = 1.01  # each bin of memory or rate is 1 % wider than the one before

Histogram = tuple[tuple[int, int], ...]  # (bin, count), bins ascending, counts above zero


def cpu_bin(cores: ir.NumericValue, capacity_cores: ir.NumericValue) -> ir.IntegerValue:
    """Bin of a CPU sample: ``floor(200 x cores / capacity)``."""
    return (cores * float(CPU_BINS_PER_CAPACITY) / capacity_cores).floor().cast("int64")


def log_bin(value: ir.NumericValue) -> ir.IntegerValue:
    """Bin of a memory or rate sample: ``floor(ln(max(value, 1)) / ln 1.01)``.

    Engines' logarithms differ in the last place, so the value is first rounded to single precision:
    of a single, up to 1e38, the logarithm is never within 70 of its own last places of an edge,
    and every engine finds the same bin. The rounding moves an edge by less than 1 in 10 million.
    """
    single = ibis.greatest(value, 1.0).cast("float32").cast("float64")
    return (single.ln() / math.log(LOG_BIN_RATIO)).floor().cast("int64")


def cpu_upper_edge(bin_index: int, capacity_cores: float) -> float:
    """Upper edge of a CPU bin, cores."""
    return (bin_index + 1) * capacity_cores / CPU_BINS_PER_CAPACITY


def log_upper_edge(bin_index: int) -> float:
    """Upper edge of a logarithmic bin, in the unit that was binned."""
    return float(LOG_BIN_RATIO ** (bin_index + 1))


def rebinned(
    bins: npt.NDArray[np.int64],
    from_capacity: npt.NDArray[np.float64] | float,
    to_capacity: npt.NDArray[np.float64] | float,
) -> npt.NDArray[np.int64]:
    """The bins under another capacity whose upper edges are the first not below these bins' edges.

    Moving up by at most one bin keeps a merged histogram from understating demand. At most
    ``HIGHEST_CPU_BIN``. Arguments broadcast.
    """
    scale = np.asarray(from_capacity, dtype=np.float64) / to_capacity
    # Rounded: 8.000000000001 is the edge 8, and equal capacities move nothing.
    edges = np.minimum(np.round((bins + 1) * scale, 9), HIGHEST_CPU_BIN + 1)
    moved: npt.NDArray[np.int64] = np.maximum(np.ceil(edges) - 1, 0).astype(np.int64)
    return moved


def merge(counts: Iterable[tuple[int, int]]) -> Histogram:
    """Add up (bin, count) pairs in any order."""
    total: Counter[int] = Counter()
    for bin_index, count in counts:
        total[bin_index] += count
    return tuple(sorted(total.items()))


def samples_in(histogram: Iterable[tuple[int, int]]) -> int:
    """Number of samples."""
    return sum(count for _, count in histogram)
