"""An access log from a file: ``timestamp`` in ms, ``key``, optional ``value_bytes``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rightsizing.decide.caching.accesslog import AccessLog
from rightsizing.errors import BadTrace
from rightsizing.measure.tablefile import read_table

OVERHEAD_BYTES = 90  # Redis keeps about this much beside a short key and its value
_MS_PER_SECOND = 1000


def read_access_log(path: Path, value_bytes: float) -> AccessLog:
    """The log in order of time; ``value_bytes`` stands where the file gives no sizes.

    Raises BadTrace with row, column and value.
    """
    table = read_table(path)
    seconds = np.array(table.numbers("timestamp")) / _MS_PER_SECOND
    names = table.texts("key")
    sizes = np.full(len(names), value_bytes)
    if "value_bytes" in table.columns:
        sizes = np.array(table.numbers("value_bytes", empty=value_bytes))
    if bool(np.any(sizes < 0)):
        row = int(np.flatnonzero(sizes < 0)[0])
        raise BadTrace(f"{table.name} row {row + 1}: value_bytes {sizes[row]:g} must be at least 0")
    if not names:
        return AccessLog(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0))
    _, keys = np.unique(np.array(names), return_inverse=True)
    lengths = np.array([len(name.encode()) for name in names])
    return AccessLog(seconds, keys.astype(np.int64), sizes + lengths + OVERHEAD_BYTES).ordered()
