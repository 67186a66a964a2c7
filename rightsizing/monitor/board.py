"""All alerts: every rule of every workload, evaluated together, with the windows they look at.

The states survive a restart (``BoardState``); windows begin anew, so a share says "no data" until
two samples are known, and what was pending keeps the time it was watched for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from rightsizing.errors import ConfigError
from rightsizing.model.alerting import AlertRule, Indicator
from rightsizing.model.base import FrozenModel, NoData
from rightsizing.monitor.alertstate import AlertState, Change, Phase, advance
from rightsizing.monitor.reading import WorkloadReading
from rightsizing.monitor.windows import CounterPair, DownWindow, ShareWindow

NOT_READ = NoData("no source told")
FORGET_S = (
    86_400.0  # containers come and go under names of their own; a day tells them from a fault
)


class AlertKey(FrozenModel):
    """Which rule of which workload."""

    rule: str
    workload: str


class KeptAlert(FrozenModel):
    """An alert as it is kept over a restart."""

    key: AlertKey
    state: AlertState


class BoardState(FrozenModel):
    """Every alert that is not at rest."""

    version: int = Field(default=1, ge=1, le=1)
    alerts: tuple[KeptAlert, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it stands. ``change``: what just happened to it; None: nothing."""

    rule: AlertRule
    workload: str
    state: AlertState
    change: Change | None = None


class AlertBoard:
    """Evaluates rules against readings.

    Args:
        rules: by workload; the rules of ``""`` hold for every workload without its own.
        interval_s: how often it is evaluated, for the uptime windows.
        kept: what an earlier board left.

    Raises:
        ConfigError: two rules of one workload have the same name.
    """

    def __init__(
        self,
        rules: Mapping[str, Sequence[AlertRule]],
        *,
        interval_s: float,
        kept: BoardState | None = None,
    ) -> None:
        for workload, listed in rules.items():
            names = [rule.name for rule in listed]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                of = workload or "every workload"
                raise ConfigError(f"alert rule {twice!r} of {of} is given twice; rename one")
        self._rules = rules
        self._interval_s = interval_s
        self._states = {
            (item.key.rule, item.key.workload): item.state for item in (kept or BoardState()).alerts
        }
        self._windows: dict[str, _Windows] = {}
        self._silent_s: dict[str, float] = {  # watched time since a workload was last read
            workload: 0.0 for _, workload in self._states
        }

    def evaluate(
        self,
        readings: Mapping[str, WorkloadReading],
        *,
        at_s: float,
        elapsed_s: float,
        now_ms: int,
    ) -> tuple[Alert, ...]:
        """Every alert after one look, in order of workload and rule.

        Args:
            readings: by workload; a workload known from before that is not among them was not
                read, and is forgotten when that lasts FORGET_S and no rule names it.
            at_s, elapsed_s: of a monotonic clock; ``elapsed_s`` since the previous evaluation.
            now_ms: the wall clock, for people.
        """
        for workload, silent_s in list(self._silent_s.items()):
            self._silent_s[workload] = silent_s + elapsed_s
            if self._silent_s[workload] > FORGET_S and workload not in self._rules:
                self.forget(workload)
        for workload in readings:
            self._silent_s[workload] = 0.0
        found = []
        for workload in sorted(self._silent_s):
            rules = self._rules.get(workload, self._rules.get("", ()))
            windows = self._windows.get(workload)
            if windows is None:
                windows = self._windows[workload] = _Windows(rules, self._interval_s)
            reading = readings.get(workload)
            if reading is not None:
                windows.add(reading, at_s)
            for rule in rules:
                key = (rule.name, workload)
                state, change = advance(
                    rule,
                    self._states.get(key, AlertState()),
                    _value(rule, reading, windows, at_s),
                    elapsed_s=elapsed_s,
                    now_ms=now_ms,
                )
                self._states[key] = state
                found.append(Alert(rule, workload, state, change))
        return tuple(found)

    def forget(self, workload: str) -> None:
        """Drop a workload that was taken away on purpose; its alerts are gone with it."""
        self._silent_s.pop(workload, None)
        self._windows.pop(workload, None)
        for key in [key for key in self._states if key[1] == workload]:
            del self._states[key]

    def kept(self) -> BoardState:
        """What has to survive a restart."""
        return BoardState(
            alerts=tuple(
                KeptAlert(key=AlertKey(rule=rule, workload=workload), state=state)
                for (rule, workload), state in sorted(self._states.items())
                if state.phase is not Phase.INACTIVE
            )
        )


class _Windows:
    """The windows of one workload that its rules look at."""

    def __init__(self, rules: Sequence[AlertRule], interval_s: float) -> None:
        longest: dict[Indicator, float] = {}
        for rule in rules:
            if rule.indicator.is_windowed and rule.window_s is not None:
                known = longest.get(rule.indicator, 0.0)
                longest[rule.indicator] = max(known, rule.window_s, rule.short_window_s or 0)
        self._shares = {
            indicator: ShareWindow(longest_s=span)
            for indicator, span in longest.items()
            if indicator is not Indicator.DOWN_RATIO
        }
        uptime_s = longest.get(Indicator.DOWN_RATIO)
        self._down = (
            None if uptime_s is None else DownWindow(longest_s=uptime_s, interval_s=interval_s)
        )

    def add(self, reading: WorkloadReading, at_s: float) -> None:
        pairs = {
            Indicator.SLOW_UNITS_RATIO: (reading.slow_units, reading.units),
            Indicator.ERROR_RATIO: (reading.errors, reading.requests),
        }
        for indicator, window in self._shares.items():
            part, whole = pairs[indicator]
            if part is not None and whole is not None:
                window.add(CounterPair(at_s, part, whole))
        if self._down is not None and reading.up is not None:
            self._down.add(at_s, up=reading.up)

    def share(self, indicator: Indicator, window_s: float, at_s: float) -> float | NoData:
        window = self._down if indicator is Indicator.DOWN_RATIO else self._shares.get(indicator)
        return NOT_READ if window is None else window.share(window_s, at_s)


def _value(
    rule: AlertRule, reading: WorkloadReading | None, windows: _Windows, at_s: float
) -> float | NoData:
    if rule.indicator.is_windowed:
        assert rule.window_s is not None  # AlertRule requires it
        shares = [windows.share(rule.indicator, rule.window_s, at_s)]
        if rule.short_window_s is not None:
            shares.append(windows.share(rule.indicator, rule.short_window_s, at_s))
        known = [share for share in shares if not isinstance(share, NoData)]
        if len(known) < len(shares):
            return next(share for share in shares if isinstance(share, NoData))
        return min(known)  # both are above exactly when the smaller is
    if reading is None:
        return NOT_READ
    value = {
        Indicator.CPU_RATIO: reading.cpu_ratio,
        Indicator.MEMORY_RATIO: reading.memory_ratio,
        Indicator.COST_PER_UNIT_USD: reading.cost_per_unit_usd,
        Indicator.SCAN_SECONDS: reading.scan_seconds,
    }[rule.indicator]
    return NOT_READ if value is None else value
