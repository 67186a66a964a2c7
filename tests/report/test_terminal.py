"""What people see on a terminal."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rightsizing.decide.holdout import HeldBack, HoldoutReport
from rightsizing.model.base import NoData
from rightsizing.model.facts import ContainerFacts, FactsReport, FleetFacts, Mismatch, SlotFacts
from rightsizing.model.recommendation import Decision
from rightsizing.model.rollout import RolloutState, Slot
from rightsizing.model.size import ContainerSize
from rightsizing.model.stackconfig import StackSizing
from rightsizing.model.workload import Workload
from rightsizing.plan.audit import AuditReport
from rightsizing.plan.build import build_plan
from rightsizing.plan.check import CheckItem, Checklist, CheckStatus
from rightsizing.plan.phases import PlanAssumptions
from rightsizing.plan.slots import settle_rollout
from rightsizing.report.auditpage import audit_page
from rightsizing.report.checkpage import check_page
from rightsizing.report.document import Paragraph
from rightsizing.report.holdoutpage import holdout_page
from rightsizing.report.planpage import plan_page
from rightsizing.report.recommendationpage import decision_counts, recommendation_page
from rightsizing.report.stackpage import (
    HistoryRow,
    RollbackSummary,
    StackStatus,
    history_page,
    rollback_page,
    status_page,
)
from rightsizing.report.terminal import terminal_text

GOLDEN = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare with a kept page; RIGHTSIZING_GOLDEN=write keeps the new one instead."""
    path = GOLDEN / name
    if os.environ.get("RIGHTSIZING_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no {path}; RIGHTSIZING_GOLDEN=write pytest tests/report makes it"
    assert text == path.read_text(encoding="utf-8"), (
        "the page changed; if it should, run: RIGHTSIZING_GOLDEN=write pytest tests/report"
    )


def test_audit_of_the_reference_case(audit_report: AuditReport) -> None:
    """The whole page, as a reader gets it."""
    check_golden("audit.txt", terminal_text(audit_page(audit_report)))


def test_a_plan(fleet: Workload, recommend) -> None:
    """140.16 - 119.136 = 21.02 a month for $100: ROI 152 %, payback 4.8 months."""
    plan = build_plan(
        [fleet],
        [],
        [recommend()],
        PlanAssumptions(implementation_cost_usd={2: Decimal(100)}, unit_name="request"),
    )
    check_golden("plan.txt", terminal_text(plan_page(plan), width=120))


def test_recommendations_say_why(recommend) -> None:
    """Decision, sizes, money, evidence, reasons, what is missing and what was rejected."""
    text = terminal_text(recommendation_page([recommend()]), width=160)
    for expected in (
        "downsize",
        "m5.large x 2-4",
        "m7g.large x 2-4",
        "$21.02",
        "good, 14 d",
        "CPUOverprovisioned",
        "memory: install the CloudWatch agent",
        "not t4g.large: spends more than it earns",
        "predicted too small for 12 minutes a month (3 to 40, each bound 95 % sure)",
        "memory peak unknown",
    ):
        assert expected in text


def test_an_unknown_price_reads_unknown(recommend) -> None:
    """Not $0.00."""
    text = terminal_text(recommendation_page([recommend(after=NoData("no price"))]), width=160)
    assert "The saving of 1 is unknown." in text
    assert "$0.00" not in text


def test_nothing_measured_is_said() -> None:
    """An empty list is not an empty table."""
    assert "No workloads were measured." in terminal_text(recommendation_page([]))


def test_counts_for_large_fleets(recommend) -> None:
    """One row a decision and first reason."""
    text = terminal_text((decision_counts([recommend("a"), recommend("b")]),))
    assert text.split()[-3:] == ["downsize", "CPUOverprovisioned", "2"]


def test_markup_in_a_name_is_shown_not_obeyed() -> None:
    """Square brackets are Rich's markup, escape codes the terminal's."""
    text = terminal_text((Paragraph("[red]x[/red] \x1b[31my"),))
    assert text == "[red]x[/red] \N{REPLACEMENT CHARACTER}[31my\n"


def test_a_checklist_lists_what_did_not_pass() -> None:
    """Sentences only for what needs attention."""
    items = (
        CheckItem(CheckStatus.PASS, "release", "abc", "a release", "release abc is set"),
        CheckItem(
            CheckStatus.FAIL, "trader: CPU", "29 %", "60-80 %", "trader: CPU 29 % is outside"
        ),
    )
    text = terminal_text(check_page(Checklist("phase 1, after", items)))
    assert "Outcome: fail." in text
    assert "trader: CPU 29 % is outside" in text
    assert "release abc is set" not in text


def test_history_newest_first() -> None:
    """In the order given, times in UTC."""
    rows = [
        HistoryRow(
            2, datetime(2026, 11, 23, 9, tzinfo=UTC), "update", "failed", "ab", 1, "bad", "x"
        ),
        HistoryRow(1, datetime(2026, 11, 22, 9, tzinfo=UTC), "update", "succeeded", "", 0, "", ""),
    ]
    text = terminal_text(history_page(rows))
    assert text.index("2026-11-23 09:00:00") < text.index("2026-11-22 09:00:00")


def test_status_names_the_idle_slot(fleet: Workload, recommend) -> None:
    """Release, phase, live slot, and what the old slot keeps."""
    plan = build_plan([fleet], [], [recommend()], PlanAssumptions())
    nothing = StackSizing(None, 0, RolloutState())
    start = StackSizing(None, 0, settle_rollout(nothing, plan.release, 0))
    sizing = StackSizing(plan.release, 2, settle_rollout(start, plan.release, 2))
    facts = FactsReport(
        facts=(
            FleetFacts("web", (SlotFacts(Slot.B, "web-b", 2, 4, 2, (("m7g.large", 2),), 100),)),
            ContainerFacts(
                "trader",
                "trader-1",
                ContainerSize(cpu_millicores=1750, memory_mib=15667),
                running=True,
                simulated=True,
            ),
        ),
        mismatches=(Mismatch("web", "slot b weight", "100", "0"),),
    )
    status = StackStatus(
        stack="dev",
        driver="embedded",
        sizing=sizing,
        workloads=(fleet,),
        facts=facts,
        last_update=NoData("nothing was applied"),
        simulated=True,
    )
    text = terminal_text(status_page(status), width=140)
    for expected in (
        plan.release.short_id,
        "live slot b; slot a keeps m5.large x 2-4 at weight 0",
        "2 x m7g.large",
        "1.75 cores, 15667 MiB",
        "running (simulated)",
        "slot b weight is 0, expected 100",
        "everything is simulated",
    ):
        assert expected in text


def test_a_rollback_states_its_outcome_first() -> None:
    """In words, then the facts."""
    summary = RollbackSummary("partly_restored", "web is still replacing", NoData("timeout"))
    lines = terminal_text(rollback_page(summary)).splitlines()
    assert "partly restored: web is still replacing" in lines
    assert "Live facts: not read, timeout." in lines


def test_holdout_says_how_many_held(recommend) -> None:
    """9 of 4032 intervals above 0.5 % held, 40 of them did not, nothing measured is unknown."""

    def result(key: str, intervals: int, above: int, peak: float | NoData) -> HeldBack:
        return HeldBack(recommend(key), intervals, above, above * 5.0, peak, 8 * 2**30, 0.005)

    gib = float(2**30)
    report = HoldoutReport(
        14,
        (
            result("held", 4032, 9, 7 * gib),
            result("short", 4032, 40, 7 * gib),
            result("full", 4032, 0, 9 * gib),
            result("silent", 0, 0, NoData("nothing")),
        ),
        (),
    )
    text = terminal_text(holdout_page(report), width=140)
    assert "1 of 4 downsizings held" in text
    assert "in 1, memory in 1; 1 are unknown" in text
    assert "45 min" in text
    assert Decision.DOWNSIZE.value in text


@pytest.mark.parametrize("width", [60, 100, 200])
def test_nothing_is_cut_off(audit_report: AuditReport, width: int) -> None:
    """At any width, text wraps instead of ending in an ellipsis."""
    assert "…" not in terminal_text(audit_page(audit_report), width=width)
