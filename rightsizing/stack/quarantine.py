"""The quarantine list of one stack, on disk: what was rolled back is not applied again by accident.

``infra/config`` refuses a quarantined release at its phase whatever engine runs it, and so does
``apply``. ``plan`` does not propose one again until its evidence changes. ``lift`` is for people
who know better.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rightsizing.errors import ConfigError, PlanRejected
from rightsizing.model.quarantine import (
    QUARANTINE_FILE,
    QuarantineEntry,
    find_quarantined,
    parse_quarantine,
    render_quarantine,
)
from rightsizing.model.stackconfig import StackSizing
from rightsizing.stack.durable import replace_file


@dataclass(frozen=True, slots=True)
class Quarantine:
    """``<record_dir>/quarantine.json``; read anew on every call, since others write it too."""

    record_dir: Path

    @property
    def path(self) -> Path:
        """Where the list is kept."""
        return self.record_dir / QUARANTINE_FILE

    def entries(self) -> tuple[QuarantineEntry, ...]:
        """All entries, oldest first; none without a file. Raises ConfigError on a damaged file."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the quarantine list {self.path} cannot be read: {error}") from error
        return parse_quarantine(text, str(self.path))

    def find(self, release: str, phase: int) -> QuarantineEntry | None:
        """The entry about this release at this phase, if any."""
        return find_quarantined(self.entries(), release, phase)

    def add(
        self, release: str, phase: int, *, reason: str, at: datetime, evidence: str | None = None
    ) -> QuarantineEntry:
        """Keep a release at a phase out; the existing entry when it already is."""
        entries = self.entries()
        found = find_quarantined(entries, release, phase)
        if found is not None:
            return found
        entry = QuarantineEntry(
            release=release, phase=phase, reason=reason[:500], at=at, evidence=evidence
        )
        self._write((*entries, entry))
        return entry

    def lift(self, release_prefix: str, phase: int | None = None) -> tuple[QuarantineEntry, ...]:
        """Allow matching releases again (at one phase or at all); returns what was removed."""
        entries = self.entries()
        lifted = tuple(
            entry
            for entry in entries
            if entry.release.startswith(release_prefix) and phase in (None, entry.phase)
        )
        if lifted:
            self._write(tuple(entry for entry in entries if entry not in lifted))
        return lifted

    def refuse(self, sizing: StackSizing) -> None:
        """Raise PlanRejected when this sizing is quarantined."""
        if sizing.release is None:
            return
        found = self.find(sizing.release.id, sizing.phase)
        if found is not None:
            raise PlanRejected(
                f"release {sizing.release.short_id} at phase {sizing.phase} is quarantined since "
                f"{found.at:%Y-%m-%d %H:%M} UTC ({found.reason}); plan again when its evidence "
                "has changed"
            )

    def _write(self, entries: tuple[QuarantineEntry, ...]) -> None:
        replace_file(self.path, render_quarantine(entries).encode("utf-8"))
