"""The alert rules as CloudWatch alarms: the same thresholds and spans as the monitor's own.

A rule fires when its value has been above for a span. CloudWatch has the mean of each period: CPU
of basic monitoring comes every five minutes, so five minutes of it are one period; the CloudWatch
agent's memory comes every minute. Missing CPU data stays missing, neither a breach nor calm. Where
no agent runs there is never any memory data; an alarm without data holds a rollout up, so that one
counts as calm, and the monitor's own rules tell of readings that stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightsizing.model.alerting import AlertRule, Indicator, default_rules


@dataclass(frozen=True)
class RuleAlarm:
    """What a rule is in CloudWatch's terms. ``threshold`` is in per cent, as both metrics are."""

    suffix: str
    title: str
    meaning: str
    namespace: str
    metric_name: str
    statistic: str
    threshold: float
    period_s: int
    evaluation_periods: int
    treat_missing_data: str

    @property
    def span_s(self) -> int:
        """How long it has to last before the alarm."""
        return self.period_s * self.evaluation_periods


@dataclass(frozen=True)
class _Source:
    suffix: str
    title: str
    namespace: str
    metric_name: str
    period_s: int  # how often the metric comes at the source's own default
    treat_missing_data: str


_SOURCES: Mapping[Indicator, _Source] = {
    Indicator.CPU_RATIO: _Source("cpu", "CPU (%)", "AWS/EC2", "CPUUtilization", 300, "missing"),
    Indicator.MEMORY_RATIO: _Source(
        "memory", "Memory (%)", "CWAgent", "mem_used_percent", 60, "notBreaching"
    ),
}


def rule_alarm(rule: AlertRule) -> RuleAlarm | None:
    """The alarm of a rule; None where CloudWatch has no metric of it."""
    source = _SOURCES.get(rule.indicator)
    if source is None:
        return None
    return RuleAlarm(
        suffix=source.suffix,
        title=source.title,
        meaning=rule.meaning,
        namespace=source.namespace,
        metric_name=source.metric_name,
        statistic="Average",
        threshold=rule.above * 100,
        treat_missing_data=source.treat_missing_data,
        period_s=source.period_s,
        # rounded up: an alarm may come later than the rule says, never before
        evaluation_periods=max(-(-rule.for_s // source.period_s), 1),
    )


def rule_alarms() -> tuple[RuleAlarm, ...]:
    """Those of the default rules."""
    found = (rule_alarm(rule) for rule in default_rules())
    return tuple(alarm for alarm in found if alarm is not None)
