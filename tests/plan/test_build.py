"""From recommendations to a release and its phases."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rightsizing.errors import ConfigError, PlanRejected, ReleaseTooLarge
from rightsizing.model.base import NoData
from rightsizing.model.profile import Grade
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.recommendation import Decision
from rightsizing.model.size import ContainerSize, FleetSize
from rightsizing.plan.build import build_plan, evidence_digest
from rightsizing.plan.phases import PlanAssumptions

NOW = FleetSize(instance_type="m5.large", min_instances=2, max_instances=4)
FEWER = FleetSize(instance_type="m5.large", min_instances=1, max_instances=4)
OTHER = FleetSize(instance_type="r6g.large", min_instances=1, max_instances=4)
PLAIN = PlanAssumptions()


def test_phases_are_laid_on_top_of_each_other(workload, recommendation) -> None:
    """Phase 1 saves 140 - 70, phase 2 another 70 - 50; the baseline is today's size."""
    plan = build_plan(
        [workload()],
        [recommendation(target=FEWER, after="70")],
        [recommendation(target=OTHER, after="50")],
        PLAIN,
    )
    assert [plan.release.size_at("web", phase) for phase in (0, 1, 2)] == [NOW, FEWER, OTHER]
    assert [phase.saving_usd_per_month for phase in plan.phases[:2]] == [Decimal(70), Decimal(20)]


def test_phases_three_and_four_claim_nothing(workload, recommendation) -> None:
    """They exist, without sizes and without a saving."""
    plan = build_plan([workload()], [recommendation(target=FEWER)], [], PLAIN)
    for phase in plan.phases[2:]:
        assert phase.changes == ()
        assert isinstance(phase.saving_usd_per_month, NoData)
        assert "nothing measured yet" in phase.saving_usd_per_month.reason
    assert [phase.number for phase in plan.phases] == [1, 2, 3, 4]


def test_a_kept_workload_stays_in_the_baseline_only(workload, recommendation) -> None:
    """KEEP and REFUSE change nothing, whatever their target says."""
    kept = recommendation(target=FEWER, decision=Decision.KEEP)
    refused = recommendation(target=OTHER, decision=Decision.REFUSE)
    plan = build_plan([workload()], [kept], [refused], PLAIN)
    assert plan.release.phases == {}
    assert plan.release.last_phase() == 0


def test_the_same_target_twice_is_one_change(workload, recommendation) -> None:
    """A container's phase 2 recommendation equals its phase 1."""
    small = ContainerSize(cpu_millicores=1750, memory_mib=15667)
    large = ContainerSize(cpu_millicores=16000, memory_mib=15667)
    item = recommendation("trader", large, small)
    plan = build_plan([workload("trader", large)], [item], [item], PLAIN)
    assert list(plan.release.phases) == ["1"]
    assert plan.dropped == ()


def test_a_second_phase_that_costs_more_is_dropped(workload, recommendation) -> None:
    """$80 after phase 2 is no saving over the $70 of phase 1."""
    plan = build_plan(
        [workload()],
        [recommendation(target=FEWER, after="70")],
        [recommendation(target=OTHER, after="80")],
        PLAIN,
    )
    assert list(plan.release.phases) == ["1"]
    assert "costs no less than m5.large x 1-4" in plan.dropped[0].reason


def test_a_second_phase_of_unknown_price_is_dropped(workload, recommendation) -> None:
    """Unknown is not cheaper."""
    plan = build_plan(
        [workload()],
        [recommendation(target=FEWER, after="70")],
        [recommendation(target=OTHER, after=None)],
        PLAIN,
    )
    assert "no saving over m5.large x 1-4 can be shown: price unknown" in plan.dropped[0].reason


def test_an_unknown_saving_leaves_the_known_part_visible(workload, recommendation) -> None:
    """One of two savings known: the phase's is unknown, $70 are known."""
    plan = build_plan(
        [workload("a"), workload("b")],
        [recommendation("a", target=FEWER), recommendation("b", target=FEWER, after=None)],
        [],
        PLAIN,
    )
    phase = plan.phases[0]
    assert phase.saving_usd_per_month == NoData("1 of 2 parts unknown: price unknown")
    assert phase.known_saving_usd_per_month == 70
    assert phase.appraisal.roi_net_first_year == phase.saving_usd_per_month


def test_money_of_a_phase(workload, recommendation) -> None:
    """12 x 70 = 840 for 420: ROI 1.0, payback 6 months; 70 / 1000 a unit is left."""
    plan = build_plan(
        [workload()],
        [recommendation(target=FEWER, after="70")],
        [],
        PlanAssumptions(implementation_cost_usd={1: Decimal(420)}, units_per_month=Decimal(1000)),
    )
    appraisal = plan.phases[0].appraisal
    assert appraisal.roi_net_first_year == 1
    assert appraisal.payback_months == 6
    assert appraisal.cost_per_unit_usd == Decimal("0.07")


def test_a_phase_without_changes_is_not_paid_for(workload, recommendation) -> None:
    """No ROI of -100 % for work that nobody does."""
    costs = PlanAssumptions(implementation_cost_usd={1: Decimal(500)})
    phase = build_plan([workload()], [], [recommendation(target=OTHER)], costs).phases[0]
    assert phase.saving_usd_per_month == 0
    assert isinstance(phase.appraisal.roi_net_first_year, NoData)
    assert isinstance(phase.appraisal.payback_months, NoData)


def test_a_workload_joins_at_its_own_phase(workload, recommendation) -> None:
    """Declared for phase 3: nothing before, the family change then."""
    plan = build_plan(
        [workload(phase=3)],
        [recommendation(target=FEWER)],
        [recommendation(target=OTHER, after="50")],
        PLAIN,
    )
    assert list(plan.release.phases) == ["3"]
    assert plan.release.size_at("web", 3) == OTHER


@pytest.mark.parametrize(
    ("workloads", "items", "message"),
    [
        ((), ("web",), "does not declare"),
        (("web",), ("web", "web"), "two recommendations"),
    ],
)
def test_recommendations_must_fit_the_stack(
    workload, recommendation, workloads, items, message: str
) -> None:
    """Unknown workloads and doubles are named."""
    with pytest.raises(ConfigError, match=message):
        build_plan(
            [workload(key) for key in workloads], [recommendation(k) for k in items], [], PLAIN
        )


def test_a_stale_recommendation_is_refused(workload, recommendation) -> None:
    """It was made for another size than the one declared."""
    with pytest.raises(ConfigError, match=r"made for m5\.large x 1-4.*declared as m5\.large x 2-4"):
        build_plan([workload()], [recommendation(current=FEWER)], [], PLAIN)


def _entry(release: str, phase: int, evidence: str | None, ms: int = 0) -> QuarantineEntry:
    at = datetime.fromtimestamp(ms / 1000, tz=UTC)
    return QuarantineEntry(release=release, phase=phase, reason="bad", at=at, evidence=evidence)


def test_a_quarantined_release_is_not_proposed_again(workload, recommendation) -> None:
    """Same sizes on the same evidence were rolled back before."""
    items = [recommendation(target=FEWER)]
    plan = build_plan([workload()], items, [], PLAIN)
    entry = _entry(plan.release.id, 1, evidence_digest(items))
    with pytest.raises(PlanRejected, match="quarantined at phase 1"):
        build_plan([workload()], items, [], PLAIN, quarantined=[entry])


@pytest.mark.parametrize("evidence", ["0" * 64, None])
def test_new_evidence_lifts_the_refusal(workload, recommendation, evidence: str | None) -> None:
    """Another digest, or measurements newer than the rollback when none was kept."""
    items = [recommendation(target=FEWER)]  # measured until 1000 ms
    plan = build_plan([workload()], items, [], PLAIN)
    entry = _entry(plan.release.id, 1, evidence, ms=999)
    again = build_plan([workload()], items, [], PLAIN, quarantined=[entry])
    assert again.release.id == plan.release.id


def test_another_phase_of_the_release_stays_allowed(workload, recommendation) -> None:
    """An entry about a phase that the release does not change stops nothing."""
    items = [recommendation(target=FEWER)]
    plan = build_plan([workload()], items, [], PLAIN)
    entry = _entry(plan.release.id, 2, plan.evidence)
    assert build_plan([workload()], items, [], PLAIN, quarantined=[entry]).release == plan.release


def test_a_release_too_large_is_refused(workload) -> None:
    """1,500 workloads of about 80 bytes are above 96 KiB."""
    many = [workload(f"w{number:04}") for number in range(1500)]
    with pytest.raises(ReleaseTooLarge, match="split the stack into 2"):
        build_plan(many, [], [], PLAIN)


def test_the_order_of_arguments_does_not_matter(workload, recommendation) -> None:
    """Same workloads and recommendations, same release id."""
    workloads = [workload("a"), workload("b")]
    items = [recommendation("a", target=FEWER), recommendation("b", target=FEWER)]
    there = build_plan(workloads, items, [], PLAIN)
    back = build_plan(workloads[::-1], items[::-1], [], PLAIN)
    assert there.release.id == back.release.id
    assert there.evidence == back.evidence


def test_planning_again_from_the_result_changes_nothing(workload, recommendation) -> None:
    """Once the target is the size, a KEEP leaves nothing to plan."""
    done = recommendation(current=FEWER, target=FEWER, decision=Decision.KEEP)
    plan = build_plan([workload(size=FEWER)], [done], [done], PLAIN)
    assert plan.release.phases == {}


def test_risk_and_confidence_come_from_evidence(workload, recommendation, evidence) -> None:
    """Weak evidence is a high risk; 0.05 ** (1 / 7) = 65.2 % of days covered."""
    weak = recommendation(target=OTHER, evidence=evidence(7.0, Grade.WEAK))
    phase = build_plan([workload()], [], [weak], PLAIN).phases[1]
    assert phase.risk.level.value == "high"
    assert "web: another instance family" in phase.risk.reasons
    assert phase.confidence == pytest.approx(0.652, abs=5e-4)


def test_a_singleton_is_at_least_a_medium_risk(workload, recommendation, container) -> None:
    """It is stopped before it is replaced."""
    large, small = container(16000, 15667), container(1750, 15667)
    plan = build_plan(
        [workload("trader", large)], [recommendation("trader", large, small)], [], PLAIN
    )
    assert plan.phases[0].risk.level.value == "medium"
    assert plan.phases[0].risk.reasons == ("trader: a singleton, stopped before it is replaced",)


def test_success_criteria_are_the_workloads_own(workload, recommendation) -> None:
    """From its slos, by name."""
    item = workload(slos={"cpu_mean_min_pct": 60, "cpu_mean_max_pct": 80})
    plan = build_plan([item], [recommendation(target=FEWER)], [], PLAIN)
    key, criterion = plan.phases[0].success_criteria[0]
    assert (key, criterion.sentence) == ("web", "CPU, 24-hour average: 60-80 %")


def test_phase_two_must_be_worth_it_from_where_phase_one_ends(workload, recommendation) -> None:
    """Another family for 1 of 70 dollars is below 5 %, though it saves half of today's 140."""
    items = [recommendation(target=FEWER, after="70")], [recommendation(target=OTHER, after="69")]
    plan = build_plan([workload()], *items, PLAIN, minimum_saving_ratio=0.05)
    assert plan.release.phases == {"1": {"web": FEWER}}
    assert "saves only 1.4% over m5.large" in plan.dropped[0].reason
    assert build_plan([workload()], *items, PLAIN).release.last_phase() == 2
