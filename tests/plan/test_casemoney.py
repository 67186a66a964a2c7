"""The reference case: what each phase takes off the bill, with the audit's reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from rightsizing.model.base import NoData
from rightsizing.model.price import Price
from rightsizing.plan.casemoney import case_money
from rightsizing.plan.casesteps import kind_of
from rightsizing.plan.savings import StepKind

COMMITTED = "1y standard all-upfront"


@dataclass(frozen=True)
class CommittedCatalog:
    """The tiny catalog, and one commitment of r6g.large at $0.06 an hour."""

    tiny: object

    def shape(self, instance_type):
        return self.tiny.shape(instance_type)

    def shapes(self, region):
        return self.tiny.shapes(region)

    def options(self, region):
        return ("1y standard all-upfront", "on-demand")

    def price(self, instance_type, region, option="on-demand"):
        if option == "on-demand":
            return self.tiny.price(instance_type, region)
        if instance_type != "r6g.large":
            return NoData("not priced")
        return Price(Decimal("0.06"), region, "test", date(2026, 1, 1))


@pytest.fixture(scope="module")
def found(case, catalog):
    return case_money(case, CommittedCatalog(catalog))


def step(found, kind, phase):
    """The step of a kind in a phase."""
    return next(
        item for item in found.real.steps if (item.step.kind, item.step.phase) == (kind, phase)
    )


def test_the_plan_adds_up_to_the_bill(found) -> None:
    """230.02 - 0.1008 x 730 = 156.44; 73.58 - 0.06 x 730 = 29.78; nothing else is measured."""
    savings = {item.step.kind.value: item.saving_usd for item in found.real.steps}
    assert found.real.before_usd == Decimal("230.02")
    assert found.real.saving_usd == Decimal("186.22")
    assert found.real.after_usd == Decimal("43.80")
    assert sum(item.saving_usd for item in found.real.steps) == Decimal("186.22")
    assert savings["commit"] == Decimal("29.78")
    assert savings["autoscale"] == savings["cache"] == savings["serverless"] == 0


def test_claims_stop_at_the_bill(found) -> None:
    """145.02 + 60 + 25 = 230.02: of phase 3's 40 only 25 are left, of phase 4's 200 nothing."""
    savings = [item.saving_usd for item in found.claimed.steps]
    assert savings == [Decimal("145.02"), 60, 25, 0]
    assert found.claimed.after_usd == 0


def test_a_limit_alone_changes_no_bill(found) -> None:
    """Worth $37.11 at own rates, realised with the host."""
    limits = step(found, StepKind.RESIZE, 1)
    assert limits.saving_usd == 0
    assert "$230.02 - $192.91 = $37.11" in limits.step.why[0]


def test_a_limit_on_a_host_that_shrinks_counts(case, catalog) -> None:
    """Then the $37.11 are phase 1's, and phase 2 starts from $192.91."""
    phases = (case.phases[0].model_copy(update={"host_shrinks": True}), *case.phases[1:])
    money = case_money(case.model_copy(update={"phases": phases}), CommittedCatalog(catalog))
    assert money.real.saving_of(phase=1) == Decimal("37.11")
    assert money.real.saving_usd == Decimal("186.22")


def test_the_audits_findings_are_repeated(found) -> None:
    """Family, burst credits, and calls that no line of the bill holds."""
    family = " ".join(step(found, StepKind.RESIZE, 2).step.why)
    assert "bound by memory" in family
    assert "no compute-optimised type has burst credits" in family
    assert "are in no line of the $230.02" in " ".join(step(found, StepKind.CACHE, 3).step.why)


def test_break_evens_are_computed(found) -> None:
    """Lambda on arm: 0.0000133334 x 3,600 x 13.0662 x 730 = 457.84; 43.80 / 457.84 = 9.6 %."""
    assert "under 9.6 % of the time" in step(found, StepKind.SERVERLESS, 4).step.why[0]
    # a cache.t4g.micro of Valkey: 0.016 x 0.8 x 730 = 9.344; / 0.7 = 13.35
    assert "$9.34 / 0.7 = $13.35" in step(found, StepKind.CACHE, 3).step.why[0]


def test_returns(found) -> None:
    """(12 x 186.22 - 8,500) / 8,500 = -73.7 %; phase 2 alone (2,234.64 - 1,000) / 1,000 = 123 %."""
    assert round(found.returns.total.appraisal.roi_net_first_year, 3) == Decimal("-0.737")
    assert round(found.returns.phases[1].appraisal.roi_net_first_year, 2) == Decimal("1.23")
    assert found.returns.total.pays_back is False
    assert [item.phase for item in found.returns.paying()] == [2]


def test_a_workload_that_may_run_twice_is_not_measured(case, catalog) -> None:
    """Without the singleton autoscaling is unknown, not nothing."""
    money = case_money(case.model_copy(update={"singleton": False}), CommittedCatalog(catalog))
    assert step(money, StepKind.AUTOSCALE, 2).unknown


def test_other_lines_of_the_bill_stay(case, catalog) -> None:
    """Another host leaves $10 of calls: 220.02 - 73.58 = 146.44 saved, not 156.44."""
    bill = case.bill.model_copy(
        update={
            "memory_usd_per_month": Decimal("178.35"),
            "other_usd_per_month": {"AI API calls": Decimal(10)},
        }
    )
    money = case_money(case.model_copy(update={"bill": bill}), CommittedCatalog(catalog))
    assert step(money, StepKind.RESIZE, 2).saving_usd == Decimal("146.44")
    assert money.real.after["AI API calls"] == 10
    assert step(money, StepKind.CACHE, 3).step.why[0] == "at most $10.00, what AI API calls cost"


def test_a_dearer_instance_is_not_taken(case, catalog) -> None:
    """On a bill of $50 nothing moves to $73.58, and nothing of it is committed to."""
    bill = case.bill.model_copy(update={"total_usd_per_month": Decimal(50)})
    money = case_money(case.model_copy(update={"bill": bill}), CommittedCatalog(catalog))
    assert money.real.saving_usd == 0
    assert "no less than the $50.00 of today" in step(money, StepKind.RESIZE, 2).remark


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("autoscaling of the web tier", StepKind.AUTOSCALE),
        ("three-year Savings Plan", StepKind.COMMIT),
        ("off at night", StepKind.SCHEDULE),
        ("Redis before the API", StepKind.CACHE),
        ("reports on Lambda", StepKind.SERVERLESS),
        ("5 customers per instance", StepKind.TENANCY),
        ("connection pools", None),
    ],
)
def test_words_name_a_kind(words, kind) -> None:
    """What a review writes is recognised."""
    assert kind_of(words) is kind
