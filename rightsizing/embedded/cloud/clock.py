"""The clock moto reads, which a replay can set back to when each call was made.

Creation times of instances and templates are then the same after a restart. Moto's modules import
``utcnow`` by name, so it is replaced in each of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import moto.core.utils

_EPOCH_MS = 1000


class Clock:
    """Wall clock, the data plane's simulated time, or one fixed moment inside ``at``."""

    def __init__(self) -> None:
        self._fixed_ms: int | None = None
        self._simulated_ms: int | None = None

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        if self._fixed_ms is not None:
            return self._fixed_ms
        return self.wall_ms() if self._simulated_ms is None else self._simulated_ms

    @staticmethod
    def wall_ms() -> int:
        """Milliseconds since 1970 by the machine's own clock."""
        return int(datetime.now(UTC).timestamp() * _EPOCH_MS)

    @property
    def simulated(self) -> bool:
        """Whether the time is not the machine's."""
        return self._simulated_ms is not None

    def simulate(self, moment_ms: int | None) -> None:
        """Stand still at a moment until told otherwise; None: go with the machine again."""
        self._simulated_ms = moment_ms

    def now(self) -> datetime:
        """An aware datetime in UTC."""
        return self.utcnow().replace(tzinfo=UTC)

    def utcnow(self) -> datetime:
        """What moto calls: a naive datetime in UTC."""
        seconds, milliseconds = divmod(self.now_ms(), _EPOCH_MS)
        moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        return moment.replace(microsecond=milliseconds * 1000)

    @contextmanager
    def at(self, moment_ms: int) -> Iterator[None]:
        """Stand still at this moment."""
        before, self._fixed_ms = self._fixed_ms, moment_ms
        try:
            yield
        finally:
            self._fixed_ms = before


def install(clock: Clock) -> None:
    """Make every loaded moto module, and those still to be loaded, read this clock."""
    original = moto.core.utils.utcnow
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            module.utcnow = clock.utcnow  # type: ignore[attr-defined]
