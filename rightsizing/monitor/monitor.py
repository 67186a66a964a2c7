"""The monitor's loop: look at every source, evaluate every rule, tell who is to be told.

Sources are looked at side by side. One that has not answered when the round is over is not waited
for: its workloads were not read this time, which becomes "no data" when it lasts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from rightsizing.errors import ConfigError, RightsizingError
from rightsizing.measure.sampling import Clock, SystemClock
from rightsizing.monitor.board import Alert, AlertBoard
from rightsizing.monitor.exceedance import ExceedanceBook
from rightsizing.monitor.memory import Memory, MonitorState
from rightsizing.monitor.notification import Notification, Notifier
from rightsizing.monitor.outbox import Outbox
from rightsizing.monitor.reading import Readings, ReadingSource, WorkloadReading, merged

INTERVAL_S = 15.0
_ROUND_SHARE = 0.8  # of the interval sources may take


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found."""

    number: int
    now_ms: int
    readings: dict[str, WorkloadReading]
    alerts: tuple[Alert, ...]
    told: tuple[Notification, ...]
    problems: tuple[str, ...]


@dataclass(slots=True)
class Monitor:
    """Watches sources by rules.

    ``listener`` sees every round; it runs in the monitor's thread and has to be quick, and so has
    ``applied_sizes``, which tells the size each workload runs at, for the observed exceedance.
    """

    sources: Sequence[ReadingSource]
    board: AlertBoard
    notifier: Notifier
    memory: Memory
    outboxes: Sequence[Outbox] = ()
    interval_s: float = INTERVAL_S
    clock: Clock = field(default_factory=SystemClock)
    listener: Callable[[Round], None] = lambda _: None
    exceedance: ExceedanceBook = field(default_factory=ExceedanceBook)
    applied_sizes: Callable[[], Mapping[str, str]] = dict
    _pool: ThreadPoolExecutor | None = None
    _pending: dict[str, Future[Readings]] = field(default_factory=dict)
    _last_s: float | None = None
    _rounds: int = 0
    _known: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= self.interval_s <= 300:
            raise ConfigError(
                f"an interval of {self.interval_s:g} s is not possible; give 1 to 300 s, 15 being "
                "usual"
            )
        if not self.sources:
            raise ConfigError("nothing to watch: give at least one source")
        self._pool = ThreadPoolExecutor(len(self.sources), thread_name_prefix="look")

    def run(self, *, keep_on: Callable[[], bool] = lambda: True, for_s: float = math.inf) -> int:
        """Rounds until ``keep_on`` says no, ``for_s`` seconds are over, or Ctrl-C.

        Returns how many there were.
        """
        next_s = self.clock.steady_s()
        end_s = next_s + for_s
        try:
            while keep_on() and self.clock.steady_s() < end_s:
                self.step()
                now_s = self.clock.steady_s()
                # a machine that slept does not catch up on the rounds it missed
                next_s = max(next_s + self.interval_s, now_s)
                self.clock.sleep(max(min(next_s, end_s) - now_s, 0.0))
        except KeyboardInterrupt:
            pass  # the ordinary way to end it
        return self._rounds

    def step(self) -> Round:
        """One round."""
        looks, problems = self._look()
        readings = merged(looks)
        at_s, now_ms = self.clock.steady_s(), self.clock.wall_ms()
        elapsed_s = 0.0 if self._last_s is None else max(at_s - self._last_s, 0.0)
        self._last_s = at_s
        alerts = self.board.evaluate(readings, at_s=at_s, elapsed_s=elapsed_s, now_ms=now_ms)
        self.exceedance.add(readings, self.applied_sizes(), elapsed_s=elapsed_s)
        known = frozenset(alert.workload for alert in alerts)
        self.exceedance.drop(self._known - known)  # what the board has forgotten just now
        self._known = known
        silences, problem = self.memory.silences()
        if problem:
            problems.append(problem)
        told = self.notifier.due(alerts, now_ms=now_ms, silences=silences)
        # Kept before it is sent: a crash in between repeats nothing, and the repeat comes anyway.
        try:
            self.memory.keep(
                MonitorState(
                    board=self.board.kept(),
                    notifier=self.notifier.kept(),
                    observed=self.exceedance.kept(),
                )
            )
        except RightsizingError as error:
            problems.append(str(error))
        for message in told:
            for outbox in self.outboxes:
                outbox.put(message)
        self._rounds += 1
        found = Round(self._rounds, now_ms, readings, alerts, told, tuple(problems))
        self.listener(found)
        return found

    def close(self, within_s: float = 5.0) -> None:
        """Send what is queued, then end; looks that still hang are left behind."""
        for outbox in self.outboxes:
            outbox.close(within_s)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> tuple[tuple[Readings, ...], list[str]]:
        assert self._pool is not None
        for source in self.sources:
            if source.name not in self._pending:
                self._pending[source.name] = self._pool.submit(source.look)
        wait(self._pending.values(), timeout=self.interval_s * _ROUND_SHARE)
        looks, problems = [], []
        for source in self.sources:
            future = self._pending[source.name]
            if not future.done():
                problems.append(f"{source.name} has not answered yet; its workloads were not read")
                continue
            del self._pending[source.name]
            try:
                look = future.result()
            except RightsizingError as error:
                problems.append(f"{source.name}: {error}")
                continue
            looks.append(look)
            problems += look.missing
        return tuple(looks), problems
