"""Number cells of a trace file, whatever type the file gave the column.

A cell that is no finite number is "not measured" (NaN in the array) and counted with the place of
the first; a whole column that cannot hold numbers is a fault of the file.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rightsizing.errors import BadTrace
from rightsizing.measure.tally import Tally

_NUMBER = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?(nan|inf|infinity)\s*$"
_SHOWN_CHARACTERS = 40


def read_numbers(
    file: str, name: str, column: pa.ChunkedArray, place: Callable[[int], str], faults: Tally
) -> npt.NDArray[np.float64]:
    """A column as float64, NaN for empty and faulty cells; faults go to the tally.

    Raises BadTrace when the column's type has nothing to do with numbers.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        numbers = _from_text(name, column, place, faults)
    elif pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = column.cast(pa.float64(), safe=False)
    elif pa.types.is_decimal(column.type):
        numbers = column.cast(pa.float64())
    else:
        raise BadTrace(f"{file}: column {name!r} holds {column.type}, not numbers")
    values: npt.NDArray[np.float64] = np.array(numbers.to_numpy())
    broken = np.flatnonzero(~np.isfinite(values) & numbers.is_valid().to_numpy())
    if len(broken):
        first = int(broken[0])
        faults.add(f"{name} is NaN or infinite", len(broken), f"{values[first]} in {place(first)}")
        values[broken] = np.nan
    return values


def _from_text(
    name: str, column: pa.ChunkedArray, place: Callable[[int], str], faults: Tally
) -> pa.ChunkedArray:
    try:
        return column.cast(pa.float64())  # the fast way, when every cell is a number
    except pa.ArrowInvalid:
        readable = pc.match_substring_regex(column, _NUMBER, ignore_case=True)
        bad = np.flatnonzero(pc.fill_null(pc.invert(readable), False).to_numpy())
        if len(bad):
            first = int(bad[0])
            shown = repr(column[first].as_py()[:_SHOWN_CHARACTERS])
            faults.add(f"{name} is not a number", len(bad), f"{shown} in {place(first)}")
        return pc.utf8_trim_whitespace(pc.if_else(readable, column, None)).cast(pa.float64())
