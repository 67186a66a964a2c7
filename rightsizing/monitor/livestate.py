"""What the live page is told: every workload's figures, its last hour, alerts, the rollout.

Kept in numpy rings so that a thousand workloads take a few megabytes, whatever happens. Numbers are
None where unknown. Times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from rightsizing.model.alerting import Indicator
from rightsizing.monitor.alertstate import Phase
from rightsizing.monitor.board import Alert
from rightsizing.monitor.exceedance import ObservedExceedance
from rightsizing.monitor.figures import Figures
from rightsizing.monitor.monitor import Round
from rightsizing.monitor.reading import WorkloadReading

POINTS = 240  # an hour at 15 s
_NEWS = 200
_UNREAD = WorkloadReading("unread")
_TIME, _CPU, _MEMORY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class KpiTarget:
    """One row of the KPI table: the figure's key on the page, and the band it has to stay in."""

    key: str
    name: str
    unit: str
    minimum: float | None
    maximum: float | None


# The case's KPI table (targets; the alert thresholds are the rules').
TARGETS = (
    KpiTarget("cpu", "CPU", "ratio", 0.60, 0.80),
    KpiTarget("memory", "Memory", "ratio", 0.70, 0.85),
    KpiTarget("latency_ms", "Latency, mean", "ms", None, 50.0),
    KpiTarget("slow", "Over 100 ms", "ratio", None, 0.10),
    KpiTarget("cost_usd", "Cost a unit", "USD", None, 0.02),
    KpiTarget("scan_s", "Guardian scan", "s", None, 30.0),
    KpiTarget("down", "Downtime", "ratio", None, 0.001),
)


@dataclass
class LiveState:
    """The newest round and the last hour. Safe to read from other threads."""

    interval_s: float
    _round: Round | None = None
    _figures: Figures = field(default_factory=Figures)
    _observed: dict[str, ObservedExceedance] = field(default_factory=dict)
    _history: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _filled: dict[str, int] = field(default_factory=dict)
    _news: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=_NEWS))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, found: Round, figures: Figures, observed: Mapping[str, ObservedExceedance]
    ) -> None:
        """Take a round."""
        with self._lock:
            self._round, self._figures, self._observed = found, figures, dict(observed)
            for workload, reading in found.readings.items():
                self._note(workload, reading, found.now_ms)
            known = {alert.workload for alert in found.alerts}  # less what the board has forgotten
            for workload in [key for key in self._history if key not in known]:
                del self._history[workload], self._filled[workload]
            for message in found.told:
                self._news.append({"at_ms": message.at_ms, "text": message.sentence})

    def page(self) -> str:
        """Everything but histories, as JSON."""
        with self._lock:
            return json.dumps(self._page(), separators=(",", ":"))

    def history(self, workload: str) -> str:
        """One workload's last hour as JSON: lists ``at_ms``, ``cpu`` and ``memory``."""
        with self._lock:
            ring, filled = self._history.get(workload), self._filled.get(workload, 0)
            if ring is None:
                rows = np.empty((0, 3))
            elif filled <= POINTS:
                rows = ring[:filled].copy()
            else:
                rows = np.roll(ring, -(filled % POINTS), axis=0)
        return json.dumps(
            {
                "workload": workload,
                "at_ms": [int(value) for value in rows[:, _TIME]],
                "cpu": _numbers(rows[:, _CPU]),
                "memory": _numbers(rows[:, _MEMORY]),
            },
            separators=(",", ":"),
        )

    def _note(self, workload: str, reading: WorkloadReading, now_ms: int) -> None:
        ring = self._history.get(workload)
        if ring is None:
            ring = self._history[workload] = np.full((POINTS, 3), np.nan)  # NaN: not read
            self._filled[workload] = 0
        cpu = np.nan if reading.cpu_ratio is None else reading.cpu_ratio
        memory = np.nan if reading.memory_ratio is None else reading.memory_ratio
        ring[self._filled[workload] % POINTS] = (now_ms, cpu, memory)
        self._filled[workload] += 1

    def _page(self) -> dict[str, object]:
        found = self._round
        by_workload: dict[str, list[Alert]] = {}
        for alert in () if found is None else found.alerts:
            by_workload.setdefault(alert.workload, []).append(alert)
        names = sorted({*by_workload, *(item.workload for item in self._figures.workloads)})
        readings = {} if found is None else found.readings
        rollout = self._figures.rollout
        return {
            "at_ms": None if found is None else found.now_ms,
            "round": 0 if found is None else found.number,
            "interval_s": self.interval_s,
            "targets": [asdict(target) for target in TARGETS],
            "workloads": [
                self._workload(name, readings.get(name), by_workload.get(name, []))
                for name in names
            ],
            "rollout": None if rollout is None else asdict(rollout),
            "news": list(self._news),
            "problems": [*(() if found is None else found.problems), *self._figures.problems],
        }

    def _workload(
        self, name: str, reading: WorkloadReading | None, alerts: list[Alert]
    ) -> dict[str, object]:
        read = reading or _UNREAD
        sizing, observed = self._figures.of(name), self._observed.get(name)
        shares = {
            alert.rule.indicator: alert.state.value
            for alert in reversed(alerts)  # of several rules on one share the first counts
            if alert.rule.indicator.is_windowed
        }
        return {
            "key": name,
            "up": read.up,
            "cpu": read.cpu_ratio,
            "memory": read.memory_ratio,
            "latency_ms": read.latency_mean_ms,
            "slow": shares.get(Indicator.SLOW_UNITS_RATIO),
            "down": shares.get(Indicator.DOWN_RATIO),
            "cost_usd": read.cost_per_unit_usd,
            "scan_s": read.scan_seconds,
            "units_per_s": read.units_per_s,
            "applied": None if sizing.applied is None else asdict(sizing.applied),
            "recommended": None if sizing.recommended is None else asdict(sizing.recommended),
            "predicted": None if sizing.predicted is None else asdict(sizing.predicted),
            "observed_min": None if observed is None else observed.minutes,
            "watched_min": None if observed is None else observed.watched_s / 60,
            "saving_usd": sizing.saving_usd_per_month,
            "sentence": sizing.sentence,
            "alerts": [
                {
                    "rule": alert.rule.name,
                    "meaning": alert.rule.meaning,
                    "phase": alert.state.phase.value,
                    "value": alert.state.value,
                    "above": alert.rule.above,
                    "since_ms": alert.state.since_ms,
                }
                for alert in alerts
                if alert.state.phase is not Phase.INACTIVE
            ],
        }


def _numbers(column: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 5) for value in column]
