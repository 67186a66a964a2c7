"""The alert rules as a Grafana dashboard: a panel a rule, its threshold drawn in, and sizes.

The expressions are the Prometheus rules' own. The data source and the workloads are variables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from rightsizing.model.alerting import AlertRule, Indicator
from rightsizing.monitor.prometheusrules import UP, value_expression

SCHEMA_VERSION = 39  # Grafana 11; newer ones migrate it
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_UNITS = {
    Indicator.COST_PER_UNIT_USD: "currencyUSD",
    Indicator.SCAN_SECONDS: "s",
}
_APPLIED_CORES = "max by (workload) (rightsizing_applied_cpu_cores)"
_SIZES = (
    (
        "CPU: in use, applied, recommended (cores)",
        "short",
        (
            (
                f"{Indicator.CPU_RATIO.value} * on (workload) {_APPLIED_CORES}",
                "{{workload}} in use",
            ),
            ("rightsizing_applied_cpu_cores", "{{workload}} applied {{size}}"),
            ("rightsizing_recommended_cpu_cores", "{{workload}} recommended {{size}}"),
        ),
    ),
    (
        "Exceedance: predicted a month, observed since the size was applied (minutes)",
        "m",
        (
            (
                "rightsizing_predicted_exceedance_seconds_per_month / 60",
                "{{workload}} predicted {{bound}}",
            ),
            ("rightsizing_observed_exceedance_seconds_total / 60", "{{workload}} observed"),
        ),
    ),
    (
        "Saving of the recommendation a month",
        "currencyUSD",
        (("rightsizing_recommended_saving_usd_per_month", "{{workload}}"),),
    ),
    (
        "Rollout",
        "short",
        (("rightsizing_rollout_status == 1", "{{rollout}} {{status}}"),),
    ),
)


def dashboard_json(rules: Sequence[AlertRule]) -> str:
    """A dashboard to import. Rules that differ in the window alone share a panel."""
    panels: list[dict[str, object]] = []
    for indicator in dict.fromkeys(rule.indicator for rule in rules):
        own = [rule for rule in rules if rule.indicator is indicator]
        queries = tuple(
            (_of_workloads(value_expression(rule)), f"{{{{workload}}}} {rule.name}") for rule in own
        )
        title = f"{own[0].meaning or own[0].name}"
        unit = _UNITS.get(indicator, "percentunit")
        panels.append(_panel(len(panels), title, unit, queries, min(rule.above for rule in own)))
    for title, unit, queries in _SIZES:
        shown = tuple((_of_workloads(query), legend) for query, legend in queries)
        panels.append(_panel(len(panels), title, unit, shown, None))
    found = {
        "uid": "rightsizing",
        "title": "Rightsizing",
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "tags": ["rightsizing"],
        "templating": {"list": [_source_variable(), _workload_variable()]},
        "panels": panels,
    }
    return json.dumps(found, indent=2)


def _of_workloads(query: str) -> str:
    """The query for the chosen workloads: those it gives, filtered afterwards."""
    if query.startswith("rightsizing_rollout"):
        return query
    return f'({query}) and on (workload) {UP}{{workload=~"$workload"}}'


def _panel(
    number: int,
    title: str,
    unit: str,
    queries: tuple[tuple[str, str], ...],
    above: float | None,
) -> dict[str, object]:
    steps: list[dict[str, object]] = [{"color": "green", "value": None}]
    if above is not None:
        steps.append({"color": "red", "value": above})
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {
            "x": number % _COLUMNS * _WIDTH,
            "y": number // _COLUMNS * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if above is None else "line"}},
            },
            "overrides": [],
        },
    }


def _source_variable() -> dict[str, object]:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _workload_variable() -> dict[str, object]:
    return {
        "name": "workload",
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({UP}, workload)",
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
