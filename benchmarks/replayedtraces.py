"""The traces that the back-test replays, as series; one of them needs its unit changed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from rightsizing.cli.backtesting import Tracks, tracks_of_path
from rightsizing.measure.progress import ignore_progress

BITBRAINS = ("bitbrains_rnd", "bitbrains_rnd_b")  # one fleet in two files
OTHERS = ("azure_v1_sample", "bitbrains_faststorage", "google2019_instances")
# Its percentages are of a soft limit that peaks pass fifteenfold, which measuring refuses. Only the
# unit changes: ratios of cost and shares of time do not depend on it.
SOFT_LIMITS, SOFT_LIMIT_FACTOR = "google2019_instances", 8.0
MOST_WORKLOADS = 100_000


def read(traces: Path) -> Iterator[tuple[str, Tracks]]:
    """The traces as series; keys carry the name of their trace."""
    with tempfile.TemporaryDirectory() as scratch:
        fleet = Path(scratch)
        for name in BITBRAINS:
            (fleet / f"{name}.parquet").symlink_to(traces / f"{name}.parquet")
        yield "bitbrains_rnd", tracks_of_path(fleet, MOST_WORKLOADS, ignore_progress)
        for name in OTHERS:
            path = traces / f"{name}.parquet"
            if name == SOFT_LIMITS:
                path = rescaled(path, fleet / "soft.parquet")
            yield name, tracks_of_path(path, MOST_WORKLOADS, ignore_progress)


def rescaled(path: Path, target: Path) -> Path:
    """The trace with its percentages as percentages of SOFT_LIMIT_FACTOR soft limits."""
    rows = pq.read_table(path)
    for name in ("cpu_pct", "cpu_pct_max", "mem_pct", "mem_pct_max"):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, name, pc.divide(rows[name], SOFT_LIMIT_FACTOR))
    pq.write_table(rows, target)
    return target
