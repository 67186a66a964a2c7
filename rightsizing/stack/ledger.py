"""The release ledger: append-only records beside the backend, one JSON file each.

``<record_dir>/records/000001.json`` and so on, flushed to the disk before the call returns. Stack
history stays the truth about what ran; the ledger adds the verdict and the program. A damaged file
is reported and skipped, never repaired and never a crash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from rightsizing.errors import StackError
from rightsizing.model.base import NoData
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.update import HistoryEntry, UpdateKind, UpdateStatus
from rightsizing.stack.applied import applied_update
from rightsizing.stack.durable import create_file
from rightsizing.stack.outcome import Outcome
from rightsizing.stack.provenance import ProgramVersion
from rightsizing.stack.record import (
    Origin,
    ReleaseRecord,
    UpdateRef,
    Verdict,
    sizing_fields,
)

RECORDS_FOLDER = "records"
_RECORD_NAME = re.compile(r"^(\d{6,})\.json$")
_MAX_RACES = 1000  # writers that could take a number first; far above what one stack sees


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """All readable records, oldest first, and a sentence for each file that is damaged."""

    records: tuple[ReleaseRecord, ...]
    damaged: tuple[str, ...] = ()

    def of(self, entry: HistoryEntry) -> ReleaseRecord | None:
        """The newest record about this history entry."""
        found = [
            record
            for record in self.records
            if record.update is not None and record.update.same_times(entry)
        ]
        exact = [
            record
            for record in found
            if record.update is not None and record.update.sequence == entry.sequence
        ]
        matching = exact or found
        return matching[-1] if matching else None

    def numbered(self, number: int) -> ReleaseRecord | None:
        """The record with this number."""
        return next((record for record in self.records if record.number == number), None)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Records of one stack."""

    record_dir: Path

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.record_dir / RECORDS_FOLDER

    def read(self) -> LedgerReading:
        """Every record; damaged files are named and skipped."""
        records: list[ReleaseRecord] = []
        damaged: list[str] = []
        for number, path in self._files():
            try:
                record = ReleaseRecord.model_validate_json(path.read_bytes())
                if record.number != number:
                    raise ValueError(f"it says it is number {record.number}")
                records.append(record)
            except (OSError, ValueError, ValidationError) as error:
                problem = str(error).splitlines()[0]
                damaged.append(f"record {path.name} is damaged and was skipped ({problem})")
        return LedgerReading(tuple(records), tuple(damaged))

    def append(
        self, entry: HistoryEntry | None, sizing: StackSizing, outcome: Outcome, *, at: datetime
    ) -> ReleaseRecord:
        """Add a record about ``entry`` (None: the update was killed and history has nothing).

        Raises StackError when the disk refuses.
        """
        reading = self.read()
        known = reading.of(entry) if entry is not None else None
        fields = {
            "at": at,
            "origin": outcome.origin,
            "update": None if entry is None else UpdateRef.of(entry),
            **sizing_fields(sizing),
            "verdict": outcome.verdict,
            "reason": outcome.reason,
            "program": outcome.program,
            "versions": outcome.versions,
            "resources": outcome.resources,
            "pending": outcome.pending,
            "facts": outcome.facts,
            "parent": _parent(reading, entry),
            "supersedes": None if known is None else known.number,
        }
        return self._create(fields)

    def supersede(
        self, record: ReleaseRecord, verdict: Verdict, reason: str, *, at: datetime
    ) -> ReleaseRecord:
        """Add a record that changes the verdict of an earlier one, all else being equal."""
        kept = {name: getattr(record, name) for name in ReleaseRecord.model_fields}
        changed = {"at": at, "verdict": verdict, "reason": reason, "supersedes": record.number}
        return self._create({**kept, **changed})

    def adopt(self, history: Sequence[HistoryEntry], *, at: datetime) -> tuple[ReleaseRecord, ...]:
        """Record updates in history that nobody recorded: someone ran the engine directly.

        Succeeded ones become ``unverified``. Entries whose keys cannot be read are left alone.
        """
        reading = self.read()
        adopted = []
        for entry in sorted(history, key=lambda entry: entry.sequence):
            if entry.kind is not UpdateKind.UPDATE or reading.of(entry) is not None:
                continue
            sizing = applied_update(entry).sizing
            if isinstance(sizing, NoData):
                continue
            succeeded = entry.status is UpdateStatus.SUCCEEDED
            outcome = Outcome(
                origin=Origin.ADOPTED,
                verdict=Verdict.UNVERIFIED if succeeded else Verdict.FAILED,
                reason="run outside rightsize; live facts were not compared",
                program=_adopted_program(entry),
                versions=_engine_version(entry),
            )
            adopted.append(self.append(entry, sizing, outcome, at=at))
        return tuple(adopted)

    def _create(self, fields: dict[str, object]) -> ReleaseRecord:
        number = max((number for number, _ in self._files()), default=0)
        for _ in range(_MAX_RACES):
            number += 1
            record = ReleaseRecord.model_validate({**fields, "number": number})
            content = record.model_dump_json(indent=2).encode("utf-8") + b"\n"
            if create_file(self.folder / f"{number:06}.json", content):
                return record
        raise StackError(f"no free record number after {number} in {self.folder}")

    def _files(self) -> list[tuple[int, Path]]:
        if not self.folder.is_dir():
            return []
        names = ((_RECORD_NAME.match(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match.group(1)), path) for match, path in names if match)


def _parent(reading: LedgerReading, entry: HistoryEntry | None) -> int | None:
    """The newest record about another update: what was live before."""
    others = [
        record.number
        for record in reading.records
        if entry is None or record.update is None or not record.update.same_times(entry)
    ]
    return others[-1] if others else None


def _adopted_program(entry: HistoryEntry) -> ProgramVersion | NoData:
    commit = entry.environment.get("git.head")
    if not commit:
        return NoData("the update's history entry names no git commit")
    dirty = ("unknown",) if entry.environment.get("git.dirty") == "true" else ()
    unknown = NoData("the update was not made by rightsize")
    return ProgramVersion(tree_hash=unknown, commit=commit, dirty=dirty)


def _engine_version(entry: HistoryEntry) -> dict[str, str]:
    found = entry.environment.get("pulumi.version")
    return {"engine": found} if found else {}
