"""The profiling use case: what the store says of each workload, by way of its profile cache.

Periods are whole UTC days: of the lookback the day it begins in counts from midnight, so that the
daily statistics kept beside the store (``profiles/``) answer exactly what its rows would. Days
later than tomorrow are left out: a clock that is wrong must not make everything else look old.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibis import _

from rightsizing.cli.live import now_ms
from rightsizing.cli.progress import progress_bar
from rightsizing.cli.session import Session
from rightsizing.decide.memoryforecast import LOOKBACK_DAYS
from rightsizing.measure.progress import Progress
from rightsizing.model.profile import Profile
from rightsizing.profile.build import build_profiles, busiest_intervals
from rightsizing.profile.daycache import DayCache
from rightsizing.profile.rowprofile import profile_of
from rightsizing.units import MILLISECONDS_PER_DAY, format_day

CACHE_FOLDER = "profiles"


@dataclass(frozen=True, slots=True)
class Period:
    """Milliseconds UTC, [start, end) on midnights; None: open."""

    start_ms: int | None
    end_ms: int | None


def lookback(session: Session, days: int | None) -> Period:
    """The period of so many days that ends with the store's newest row; None: all it holds.

    Raises StoreError when the store is empty.
    """
    end_ms = _usable_end_ms(session)
    if days is None:
        return Period(None, end_ms)
    newest_ms = min(session.store.end_ms(before_ms=end_ms), now_ms())
    first_day = (newest_ms - days * MILLISECONDS_PER_DAY) // MILLISECONDS_PER_DAY
    return Period(first_day * MILLISECONDS_PER_DAY, end_ms)


def _usable_end_ms(session: Session) -> int | None:
    """Midnight after tomorrow where later rows are held beside earlier ones; else None."""
    last_day = now_ms() // MILLISECONDS_PER_DAY + 1
    days = session.store.days()
    if days[-1] <= last_day or days[0] > last_day:
        return None
    return (last_day + 1) * MILLISECONDS_PER_DAY


def future_doubt(session: Session) -> str | None:
    """A sentence on rows that are left out for their date; None when there are none."""
    end_ms = _usable_end_ms(session)
    if end_ms is None:
        return None
    days = [day for day in session.store.days() if day * MILLISECONDS_PER_DAY >= end_ms]
    return (
        f"measurements dated {format_day(days[0])}"
        + (f" to {format_day(days[-1])}" if len(days) > 1 else "")
        + " are in the future and are not used; correct the clock of what measured them"
    )


def measurements(
    session: Session, *, everything: bool = False, only: Sequence[str] | None = None
) -> Any:
    """The store's rows of the lookback period (an Ibis table).

    With ``only`` the rows of these workloads, of the same period.
    """
    period = lookback(session, None if everything else session.settings.lookback_days)
    return session.store.measurements(only, start_ms=period.start_ms, end_ms=period.end_ms)


class StoreProfiles:
    """Profiles of the workloads of a session's store.

    Args:
        session: this invocation.
        everything: of all that the store holds, not only of the lookback period.
        only: of these workloads; the reference is that of all of them.

    Every method raises StoreError when the store is empty or unreadable.
    """

    def __init__(
        self,
        session: Session,
        *,
        everything: bool = False,
        only: Collection[str] | None = None,
    ) -> None:
        self._session = session
        self._everything = everything
        self._only = only

    def batches(self) -> Iterator[Mapping[str, Profile]]:
        """Profiles by workload key, as many at a time as fit in memory."""
        doubt = future_doubt(self._session)
        if doubt is not None:
            self._session.remark(doubt)
        cache = self._cache()
        if cache is None:
            only = None if self._only is None else sorted(self._only)
            rows = measurements(self._session, everything=self._everything, only=only)
            yield build_profiles(rows)
            return
        partitions = self._partitions(self._only, self._days)
        self._update(cache, partitions)
        for table in cache.tables(partitions, workloads=self._only):
            yield {key: profile_of(table, row) for row, key in enumerate(table.workloads)}

    def all(self) -> dict[str, Profile]:
        """All of them; a fleet of many thousands is better taken in batches."""
        found = {key: item for batch in self.batches() for key, item in batch.items()}
        return dict(sorted(found.items()))

    def memory_reference_bytes(self) -> float | None:
        """Mean over the store's workloads of their largest memory use in the rule's lookback.

        Always of the whole store, so that one workload gets the same size alone and among others.
        None when memory was not measured.
        """
        cache = self._cache()
        if cache is None:
            period = lookback(self._session, LOOKBACK_DAYS)
            rows = self._session.store.measurements(start_ms=period.start_ms, end_ms=period.end_ms)
            peaks = busiest_intervals(rows).group_by("workload").aggregate(peak=_.memory.max())
            found = peaks.filter(_.peak.notnull()).to_pyarrow()["peak"].to_pylist()
        else:
            partitions = self._partitions(None, LOOKBACK_DAYS)
            self._update(cache, partitions)
            found = list(cache.memory_peaks(partitions).values())
        # An exact sum, which does not depend on the order.
        return math.fsum(found) / len(found) if found else None

    @property
    def _days(self) -> int | None:
        return None if self._everything else self._session.settings.lookback_days

    def _partitions(self, only: Collection[str] | None, days: int | None) -> Sequence[Any]:
        period = lookback(self._session, days)
        return self._session.store.partitions(only, start_ms=period.start_ms, end_ms=period.end_ms)

    def _cache(self) -> DayCache | None:
        """The cache beside the store; None where it cannot be written."""
        store = self._session.store
        folder = store.root / CACHE_FOLDER
        if not os.access(folder if folder.exists() else store.root, os.W_OK):
            return None
        return DayCache(folder, store.read, self._damaged)

    def _damaged(self, path: Path) -> None:
        self._session.remark(f"{path} was damaged and is made again from the measurements")

    def _update(self, cache: DayCache, partitions: Sequence[Any]) -> None:
        with progress_bar(self._session) as listen:
            cache.update(
                partitions, lambda done, total: listen(Progress("counting days", done, total))
            )
