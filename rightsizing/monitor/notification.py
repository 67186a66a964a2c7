"""What is told, and when: grouped, told once, repeated while it lasts, silent where asked.

Alerts of one rule form a group, so that a hundred workloads make one message. A group is told at
most once in ``group_interval_s``; what happens in between is told together afterwards. An alert
that came and went in between is told of as both. Pure: times come in, messages go out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Field

from rightsizing.model.alerting import AlertRule, Severity
from rightsizing.model.base import FrozenModel
from rightsizing.monitor.alertstate import Change, Phase
from rightsizing.monitor.board import Alert, AlertKey
from rightsizing.monitor.silence import Silences

GROUP_INTERVAL_S = 60.0
REPEAT_S = 4 * 3600.0  # Alertmanager's default


@dataclass(frozen=True, slots=True)
class AlertNews:
    """One alert in a message."""

    workload: str
    phase: Phase  # firing, or inactive: resolved; or no data
    value: float | None
    since_ms: int


@dataclass(frozen=True, slots=True)
class Notification:
    """One message: the alerts of one rule that have news."""

    rule: AlertRule
    news: tuple[AlertNews, ...]
    at_ms: int

    @property
    def is_firing(self) -> bool:
        """Whether anything in it fires."""
        return any(item.phase is Phase.FIRING for item in self.news)

    @property
    def severity(self) -> Severity:
        """The rule's."""
        return self.rule.severity

    @property
    def sentence(self) -> str:
        """For people, on one line."""
        by_phase: dict[Phase, list[str]] = defaultdict(list)
        for item in self.news:
            value = "" if item.value is None else f" ({item.value:.4g})"
            by_phase[item.phase].append(item.workload + value)
        words = {
            Phase.FIRING: "firing",
            Phase.INACTIVE: "resolved",
            Phase.NO_DATA: "no data",
            Phase.PENDING: "pending",
        }
        told = "; ".join(
            f"{words[phase]}: {', '.join(names)}" for phase, names in sorted(by_phase.items())
        )
        return f"{self.rule.name} ({self.rule.meaning or self.rule.indicator.value}): {told}"


class ToldAlert(FrozenModel):
    """An alert whose firing was told."""

    key: AlertKey
    at_ms: int


class NotifierState(FrozenModel):
    """What has to survive a restart, so that nothing is told twice or forgotten."""

    version: int = Field(default=1, ge=1, le=1)
    told: tuple[ToldAlert, ...] = ()
    groups_ms: dict[str, int] = Field(default_factory=dict, description="last message by rule")
    waiting: tuple[ToldAlert, ...] = Field(default=(), description="fired, not told yet")


class Notifier:
    """Decides what is told after each evaluation."""

    def __init__(
        self,
        *,
        group_interval_s: float = GROUP_INTERVAL_S,
        repeat_s: float = REPEAT_S,
        kept: NotifierState | None = None,
    ) -> None:
        state = kept or NotifierState()
        self._group_interval_ms = group_interval_s * 1000
        self._repeat_ms = repeat_s * 1000
        self._told = {(item.key.rule, item.key.workload): item.at_ms for item in state.told}
        self._waiting = {(item.key.rule, item.key.workload): item.at_ms for item in state.waiting}
        self._groups_ms = dict(state.groups_ms)

    def due(
        self, alerts: Sequence[Alert], *, now_ms: int, silences: Silences | None = None
    ) -> tuple[Notification, ...]:
        """Messages to send now, one a rule with news, in order of rule name."""
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        news: dict[str, list[AlertNews]] = defaultdict(list)
        rules: dict[str, AlertRule] = {}
        for alert in alerts:
            rules[alert.rule.name] = alert.rule
            key = (alert.rule.name, alert.workload)
            if alert.change is Change.FIRED:
                self._waiting.setdefault(key, now_ms)
            if silences is not None and silences.cover(*key, now):
                continue
            if self._is_held(alert.rule.name, now_ms):
                continue
            news[alert.rule.name] += self._news(alert, now_ms)
        found = [
            Notification(rules[name], tuple(items), now_ms)
            for name, items in sorted(news.items())
            if items
        ]
        for message in found:
            self._groups_ms[message.rule.name] = now_ms
        return tuple(found)

    def kept(self) -> NotifierState:
        """What has to survive a restart."""
        return NotifierState(
            told=_listed(self._told), groups_ms=self._groups_ms, waiting=_listed(self._waiting)
        )

    def _is_held(self, rule: str, now_ms: int) -> bool:
        last_ms = self._groups_ms.get(rule)
        # a wall clock set back must not hold messages for as long as it was set back
        return last_ms is not None and 0 <= now_ms - last_ms < self._group_interval_ms

    def _news(self, alert: Alert, now_ms: int) -> list[AlertNews]:
        key = (alert.rule.name, alert.workload)
        state = alert.state
        told_ms, fired_ms = self._told.get(key), self._waiting.pop(key, None)
        news = AlertNews(alert.workload, state.phase, state.value, state.since_ms)
        if state.phase is Phase.FIRING:
            # told already: it went on, or came and went between two messages
            if told_ms is not None and 0 <= now_ms - told_ms < self._repeat_ms:
                return []
            self._told[key] = now_ms
            return [news]
        if told_ms is None:
            if fired_ms is None:
                return []
            return [AlertNews(alert.workload, Phase.FIRING, None, fired_ms), news]
        if state.phase is Phase.PENDING:
            return []  # above again before anybody was told that it ended
        del self._told[key]
        return [news]


def _listed(found: dict[tuple[str, str], int]) -> tuple[ToldAlert, ...]:
    return tuple(
        ToldAlert(key=AlertKey(rule=rule, workload=workload), at_ms=at_ms)
        for (rule, workload), at_ms in sorted(found.items())
    )
