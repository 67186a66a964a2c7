"""What sizing says of each workload, as the exporter and the live page show it: plain figures.

Filled by whoever can read the stack file, the store and the rollout's journal; everything that is
not known is None and is shown as unknown, never as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock, Thread

from rightsizing.errors import RightsizingError

REFRESH_S = 900.0  # recommendations look at weeks; a quarter of an hour is soon enough


@dataclass(frozen=True, slots=True)
class SizeFigure:
    """A size: as it is written, and of one instance, task or container."""

    text: str
    cores: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class ExceedanceFigure:
    """Predicted minutes a month in which demand is above the recommended size."""

    minutes_per_month: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class SizingFigure:
    """One workload. ``saving_usd_per_month`` is of the recommendation; below 0 it costs more."""

    workload: str
    applied: SizeFigure | None = None
    recommended: SizeFigure | None = None
    predicted: ExceedanceFigure | None = None
    saving_usd_per_month: float | None = None
    usd_per_month: float | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One thing that happened in a rollout, for people."""

    at_ms: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class RolloutFigure:
    """The newest rollout. ``lines``: its journal without looks, oldest first."""

    rollout: str
    status: str
    stage: str
    lines: tuple[JournalLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is known beside measurements."""

    workloads: tuple[SizingFigure, ...] = ()
    rollout: RolloutFigure | None = None
    commitment_coverage_ratio: float | None = None
    problems: tuple[str, ...] = ()

    def of(self, workload: str) -> SizingFigure:
        """One workload's; empty when nothing is known."""
        found = (item for item in self.workloads if item.workload == workload)
        return next(found, SizingFigure(workload))


@dataclass
class FiguresCache:
    """The newest figures, read again in the background so that no round waits for them.

    ``read``: slow; ``read_rollout``: quick, read at every ask.
    """

    read: Callable[[], Figures]
    read_rollout: Callable[[], RolloutFigure | None]
    clock: Callable[[], float]
    refresh_s: float = REFRESH_S
    _figures: Figures = field(default_factory=Figures)
    _read_at_s: float | None = None
    _thread: Thread | None = None
    _lock: Lock = field(default_factory=Lock)

    def figures(self) -> Figures:
        """What is known now."""
        with self._lock:
            due = self._read_at_s is None or self.clock() - self._read_at_s >= self.refresh_s
            if due and (self._thread is None or not self._thread.is_alive()):
                self._read_at_s = self.clock()
                self._thread = Thread(target=self._refresh, name="figures", daemon=True)
                self._thread.start()
            figures = self._figures
        try:
            return replace(figures, rollout=self.read_rollout())
        except (RightsizingError, OSError) as error:
            problem = f"the rollout's journal: {error}"
            return replace(figures, problems=(*figures.problems, problem))

    def wait(self, within_s: float) -> None:
        """Wait for a reading that is under way; for commands that show figures once."""
        if self._thread is not None:
            self._thread.join(within_s)

    def _refresh(self) -> None:
        try:
            found = self.read()
        except (RightsizingError, OSError) as error:
            found = Figures(problems=(str(error),))  # old figures would pass for new ones
        with self._lock:
            self._figures = found
