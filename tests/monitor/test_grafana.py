"""The Grafana dashboard: the rules' own thresholds, and queries that Prometheus can parse."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rightsizing.model.alerting import AlertRule, Indicator, default_rules
from rightsizing.monitor.grafana import dashboard_json
from rightsizing.monitor.prometheusrules import value_expression

RULES = default_rules(error_max_ratio=0.01)


def panels(rules: tuple[AlertRule, ...] = RULES) -> list[dict[str, object]]:
    """Its panels."""
    found: list[dict[str, object]] = json.loads(dashboard_json(rules))["panels"]
    return found


def test_every_rule_has_its_query_and_threshold() -> None:
    """The value each rule compares is in a panel whose red line is the lowest of its rules."""
    text = json.dumps(panels())
    for rule in RULES:
        assert json.dumps(value_expression(rule))[1:-1] in text
    for panel in panels():
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]  # type: ignore[index]
        names = {target["legendFormat"].split()[-1] for target in panel["targets"]}  # type: ignore[attr-defined]
        own = [rule.above for rule in RULES if rule.name in names]
        assert [step["value"] for step in steps[1:]] == ([min(own)] if own else [])


def test_a_changed_rule_changes_its_panel() -> None:
    """Nothing is written twice."""
    rule = AlertRule(name="Cpu", indicator=Indicator.CPU_RATIO, above=0.7)
    steps = panels((rule,))[0]["fieldConfig"]["defaults"]["thresholds"]["steps"]  # type: ignore[index]
    assert steps[1]["value"] == 0.7


def test_panels_do_not_overlap() -> None:
    """Two columns, row by row; ids are unique."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]  # type: ignore[index]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels()}) == len(places)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_parses_every_query(tmp_path: Path) -> None:
    """Each query, as a recording rule, is valid PromQL."""
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]  # type: ignore[attr-defined]
    rules = [
        {"record": f"query:number{number}", "expr": re.sub(r"\$workload", ".*", query)}
        for number, query in enumerate(queries)
    ]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "a", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
