"""Signs that a trace file holds numbers of the wrong unit, gathered per resource.

Percent and fraction, bytes and MiB cannot be told apart in one cell, but they can over a whole
file: memory below 1 MiB for weeks is not bytes, and a machine that never passes 1 % next to others
at 60 % is either idle or written as a fraction. When nothing in the file settles which
(``cpu_cores`` would), the file is refused: a wrong guess would shrink a busy machine.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rightsizing.errors import BadTrace
from rightsizing.units import BYTES_PER_MIB

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Scalar = TypeVar("_Scalar", bound=np.generic)

# A fraction below 0.05 read as 0.05 % is an idle machine either way (5 % or 0.05 %).
_LEAST_SUSPECT_PEAK = 0.05
# The least whole-trace peak in 1,000 real machines is 1.7 MB; MiB figures stay below 1,048,576.
_LEAST_MEMORY_PEAK_BYTES = BYTES_PER_MIB
_SAMPLES_TO_JUDGE = 12  # an hour of 5-minute rows; fewer say nothing about a peak
_MOST_ROWS_OVER_CAPACITY = 0.5  # share of a resource's rows; power-on glitches stay below 0.01


class UnitEvidence:
    """Peaks per resource, fed batch by batch. Codes are dense integers from 0."""

    def __init__(self) -> None:
        self._peaks: dict[str, _Floats] = {
            name: np.zeros(0) for name in ("cpu_pct", "mem_pct", "mem_bytes")
        }
        self._counts: dict[str, _Floats] = {name: np.zeros(0) for name in self._peaks}
        self._fractional: dict[str, npt.NDArray[np.bool_]] = {
            name: np.zeros(0, dtype=bool) for name in self._peaks
        }
        self._over_capacity: _Floats = np.zeros(0)
        self._example_over: dict[int, tuple[float, float]] = {}

    def add(self, name: str, codes: _Ints, values: _Floats, resources: int) -> None:
        """Count in values of ``cpu_pct``, ``mem_pct`` or ``mem_bytes``; NaN: not measured."""
        known = np.isfinite(values)
        codes, values = codes[known], values[known]
        peaks = _grown(self._peaks[name], resources)
        counts = _grown(self._counts[name], resources)
        fractional = _grown(self._fractional[name], resources)
        np.maximum.at(peaks, codes, values)
        counts += np.bincount(codes, minlength=resources)
        fractional[codes[values != np.round(values)]] = True
        self._peaks[name], self._counts[name], self._fractional[name] = peaks, counts, fractional

    def add_over_capacity(
        self, codes: _Ints, used: _Floats, capacity: _Floats, resources: int
    ) -> None:
        """Count in rows whose memory use is above their capacity."""
        self._over_capacity = _grown(self._over_capacity, resources)
        self._over_capacity += np.bincount(codes, minlength=resources)
        for code in np.unique(codes).tolist():
            first = int(np.flatnonzero(codes == code)[0])
            self._example_over.setdefault(code, (float(used[first]), float(capacity[first])))

    def check(self, file: str, resources: Sequence[str], proven: Collection[str]) -> None:
        """Raise BadTrace when a column looks like two units, or like the wrong one.

        ``proven``: percent columns whose unit is settled by an absolute column that agrees.
        """
        for column, absolute in (("cpu_pct", "cpu_cores"), ("mem_pct", "mem_bytes")):
            if column not in proven:
                self._check_fractions(file, resources, column, f"give {absolute} as well")
        self._check_bytes(file, resources)
        self._check_over_capacity(file, resources)

    def _check_fractions(
        self, file: str, resources: Sequence[str], column: str, otherwise: str
    ) -> None:
        peaks = self._peaks[column]
        judged = self._counts[column] >= _SAMPLES_TO_JUDGE
        small = judged & (peaks <= 1) & (peaks >= _LEAST_SUSPECT_PEAK) & self._fractional[column]
        large = judged & (peaks > 1)
        if not small.any():
            return
        one = int(np.flatnonzero(small)[0])
        if large.any():
            other = int(np.flatnonzero(large)[0])
            raise BadTrace(
                f"{file}: {column} seems to mix fractions and percent: {resources[one]} never "
                f"passes {peaks[one]:.3g}, {resources[other]} reaches {peaks[other]:.3g}; write "
                f"all in percent, or, if {resources[one]} really idles, {otherwise}"
            )
        raise BadTrace(
            f"{file}: {column} never passes 1 ({resources[one]} peaks at {peaks[one]:.3g}), so it "
            f"looks like fractions; multiply it by 100, or, if it really is percent, {otherwise}"
        )

    def _check_bytes(self, file: str, resources: Sequence[str]) -> None:
        peaks = self._peaks["mem_bytes"]
        small = np.flatnonzero((peaks > 0) & (peaks < _LEAST_MEMORY_PEAK_BYTES))
        large = np.flatnonzero(peaks >= _LEAST_MEMORY_PEAK_BYTES)
        if not len(small):
            return
        one = int(small[0])
        beside = ""
        if len(large):
            other = int(large[0])
            beside = f" while {resources[other]} reaches {peaks[other]:.4g}"
        raise BadTrace(
            f"{file}: mem_bytes of {resources[one]} never passes {peaks[one]:.4g}{beside}; under "
            f"1 MiB is not a machine's memory in bytes: convert MiB or KiB to bytes"
        )

    def _check_over_capacity(self, file: str, resources: Sequence[str]) -> None:
        over = self._over_capacity
        counts = self._counts["mem_bytes"][: len(over)]
        wrong = np.flatnonzero((over > 0) & (over > _MOST_ROWS_OVER_CAPACITY * counts))
        if not len(wrong):
            return
        one = int(wrong[0])
        used, capacity = self._example_over[one]
        raise BadTrace(
            f"{file}: {resources[one]} uses more memory than it has in {over[one]:.0f} of "
            f"{counts[one]:.0f} rows ({used:.4g} of {capacity:.4g}); are mem_bytes and "
            f"capacity_mem_bytes in different units?"
        )


def _grown(array: npt.NDArray[_Scalar], size: int) -> npt.NDArray[_Scalar]:
    return np.concatenate([array, np.zeros(size - len(array), dtype=array.dtype)])
