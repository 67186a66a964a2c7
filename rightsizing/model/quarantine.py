"""Releases that were rolled back and must not come back unchanged.

The unit is one release at one phase: rolling back from phase 2 to phase 1 of a release must leave
phase 1 allowed. The file is ``<record_dir>/quarantine.json``, a JSON list of entries; the program
(``infra/config``), the planner and the ledger all read it through ``parse_quarantine``.
"""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import Field, TypeAdapter, ValidationError

from rightsizing.errors import ConfigError
from rightsizing.model.base import FrozenModel
from rightsizing.model.release import LAST_PHASE

QUARANTINE_FILE = "quarantine.json"


class QuarantineEntry(FrozenModel):
    """One release at one phase, and why it is kept out.

    ``evidence`` is the digest of the evidence the release was planned from: a planner that holds
    other evidence may propose the same sizes again. None: unknown, so any new evidence counts.
    """

    release: str = Field(pattern=r"^[0-9a-f]{64}$")
    phase: int = Field(ge=0, le=LAST_PHASE)
    reason: str = Field(min_length=1, max_length=500)
    at: datetime
    evidence: str | None = None


_ENTRIES = TypeAdapter(tuple[QuarantineEntry, ...])


def parse_quarantine(text: str, source: str) -> tuple[QuarantineEntry, ...]:
    """Read the file's text.

    Raises ConfigError: a damaged list must not let a bad release through.
    """
    try:
        return _ENTRIES.validate_python(json.loads(text))
    except (ValueError, ValidationError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ConfigError(
            f"the quarantine list {source} cannot be read ({problem}); restore it, or delete it to "
            "allow every release again"
        ) from error


def render_quarantine(entries: tuple[QuarantineEntry, ...]) -> str:
    """The file's text: one entry after the other, oldest first."""
    return _ENTRIES.dump_json(entries, indent=2).decode("utf-8") + "\n"


def find_quarantined(
    entries: tuple[QuarantineEntry, ...], release: str, phase: int
) -> QuarantineEntry | None:
    """The newest entry about this release at this phase; None when it is allowed."""
    found = [entry for entry in entries if (entry.release, entry.phase) == (release, phase)]
    return found[-1] if found else None
