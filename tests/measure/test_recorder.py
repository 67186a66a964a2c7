"""The recorder and its intervals, on a clock that needs no time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightsizing.errors import ConfigError, StoreError, TelemetryError
from rightsizing.measure.interval import Accumulator
from rightsizing.measure.recorder import Recorder
from rightsizing.measure.sampling import Reading, Sample
from rightsizing.measure.store import Store

START_MS = 20_000 * 86_400_000
MIB = 1024**2


@dataclass
class FakeClock:
    """Time that passes only while sleeping; ``jump`` moves the wall clock alone."""

    wall: int = START_MS
    steady: float = 100.0

    def wall_ms(self) -> int:
        """Wall time."""
        return self.wall

    def steady_s(self) -> float:
        """Steady time."""
        return self.steady

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += round(seconds * 1000)
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self.wall += round(seconds * 1000)


@dataclass
class FakeSource:
    """A container that uses ``cores`` of CPU; counters follow the clock."""

    clock: FakeClock
    cores: float = 1.0
    memory: float = 100 * MIB
    lifetime: str = "first"
    name: str = "docker"
    missing: tuple[str, ...] = ()
    present: bool = True
    error: TelemetryError | None = None
    _began_s: float = 100.0
    _used: float = 0.0
    _read_s: float = 100.0
    throttled: float = 0.0
    kills: float = 0.0
    extra: dict[str, float] = field(default_factory=dict)

    def read(self) -> Reading:
        """One sample."""
        if self.error is not None:
            raise self.error
        self._used += (self.clock.steady - self._read_s) * self.cores
        self._read_s = self.clock.steady
        if not self.present:
            return Reading((), ("web: not running",))
        elapsed = self.clock.steady - self._began_s
        sample = Sample(
            workload="web",
            resource_id="web-1",
            lifetime=self.lifetime,
            cpu_seconds=self._used,
            memory_bytes=self.memory,
            capacity_cores=2.0,
            capacity_memory_bytes=512.0 * MIB,
            network_in_bytes=elapsed * 1000,
            cpu_periods=elapsed * 10,
            cpu_throttled_periods=elapsed * 10 * self.throttled,
            oom_kills=self.kills,
        )
        return Reading((replace(sample, **self.extra),), self.missing)

    def restart(self) -> None:
        """The container starts again: counters from zero."""
        self.lifetime = "second"
        self._used, self._began_s, self._read_s = 0.0, self.clock.steady, self.clock.steady


@pytest.fixture
def clock() -> FakeClock:
    """A clock at a full hour."""
    return FakeClock()


@pytest.fixture
def source(clock: FakeClock) -> FakeSource:
    """A container using one core."""
    return FakeSource(clock)


@pytest.fixture
def recorder(clock: FakeClock, source: FakeSource, store: Store) -> Recorder:
    """60-second intervals, a sample every 10 s."""
    return Recorder(source, store, interval_s=60, sample_s=10, clock=clock)


def steps(recorder: Recorder, clock: FakeClock, count: int, between: float = 10) -> None:
    """Take samples at a steady pace, the first one now."""
    for _ in range(count):
        recorder.step()
        clock.sleep(between)


def starts(content: Callable[..., list], store: Store) -> list[float]:
    """Interval starts stored, in seconds from the clock's beginning."""
    return [(row["timestamp_ms"] - START_MS) / 1000 for row in content(store)]


def test_an_interval_becomes_a_row(recorder, clock, source, store, content):
    """Mean and peak CPU, memory, rate, throttling and limits of one minute."""
    source.throttled = 0.25
    steps(recorder, clock, 3)
    source.cores, source.memory = 2.0, 200 * MIB
    steps(recorder, clock, 4)
    (row,) = content(store)
    assert row["interval_s"] == 60
    # The change takes effect in the 10 s before the fourth sample: 20 s at 1 core, 40 s at 2.
    assert row["cpu_cores_mean"] == pytest.approx((20 * 1 + 40 * 2) / 60)
    assert row["cpu_cores_max"] == pytest.approx(2.0)
    assert row["memory_bytes_max"] == 200 * MIB
    assert row["network_in_bytes_per_s"] == pytest.approx(1000)
    assert row["cpu_throttled_ratio"] == pytest.approx(0.25)
    assert (row["capacity_cores"], row["capacity_memory_bytes"]) == (2.0, 512 * MIB)
    assert (row["workload"], row["resource_id"], row["source"]) == ("web", "web-1", "docker")


def test_use_across_a_border_is_shared(clock, source, store, content):
    """Samples 20 s apart across a minute's end count for both minutes by their time."""
    recorder = Recorder(source, store, interval_s=60, sample_s=20, clock=clock)
    clock.sleep(10)
    source.read()
    steps(recorder, clock, 8, between=20)  # at 10, 30, 50, 70, ... 150
    rows = content(store)
    assert starts(content, store) == [0, 60]
    assert [row["cpu_cores_mean"] for row in rows] == pytest.approx([1.0, 1.0])


def test_a_barely_sampled_interval_is_left_out(recorder, clock, store):
    """Begun at 40 s of a minute, only 20 s are covered: reported, not stored."""
    clock.sleep(40)
    steps(recorder, clock, 3)
    report = recorder.stop()
    assert report.observed == 0
    assert [skip.reason for skip in report.skipped] == [
        "web-1: an interval of which less than half was sampled"
    ]


def test_a_restarted_recorder_goes_on(recorder, clock, source, store, content):
    """Stopped in the middle of a minute and started again: one row, of the whole minute."""
    steps(recorder, clock, 4)
    recorder.stop()
    second = Recorder(source, store, interval_s=60, sample_s=10, clock=clock)
    steps(second, clock, 3)
    (row,) = content(store)
    assert row["cpu_cores_mean"] == pytest.approx(1.0)
    assert row["network_in_bytes_per_s"] == pytest.approx(1000)


def test_a_killed_recorder_goes_on(recorder, clock, source, store, content):
    """Without stop(): the state of the last sample is on disk."""
    steps(recorder, clock, 4)
    second = Recorder(source, store, interval_s=60, sample_s=10, clock=clock)
    steps(second, clock, 10)
    assert starts(content, store) == [0, 60]


def test_recording_twice_stores_once(recorder, clock, source, store):
    """The row of the open interval written at stop is replaced by the full one."""
    steps(recorder, clock, 5)
    first = recorder.stop()
    second = Recorder(source, store, interval_s=60, sample_s=10, clock=clock)
    steps(second, clock, 3)
    report = second.stop()
    assert (first.new, report.observed, report.new) == (1, 1, 0)


def test_a_long_pause_is_a_gap(recorder, clock, source, store, content):
    """Not sampled for an hour: nothing is made up for it."""
    steps(recorder, clock, 7)
    clock.sleep(3600)
    steps(recorder, clock, 7)
    report = recorder.stop()
    assert starts(content, store) == [0, 3660]
    assert "web-1: not sampled for longer than an interval" in [
        skip.reason for skip in report.skipped
    ]


def test_a_restarted_container_begins_anew(recorder, clock, source, store, content):
    """Counters from zero are not a negative use; the seconds around it are left out."""
    steps(recorder, clock, 3)
    source.restart()
    source.cores = 0.5
    steps(recorder, clock, 4)
    report = recorder.stop()
    row = content(store)[0]
    assert row["cpu_cores_mean"] == pytest.approx((20 * 1 + 30 * 0.5) / 50)
    assert [skip.reason for skip in report.skipped] == [
        "web-1: restarted; the time around it is left out"
    ]


def test_a_counter_that_goes_back_begins_anew(recorder, clock, source, store):
    """The same lifetime with a smaller counter is a reset too."""
    steps(recorder, clock, 2)
    source.extra = {"cpu_seconds": 0.0}
    steps(recorder, clock, 1)
    assert [skip.reason for skip in recorder.stop().skipped] == [
        "web-1: a counter went back; the time around it is left out"
    ]


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_a_clock_jump_stores_no_nonsense(recorder, clock, source, store, content, seconds):
    """The wall clock is set while the steady clock goes on: use stays at one core."""
    steps(recorder, clock, 7)
    clock.jump(seconds)
    steps(recorder, clock, 8)
    report = recorder.stop()
    assert {round(row["cpu_cores_mean"], 6) for row in content(store)} == {1.0}
    assert "web-1: the clock jumped; the time around it is left out" in [
        skip.reason for skip in report.skipped
    ]


def test_a_clock_that_goes_back_overwrites_nothing(recorder, clock, source, store, content):
    """Minutes that are stored already keep what was measured first."""
    steps(recorder, clock, 7)
    before = content(store)
    source.cores = 2.0
    clock.jump(-70)
    steps(recorder, clock, 7)
    report = recorder.stop()
    assert content(store) == before
    assert "web-1: the clock went back into intervals that are already stored" in [
        skip.reason for skip in report.skipped
    ]


def test_the_source_s_own_time_decides_the_rate(recorder, clock, source, store, content):
    """Counters taken up to a second before they are delivered give the right peak."""
    for late_s in (0.0, 0.9, 0.1, 0.8, 0.0, 0.5, 0.0):
        moment = clock.steady - late_s
        source.extra = {"counted_at_s": moment, "cpu_seconds": moment - 100}
        recorder.step()
        clock.sleep(10)
    assert content(store)[0]["cpu_cores_max"] == pytest.approx(1.0)


def test_a_reading_given_twice_counts_once(recorder, clock, source, store, content):
    """An engine asked too often repeats itself; that is neither a reset nor idleness."""
    for second, pause in ((0, 0.1), (0, 9.9), (10, 0.1), (10, 9.9), (20, 10), (30, 10), (40, 10)):
        source.extra = {"counted_at_s": second + 1.0, "cpu_seconds": float(second)}
        recorder.step()
        clock.sleep(pause)
    assert recorder.stop().skipped == ()
    assert content(store)[0]["cpu_cores_max"] == pytest.approx(1.0)


def test_out_of_memory_kills_are_counted(recorder, clock, source, store, content):
    """Growth of the counter within the interval."""
    steps(recorder, clock, 3)
    source.kills = 2.0
    steps(recorder, clock, 4)
    assert content(store)[0]["oom_kills"] == 2.0


def test_a_kill_that_restarts_the_container_counts(recorder, clock, source, store, content):
    """The engine starts it again before the next sample: a new lifetime, and one kill."""
    steps(recorder, clock, 3)
    source.kills = 1.0
    source.restart()
    steps(recorder, clock, 4)
    assert [row["oom_kills"] for row in content(store)] == [1.0]


def test_a_kill_stays_whole(recorder, clock, source, store, content):
    """Seen after a gap that left its interval without a row: it is in the next row, undivided."""
    steps(recorder, clock, 2)  # 20 s of the first minute
    clock.sleep(70)  # longer than an interval: not spread
    source.kills = 1.0
    steps(recorder, clock, 10)  # 90 s to 180 s: rows of the second (half) and third minute
    assert sum(row["oom_kills"] for row in content(store)) == 1.0


def test_kills_before_a_restart_of_the_recorder_are_not_counted_again(
    recorder, clock, source, store, content
):
    """Its source counts from zero again; a kill after that is one more."""
    source.kills = 2.0
    steps(recorder, clock, 3)
    source.kills = 0.0
    again = Recorder(source, store, interval_s=60, sample_s=10, clock=clock)
    steps(again, clock, 2)
    source.kills = 1.0
    steps(again, clock, 2)
    assert [row["oom_kills"] for row in content(store)] == [3.0]


def test_a_missing_container_is_reported(recorder, clock, source):
    """Gone for a while: said, and no row is invented."""
    steps(recorder, clock, 2)
    source.present = False
    steps(recorder, clock, 3)
    report = recorder.stop()
    assert [(skip.count, skip.reason) for skip in report.skipped] == [(3, "web: not running")]


def test_an_absent_engine_is_a_failure_not_an_end(recorder, clock, source):
    """The recorder keeps trying, and the report says what was wrong, once."""
    source.error = TelemetryError("the Docker engine does not answer")
    steps(recorder, clock, 3)
    source.error = None
    steps(recorder, clock, 7)
    report = recorder.stop()
    assert report.failures == ("the Docker engine does not answer",)
    assert report.new >= 1


def test_rows_wait_when_the_store_is_busy(recorder, clock, store, content, monkeypatch):
    """A store held by another writer costs no row."""
    real = store.append

    def busy(*_: object) -> None:
        raise StoreError("another process (1) is writing the store")

    monkeypatch.setattr(store, "append", busy)
    steps(recorder, clock, 8)
    monkeypatch.setattr(store, "append", real)
    steps(recorder, clock, 1)
    report = recorder.stop()
    assert starts(content, store)[0] == 0
    assert report.failures == ("another process (1) is writing the store",)


def test_waiting_rows_survive_a_restart(recorder, clock, source, store, content, monkeypatch):
    """Rows the store never took are in the state file and written by the next recorder."""
    real = store.append

    def full(*_: object) -> None:
        raise StoreError("No space left on device")

    monkeypatch.setattr(store, "append", full)
    steps(recorder, clock, 8)
    failed = recorder.stop()
    assert "wait in" in failed.failures[-1]
    monkeypatch.setattr(store, "append", real)
    second = Recorder(source, store, interval_s=60, sample_s=10, clock=clock)
    second.step()
    assert starts(content, store)[0] == 0


def test_a_broken_state_file_is_survived(recorder, clock, source, store):
    """At most the open interval is lost."""
    steps(recorder, clock, 3)
    path = store.root / "recorders" / "docker.json"
    path.write_text("{")
    second = Recorder(source, store, interval_s=60, sample_s=10, clock=clock)
    steps(second, clock, 10)
    assert second.stop().new >= 1


def test_another_interval_length_begins_anew(recorder, clock, source, store):
    """Borders of 60 s are not those of 120 s."""
    steps(recorder, clock, 3)
    second = Recorder(source, store, interval_s=120, sample_s=10, clock=clock)
    state = json.loads((store.root / "recorders" / "docker.json").read_text())
    assert state["accumulators"]
    steps(second, clock, 1)
    state = json.loads((store.root / "recorders" / "docker.json").read_text())
    assert {item["interval_s"] for item in state["accumulators"].values()} == {120}


def test_run_ends_on_ctrl_c(recorder, clock, source):
    """Ctrl-C is the ordinary end: what was recorded is stored and reported."""
    samples = iter(range(8))

    def keep_on() -> bool:
        if next(samples, None) is None:
            raise KeyboardInterrupt
        return True

    report = recorder.run(keep_on=keep_on)
    assert report.complete
    assert report.new == 1


def test_run_keeps_its_pace(recorder, clock, source):
    """Samples stay 10 s apart however long one takes; missed ones are not caught up."""
    moments: list[float] = []
    real = source.read

    def slow() -> Reading:
        moments.append(clock.steady - 100)
        clock.sleep(25 if len(moments) == 2 else 3)
        return real()

    source.read = slow
    samples = iter([True] * 5 + [False])
    recorder.run(keep_on=lambda: next(samples))
    assert moments == [0, 10, 35, 45, 55]


def test_too_few_samples_are_refused(source, store, clock):
    """An interval needs two samples at least."""
    with pytest.raises(ConfigError, match=r"60 s needs at least 2 samples, one every 45 s"):
        Recorder(source, store, interval_s=60, sample_s=45, clock=clock)


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(min_value=1, max_value=59), min_size=2, max_size=60),
    cores=st.lists(st.floats(min_value=0, max_value=8), min_size=60, max_size=60),
)
def test_no_use_is_lost_or_made_up(gaps: list[int], cores: list[float]) -> None:
    """Whatever the pace, the core-seconds of the rows are those that were used meanwhile."""
    found = Accumulator(interval_s=60)
    wall_ms, used, spent = START_MS, 0.0, {}
    rows = []
    for gap, rate in zip([0, *gaps], cores, strict=False):
        for second in range(gap):
            minute = (wall_ms + second * 1000) // 60_000
            spent[minute] = spent.get(minute, 0.0) + rate
        used += gap * rate
        wall_ms += gap * 1000
        sample = Sample("web", "web-1", "one", cpu_seconds=used)
        rows += found.add(sample, wall_ms, (wall_ms - START_MS) / 1000).rows
    for row in rows:
        minute = row["timestamp_ms"] // 60_000
        # Use is spread evenly between samples, so only whole minutes between samples are exact
        # on their own; all of them together are exact up to the last border.
        assert row["cpu_cores_mean"] >= 0
        assert minute in spent
    if rows:
        last = max(row["timestamp_ms"] for row in rows) + 60_000
        complete = sum(value for minute, value in spent.items() if minute * 60_000 < last)
        recorded = sum(row["cpu_cores_mean"] * 60 for row in rows)
        assert recorded <= used + 1e-6
        assert abs(recorded - complete) <= 8 * 59 + 1e-6  # one gap's worth at the last border


def test_state_is_written_whole(recorder, clock, store):
    """The state file is replaced, never half written."""
    steps(recorder, clock, 2)
    folder = store.root / "recorders"
    assert [path.name for path in folder.iterdir()] == ["docker.json"]
    assert isinstance(json.loads(Path(folder / "docker.json").read_text()), dict)
