"""Checklists of a phase: what must hold before it, and whether it met its criteria afterwards.

Three answers: pass, fail, unknown. What was not measured is unknown, never passed; a checklist
with an unknown item has not passed. Times and facts come in as arguments, nothing is read here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from rightsizing.model.base import NoData
from rightsizing.model.facts import FactsReport
from rightsizing.model.profile import Evidence, Grade
from rightsizing.model.quarantine import QuarantineEntry, find_quarantined
from rightsizing.model.release import Release
from rightsizing.plan.criteria import Criterion
from rightsizing.plan.kpis import KpiRange, ObservedKpis
from rightsizing.plan.phases import DEFAULT_ENTRY_DAYS, DEFAULT_WATCH_DAYS
from rightsizing.units import SECONDS_PER_DAY


@unique
class CheckStatus(StrEnum):
    """Outcome of one check."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One check: what was looked at, what was found, what was wanted."""

    status: CheckStatus
    name: str
    value: str
    limit: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """All checks of one phase, before or after it."""

    title: str
    items: tuple[CheckItem, ...]

    @property
    def status(self) -> CheckStatus:
        """Fail if anything failed, else unknown if anything is or nothing was checked."""
        found = {item.status for item in self.items}
        if CheckStatus.FAIL in found:
            return CheckStatus.FAIL
        return CheckStatus.PASS if found == {CheckStatus.PASS} else CheckStatus.UNKNOWN

    @property
    def passed(self) -> bool:
        """True when every item passed."""
        return self.status is CheckStatus.PASS


@dataclass(frozen=True, slots=True)
class EntryState:
    """Where a stack stands before a phase, as its history, store and live facts say.

    ``evidence`` has one entry per workload the phase changes. ``applied_at`` is when the current
    phase was last applied; NoData when history does not tell. Times are aware UTC.
    """

    phase: int
    applied_phase: int
    applied_at: datetime | NoData
    now: datetime
    release: Release | None
    quarantined: Sequence[QuarantineEntry]
    evidence: Mapping[str, Evidence | NoData]
    facts: FactsReport | NoData
    entry_days: int = DEFAULT_ENTRY_DAYS
    watch_days: int = DEFAULT_WATCH_DAYS


def entry_checklist(state: EntryState) -> Checklist:
    """Evaluate what must hold before ``state.phase`` is applied."""
    items = [*_order(state), _release_set(state), _not_quarantined(state)]
    for key, evidence in sorted(state.evidence.items()):
        items += [_days(key, evidence, state.entry_days), _grade(key, evidence)]
    if not state.evidence:
        items.append(
            _item(
                CheckStatus.UNKNOWN,
                "measurements",
                "no workload",
                "every workload it changes",
                f"phase {state.phase} changes no workload, so no measurements were looked at",
            )
        )
    items.append(_facts(state.facts))
    return Checklist(f"phase {state.phase}, before", tuple(items))


def success_checklist(
    phase: int,
    criteria: Sequence[tuple[str, Criterion]],
    observed: Mapping[str, ObservedKpis],
) -> Checklist:
    """Judge every (workload, criterion) by what was observed of that workload."""
    items = []
    for key, criterion in criteria:
        kpis = observed.get(key)
        value = NoData("not measured") if kpis is None else kpis.of(criterion.kpi)
        items.append(judge(key, criterion, value))
    if not items:
        items.append(
            _item(
                CheckStatus.UNKNOWN,
                "criteria",
                "none",
                "at least one",
                "no success criterion is declared; give the workload slos in its declaration",
            )
        )
    return Checklist(f"phase {phase}, after", tuple(items))


def judge(workload: str, criterion: Criterion, value: KpiRange | NoData) -> CheckItem:
    """One criterion against one observed range."""
    name = f"{workload}: {criterion.name}"
    if isinstance(value, NoData):
        return _item(
            CheckStatus.UNKNOWN,
            name,
            "unknown",
            criterion.limit,
            f"{name} is unknown, wanted {criterion.limit}: {value.reason}",
        )
    too_low = criterion.minimum is not None and value.low < criterion.minimum
    too_high = criterion.maximum is not None and value.high > criterion.maximum
    unit = f" {criterion.unit}" if criterion.unit else ""
    shown = (
        f"{value.low:.4g}{unit}"
        if value.low == value.high
        else f"{value.low:.4g}-{value.high:.4g}{unit}"
    )
    status = CheckStatus.FAIL if too_low or too_high else CheckStatus.PASS
    verb = "is outside" if status is CheckStatus.FAIL else "is within"
    return _item(status, name, shown, criterion.limit, f"{name} {shown} {verb} {criterion.limit}")


def _order(state: EntryState) -> list[CheckItem]:
    before = state.phase - 1
    if before < 1:
        return []
    applied = state.applied_phase >= before
    items = [
        _item(
            CheckStatus.PASS if applied else CheckStatus.FAIL,
            "phase order",
            f"phase {state.applied_phase} applied",
            f"phase {before} applied",
            f"phase {before} is applied"
            if applied
            else f"phase {state.applied_phase} is applied; apply phase {before} first",
        )
    ]
    if applied:
        items.append(_watched(state, before))
    return items


def _watched(state: EntryState, before: int) -> CheckItem:
    limit = f"{state.watch_days} days"
    if isinstance(state.applied_at, NoData):
        return _item(
            CheckStatus.UNKNOWN,
            "watch",
            "unknown",
            limit,
            f"how long phase {before} was watched is unknown: {state.applied_at.reason}",
        )
    days = (state.now - state.applied_at).total_seconds() / SECONDS_PER_DAY
    enough = days >= state.watch_days
    return _item(
        CheckStatus.PASS if enough else CheckStatus.FAIL,
        "watch",
        _shown(days),
        limit,
        f"phase {before} was watched for {_shown(days)}, {limit} are wanted",
    )


def _release_set(state: EntryState) -> CheckItem:
    if state.release is None:
        return _item(
            CheckStatus.FAIL,
            "release",
            "none",
            "a release",
            "no release is set; run `rightsize plan` first",
        )
    short = state.release.short_id
    return _item(CheckStatus.PASS, "release", short, "a release", f"release {short} is set")


def _not_quarantined(state: EntryState) -> CheckItem:
    name, limit = "quarantine", "not quarantined"
    if state.release is None:
        return _item(
            CheckStatus.UNKNOWN, name, "no release", limit, "without a release nothing is checked"
        )
    short = state.release.short_id
    found = find_quarantined(tuple(state.quarantined), state.release.id, state.phase)
    if found is None:
        return _item(CheckStatus.PASS, name, short, limit, f"release {short} is not quarantined")
    return _item(
        CheckStatus.FAIL,
        name,
        short,
        limit,
        f"release {short} was rolled back at phase {found.phase} on {found.at:%Y-%m-%d} "
        f"({found.reason}); plan again when its evidence has changed",
    )


def _days(key: str, evidence: Evidence | NoData, wanted: int) -> CheckItem:
    name, limit = f"{key}: measurements", f"{wanted} days"
    if isinstance(evidence, NoData):
        return _item(
            CheckStatus.UNKNOWN,
            name,
            "unknown",
            limit,
            f"{key} has no measurements, {limit} are wanted: {evidence.reason}",
        )
    enough = evidence.days >= wanted
    return _item(
        CheckStatus.PASS if enough else CheckStatus.FAIL,
        name,
        _shown(evidence.days),
        limit,
        f"{key} has {_shown(evidence.days)} of measurements, {limit} are wanted",
    )


def _grade(key: str, evidence: Evidence | NoData) -> CheckItem:
    name, limit = f"{key}: evidence", f"at least {Grade.FAIR.value}"
    if isinstance(evidence, NoData):
        return _item(CheckStatus.UNKNOWN, name, "unknown", limit, f"{key}: {evidence.reason}")
    good = evidence.grade.rank >= Grade.FAIR.rank
    return _item(
        CheckStatus.PASS if good else CheckStatus.FAIL,
        name,
        evidence.grade.value,
        limit,
        f"{key} has {evidence.grade.value} evidence, {limit} is wanted: {evidence.statement}",
    )


def _facts(report: FactsReport | NoData) -> CheckItem:
    name, limit = "live facts", "as applied"
    if isinstance(report, NoData):
        return _item(
            CheckStatus.UNKNOWN,
            name,
            "unknown",
            limit,
            f"live facts were not compared: {report.reason}",
        )
    if report.mismatches:
        first = report.mismatches[0]
        more = f" ({len(report.mismatches) - 1} more)" if len(report.mismatches) > 1 else ""
        return _item(
            CheckStatus.FAIL,
            name,
            f"{len(report.mismatches)} differ",
            limit,
            f"{first.workload}: {first.fact} is {first.found}, expected {first.expected}{more}; "
            "refresh and apply again",
        )
    if report.unreadable:
        workload, reason = report.unreadable[0]
        return _item(
            CheckStatus.UNKNOWN,
            name,
            f"{len(report.unreadable)} unreadable",
            limit,
            f"facts of {workload} could not be read: {reason.reason}",
        )
    count = len(report.facts)
    return _item(
        CheckStatus.PASS, name, f"{count} equal", limit, f"live facts of {count} workloads match"
    )


def _shown(days: float) -> str:
    """Rounded down, so that 6.96 days never read as the 7 that are wanted."""
    return f"{math.floor(days * 10) / 10:.1f} days"


def _item(status: CheckStatus, name: str, value: str, limit: str, sentence: str) -> CheckItem:
    return CheckItem(status, name, value, limit, sentence)
