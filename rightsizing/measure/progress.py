"""Progress of long work and the window of time it covers; both are passed in, never global."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from rightsizing.errors import ConfigError
from rightsizing.units import MILLISECONDS_PER_DAY

MAX_WINDOW_DAYS = 455  # CloudWatch keeps nothing longer than 455 days


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a measuring run is. ``total`` is 0 when it cannot be known beforehand."""

    message: str
    done: int
    total: int


# Called often; must be quick and must not raise, except KeyboardInterrupt to cancel.
ProgressListener = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """Listen to nothing."""
    del progress


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open span of time, milliseconds UTC."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms <= self.start_ms:
            raise ConfigError(f"the window ends at {self.end_ms} ms, before its start")

    @classmethod
    def last_days(cls, days: int, now_ms: int) -> Window:
        """The ``days`` full days before ``now_ms`` and today so far, up to the last full hour."""
        if not 1 <= days <= MAX_WINDOW_DAYS:
            raise ConfigError(
                f"{days} days of history asked for; give a whole number from 1 to {MAX_WINDOW_DAYS}"
            )
        hour_ms = MILLISECONDS_PER_DAY // 24
        end_ms = now_ms // hour_ms * hour_ms
        return cls(end_ms - days * MILLISECONDS_PER_DAY, end_ms)

    def days(self) -> Iterator[Window]:
        """The window cut at midnight UTC, oldest first."""
        start_ms = self.start_ms
        while start_ms < self.end_ms:
            midnight_ms = (start_ms // MILLISECONDS_PER_DAY + 1) * MILLISECONDS_PER_DAY
            yield Window(start_ms, min(midnight_ms, self.end_ms))
            start_ms = midnight_ms

    def __str__(self) -> str:
        return f"{_utc(self.start_ms)} to {_utc(self.end_ms)} UTC"


def _utc(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
