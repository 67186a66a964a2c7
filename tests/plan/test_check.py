"""Checklists: pass, fail, unknown, with a sentence each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport, Mismatch
from rightsizing.model.profile import Grade
from rightsizing.model.quarantine import QuarantineEntry
from rightsizing.model.release import Release
from rightsizing.model.size import ContainerSize
from rightsizing.plan.case import Case, Kpi
from rightsizing.plan.check import (
    CheckStatus,
    EntryState,
    entry_checklist,
    judge,
    success_checklist,
)
from rightsizing.plan.criteria import Criterion, criteria_of_case
from rightsizing.plan.kpis import IntervalSample, KpiRange, observe_kpis

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RELEASE = Release(baseline={"trader": ContainerSize(cpu_millicores=16000, memory_mib=15667)})
CPU = Criterion("CPU", Kpi.CPU_MEAN_24H_PCT, "%", 60, 80)


@pytest.fixture
def ready(evidence) -> EntryState:
    """A stack on which phase 2 may start."""
    return EntryState(
        phase=2,
        applied_phase=1,
        applied_at=NOW - timedelta(days=7),
        now=NOW,
        release=RELEASE,
        quarantined=(),
        evidence={"trader": evidence(14.0)},
        facts=FactsReport(facts=(), mismatches=()),
    )


def _item(state: EntryState, name: str):
    return next(item for item in entry_checklist(state).items if item.name == name)


def test_a_ready_stack_passes(ready: EntryState) -> None:
    """Every item passes, so the list does."""
    assert entry_checklist(ready).passed


def test_a_skipped_phase_fails(ready: EntryState) -> None:
    """Phase 3 needs phase 2."""
    item = _item(replace(ready, phase=3), "phase order")
    assert item.status is CheckStatus.FAIL
    assert item.sentence == "phase 1 is applied; apply phase 2 first"


def test_seven_days_of_watching_are_wanted(ready: EntryState) -> None:
    """6 days and 23 hours are 6.96 days, which is not yet 7."""
    state = replace(ready, applied_at=NOW - timedelta(days=6, hours=23))
    item = _item(state, "watch")
    assert (item.status, item.value, item.limit) == (CheckStatus.FAIL, "6.9 days", "7 days")


def test_an_unknown_time_of_application_is_unknown(ready: EntryState) -> None:
    """Not passed."""
    state = replace(ready, applied_at=NoData("history is empty"))
    assert _item(state, "watch").status is CheckStatus.UNKNOWN
    assert entry_checklist(state).status is CheckStatus.UNKNOWN


def test_no_release_fails(ready: EntryState) -> None:
    """There is nothing to apply."""
    assert _item(replace(ready, release=None), "release").status is CheckStatus.FAIL


def test_a_quarantined_release_fails_at_its_phase_only(ready: EntryState) -> None:
    """Rolled back at phase 2: phase 2 fails, phase 1 would pass."""
    entry = QuarantineEntry(release=RELEASE.id, phase=2, reason="p99 rose", at=NOW)
    state = replace(ready, quarantined=(entry,))
    assert "p99 rose" in _item(state, "quarantine").sentence
    assert _item(replace(state, phase=1), "quarantine").status is CheckStatus.PASS


def test_too_few_days_fail(ready: EntryState, evidence) -> None:
    """13.9 of 14 days."""
    state = replace(ready, evidence={"trader": evidence(13.9, Grade.FAIR)})
    assert _item(state, "trader: measurements").status is CheckStatus.FAIL
    assert _item(state, "trader: evidence").status is CheckStatus.PASS


def test_weak_evidence_fails(ready: EntryState, evidence) -> None:
    """However many days it has."""
    state = replace(ready, evidence={"trader": evidence(20.0, Grade.WEAK)})
    assert _item(state, "trader: evidence").status is CheckStatus.FAIL


def test_unmeasured_workloads_are_unknown(ready: EntryState) -> None:
    """With the reason."""
    state = replace(ready, evidence={"trader": NoData("the store is empty")})
    assert "the store is empty" in _item(state, "trader: measurements").sentence
    assert entry_checklist(state).status is CheckStatus.UNKNOWN


def test_drift_fails(ready: EntryState) -> None:
    """The live cloud is not what was applied."""
    drift = FactsReport((), (Mismatch("trader", "limits", "1.75 cores", "16 cores"),))
    item = _item(replace(ready, facts=drift), "live facts")
    assert item.status is CheckStatus.FAIL
    assert "limits is 16 cores, expected 1.75 cores" in item.sentence


@pytest.mark.parametrize(
    "facts",
    [NoData("no engine"), FactsReport((), (), unreadable=(("trader", NoData("timeout")),))],
)
def test_facts_nobody_read_are_unknown(ready: EntryState, facts) -> None:
    """Neither passed nor failed."""
    assert _item(replace(ready, facts=facts), "live facts").status is CheckStatus.UNKNOWN


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (60, 80, CheckStatus.PASS),
        (59.9, 70, CheckStatus.FAIL),
        (70, 80.1, CheckStatus.FAIL),
    ],
)
def test_both_ends_of_a_range_have_to_hold(low: float, high: float, status: CheckStatus) -> None:
    """The band's own ends are inside it."""
    assert judge("trader", CPU, KpiRange(low, high)).status is status


def test_a_failed_check_names_value_and_limit() -> None:
    """In one sentence."""
    item = judge("trader", CPU, KpiRange(28.8, 28.8))
    assert item.sentence == "trader: CPU 28.8 % is outside 60-80 %"


def test_what_was_not_measured_is_unknown() -> None:
    """A criterion about a workload without measurements does not pass."""
    checklist = success_checklist(1, [("trader", CPU)], {})
    assert checklist.status is CheckStatus.UNKNOWN
    assert checklist.items[0].sentence == ("trader: CPU is unknown, wanted 60-80 %: not measured")


def test_without_criteria_nothing_has_succeeded() -> None:
    """An empty list is unknown."""
    assert success_checklist(1, [], {}).status is CheckStatus.UNKNOWN


def test_the_cases_own_table_judges_the_review(case: Case) -> None:
    """At 1.152 of 4 cores (28.8 %) and 13.07 of 15.3 GiB (85.4 %): CPU and memory fail."""
    day = [
        IntervalSample(
            timestamp_ms=hour * 3_600_000,
            interval_s=3600,
            cpu_cores_mean=1.152,
            capacity_cores=4,
            memory_bytes_mean=13.0662,
            capacity_memory_bytes=15.3,
            latency_mean_ms=20,
        )
        for hour in range(24)
    ]
    criteria = [("trader", item) for item in criteria_of_case(case, 1)]
    observed = {"trader": observe_kpis(day, cost_per_unit_usd=85 / 2880)}
    found = {item.name: item.status for item in success_checklist(1, criteria, observed).items}
    assert found == {
        "trader: CPU": CheckStatus.FAIL,
        "trader: memory": CheckStatus.FAIL,
        "trader: trade latency": CheckStatus.PASS,
        "trader: trade latency in every phase": CheckStatus.UNKNOWN,
        "trader: cost a trade": CheckStatus.FAIL,
        "trader: guardian scan": CheckStatus.UNKNOWN,
        "trader: uptime": CheckStatus.UNKNOWN,
    }


def test_the_phase_4_criterion_waits_for_phase_4(case: Case) -> None:
    """$0.015 a trade is wanted from then on."""
    names = {item.name for item in criteria_of_case(case, 4)}
    assert "cost a trade after phase 4" in names
