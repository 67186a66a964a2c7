"""The alert rules as a Prometheus rule file, so that they are written once.

The metrics are those of ``rightsizing exporter``: a gauge an indicator, counters where a rule looks
at a share in a window, and ``rightsizing_workload_up`` (1 or 0) for uptime. ``keep_firing_for``
needs Prometheus 2.42.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from ruamel.yaml import YAML

from rightsizing.model.alerting import DAY_S, HOUR_S, MINUTE_S, AlertRule, Indicator, Severity

GROUP = "rightsizing"
UP = "rightsizing_workload_up"
UNITS, SLOW_UNITS = "rightsizing_workload_units_total", "rightsizing_workload_slow_units_total"
REQUESTS, ERRORS = "rightsizing_workload_requests_total", "rightsizing_workload_errors_total"
NO_DATA_ALERT = "MeasurementsMissing"

_SHARES = {
    Indicator.SLOW_UNITS_RATIO: (SLOW_UNITS, UNITS),
    Indicator.ERROR_RATIO: (ERRORS, REQUESTS),
}


def rule_file(rules: Sequence[AlertRule]) -> str:
    """YAML for ``rule_files`` of Prometheus, with one rule more that tells of missing readings."""
    group = {"name": GROUP, "rules": [*(_alerting(rule) for rule in rules), _missing()]}
    writer = YAML(typ="rt")
    writer.width = 100
    text = StringIO()
    writer.dump({"groups": [group]}, text)
    return text.getvalue()


def expression(rule: AlertRule) -> str:
    """PromQL that has one element a workload for which the rule's value is above."""
    spans = [rule.window_s] if rule.short_window_s is None else [rule.window_s, rule.short_window_s]
    return " and ".join(f"{_value(rule.indicator, span)} > {rule.above:.10g}" for span in spans)


def value_expression(rule: AlertRule) -> str:
    """PromQL of the rule's value for each workload, over its long window where it has two."""
    return _value(rule.indicator, rule.window_s)


def duration(seconds: int) -> str:
    """``300`` as ``5m``: the largest unit that divides it, as Prometheus writes spans."""
    for unit, length_s in (("d", DAY_S), ("h", HOUR_S), ("m", MINUTE_S)):
        if seconds and seconds % length_s == 0:
            return f"{seconds // length_s}{unit}"
    return f"{seconds}s"


def _value(indicator: Indicator, window_s: int | None) -> str:
    span = duration(window_s or 5 * MINUTE_S)
    if indicator in _SHARES:
        part, whole = (
            f"sum by (workload) (increase({name}[{span}]))" for name in _SHARES[indicator]
        )
        return f"{part} / {whole}"
    if indicator is Indicator.DOWN_RATIO:
        return f"1 - avg by (workload) (avg_over_time({UP}[{span}]))"
    return f"max by (workload) ({indicator.value})"


def _alerting(rule: AlertRule) -> dict[str, object]:
    found: dict[str, object] = {"alert": rule.name, "expr": expression(rule)}
    if rule.for_s:
        found["for"] = duration(rule.for_s)
    if rule.keep_firing_s:
        found["keep_firing_for"] = duration(rule.keep_firing_s)
    found["labels"] = {"severity": rule.severity.value}
    found["annotations"] = {"summary": f"{{{{ $labels.workload }}}}: {rule.meaning or rule.name}"}
    return found


def _missing() -> dict[str, object]:
    return {
        "alert": NO_DATA_ALERT,
        "expr": f"group by (workload) (last_over_time({UP}[1d])) unless group by (workload) ({UP})",
        "labels": {"severity": Severity.TICKET.value},
        "annotations": {"summary": "{{ $labels.workload }}: nothing is measured any more"},
    }
