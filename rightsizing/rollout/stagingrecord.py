"""What a staging stack's own records say: its rollouts, its applies, its load tests.

Load tests are files of their own, ``<record dir>/loads/<time>.json``, written once and never
changed.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from rightsizing.errors import RightsizingError, StackError
from rightsizing.model.loadrecord import LoadRecord
from rightsizing.rollout.journal import read_journal, rollout_ids
from rightsizing.rollout.staging import AppliedRelease, StagingEvidence, compare_stacks
from rightsizing.stack.configfile import StackFile
from rightsizing.stack.driver import StackRef
from rightsizing.stack.durable import create_file
from rightsizing.stack.ledger import Ledger
from rightsizing.stack.record import Verdict

LOADS_FOLDER = "loads"


def read_staging(production: StackRef, name: str) -> StagingEvidence:
    """Evidence of staging stack ``name`` in the project of ``production``.

    Raises ConfigError or StackError when a stack file is missing or cannot be read.
    """
    staging = StackRef(production.project_dir, production.project, name)
    mirror = compare_stacks(
        StackFile.load(production.config_path).values(),
        StackFile.load(staging.config_path).values(),
    )
    applied, damaged = _applied(staging)
    loads, unreadable = _loads(staging.record_dir / LOADS_FOLDER)
    return StagingEvidence(name, mirror, applied, loads, (*damaged, *unreadable))


def write_load(stack: StackRef, record: LoadRecord) -> Path:
    """Keep a load test beside the stack's other records. Raises StackError."""
    path = stack.record_dir / LOADS_FOLDER / f"{record.at:%Y%m%dT%H%M%S%f}.json"
    if not create_file(path, f"{record.model_dump_json(indent=2)}\n".encode()):
        raise StackError(f"{path} exists already; run the load test again")
    return path


def _applied(stack: StackRef) -> tuple[tuple[AppliedRelease, ...], tuple[str, ...]]:
    """Releases by time: what applies recorded, and how rollouts ended."""
    found: list[tuple[datetime, AppliedRelease]] = []
    reading = Ledger(stack.record_dir).read()
    damaged = list(reading.damaged)
    for record in reading.records:
        if record.release is not None:
            how = f"its update is {record.verdict.value}"
            good = record.verdict is Verdict.GOOD
            release = AppliedRelease(record.release, record.phase, good, how)
            found.append((record.at, release))
    for rollout in rollout_ids(stack.record_dir):
        try:
            entries = read_journal(stack.record_dir, rollout)
        except RightsizingError as error:
            damaged.append(str(error))
            continue
        progress = entries.progress
        if progress is None or progress.started.target.release is None:
            continue
        done = progress.finished is not None and progress.rolled_back is None
        how = f"rollout {rollout} is {progress}" if progress.rolled_back is None else "rolled back"
        target = progress.started.target
        assert target.release is not None
        release = AppliedRelease(target.release.id, target.phase, done, how)
        found.append((entries.entries[-1].at, release))
    found.sort(key=lambda item: item[0])
    return tuple(release for _, release in found), tuple(damaged)


def _loads(folder: Path) -> tuple[tuple[LoadRecord, ...], tuple[str, ...]]:
    records, damaged = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            records.append(LoadRecord.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            damaged.append(f"{path.name} cannot be read; remove it and run the load test again")
    return tuple(sorted(records, key=lambda record: record.at)), tuple(damaged)
