"""What became of one try to start instances, as the journal keeps it."""

from __future__ import annotations

from dataclasses import dataclass

ALL = -1  # granted: everything asked for


@dataclass(frozen=True, slots=True)
class Decision:
    """How many instances start, why no more, and how many looks do not show it yet."""

    granted: int = ALL
    reason: str = ""
    looks: int = 0
