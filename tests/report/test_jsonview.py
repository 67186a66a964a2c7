"""JSON for programs: exact, stable, nothing made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.workload import Workload
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.build import build_plan
from rightsizing.plan.check import Checklist
from rightsizing.plan.finance import Never
from rightsizing.plan.phases import PlanAssumptions
from rightsizing.report import jsonview


def test_numbers_and_absence() -> None:
    """Money as strings of at most six decimals, no data as its reason."""
    assert jsonview.plain(Decimal("1234.123456789")) == "1234.123457"
    assert jsonview.plain(Decimal("70.00")) == "70"
    assert jsonview.plain(NoData("why")) == {"no_data": "why"}
    assert jsonview.plain(Never("it saves nothing")) == {"never": "it saves nothing"}


def test_times_are_utc() -> None:
    """Whatever zone they came in."""
    east = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=2)))
    assert jsonview.plain(east) == datetime(2026, 11, 23, 10, tzinfo=UTC).isoformat()


def test_an_unexpected_type_is_an_error() -> None:
    """Not silently its repr."""
    with pytest.raises(TypeError, match="object"):
        jsonview.plain(object())


def test_audit(audit_report: AuditReport) -> None:
    """Verdict, findings with figures by name, and the safe plan."""
    data = json.loads(json.dumps(jsonview.audit(audit_report)))
    assert data["rejected"] is True
    first = data["findings"][0]
    assert first["code"] == "memory-limit-below-use"
    assert first["figures"]["memory_at_limit_pct"] == "163.3275"  # 13.0662 / 8
    savings = {row["number"]: row["safe_usd_per_month"] for row in data["safe"]["savings"]}
    assert savings[0] == "156.436"
    assert savings[3] == {"no_data": "nothing measured yet, so nothing is claimed"}


def test_plan(fleet: Workload, recommend) -> None:
    """The release carries its id; the recommendation its saving."""
    plan = build_plan([fleet], [], [recommend()], PlanAssumptions())
    data = json.loads(json.dumps(jsonview.plan(plan)))
    assert data["release"]["id"] == plan.release.id
    change = data["phases"][1]["changes"][0]
    assert change["after"]["instance_type"] == "m7g.large"
    assert change["recommendation"]["saving_usd_per_month"] == "21.024"


def test_lists(recommend) -> None:
    """Recommendations, checklists and facts have their verdict beside them."""
    assert len(jsonview.recommendations([recommend()])["recommendations"]) == 1
    assert jsonview.checklist(Checklist("t", ()))["status"] == "unknown"
    assert jsonview.facts(FactsReport((), ()))["matches"] is True
    assert jsonview.facts(NoData("off")) == {"no_data": "off"}


def test_text_is_json(audit_report: AuditReport) -> None:
    """And ends with a line break."""
    text = jsonview.json_text(audit_report)
    assert text.endswith("}\n")
    assert json.loads(text)["workload"] == "trader"
