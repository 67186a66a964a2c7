"""The journal of a rollout: append-only JSON lines, flushed to the disk before the call returns.

``<record_dir>/rollouts/<id>.jsonl``. Each line carries a checksum over itself and the line before,
so a line that was changed or taken out is noticed. A half-written last line (power loss) is
reported and dropped: whoever wrote it never got to act on it. Anything else that is wrong is
refused, never repaired.

One writer: a claim draws the next fencing token from ``<record_dir>/rollout.fence``; appends with
an older token are refused, so a controller that was thought dead cannot go on beside its successor.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rightsizing.errors import ConfigError, StackError, StackLocked
from rightsizing.rollout.events import Entry, Event
from rightsizing.rollout.progress import RolloutProgress, fold, follow
from rightsizing.stack.clock import Clock
from rightsizing.stack.durable import PRIVATE_MODE, replace_file, sync_folder

ROLLOUTS_FOLDER = "rollouts"
FENCE_FILE = "rollout.fence"
FENCE_LOCK = "rollout.lock"
CHECKSUM_DIGITS = 16  # 64 bits: enough against accidents; nobody signs the journal
_NAME = re.compile(r"^(?P<number>\d{4,})-[0-9a-f]{1,64}-p\d$")


@dataclass(frozen=True, slots=True)
class JournalReading:
    """Every sound entry, oldest first. ``torn`` says that a half-written last line was dropped."""

    entries: tuple[Entry, ...]
    progress: RolloutProgress | None
    torn: str | None = None
    sound_bytes: int = 0  # where the next line goes
    checksum: str = ""  # of the last sound line


def rollout_ids(record_dir: Path) -> tuple[str, ...]:
    """Rollouts of a stack, oldest first, by their number and not by any clock."""
    folder = record_dir / ROLLOUTS_FOLDER
    names = [path.stem for path in folder.glob("*.jsonl")] if folder.is_dir() else []
    return tuple(sorted((name for name in names if _NAME.match(name)), key=_number))


def next_rollout_id(record_dir: Path, release: str, phase: int) -> str:
    """An id for a new rollout: the next number, the release's beginning and the phase."""
    known = rollout_ids(record_dir)
    number = _number(known[-1]) + 1 if known else 1
    return f"{number:04}-{release[:12]}-p{phase}"


def read_journal(record_dir: Path, rollout_id: str) -> JournalReading:
    """Read without claiming; no lock is taken, so ``status`` always works.

    Raises:
        ConfigError: there is no such rollout.
        StackError: the journal is corrupt; the message says what is known and what to do.
    """
    path = journal_path(record_dir, rollout_id)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        known = ", ".join(rollout_ids(record_dir)[-3:]) or "none"
        raise ConfigError(f"there is no rollout {rollout_id}; the newest are: {known}") from error
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror}") from error
    return _parse(content, rollout_id)


def journal_path(record_dir: Path, rollout_id: str) -> Path:
    """Where a rollout's journal is. Raises ConfigError for an id that no rollout can have."""
    if not _NAME.match(rollout_id):
        raise ConfigError(f"{rollout_id!r} is no id of a rollout, such as 0001-4f2a9c1be077-p1")
    return record_dir / ROLLOUTS_FOLDER / f"{rollout_id}.jsonl"


class JournalWriter:
    """The one writer of a rollout's journal; made by ``claim_journal``."""

    def __init__(self, record_dir: Path, rollout_id: str, token: int, clock: Clock) -> None:
        self.rollout_id = rollout_id
        self.token = token
        self._record_dir = record_dir
        self._path = journal_path(record_dir, rollout_id)
        self._clock = clock
        self._seen: tuple[tuple[int, int, int], JournalReading] | None = None

    @property
    def progress(self) -> RolloutProgress | None:
        """Where the rollout stands, read anew."""
        return self.read().progress

    def read(self) -> JournalReading:
        """All entries; none before the first append. Raises StackError when it is corrupt."""
        try:
            stamp = _stamp(self._path)
        except FileNotFoundError:
            return JournalReading((), None)
        if self._seen is None or self._seen[0] != stamp:
            self._seen = (stamp, read_journal(self._record_dir, self.rollout_id))
        return self._seen[1]

    def require_current(self) -> None:
        """Raise StackLocked when another process has claimed since; asked before every effect."""
        with _fence_held(self._record_dir):
            self._require_newest()

    def append(self, event: Event) -> Entry:
        """Note an event; it is on the disk when this returns.

        Raises:
            StackLocked: another process has claimed the journal since.
            StackError: the event cannot follow, the journal is corrupt, or the disk refused.
        """
        with _fence_held(self._record_dir):
            self._require_newest()
            reading = self.read()
            progress = follow(reading.progress, event)
            entry = Entry(
                number=len(reading.entries) + 1,
                token=self.token,
                at=self._clock.now(),
                event=event,
            )
            line, checksum = _line(entry, reading.checksum)
            self._write(line, reading.sound_bytes)
            # not read again: this writer is the newest, so nobody else has written
            written = JournalReading(
                entries=(*reading.entries, entry),
                progress=progress,
                sound_bytes=reading.sound_bytes + len(line),
                checksum=checksum,
            )
            self._seen = (_stamp(self._path), written)
            return entry

    def _require_newest(self) -> None:
        newest = _read_token(self._record_dir)
        if newest != self.token:
            raise StackLocked(
                f"rollout {self.rollout_id} was taken over by another process (fencing token "
                f"{newest}, ours is {self.token}); this one stops, nothing was changed by it since"
            )

    def _write(self, line: bytes, offset: int) -> None:
        try:
            is_new = not self._path.exists()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, PRIVATE_MODE)
            try:
                os.ftruncate(descriptor, offset)  # drops a half-written last line
                if os.pwrite(descriptor, line, offset) != len(line):
                    raise OSError(0, "the disk took only a part of the line")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                sync_folder(self._path.parent)
        except OSError as error:
            raise StackError(
                f"{self._path} could not be written ({error.strerror}); the rollout stays where "
                "it is, `rightsize rollout --resume` goes on"
            ) from error


def claim_journal(record_dir: Path, rollout_id: str, clock: Clock) -> JournalWriter:
    """Become the journal's only writer; every earlier one is refused from now on.

    Whether the earlier one still lives is the lease's business: claim while holding that.
    """
    journal_path(record_dir, rollout_id)
    record_dir.mkdir(parents=True, exist_ok=True)
    with _fence_held(record_dir):
        token = max(_read_token(record_dir), _highest_token(record_dir, rollout_id)) + 1
        replace_file(record_dir / FENCE_FILE, f"{token}\n".encode(), mode=PRIVATE_MODE)
    return JournalWriter(record_dir, rollout_id, token, clock)


def _highest_token(record_dir: Path, rollout_id: str) -> int:
    """The highest token in the journal, should the fence have been lost."""
    try:
        entries = read_journal(record_dir, rollout_id).entries
    except ConfigError:
        return 0
    return max((entry.token for entry in entries), default=0)


def _read_token(record_dir: Path) -> int:
    try:
        return int((record_dir / FENCE_FILE).read_text(encoding="ascii"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise StackError(
            f"{record_dir / FENCE_FILE} holds no fencing token; make sure that no rollout runs, "
            "delete it, then run `rightsize rollout --resume`"
        ) from error


@contextmanager
def _fence_held(record_dir: Path) -> Iterator[None]:
    """Serialise claims and appends; held for milliseconds, so waiting is right."""
    with (record_dir / FENCE_LOCK).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp(path: Path) -> tuple[int, int, int]:
    """Changes with every write to the file, whoever makes it."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _line(entry: Entry, previous: str) -> tuple[bytes, str]:
    """The line and its checksum."""
    body = json.dumps(
        entry.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    checksum = _checksum(previous, body)
    return f'{{"entry":{body},"sum":"{checksum}"}}\n'.encode(), checksum


def _checksum(previous: str, body: str) -> str:
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()[:CHECKSUM_DIGITS]


def _parse(content: bytes, rollout_id: str) -> JournalReading:
    complete, _, rest = content.rpartition(b"\n")
    lines = complete.split(b"\n") if complete else []
    entries: list[Entry] = []
    checksum = ""
    for number, line in enumerate(lines, start=1):
        try:
            entry, checksum = _parse_line(line, checksum, number)
            entries.append(entry)
            # an order that cannot be is as wrong as a checksum, and is found where it stands
            progress = fold(entries) if number == len(lines) else None
        except (ValueError, KeyError, TypeError, ValidationError, StackError) as error:
            raise _corrupt(rollout_id, number, len(lines), entries, error) from error
    torn = (
        f"the last line of rollout {rollout_id} was half written ({len(rest)} bytes) and is left "
        "out; the step it belongs to is done again"
        if rest
        else None
    )
    return JournalReading(
        entries=tuple(entries),
        progress=progress if lines else None,
        torn=torn,
        sound_bytes=len(content) - len(rest),
        checksum=checksum,
    )


def _parse_line(line: bytes, previous: str, number: int) -> tuple[Entry, str]:
    raw = json.loads(line)
    body = json.dumps(raw["entry"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    checksum = _checksum(previous, body)
    if raw["sum"] != checksum:
        raise ValueError("its checksum is wrong")
    entry = Entry.model_validate_json(body)
    if entry.number != number:
        raise ValueError(f"it says it is entry {entry.number}")
    return entry, checksum


def _corrupt(
    rollout_id: str, number: int, lines: int, entries: list[Entry], error: Exception
) -> StackError:
    sound = [entry for entry in entries if entry.number < number]
    try:
        progress = fold(sound)
    except StackError:
        progress = None
    known = "nothing before it is sound" if progress is None else f"the lines before say {progress}"
    problem = str(error).splitlines()[0]
    return StackError(
        f"the journal of rollout {rollout_id} is corrupt at line {number} of {lines} ({problem}); "
        f"{known}; nothing was changed: `rightsize status` shows what runs, `rightsize rollback` "
        "restores the last good release"
    )


def _number(name: str) -> int:
    return int(name.split("-", 1)[0])
