"""CloudWatch alarms and Prometheus rules mean the same, since both come from the alert rules."""

from __future__ import annotations

import pytest

from infra.components.rulealarms import rule_alarm, rule_alarms
from rightsizing.model.alerting import AlertRule, Indicator, default_rules

RULES = {rule.indicator: rule for rule in default_rules()}


@pytest.mark.parametrize(
    ("indicator", "metric", "span_s"),
    [
        (Indicator.CPU_RATIO, ("AWS/EC2", "CPUUtilization"), 300),
        (Indicator.MEMORY_RATIO, ("CWAgent", "mem_used_percent"), 120),
    ],
)
def test_equal_in_meaning(indicator: Indicator, metric: tuple[str, str], span_s: int) -> None:
    """90 % in per cent, for the rule's own span."""
    alarm = rule_alarm(RULES[indicator])
    assert alarm is not None
    assert (alarm.namespace, alarm.metric_name) == metric
    assert alarm.threshold == pytest.approx(90)
    assert alarm.span_s == RULES[indicator].for_s == span_s


def test_a_changed_rule_changes_its_alarm() -> None:
    """Nothing is written twice: 80 % for 7 minutes is two five-minute periods, not one."""
    rule = AlertRule(name="Cpu", indicator=Indicator.CPU_RATIO, above=0.8, for_s=420)
    alarm = rule_alarm(rule)
    assert alarm is not None
    assert (alarm.threshold, alarm.evaluation_periods) == (80, 2)


def test_what_cloudwatch_cannot_see_has_no_alarm() -> None:
    """Cost a unit and the guardian's scan are no metrics of AWS."""
    assert {alarm.suffix for alarm in rule_alarms()} == {"cpu", "memory"}
    assert rule_alarm(RULES[Indicator.COST_PER_UNIT_USD]) is None
