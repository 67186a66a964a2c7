"""What a reader left out, counted by reason, with the place of the first case."""

from __future__ import annotations

from dataclasses import dataclass

from rightsizing.model.measurement import Skip


@dataclass(slots=True)
class _Entry:
    count: int
    example: str


class Tally:
    """Counts by reason, in the order the reasons first came up."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, reason: str, count: int, example: str = "") -> None:
        """Count cases; ``example`` says where the first one is, and its value."""
        if count == 0:
            return
        entry = self._entries.setdefault(reason, _Entry(0, example))
        entry.count += count

    @property
    def total(self) -> int:
        """All cases of all reasons."""
        return sum(entry.count for entry in self._entries.values())

    def first(self) -> str:
        """The first reason with its example, for an error's sentence."""
        return self.skips()[0].reason if self._entries else "nothing was left out"

    def skips(self) -> tuple[Skip, ...]:
        """One Skip a reason."""
        return tuple(
            Skip(entry.count, f"{reason} (first: {entry.example})" if entry.example else reason)
            for reason, entry in self._entries.items()
        )
