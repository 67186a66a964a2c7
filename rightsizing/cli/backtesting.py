"""The back-test use case: from a trace or a store to series, and from series to a study."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rightsizing.backtest.ec2types import TypeTable
from rightsizing.backtest.schedule import Schedule
from rightsizing.backtest.series import DemandSeries
from rightsizing.backtest.study import Contestants, Study, study_of
from rightsizing.backtest.tracks import read_tracks
from rightsizing.backtest.trial import Trial
from rightsizing.errors import BadTrace, ConfigError
from rightsizing.measure.files import measure_file
from rightsizing.measure.progress import Progress, ProgressListener
from rightsizing.measure.store import Store
from rightsizing.model.measurement import MeasureReport

TRACE_SUFFIXES = (".parquet", ".csv", ".csv.gz")
# What a percentage is of where a file states no capacity: limits are then shares of it.
UNIT_CORES = 1.0
UNIT_MEMORY_BYTES = 1024.0**3
_NO_CAPACITY = "without capacity_"  # how measuring words it


@dataclass(frozen=True, slots=True)
class Tracks:
    """Series to replay, and what a reader must know of them."""

    series: tuple[DemandSeries, ...]
    notes: tuple[str, ...]
    has_cores: bool  # False: percentages of unknown capacities


def tracks_of_store(store: Store, most: int, listener: ProgressListener) -> Tracks:
    """The workloads of a store, at most so many of them, chosen by a hash of their keys."""
    keys = sorted(item.key for item in store.workloads())
    notes: list[str] = []
    if len(keys) > most:
        notes.append(
            f"{most:,} of {len(keys):,} workloads take part, chosen by a hash of their keys; "
            "--workloads takes more"
        )
        keys = sorted(sorted(keys, key=_hash)[:most])
    series = read_tracks(
        store.measurements(keys),
        progress=lambda done, total: listener(Progress("reading", done, total)),
    )
    kept = tuple(item for item in series if not np.isnan(item.cpu_cores).all())
    if len(kept) < len(keys):
        notes.append(
            f"{len(keys) - len(kept)} of {len(keys)} workloads have no CPU and are left out"
        )
    return Tracks(kept, tuple(notes), has_cores=True)


def tracks_of_path(path: Path, most: int, listener: ProgressListener) -> Tracks:
    """Trace files, measured into a store that is gone afterwards.

    A file of bare percentages is measured against a capacity of one unit.

    Raises BadTrace when the path holds no trace, or a trace is faulty.
    """
    files = _trace_files(path)
    with tempfile.TemporaryDirectory(prefix="rightsize-backtest-") as scratch:
        store, reports, has_cores = _measured(files, Path(scratch), listener)
        found = tracks_of_store(store, most, listener)
    skipped = sum(skip.count for report in reports for skip in report.skipped)
    notes = list(found.notes)
    if skipped:
        notes.append(
            f"{skipped:,} rows or cells of the trace were left out; `rightsize measure "
            "--from-file` says why"
        )
    if not has_cores:
        notes.append("the trace gives percentages without a capacity: one core stands for 100 %")
    return Tracks(found.series, tuple(notes), has_cores)


def run_study(
    tracks: Tracks,
    contestants: Contestants,
    schedule: Schedule,
    *,
    types: TypeTable | None,
    seed: int,
    listener: ProgressListener,
) -> Study:
    """Replay and compare.

    Raises ConfigError when EC2 types are asked for and the capacities are unknown.
    """
    if types is not None and not tracks.has_cores:
        raise ConfigError(
            "the trace gives percentages without capacity_cores, so no EC2 type can be chosen; "
            "give the capacity, or use --mode limits"
        )
    trial = Trial.run(
        tracks.series,
        contestants.all,
        schedule,
        types=types,
        # Predictions are of continuous limits; a type's are not what its limits are.
        predict_for=[rule.name for rule in contestants.ours] if types is None else [],
        progress=lambda message, done, total: listener(Progress(message, done, total)),
    )
    listener(Progress("comparing", 0, 0))
    return study_of([trial], contestants, seed=seed)


def unscored_notes(tracks: Tracks, schedule: Schedule) -> tuple[str, ...]:
    """How many workloads are too young to be scored."""
    late = int((schedule.joins(tracks.series) >= schedule.weeks).sum())
    if not late:
        return ()
    sentence = (
        f"{late} of {len(tracks.series)} workloads have no week to score after "
        f"{schedule.history_days} days of their own history"
    )
    return (sentence,)


def _trace_files(path: Path) -> Sequence[Path]:
    if not path.exists():
        raise BadTrace(f"there is no file or folder {path}")
    if not path.is_dir():
        return [path]
    found = sorted(item for item in path.iterdir() if item.name.endswith(TRACE_SUFFIXES))
    if not found:
        raise BadTrace(f"the folder {path} holds no file ending in {', '.join(TRACE_SUFFIXES)}")
    return found


def _measured(
    files: Sequence[Path], scratch: Path, listener: ProgressListener
) -> tuple[Store, list[MeasureReport], bool]:
    """The files in a store, and whether they state the capacities their percentages are of."""
    try:
        store, reports = _measured_with(files, scratch / "stated", listener)
        if not any(_lacks_capacity(report) for report in reports):
            return store, reports, True
    except BadTrace as error:
        if _NO_CAPACITY not in str(error):
            raise
    # Rows that do state a capacity keep it.
    return *_measured_with(files, scratch / "units", listener, UNIT_CORES), False


def _measured_with(
    files: Sequence[Path], folder: Path, listener: ProgressListener, unit_cores: float | None = None
) -> tuple[Store, list[MeasureReport]]:
    store = Store(folder)
    reports = [
        measure_file(
            file,
            store,
            # The same resource id in two files is two workloads.
            workload_prefix=f"{file.name.split('.', 1)[0]}/" if len(files) > 1 else "",
            capacity_cores=unit_cores,
            capacity_memory_bytes=None if unit_cores is None else UNIT_MEMORY_BYTES,
            progress=listener,
        )
        for file in files
    ]
    return store, reports


def _lacks_capacity(report: MeasureReport) -> bool:
    return any(_NO_CAPACITY in skip.reason for skip in report.skipped)


def _hash(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=8).digest()
