"""The recorder: samples a source at a steady pace and appends finished intervals to the store.

Open intervals and rows the store did not take yet live in a state file written after every sample,
so a recorder that is stopped or killed goes on where it was. A row is named by its interval, so
writing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, Field, ValidationError

from rightsizing.errors import ConfigError, StoreError, TelemetryError
from rightsizing.measure.interval import Accumulator, Row
from rightsizing.measure.progress import Progress, ProgressListener, ignore_progress
from rightsizing.measure.sampling import Clock, SampleSource, SystemClock
from rightsizing.measure.schema import STORE_SCHEMA
from rightsizing.measure.store import Store
from rightsizing.measure.tally import Tally
from rightsizing.model.measurement import MeasureReport

DEFAULT_INTERVAL_SECONDS = 300  # as CloudWatch's basic monitoring, so the two compare
DEFAULT_SAMPLE_SECONDS = 10  # 30 samples an interval; a sample of one container costs 5 ms
_LEAST_SAMPLES = 2  # an interval needs a sample at each end at least
_STATE_VERSION = 1


class _State(BaseModel):
    """What survives a restart."""

    version: int = _STATE_VERSION
    accumulators: dict[str, Accumulator] = Field(default_factory=dict)
    unstored: list[Row] = Field(default_factory=list)


@dataclass(slots=True)
class _Outcome:
    observed: int = 0
    new: int = 0
    skipped: Tally = field(default_factory=Tally)
    failures: dict[str, None] = field(default_factory=dict)  # ordered, each sentence once


class Recorder:
    """Records one source into a store.

    Args:
        source: what to sample.
        store: where rows go.
        interval_s: length of a row's interval; must hold two samples at least.
        sample_s: time between samples.
        clock: passed in so that tests need no time.
    """

    def __init__(
        self,
        source: SampleSource,
        store: Store,
        *,
        interval_s: int = DEFAULT_INTERVAL_SECONDS,
        sample_s: float = DEFAULT_SAMPLE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        if interval_s < 1 or not 0 < sample_s * _LEAST_SAMPLES <= interval_s:
            raise ConfigError(
                f"an interval of {interval_s} s needs at least {_LEAST_SAMPLES} samples, one every "
                f"{sample_s:g} s is too few; sample more often or record longer intervals"
            )
        self._source = source
        self._store = store
        self._interval_s = interval_s
        self._sample_s = sample_s
        self._clock = clock or SystemClock()
        self._state_path = store.root / "recorders" / f"{source.name}.json"
        self._state = _load_state(self._state_path, interval_s)
        self._outcome = _Outcome()

    def run(
        self,
        *,
        keep_on: Callable[[], bool] = lambda: True,
        progress: ProgressListener = ignore_progress,
    ) -> MeasureReport:
        """Sample until ``keep_on`` says no or Ctrl-C; then store what is finished and report."""
        samples = 0
        next_s = self._clock.steady_s()
        try:
            while keep_on():
                self.step()
                samples += 1
                progress(Progress(f"recording {self._source.name}", samples, 0))
                now_s = self._clock.steady_s()
                # When the machine slept or the source was slow, missed samples are not caught up.
                next_s = max(next_s + self._sample_s, now_s)
                self._clock.sleep(next_s - now_s)
        except KeyboardInterrupt:
            pass  # the ordinary way to end a recording
        return self.stop()

    def step(self) -> None:
        """Take one sample of everything and store what it finished."""
        try:
            reading = self._source.read()
        except TelemetryError as error:
            self._outcome.failures[str(error)] = None
            return
        wall_ms, steady_s = self._clock.wall_ms(), self._clock.steady_s()
        for sentence in reading.missing:
            self._outcome.skipped.add(sentence, 1)
        accumulators = self._state.accumulators
        for sample in reading.samples:
            name = f"{sample.workload} {sample.resource_id}"
            found = accumulators.setdefault(name, Accumulator(self._interval_s))
            finished = found.add(sample, wall_ms, steady_s)
            self._state.unstored += finished.rows
            for sentence in finished.left_out:
                self._outcome.skipped.add(f"{sample.resource_id}: {sentence}", 1)
        self._flush()
        self._save()

    def stop(self) -> MeasureReport:
        """Store finished intervals and, where half of it is covered, the open one; report."""
        for found in self._state.accumulators.values():
            row = found.partial()
            if row is not None and row["timestamp_ms"] >= found.finished_until_ms:
                self._state.unstored.append(row)
        self._flush()
        self._save()
        failures = list(self._outcome.failures)
        if self._state.unstored:
            failures.append(
                f"{len(self._state.unstored)} rows wait in {self._state_path} for the store"
            )
        return MeasureReport(
            source=self._source.name,
            workloads=len({found.last.workload for found in self._accumulators() if found.last}),
            observed=self._outcome.observed,
            new=self._outcome.new,
            skipped=self._outcome.skipped.skips(),
            failures=tuple(failures),
        )

    def _accumulators(self) -> list[Accumulator]:
        return list(self._state.accumulators.values())

    def _flush(self) -> None:
        rows = self._state.unstored
        if not rows:
            return
        columns = {name: [row.get(name) for row in rows] for name in _ROW_COLUMNS}
        table = pa.table(columns, schema=_ROW_SCHEMA)
        try:
            appended = self._store.append(table, self._source.name)
        except StoreError as error:
            # A measuring run may hold the store, or the disk be full: the rows wait.
            self._outcome.failures[str(error)] = None
            return
        self._state.unstored = []
        self._outcome.observed += appended.observed
        self._outcome.new += appended.new

    def _save(self) -> None:
        waiting = self._state_path.with_suffix(".tmp")
        try:
            self._state_path.parent.mkdir(parents=True, exist_ok=True)
            waiting.write_text(self._state.model_dump_json(), encoding="utf-8")
            waiting.replace(self._state_path)
        except OSError as error:
            sentence = f"{self._state_path} cannot be written ({error}); a restart loses the open "
            self._outcome.failures[sentence + "interval"] = None


_ROW_COLUMNS = tuple(name for name in STORE_SCHEMA.names if name != "source")
_ROW_SCHEMA = pa.schema([STORE_SCHEMA.field(name) for name in _ROW_COLUMNS])


def _load_state(path: Path, interval_s: int) -> _State:
    try:
        state = _State.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return _State()  # absent or unreadable: at most one open interval a resource is lost
    if state.version != _STATE_VERSION:
        return _State(unstored=state.unstored)
    for name, found in list(state.accumulators.items()):
        found.forget_steady_clock()
        if found.interval_s != interval_s:
            # Another interval length cannot go on with these borders.
            del state.accumulators[name]
    return state
