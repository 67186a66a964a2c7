"""Timestamps of a trace file: any common form, to milliseconds UTC.

Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size
(seconds stay below 1e11 until the year 5138); one file must keep to one of them. Text is ISO 8601;
without an offset it is taken as UTC, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.errors import BadTrace

_EARLIEST = 1e8  # as seconds: March 1973; smaller numbers are counters, not times
# Lower limit of each unit's numbers, its name, and how many of it make a millisecond.
_UNITS = (
    (_EARLIEST, "seconds", 1e-3),
    (1e11, "milliseconds", 1.0),
    (1e14, "microseconds", 1e3),
    (1e17, "nanoseconds", 1e6),
)
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
_OFFSET = r"(Z|:\d\d(\.\d+)?[+-]\d\d(:?\d\d)?)$"


@dataclass(frozen=True, slots=True)
class Timestamps:
    """One batch. ``values_ms`` is meaningless where ``valid`` is False; ``naive`` had no offset."""

    values_ms: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    naive: int


class TimestampReader:
    """Reads the timestamp column batch by batch and remembers the unit the file started with."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._unit: int | None = None

    def read(self, column: pa.ChunkedArray, place: str) -> Timestamps:
        """Convert a batch; ``place`` names its first row for the error.

        Raises BadTrace when numbers of two units appear in one file.
        """
        kind = column.type
        if pa.types.is_timestamp(kind):
            naive = 0 if kind.tz else len(column) - column.null_count
            utc = column.cast(pa.timestamp("ms", tz="UTC"), safe=False)
            return _from_arrow(utc, naive)
        if pa.types.is_date(kind):
            return _from_arrow(column.cast(pa.timestamp("ms")), len(column) - column.null_count)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            text = pc.utf8_trim_whitespace(column.cast(pa.string()))
            first = next((value.as_py() for value in text if value.is_valid), "")
            if not _is_number(first):
                return _from_text(text)
            numeric = pc.match_substring_regex(text, r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$")
            column = pc.if_else(numeric, text, None).cast(pa.float64())
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise BadTrace(f"{self._file}: column 'timestamp' holds {kind}, which is no time")
        return self._from_numbers(column, place)

    def _from_numbers(self, column: pa.ChunkedArray, place: str) -> Timestamps:
        # Doubles hold nanoseconds of today to 256 ns: exact to the millisecond.
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
        valid = np.isfinite(numbers) & (numbers >= _EARLIEST)
        units = np.searchsorted([unit[0] for unit in _UNITS], numbers, side="right") - 1
        if valid.any():
            if self._unit is None:
                self._unit = int(units[valid][0])
            other = np.flatnonzero(valid & (units != self._unit))
            if len(other):
                value, found = numbers[other[0]], _UNITS[units[other[0]]][1]
                raise BadTrace(
                    f"{self._file}: timestamp {value:.0f} ({int(other[0])} rows after {place}) is "
                    f"in {found}, but the file began in {_UNITS[self._unit][1]}; convert it to one"
                )
        scale = _UNITS[self._unit or 0][2]
        values = np.where(valid, numbers / scale, 0.0).round().astype(np.int64)
        return Timestamps(values, valid, 0)


def _from_text(text: pa.ChunkedArray) -> Timestamps:
    text = pc.if_else(pc.match_substring_regex(text, _ISO), text, None)
    offset = pc.fill_null(pc.match_substring_regex(text, _OFFSET), False)
    values = np.zeros(len(text), dtype=np.int64)
    valid = np.zeros(len(text), dtype=bool)
    for kind, chosen in (
        (pa.timestamp("ms", tz="UTC"), offset),
        (pa.timestamp("ms"), pc.invert(offset)),
    ):
        part = pc.if_else(chosen, text, None)
        parsed = _from_arrow(_cast_or_null(part, kind), 0)
        values = np.where(parsed.valid, parsed.values_ms, values)
        valid |= parsed.valid
    return Timestamps(values, valid, int((valid & ~offset.to_numpy()).sum()))


def _cast_or_null(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast text to timestamps; what is none becomes null. Column at once, halves when that fails.

    Arrow's cast fails as a whole, so a few bad cells are isolated by bisection.
    """
    try:
        # Nanoseconds first: the millisecond parser refuses more than three decimals.
        return text.cast(pa.timestamp("ns", tz=kind.tz)).cast(kind, safe=False)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.chunked_array([pa.nulls(1, kind)])
        middle = len(text) // 2
        left, right = text.slice(0, middle), text.slice(middle)
        chunks = [*_cast_or_null(left, kind).chunks, *_cast_or_null(right, kind).chunks]
        return pa.chunked_array(chunks, type=kind)


def _from_arrow(column: pa.ChunkedArray, naive: int) -> Timestamps:
    values = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    valid = column.is_valid().to_numpy() & (values >= 0)
    return Timestamps(values, valid, naive)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
