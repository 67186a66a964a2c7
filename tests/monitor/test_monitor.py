"""The loop: sources that fail or hang, restarts, what is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rightsizing.errors import ConfigError, TelemetryError
from rightsizing.model.alerting import AlertRule, Indicator
from rightsizing.monitor.alertstate import Phase
from rightsizing.monitor.board import AlertBoard
from rightsizing.monitor.memory import Memory
from rightsizing.monitor.monitor import Monitor, Round
from rightsizing.monitor.notification import Notifier
from rightsizing.monitor.reading import Readings, ReadingSource, WorkloadReading

RULE = AlertRule(name="CpuHigh", indicator=Indicator.CPU_RATIO, above=0.9, for_s=60)
PATIENCE_S = 10.0


@dataclass
class Driven:
    """A clock that goes on when slept."""

    now_s: float = 0.0

    def wall_ms(self) -> int:
        """Wall time is steady time."""
        return int(self.now_s * 1000)

    def steady_s(self) -> float:
        """Seconds slept so far."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.now_s += seconds


@dataclass
class Scripted:
    """A source that does what it is told."""

    name: str
    act: Callable[[], Readings]

    def look(self) -> Readings:
        """As scripted."""
        return self.act()


@dataclass
class Seen:
    """Rounds as the listener saw them."""

    rounds: list[Round] = field(default_factory=list)

    def __call__(self, found: Round) -> None:
        self.rounds.append(found)

    def phases(self, workload: str) -> list[Phase]:
        """The phase of the workload's alert, round by round."""
        return [
            alert.state.phase
            for found in self.rounds
            for alert in found.alerts
            if alert.workload == workload
        ]


def hot(workload: str) -> Callable[[], Readings]:
    """Always at 95 %."""
    return lambda: Readings((WorkloadReading(workload, cpu_ratio=0.95),))


def make(
    folder: Path, sources: list[ReadingSource], clock: Driven, seen: Seen, interval_s: float = 15
) -> Monitor:
    """A monitor that goes on from what is kept in ``folder``."""
    memory = Memory(folder)
    state, problem = memory.state()
    assert problem == ""
    return Monitor(
        sources=sources,
        board=AlertBoard({"": [RULE]}, interval_s=interval_s, kept=state.board),
        notifier=Notifier(kept=state.notifier),
        memory=memory,
        interval_s=interval_s,
        clock=clock,
        listener=seen,
    )


def test_fires_and_is_told_once(tmp_path: Path) -> None:
    """15 s a round, 60 s above: pending for four rounds, firing from the fifth, one message."""
    clock, seen = Driven(), Seen()
    monitor = make(tmp_path, [Scripted("s", hot("a"))], clock, seen)
    monitor.run(keep_on=lambda: len(seen.rounds) < 8)
    monitor.close()
    assert seen.phases("a") == [Phase.PENDING] * 4 + [Phase.FIRING] * 4
    assert [len(found.told) for found in seen.rounds] == [0, 0, 0, 0, 1, 0, 0, 0]


def test_a_restart_goes_on(tmp_path: Path) -> None:
    """Three rounds, a new process an hour later, and the rest of the minute."""
    clock, seen = Driven(), Seen()
    first = make(tmp_path, [Scripted("s", hot("a"))], clock, seen)
    first.run(keep_on=lambda: len(seen.rounds) < 3)
    first.close()
    clock.now_s += 3600
    second = make(tmp_path, [Scripted("s", hot("a"))], clock, seen)
    second.run(keep_on=lambda: len(seen.rounds) < 7)
    second.close()
    # 30 s were watched before; 0, 15 and 30 s after the restart
    assert seen.phases("a")[3:] == [Phase.PENDING, Phase.PENDING, Phase.FIRING, Phase.FIRING]


def test_a_failing_source_does_not_take_the_others_along(tmp_path: Path) -> None:
    """Its sentence is reported; the other source is read."""

    def fails() -> Readings:
        raise TelemetryError("it does not answer")

    seen = Seen()
    sources: list[ReadingSource] = [Scripted("bad", fails), Scripted("good", hot("a"))]
    monitor = make(tmp_path, sources, Driven(), seen)
    found = monitor.step()
    monitor.close()
    assert found.problems == ("bad: it does not answer",)
    assert set(found.readings) == {"a"}


def test_a_hanging_source_is_not_waited_for(tmp_path: Path) -> None:
    """It is asked once, not again each round, and its workloads are not read meanwhile."""
    gate, asked = threading.Event(), []

    def hangs() -> Readings:
        asked.append(1)
        gate.wait(PATIENCE_S)
        return Readings((WorkloadReading("b", cpu_ratio=0.1),))

    seen = Seen()
    sources: list[ReadingSource] = [Scripted("slow", hangs), Scripted("good", hot("a"))]
    monitor = make(tmp_path, sources, Driven(), seen, interval_s=1)
    for _ in range(2):
        found = monitor.step()
        assert found.problems == ("slow has not answered yet; its workloads were not read",)
        assert set(found.readings) == {"a"}
    gate.set()
    assert set(monitor.step().readings) == {"a", "b"}
    monitor.close()
    assert len(asked) == 1


def test_a_broken_state_file_is_set_aside(tmp_path: Path) -> None:
    """Watching goes on, the file is kept under another name and that is said."""
    (tmp_path / "alerts.json").write_text('{"version": 1, "board"')
    state, problem = Memory(tmp_path).state()
    assert state.board.alerts == ()
    assert problem.endswith("(not what was written); it is kept as alerts.unreadable")
    assert (tmp_path / "alerts.unreadable").exists()


@pytest.mark.parametrize("interval_s", [0, 0.5, 301])
def test_an_interval_has_bounds(tmp_path: Path, interval_s: float) -> None:
    """Faster than a second or slower than the lookback makes no sense."""
    with pytest.raises(ConfigError, match="give 1 to 300 s"):
        make(tmp_path, [Scripted("s", hot("a"))], Driven(), Seen(), interval_s)


def test_without_sources_there_is_nothing_to_watch(tmp_path: Path) -> None:
    """Said at once, not after an empty day."""
    with pytest.raises(ConfigError, match="at least one source"):
        make(tmp_path, [], Driven(), Seen())
