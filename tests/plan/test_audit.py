"""Every figure that an honest reading of the reference case gives, to the printed digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightsizing.catalog.catalog import Catalog
from rightsizing.errors import PlanRejected
from rightsizing.plan.audit import AuditReport, audit_case
from rightsizing.plan.case import Case
from rightsizing.plan.figures import rounded
from rightsizing.plan.finding import AuditFinding, FindingCode, Severity


@pytest.fixture
def report(case: Case, catalog) -> AuditReport:
    return audit_case(case, catalog)


@pytest.fixture
def found(report: AuditReport) -> dict[FindingCode, AuditFinding]:
    return {item.code: item for item in report.findings}


def test_memory_limit_is_refused(found) -> None:
    """0.854 x 15.3 = 13.0662 GiB; 13.0662 / 8 = 163.3 %, where the review expects 65 %."""
    item = found[FindingCode.MEMORY_LIMIT_BELOW_USE]
    assert item.severity is Severity.REFUSED
    assert rounded(item.figure("memory_in_use_gib"), 2) == Decimal("13.07")
    assert rounded(item.figure("memory_at_limit_pct"), 0) == 163
    assert "65 %" in item.claim


def test_a_refused_claim_rejects_the_plan(report: AuditReport) -> None:
    """The report says so, and the error names value, limit and what to do."""
    assert report.rejected
    with pytest.raises(PlanRejected, match=r"8 GiB would be at 163 %.*keep 15.3 GiB"):
        report.require_accepted()


def test_saving_at_the_cases_own_rates(found) -> None:
    """41.67 / 16 = 2.604; 188.35 / 15.3 = 12.31; 4 x 2.604 + 8 x 12.31 = 108.90.

    230.02 - 108.90 = 121.12, not 145.02; without the memory cut 12 x 2.604 = 31.25.
    """
    item = found[FindingCode.SAVING_AT_OWN_RATES]
    assert rounded(item.figure("usd_per_core_month"), 3) == Decimal("2.604")
    assert rounded(item.figure("usd_per_gib_month"), 2) == Decimal("12.31")
    assert rounded(item.figure("cost_after_usd"), 2) == Decimal("108.90")
    assert rounded(item.figure("saving_usd"), 2) == Decimal("121.12")
    assert rounded(item.figure("cpu_only_saving_usd"), 2) == Decimal("31.25")


def test_a_limit_alone_saves_nothing(found) -> None:
    """The host has to shrink first."""
    item = found[FindingCode.SAVING_NOT_REALISED]
    assert "until the host shrinks" in item.computed


def test_cpu_criterion_cannot_be_met(found) -> None:
    """0.072 x 16 = 1.152 cores, 0.086 x 16 = 1.376; 1.152 / 4 = 29 %.

    1.152 / 0.8 = 1.44 and 1.152 / 0.6 = 1.92 cores meet 60-80 %; 1.152 / 1.75 = 66 %,
    1.376 / 1.75 = 79 %.
    """
    item = found[FindingCode.CPU_CRITERION]
    assert rounded(item.figure("mean_cores"), 2) == Decimal("1.15")
    assert rounded(item.figure("peak_cores"), 2) == Decimal("1.38")
    assert rounded(item.figure("mean_at_limit_pct"), 0) == 29
    assert item.figure("lowest_cores") == Decimal("1.44")
    assert item.figure("highest_cores") == Decimal("1.92")
    assert item.figure("safe_cores") == Decimal("1.75")
    assert rounded(item.figure("safe_mean_pct"), 0) == 66
    assert rounded(item.figure("safe_peak_pct"), 0) == 79


def test_margin_over_peak(found) -> None:
    """4 / 1.376 = 2.9, not 3."""
    assert rounded(found[FindingCode.MARGIN_OVER_PEAK].figure("margin_over_peak"), 1) == Decimal(
        "2.9"
    )


def test_overprovisioned_is_right_but_means_fewer_cores(found) -> None:
    """1 - 7.2 / 60 = 88 %, which leaves 1.92 cores; 100 - 7.2 = 92.8 % is idle."""
    item = found[FindingCode.OVERPROVISIONED]
    assert item.severity is Severity.NOTE
    assert item.figure("share_pct") == 88
    assert item.figure("cores") == Decimal("1.92")
    assert item.figure("idle_pct") == Decimal("92.8")


def test_compute_optimised_is_the_wrong_family(found) -> None:
    """0.29 x 730 = 211.70, 0.34 x 730 = 248.20, 0.1008 x 730 = 73.58; 13.07 / 16 = 82 %."""
    item = found[FindingCode.WRONG_FAMILY]
    assert item.figure("c7g.2xlarge_usd_per_month") == Decimal("211.70")
    assert item.figure("c5.2xlarge_usd_per_month") == Decimal("248.20")
    assert rounded(item.figure("r6g.large_usd_per_month"), 2) == Decimal("73.58")
    assert rounded(item.figure("memory_at_best_pct"), 0) == 82
    assert "c5.2xlarge, above the bill of today" in item.computed
    assert "under the $85.00 target" in item.instead


def test_no_compute_optimised_type_bursts(found) -> None:
    """None of them is burstable."""
    assert found[FindingCode.NO_BURST_CREDITS].figure("burstable_types") == 0


def test_the_host_is_no_ec2_shape(found) -> None:
    """No type has 16 vCPU on 10 physical cores."""
    item = found[FindingCode.NOT_AN_EC2_SHAPE]
    assert item.severity is Severity.NOTE
    assert item.figure("matching_types") == 0


def test_memory_already_breaks_its_criterion(found) -> None:
    """85.4 > 85 before anything is changed."""
    assert "before anything is changed" in found[FindingCode.CRITERION_ALREADY_BROKEN].computed


def test_phases_do_not_sum_to_the_summary(found) -> None:
    """145.02 + 60 + 40 + 200 = 445.02, not 504."""
    assert found[FindingCode.SAVINGS_SUM].figure("summed_usd_per_month") == Decimal("445.02")


def test_three_phases_already_save_more_than_the_bill(found) -> None:
    """145.02 + 60 + 40 = 245.02 > 230.02."""
    item = found[FindingCode.SAVINGS_ABOVE_BILL]
    assert item.subject == "phases 1 to 3"
    assert item.figure("summed_usd_per_month") == Decimal("245.02")


def test_three_shares_for_one_saving(found) -> None:
    """145.02 / 230.02 = 63 %, (2760 - 906) / 2760 = 67 %, and 69 % is nowhere."""
    item = found[FindingCode.SAVING_SHARE]
    assert rounded(item.figure("phase 1 pct"), 0) == 63
    assert rounded(item.figure("annual pct"), 0) == 67
    assert "69 %: follows from no figure of the case" in item.arithmetic


def test_annual_cost(found) -> None:
    """12 x 85 = 1020, not 906."""
    assert found[FindingCode.ANNUAL_COST].figure("annual_usd") == 1020


@pytest.mark.parametrize(
    ("name", "net", "gross"),
    [
        ("phase 1", "248", "348"),  # (12 x 145.02 - 500) / 500
        ("phase 2", "-28", "72"),  # (12 x 60 - 1000) / 1000
        ("phase 3", "-76", "24"),  # (12 x 40 - 2000) / 2000
        ("phase 4", "-52", "48"),  # (12 x 200 - 5000) / 5000
    ],
)
def test_roi_by_phase(found, name: str, net: str, gross: str) -> None:
    """Net, first year; the gross figure beside it."""
    item = found[FindingCode.ROI]
    assert rounded(item.figure(f"{name} net pct"), 0) == Decimal(net)
    assert rounded(item.figure(f"{name} gross pct"), 0) == Decimal(gross)


def test_roi_in_total(found) -> None:
    """(12 x 445.02 - 8500) / 8500 = -37 %; gross 62.8 %, printed as 628."""
    item = found[FindingCode.ROI]
    assert rounded(item.figure("total net pct"), 0) == -37
    assert rounded(item.figure("total gross pct"), 1) == Decimal("62.8")
    assert any("628 %, which is the gross figure with its decimal" in x for x in item.arithmetic)


def test_it_cannot_pay_back_on_this_bill(found) -> None:
    """36 x 230.02 = 8280.72 < 8500."""
    assert found[FindingCode.NO_PAYBACK].figure("bill_36_months_usd") == Decimal("8280.72")


def test_one_figure_is_called_annual_and_three_year(found) -> None:
    """2760 - 906 = 1854 a year, 3 x 1854 = 5562."""
    item = found[FindingCode.SAVING_PERIOD]
    assert "$5,562.00 is called annual and 3-year" in item.computed
    assert item.figure("annual_saving_usd") == 1854


def test_cost_a_trade_assumes_twice_the_trades(found) -> None:
    """85 / 2880 = 0.0295; 5760 / 2880 = 2."""
    item = found[FindingCode.GROWTH_UNPROVEN]
    assert rounded(item.figure("cost_per_unit_today_usd"), 4) == Decimal("0.0295")
    assert "assumes 2 times the trades" in item.computed


def test_api_calls_are_in_no_line_of_the_bill(found) -> None:
    """41.67 + 188.35 = 230.02 is CPU and memory only."""
    item = found[FindingCode.NOT_IN_BILL]
    assert item.subject == "phase 3"
    assert "in no line of the $230.02" in item.computed


def test_cache_lives_one_cycle(found) -> None:
    """3600 / 3600 = 1 cycle."""
    assert found[FindingCode.CACHE_REUSE].figure("cycles_per_ttl") == 1


def test_evidence_of_unknown_window_is_weak(found) -> None:
    """It asks for what it needs and says what that would allow."""
    item = found[FindingCode.WEAK_EVIDENCE]
    assert "every 5 minutes for 14 days" in item.instead
    assert "limit of 1.75 cores" in item.instead


def test_confidence_needs_days(found) -> None:
    """0.05 ** (1 / 59) = 0.9505 >= 0.95 > 0.05 ** (1 / 58)."""
    assert "95 % needs 59 days" in found[FindingCode.CONFIDENCE].arithmetic[1]


def test_a_singleton_gets_no_canary(found) -> None:
    """The stateless parts are what a pair fits."""
    assert "news API and report service" in found[FindingCode.SINGLETON_CANARY].instead


def test_safe_savings(report: AuditReport) -> None:
    """14.25 x 2.604375 = 37.11; 230.02 - 73.584 = 156.44 in all; later phases claim nothing."""
    rows = {row.number: row.safe_usd_per_month for row in report.safe.savings}
    assert rounded(rows[1], 2) == Decimal("37.11")
    assert rounded(rows[0], 2) == Decimal("156.44")
    assert rows[0] == rows[1] + rows[2]
    assert not rows[3]
    assert not rows[4]


def test_safe_options_name_both_architectures(report: AuditReport) -> None:
    """0.113 x 730 = 82.49 for x86_64, 73.58 for arm64."""
    by_title = {option.title.split(" ")[0]: option for option in report.safe.options}
    assert by_title["r5a.large"].usd_per_month == Decimal("82.49")
    assert by_title["r6g.large"].conditions[1] == "an arm64 image exists"


def test_worst_findings_come_first(report: AuditReport) -> None:
    """Refused, wrong, unproven, note."""
    ranks = [item.severity.rank for item in report.findings]
    assert sorted(ranks) == ranks


def test_the_bundled_catalog_gives_the_same_money(case: Case, found) -> None:
    """The project's own price table agrees with the figures of the small one."""
    full = {item.code: item for item in audit_case(case, Catalog.load()).findings}
    assert set(full) == set(found)
    mine, theirs = found[FindingCode.WRONG_FAMILY], full[FindingCode.WRONG_FAMILY]
    assert dict(mine.figures) == dict(theirs.figures)


def test_an_unknown_price_leaves_its_check_out(case: Case, make_catalog) -> None:
    """Without list prices there is no family finding and no made-up saving."""
    nothing = make_catalog(
        unpriced=frozenset(shape.instance_type for shape in make_catalog().shapes("us-east-1"))
    )
    report = audit_case(case, nothing)
    assert FindingCode.WRONG_FAMILY not in {item.code for item in report.findings}
    assert not {row.number: row.safe_usd_per_month for row in report.safe.savings}[2]
