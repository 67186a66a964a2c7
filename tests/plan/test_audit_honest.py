"""An honest case gives no finding, and each small lie gives its own."""

from __future__ import annotations

import pytest

from rightsizing.plan.audit import audit_case
from rightsizing.plan.case import Case, load_case
from rightsizing.plan.finding import FindingCode


def test_an_honest_case_has_no_findings(honest: Case, catalog) -> None:
    """Nothing to complain about, nothing rejected."""
    report = audit_case(honest, catalog)
    assert [(item.code, item.computed) for item in report.findings] == []
    assert not report.rejected


def test_an_honest_case_is_its_own_safe_plan(honest: Case, catalog) -> None:
    """Claimed and safe savings agree to the cent."""
    for row in audit_case(honest, catalog).safe.savings:
        assert round(row.safe_usd_per_month, 2) == row.claimed_usd_per_month


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        # 0.75 x 16 = 12 GiB are in use
        ("memory_gib: 16}\n    host", "memory_gib: 11}\n    host", "memory-limit-below-use"),
        ("memory_pct_after: 75", "memory_pct_after: 70", "memory-utilisation-claim"),
        ("window_days: 93", "window_days: 13", "weak-evidence"),
        ("window_days: 93, ", "", "weak-evidence"),
        ("interval_s: 300", "interval_s: 3600", "weak-evidence"),
        # 0.05 ** (1 / 58) = 94.97 %
        ("window_days: 93", "window_days: 58", "confidence-unproven"),
        ("cpus: 2,", "cpus: 1.2,", "cpu-limit-below-demand"),  # 1.28 mean
        ("cpus: 2,", "cpus: 1.4,", "cpu-limit-below-demand"),  # 1.44 peak
        ("cpus: 2,", "cpus: 4,", "cpu-criterion-unreachable"),  # 1.28 / 4 = 32 %
        ("margin_over_peak: 1.3", "margin_over_peak: 1.4", "margin-over-peak"),  # 2 / 1.44
        ("overprovisioned_pct: 87", "overprovisioned_pct: 92", "overprovisioned-share"),
        ("memory-optimised, inst", "compute-optimised, inst", "wrong-instance-family"),
        ("type: r6g.large", "type: r6g.medium", "instance-below-demand"),  # 12 GiB in 8
        ("r6g.large}", "r6g.large, burst_credits: true}", "family-without-burst-credits"),
        ("physical_cores: 8", "physical_cores: 10", "host-is-no-ec2-shape"),
        ("maximum: 85}", "maximum: 74}", "criterion-already-broken"),
        ("alert: {above: 90}", "alert: {above: 75}", "alert-inside-target"),
        ("cpu_usd_per_month: 48.00", "cpu_usd_per_month: 48.01", "bill-lines"),
        ("saving_usd_per_month: 42.00", "saving_usd_per_month: 42.01", "saving-at-own-rates"),
        ("saving_usd_per_month: 124.42", "saving_usd_per_month: 124.40", "saving-at-list-price"),
        ("host_shrinks: true", "host_shrinks: false", "saving-not-realised"),
        ("month: 198.00", "month: 197.00", "cost-after"),
        ("    margin", "    saving_parts_usd_per_month: {a: 40}\n    margin", "saving-parts"),
        ("    margin", "    saves_on: [licences]\n    margin", "saving-not-in-bill"),
        ("saving_usd_per_month: 166.42", "saving_usd_per_month: 170", "savings-sum"),
        ("saving_pct: [69]", "saving_pct: [70]", "saving-share"),
        ("saving_pct: [69]", "saving_pct: [69, 18]", "saving-share"),  # 42 / 240 = 17.5
        ("before_usd: 2880", "before_usd: 2881", "annual-cost"),
        ("after_usd: 883", "after_usd: 900", "annual-cost"),
        ("annual_saving_usd: 1997", "annual_saving_usd: 5991", "saving-period"),
        ("cost_usd: 500", "cost_usd: 501", "implementation-cost"),
        ("roi_pct: 404", "roi_pct: 504", "roi"),  # gross
        ("cost_usd: 400", "cost_usd: 9000", "no-payback"),  # 36 x 240 = 8640
        ("before_usd: 0.24", "before_usd: 0.25", "cost-per-unit"),
        ("after_usd: 0.074", "after_usd: 0.037", "growth-unproven"),
        ("per_cycle: 10", "per_cycle: 11", "units-of-work"),
        ("    margin", "    cache: {ttl_s: 3600, hit_pct: 70}\n    margin", "cache-reuse-unproven"),
        ("workload: worker", "workload: w\nsingleton: true\nsafety: {canary: true}", "singleton"),
    ],
)
def test_each_lie_is_found(honest_text: str, catalog, was: str, now: str, expected: str) -> None:
    """One change of the honest case, one finding of the right name among what it causes."""
    assert was in honest_text
    case = load_case(honest_text.replace(was, now, 1))
    codes = {item.code.value for item in audit_case(case, catalog).findings}
    assert any(code.startswith(expected) for code in codes), codes


def test_a_saving_without_size_or_evidence_is_unproven(honest_text: str, catalog) -> None:
    """A third phase that only names an amount; naming what it rests on clears it."""
    phase = (
        "  - {number: 3, title: more, saving_usd_per_month: 5, implementation_cost_usd: 0%s}\n"
        "summary:"
    )
    for more, expected in (("", True), (", evidence: load test of 2026-05", False)):
        case = load_case(honest_text.replace("summary:", phase % more, 1))
        codes = {item.code for item in audit_case(case, catalog).findings}
        assert (FindingCode.NOTHING_MEASURED in codes) is expected


def test_a_longer_ttl_than_the_cycle_is_plausible(honest_text: str, catalog) -> None:
    """Entries of one cycle are still there in the next."""
    text = honest_text.replace("    margin", "    cache: {ttl_s: 7200, hit_pct: 70}\n    margin", 1)
    assert audit_case(load_case(text), catalog).findings == ()


def test_a_speed_up_must_follow_from_its_times(honest_text: str, catalog) -> None:
    """45 / 15 = 3.0 and 45 / 10 = 4.5: 3-4.5 holds, 3-5 does not."""
    effect = (
        "    effects: [{what: news, unit: s, before: 45, after_low: 10, after_high: 15, "
        "factor_low: 3, factor_high: %s}]\n    margin"
    )
    for high, expected in (("4.5", False), ("5.0", True)):
        case = load_case(honest_text.replace("    margin", effect % high, 1))
        codes = {item.code for item in audit_case(case, catalog).findings}
        assert (FindingCode.EFFECT in codes) is expected
