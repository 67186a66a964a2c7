"""The written report of a run."""

from __future__ import annotations

from datetime import UTC, datetime

from rightsizing.model.base import NoData
from rightsizing.plan.audit import AuditReport
from rightsizing.report.markdown import markdown
from rightsizing.report.runreport import RunReport, UpdateNote, run_page
from rightsizing.report.stackpage import HistoryRow

AT = datetime(2026, 11, 23, tzinfo=UTC)


def test_all_parts_in_order(audit_report: AuditReport, recommend) -> None:
    """Under one title, one level down, remarks first."""
    run = RunReport(
        title="Demo run",
        remarks=("The measurements are synthetic.",),
        audit=audit_report,
        recommendations=(recommend(),),
        updates=(
            UpdateNote(AT, "declared", "good", "live facts equal the sizing", (("web", "big"),)),
            UpdateNote(AT, "abc@1", "rolled_back", "too small", (("web", "small"),)),
        ),
        history=(HistoryRow(1, AT, "update", "succeeded", "a", 0, "", ""),),
    )
    text = markdown(run_page(run))
    headings = [line for line in text.splitlines() if line.startswith("# ")]
    assert headings == ["# Demo run"]
    places = [
        text.index(part)
        for part in (
            "The measurements are synthetic.",
            "## Audit: Cost review",
            "## Recommendations",
            "## Plan",
            "## Updates",
            "small | rolled\\_back: too small",
            "Live facts: not read, this run did not get there.",
            "## History",
        )
    ]
    assert sorted(places) == places


def test_what_was_not_done_is_said() -> None:
    """In its place, with the reason."""
    text = markdown(run_page(RunReport("Broken run", plan=NoData("the store is empty"))))
    assert "Not done: the store is empty." in text
    assert "Not done: this run did not get there." in text
