"""Figures of sizing for the exporter and the live page: stack file, store, rollout journal."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rightsizing.catalog.capacity import capacity_of
from rightsizing.catalog.catalog import Catalog
from rightsizing.cli.deciding import decide, declared_workloads
from rightsizing.cli.profiling import StoreProfiles
from rightsizing.cli.session import Session
from rightsizing.decide.policy import Scope
from rightsizing.errors import RightsizingError
from rightsizing.model.base import NoData
from rightsizing.model.recommendation import Decision, Recommendation
from rightsizing.model.size import Size
from rightsizing.monitor.figures import (
    ExceedanceFigure,
    Figures,
    FiguresCache,
    JournalLine,
    RolloutFigure,
    SizeFigure,
    SizingFigure,
)
from rightsizing.rollout.events import Entry, Looked
from rightsizing.rollout.journal import read_journal, rollout_ids
from rightsizing.stack.applied import live_sizes

_LINES = 100  # of a journal that are shown
_CONCERNED = (Decision.DOWNSIZE, Decision.UPSIZE)


def figures_cache(session: Session) -> FiguresCache:
    """Figures that are read again in the background; only the journal is read at every ask."""
    return FiguresCache(
        read=lambda: read_figures(session),
        read_rollout=lambda: read_rollout(session),
        clock=time.monotonic,
    )


def read_figures(session: Session) -> Figures:
    """Applied and recommended sizes. What cannot be read is left out, with a sentence."""
    applied = _applied(session)
    catalog, problems = session.catalog, []
    found: dict[str, SizingFigure] = {
        key: SizingFigure(key, applied=_size(size, catalog)) for key, size in applied.items()
    }
    try:
        workloads = declared_workloads(session)
        decided = decide(
            session, workloads, StoreProfiles(session, only=workloads), Scope.SAME_FAMILY
        )
    except RightsizingError as error:
        problems.append(f"nothing is recommended: {error}")
    else:
        problems += decided.failures
        for item in decided.recommendations:
            found[item.workload] = _figure(item, applied.get(item.workload), catalog)
    return Figures(workloads=tuple(found.values()), problems=tuple(problems))


def read_rollout(session: Session) -> RolloutFigure | None:
    """The newest rollout and its journal; None: there was none."""
    if not session.in_project:
        return None
    known = rollout_ids(session.stack.record_dir)
    if not known:
        return None
    reading = read_journal(session.stack.record_dir, known[-1])
    if reading.progress is None:
        return None
    lines = tuple(
        JournalLine(int(entry.at.timestamp() * 1000), entry.event.kind, _told(entry))
        for entry in reading.entries
        if not isinstance(entry.event, Looked)
    )
    progress = reading.progress
    return RolloutFigure(
        known[-1], progress.status.value, progress.applied or "before the first", lines[-_LINES:]
    )


def applied_texts(session: Session) -> Mapping[str, str]:
    """The applied size of each declared workload, as text; the file is read anew."""
    try:
        session.reread()
        return {key: str(size) for key, size in _applied(session).items()}
    except RightsizingError:
        return {}  # a stack file that is being edited; the next round reads it again


def _applied(session: Session) -> Mapping[str, Size]:
    if not session.in_project:
        return {}
    return live_sizes(session.sizing, session.declaration.workloads())


def _figure(item: Recommendation, applied: Size | None, catalog: Catalog) -> SizingFigure:
    before, after, predicted = item.cost_before, item.cost_after, item.exceedance
    saving = None
    if not isinstance(before, NoData) and not isinstance(after, NoData):
        saving = float(before.usd_per_month - after.usd_per_month)
    return SizingFigure(
        workload=item.workload,
        applied=_size(item.current if applied is None else applied, catalog),
        recommended=_size(item.target, catalog) if item.decision in _CONCERNED else None,
        predicted=None
        if isinstance(predicted, NoData)
        else ExceedanceFigure(predicted.minutes_per_month, predicted.lower, predicted.upper),
        saving_usd_per_month=saving if item.decision in _CONCERNED else None,
        usd_per_month=None if isinstance(before, NoData) else float(before.usd_per_month),
        sentence=item.sentence,
    )


def _size(size: Size, catalog: Catalog) -> SizeFigure:
    found = capacity_of(size, catalog)
    if isinstance(found, NoData):  # a type that the catalog does not know
        return SizeFigure(str(size))
    return SizeFigure(str(size), found.cores, found.memory_bytes)


def _told(entry: Entry) -> str:
    """One line of the journal for people."""
    event = entry.event
    words = [
        str(value)
        for name in ("stage", "workload", "decision", "reason", "sentence")
        if (value := getattr(event, name, None))
    ]
    return " · ".join(words) or event.kind.replace("_", " ")
